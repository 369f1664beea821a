//! Legacy consumers: each polls a directory for the files that the bridge makes of events, and knows nothing of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::estate::Estate;
use super::jobs::Dropped;
use super::script::Fate;
use super::story::Story;
use crate::domain::ContentHash;
use crate::stop::Stop;

/// How often they look.
const POLL: Duration = Duration::from_millis(50);

/// A consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    /// What it is called.
    pub(super) name: &'static str,
    /// The feed whose files it gets.
    pub(super) feed: &'static str,
    /// Where it polls, below the share.
    pub(super) outbox: &'static str,
    /// It deletes what it has taken, at once; otherwise it leaves it.
    deletes: bool,
}

/// All of them.
pub(super) const CONSUMERS: [Consumer; 2] = [
    Consumer {
        name: "invoicing job",
        feed: "public_works.completions",
        outbox: "invoicing/completions",
        deletes: true,
    },
    Consumer { name: "work desk", feed: "facilities.work_orders", outbox: "work_desk/orders", deletes: false },
];

/// A file that a consumer has read.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// Whose it is.
    pub(super) feed: &'static str,
    /// Its name.
    pub(super) name: String,
    /// Of its bytes.
    pub(super) hash: ContentHash,
}

/// The consumers, at work.
pub(super) struct Consumers {
    threads: Vec<JoinHandle<anyhow::Result<Vec<Received>>>>,
    dismissed: Stop,
}

impl Consumers {
    /// Starts them.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn start(estate: &Estate, story: &Arc<Story>) -> anyhow::Result<Self> {
        let dismissed = Stop::new();
        let mut threads = Vec::new();
        for consumer in &CONSUMERS {
            let (directory, story, stop) = (estate.share().join(consumer.outbox), Arc::clone(story), dismissed.clone());
            let thread = std::thread::Builder::new().name(consumer.name.to_owned());
            threads.push(thread.spawn(move || work(consumer, &directory, &story, &stop))?);
        }
        Ok(Self { threads, dismissed })
    }

    /// Lets them look once more and end. Answers what they took.
    ///
    /// # Errors
    /// When one could not read.
    pub(super) fn dismiss(self) -> anyhow::Result<Vec<Received>> {
        self.dismissed.raise();
        let mut received = Vec::new();
        for thread in self.threads {
            received.extend(thread.join().map_err(|_| anyhow!("a consumer's thread panicked: this is a bug"))??);
        }
        Ok(received)
    }
}

fn work(consumer: &Consumer, directory: &Path, story: &Story, stop: &Stop) -> anyhow::Result<Vec<Received>> {
    let (mut received, mut left) = (Vec::new(), BTreeSet::new());
    loop {
        // Asked before the look, so that the last one comes after the dismissal.
        let is_last = stop.wait(POLL);
        for path in files(directory)? {
            if !consumer.deletes && !left.insert(path.clone()) {
                continue;
            }
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            if consumer.deletes {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let how = if consumer.deletes { "taken and deleted" } else { "taken" };
            story.tell("desk", consumer.feed, format!("{name}: {how} by the {}", consumer.name))?;
            received.push(Received { feed: consumer.feed, name, hash: ContentHash::of(&bytes) });
        }
        if is_last {
            return Ok(received);
        }
    }
}

/// What such jobs take for files: everything but hidden ones.
fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// What consumers got and what they should have got do not agree: each file once, and its own bytes.
pub(super) fn differences(dropped: &[Dropped], received: &[Received]) -> Vec<String> {
    let mut problems = Vec::new();
    for consumer in &CONSUMERS {
        let theirs: Vec<&Received> = received.iter().filter(|received| received.feed == consumer.feed).collect();
        let due = dropped.iter().filter(|file| file.feed == consumer.feed && file.fate == Fate::Published);
        let mut count = 0;
        for file in due {
            count += 1;
            let got = theirs.iter().filter(|received| received.name == file.path && received.hash == file.hash).count();
            if got != 1 {
                problems.push(format!("the {} got {} {got} times, byte for byte", consumer.name, file.path));
            }
        }
        if theirs.len() != count {
            problems.push(format!("the {} got {} files, {count} were due", consumer.name, theirs.len()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(path: &'static str, fate: Fate) -> Dropped {
        let hash = ContentHash::of(path.as_bytes());
        Dropped { feed: CONSUMERS[0].feed, path, hash, events: 1, fate, was_taken_early: false }
    }

    fn received(name: &str, bytes: &[u8]) -> Received {
        Received { feed: CONSUMERS[0].feed, name: name.to_owned(), hash: ContentHash::of(bytes) }
    }

    #[test]
    fn each_file_once_and_byte_for_byte() {
        let due = [dropped("a", Fate::Published), dropped("b", Fate::Quarantined)];
        assert_eq!(differences(&due, &[received("a", b"a")]), Vec::<String>::new());
        for wrong in [
            vec![],
            vec![received("a", b"a"), received("a", b"a")],
            vec![received("a", b"half")],
            vec![received("a", b"a"), received("b", b"b")],
        ] {
            assert!(!differences(&due, &wrong).is_empty(), "{wrong:?}");
        }
    }
}
