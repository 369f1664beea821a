//! What is wrong with a configuration: every problem with its file, line and key, and all of them at once.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// The key with its tables, `feed[2].ready.quiet_ms`; elements of lists count from 1. Empty where no key is meant.
    pub key: String,
    /// What is wrong. Never a secret's value.
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", self.key)?;
        }
        write!(out, " {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(out, "; {hint}")?;
        }
        Ok(())
    }
}

/// Every problem of a configuration, by file and line; never none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, sorted by file and line.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where a key stands, for problems that are found after its file was read.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file, as it was named.
    pub(super) file: Rc<str>,
    /// The line, from 1.
    pub(super) line: Option<usize>,
    /// The key with its tables.
    pub(super) key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}", self.file),
            None => write!(out, "{}", self.file),
        }
    }
}

/// Gathers problems while files are read.
#[derive(Debug, Default)]
pub(super) struct Gathered(RefCell<Vec<Problem>>);

impl Gathered {
    /// Adds a problem at a place.
    pub(super) fn add(&self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.0.borrow_mut().push(Problem {
            file: place.file.to_string(),
            line: place.line,
            key: place.key.clone(),
            message: message.into(),
            hint,
        });
    }

    /// How many problems were found so far.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// No problem was found so far.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// All problems, by file and line.
    pub(super) fn into_problems(self) -> Problems {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        Problems(problems)
    }
}

/// More known words than this are no help in a message of one line.
const LISTED_WORDS: usize = 12;

/// The advice for a word that is not known: the known word that was probably meant, or else all known ones.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let distance = |candidate: &str| strsim::damerau_levenshtein(&plain(word), &plain(candidate));
    let allowed = |candidate: &str| (word.chars().count().max(candidate.chars().count()) / 3).max(1);
    // `quiet` for `quiet_ms`, `readyness` for `ready`.
    let begins_alike = |candidate: &str| {
        let (word, candidate) = (plain(word), plain(candidate));
        word.len().min(candidate.len()) >= 4 && (word.starts_with(&candidate) || candidate.starts_with(&word))
    };
    let alike = |candidate: &str| distance(candidate) <= allowed(candidate) || begins_alike(candidate);
    let nearest = known.iter().filter(|candidate| alike(candidate)).min_by_key(|candidate| distance(candidate));
    match nearest {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() || known.len() > LISTED_WORDS => None,
        None => Some(format!("known here: {}", known.join(", "))),
    }
}
