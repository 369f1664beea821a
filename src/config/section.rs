//! A typed reader over a TOML document: knows where each value stands, and notices keys that nobody asked for.
//!
//! A value of the wrong type, a missing or an unknown key becomes a [`super::Problem`] and reading goes on, so that a
//! person sees all problems at once. A reader that answers `None` has either reported why or found an optional key
//! absent; what is made of it is thrown away when any problem was reported.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use toml_edit::{Document, TableLike};

use super::given::{Form, Given};
use super::problems::{Gathered, Place, suggestion};

/// One configuration file.
pub(super) struct Source<'a> {
    gathered: &'a Gathered,
    name: Rc<str>,
    directory: PathBuf,
    document: Document<String>,
}

impl<'a> Source<'a> {
    /// Reads a file; `None` when it cannot be read or is no TOML, which is then reported.
    pub(super) fn read(path: &Path, gathered: &'a Gathered) -> Option<Self> {
        let whole = Place { file: path.display().to_string().into(), line: None, key: String::new() };
        let text = std::fs::read_to_string(path)
            .map_err(|error| gathered.add(&whole, format!("cannot be read: {error}"), None))
            .ok()?;
        Self::of_text(path, &text, gathered)
    }

    /// Takes the text of a file; `None` when it is no TOML, which is then reported.
    pub(super) fn of_text(path: &Path, text: &str, gathered: &'a Gathered) -> Option<Self> {
        let name: Rc<str> = path.display().to_string().into();
        let whole = Place { file: Rc::clone(&name), line: None, key: String::new() };
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        match Document::parse(text.to_owned()) {
            Ok(document) => Some(Self { gathered, name, directory, document }),
            Err(error) => {
                let line = error.span().map(|span| line_at(text, span.start));
                gathered.add(
                    &Place { line, ..whole },
                    format!("is no TOML: {}", error.message().replace('\n', " ")),
                    None,
                );
                None
            }
        }
    }

    /// The whole file as a section.
    pub(super) fn root(&'a self) -> Section<'a> {
        Section {
            source: self,
            path: String::new(),
            line: 1,
            table: self.document.as_table(),
            asked: RefCell::default(),
        }
    }

    /// The place of a key that is spelled as problems spell it (`record[2].field[1].width`), or of the nearest table
    /// around it that is there.
    pub(super) fn locate(&'a self, key: &str) -> Place {
        let root = self.root();
        let mut line = root.line;
        let mut section = Some(root);
        for segment in key.split('.') {
            let Some(table) = section.take() else { break };
            let (name, index) = match segment.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok().and_then(|index| index.checked_sub(1))),
                None => (segment, None),
            };
            let Some(mut found) = table.find(name) else { break };
            line = found.line();
            if let Some(index) = index {
                let Some(element) = found.elements().and_then(|list| list.into_iter().nth(index)) else { break };
                line = element.line();
                found = element;
            }
            section = found.as_section();
        }
        self.place(line, key.to_owned())
    }

    /// A path relative to this file's directory, without detours: `config/../var` is `var`.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        without_detours(&self.directory.join(path))
    }

    /// The directory of this file.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the problems go.
    pub(super) fn gathered(&self) -> &'a Gathered {
        self.gathered
    }

    /// A place in this file.
    pub(super) fn place(&self, line: usize, key: String) -> Place {
        Place { file: Rc::clone(&self.name), line: Some(line), key }
    }

    /// The line of a span of the document.
    pub(super) fn line_of(&self, span: Option<Range<usize>>) -> Option<usize> {
        span.map(|span| line_at(self.document.raw(), span.start))
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// A table of a file.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    path: String,
    line: usize,
    table: &'a dyn TableLike,
    asked: RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    /// An optional key.
    pub(super) fn find(&self, key: &str) -> Option<Given<'a>> {
        self.asked.borrow_mut().push(key.to_owned());
        self.peek(key)
    }

    /// A required key; its absence is reported.
    pub(super) fn need(&self, key: &str) -> Option<Given<'a>> {
        let found = self.find(key);
        if found.is_none() {
            self.source.gathered.add(&self.place_of(key), "is missing", None);
        }
        found
    }

    /// A required text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.need(key)?.text()
    }

    /// An optional text.
    pub(super) fn optional_text(&self, key: &str) -> Option<String> {
        self.find(key)?.text()
    }

    /// An optional list of texts; empty where it is absent.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.find(key).map(|given| given.texts()).unwrap_or_default()
    }

    /// An optional whole number within a range.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.find(key)?.number(range)
    }

    /// A truth value, `default` where it is absent.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.find(key).and_then(|given| given.flag()).unwrap_or(default)
    }

    /// A word out of a list, `default` where it is absent.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], default: T) -> T {
        self.find(key).and_then(|given| given.word(words)).unwrap_or(default)
    }

    /// An optional table.
    pub(super) fn section(&self, key: &str) -> Option<Section<'a>> {
        self.find(key)?.section()
    }

    /// An optional list of tables, written as `[[key]]` or as a list of inline tables; empty where it is absent.
    pub(super) fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let elements = self.find(key).and_then(|given| given.list()).unwrap_or_default();
        elements.iter().filter_map(Given::section).collect()
    }

    /// All values of a table whose keys are names; every key counts as asked for.
    pub(super) fn all(&self) -> Vec<(String, Given<'a>)> {
        let keys: Vec<String> = self.table.iter().map(|(key, _)| key.to_owned()).collect();
        keys.into_iter().filter_map(|key| self.find(&key).map(|given| (key, given))).collect()
    }

    /// Whether a key is there; it does not count as asked for.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Written as the first half of dotted keys (`a.b = 1`), not as a table of its own.
    pub(super) fn is_dotted(&self) -> bool {
        self.table.is_dotted()
    }

    /// Reports a key that has no meaning because of another setting.
    pub(super) fn refuse(&self, key: &str, why: &str) {
        if let Some(given) = self.find(key) {
            given.problem(why);
        }
    }

    /// The place of a key, or of this table where the key is absent.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let line = self.peek(key).map_or(self.line, |given| given.line());
        self.source.place(line, joined(&self.path, key))
    }

    /// The place of this table.
    pub(super) fn place(&self) -> Place {
        self.source.place(self.line, self.path.clone())
    }

    /// The file it stands in.
    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// Reports a problem with a key of this table.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.source.gathered.add(&self.place_of(key), message, hint);
    }

    /// Ends reading: every key that nobody asked for is unknown.
    pub(super) fn end(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !asked.iter().any(|asked| asked == key)) {
            self.problem(key, "unknown key", suggestion(key, asked.iter().map(String::as_str)));
        }
    }

    /// A section for a table that a value holds.
    pub(super) fn of(source: &'a Source<'a>, path: String, line: usize, table: &'a dyn TableLike) -> Self {
        Self { source, path, line, table, asked: RefCell::default() }
    }

    fn peek(&self, key: &str) -> Option<Given<'a>> {
        let (name, item) = self.table.get_key_value(key)?;
        let span = name.span().or_else(|| item.span());
        let line = self.source.line_of(span).unwrap_or(self.line);
        Some(Given::new(self.source, joined(&self.path, key), line, Form::of_item(item)))
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The same place, said shorter: `.` goes, and so does a directory that `..` leaves again. A symbolic link stays, for
/// `..` leads elsewhere from there.
fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for component in path.components() {
        let leaves = component == Component::ParentDir
            && matches!(short.components().next_back(), Some(Component::Normal(_)))
            && short.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        match component {
            Component::CurDir => {}
            Component::ParentDir if leaves => drop(short.pop()),
            other => short.push(other),
        }
    }
    if short.as_os_str().is_empty() { PathBuf::from(".") } else { short }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn detours_are_left_out_but_for_symbolic_links() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/config")).unwrap();
        std::os::unix::fs::symlink("a/config", root.path().join("link")).unwrap();
        for (stated, expected) in [
            ("a/config/../var", "a/var"),
            ("a/./config/../../b", "b"),
            ("link/../var", "link/../var"),
            ("nowhere/../var", "nowhere/../var"),
        ] {
            assert_eq!(without_detours(&root.path().join(stated)), root.path().join(expected), "{stated}");
        }
        assert_eq!(without_detours(Path::new("../../x")), Path::new("../../x"));
        assert_eq!(without_detours(Path::new("/../x")), Path::new("/../x"));
        assert_eq!(without_detours(Path::new(".")), Path::new("."));
    }
}
