//! The cases of `fixtures/legacy-files`, as they are written there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tree;

/// One case: a file, and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub department: String,
    pub feed: String,
    pub name: String,
    directory: PathBuf,
}

/// What `counts.toml` states, by an independent count.
pub struct Counts {
    /// Path below the inbox.
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    /// Of all events, in hundredths.
    pub total: i64,
    pub records: Vec<(String, u64)>,
    pub events: u64,
}

impl Case {
    /// Every case, by path.
    pub fn all() -> Vec<Self> {
        let root = tree().join("fixtures/legacy-files");
        let mut cases = Vec::new();
        for department in names(&root) {
            for feed in names(&root.join(&department)) {
                for name in names(&root.join(&department).join(&feed)) {
                    let directory = root.join(&department).join(&feed).join(&name);
                    cases.push(Self { department: department.clone(), feed: feed.clone(), name, directory });
                }
            }
        }
        cases
    }

    /// `parks/bids/typical-day`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.department, self.feed, self.name)
    }

    /// The id of its feed.
    pub fn feed_id(&self) -> String {
        format!("{}.{}", self.department, self.feed)
    }

    /// It is taken, not refused.
    pub fn is_good(&self) -> bool {
        !self.name.starts_with("bad-")
    }

    /// Where its files lie.
    pub fn input(&self) -> PathBuf {
        self.directory.join("input")
    }

    /// The bytes of its data file.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.input().join(self.counts().file)).unwrap()
    }

    pub fn expected_events(&self) -> Vec<Value> {
        lines(&self.directory.join("expected-events.jsonl"))
    }

    pub fn expected_rejects(&self) -> Vec<Value> {
        lines(&self.directory.join("expected-rejects.jsonl"))
    }

    pub fn counts(&self) -> Counts {
        let text = fs::read_to_string(self.directory.join("counts.toml")).unwrap();
        let document: toml_edit::DocumentMut = text.parse().unwrap();
        let text = |key: &str| document[key].as_str().unwrap().to_owned();
        let numbers = |key: &str| -> Vec<(String, u64)> {
            let table = document[key].as_table().unwrap().iter();
            table.map(|(name, number)| (name.to_owned(), number.as_integer().unwrap().try_into().unwrap())).collect()
        };
        Counts {
            file: text("file"),
            bytes: document["bytes"].as_integer().unwrap().try_into().unwrap(),
            sha256: text("sha256"),
            total: hundredths(&text("total")),
            records: numbers("records"),
            events: numbers("events").iter().map(|(_, count)| count).sum(),
        }
    }
}

/// An amount with two digits after its point, as a whole number.
pub fn hundredths(amount: &str) -> i64 {
    let (whole, rest) = amount.split_once('.').unwrap();
    assert_eq!(rest.len(), 2, "{amount}");
    format!("{whole}{rest}").parse().unwrap()
}

/// Copies a directory with everything below it.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        let (source, target) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            copy_tree(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
