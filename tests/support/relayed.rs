//! An interposed feed, and the legacy consumers that poll its outbox.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{FeedOptions, LogKind, Site};

/// What a consumer does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Reads and deletes it on sight.
    Deletes,
    /// Reads it and leaves it there.
    Leaves,
    /// Renames it, then reads it.
    Renames,
}

pub const HABITS: [Habit; 3] = [Habit::Deletes, Habit::Leaves, Habit::Renames];

/// An interposed feed with these further lines, ready by rename.
pub fn options(feed: &str, ready: &str) -> FeedOptions {
    let usual = FeedOptions::default();
    FeedOptions { feed: format!("{}\noutbox = \"out\"\n{feed}", usual.feed), ready: ready.to_owned(), ..usual }
}

/// A site whose feed is interposed; its outbox is there and empty.
pub fn site(log: LogKind, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(log, options);
    fs::create_dir_all(outbox(&site)).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site
}

pub fn outbox(site: &Site) -> PathBuf {
    site.path("share/out")
}

/// Files of a directory that a consumer would look at, by name.
pub fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let visible = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    visible
        // One that goes away meanwhile is not there.
        .filter_map(|entry| Some((entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok()?)))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect()
}

/// Names that a delivery has left in the staging directory.
pub fn left_behind(site: &Site) -> Vec<String> {
    let Ok(entries) = fs::read_dir(outbox(site).join(".dropbridge")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A file as a consumer took it.
pub type Taken = (String, Vec<u8>);

/// What stands beside a file when it is complete: endings of its name, the marker last. Without any a file is taken on
/// sight.
pub type Beside = &'static [&'static str];

/// A consumer that takes a file as soon as its marker is there, on a thread of its own.
pub struct Consumer {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Taken>>>,
}

impl Consumer {
    /// Polls without a pause until it is asked to end.
    pub fn start(directory: PathBuf, habit: Habit, beside: Beside) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut taken = Vec::new();
            loop {
                let last = is_over.load(Ordering::SeqCst);
                look(&directory, habit, beside, &mut taken);
                if last {
                    return taken;
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        Self { over, thread: Some(thread) }
    }

    /// Lets it look once more, and answers what it took, in order.
    pub fn end(mut self) -> Vec<Taken> {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn look(directory: &Path, habit: Habit, beside: Beside, taken: &mut Vec<Taken>) {
    // While the outbox is away there is nothing to see.
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.iter().filter(|name| !name.starts_with('.') && !name.ends_with(".taken")) {
        let Some(file) = name.strip_suffix(beside.last().copied().unwrap_or_default()) else { continue };
        if habit != Habit::Leaves || taken.iter().all(|(name, _)| name != file) {
            taken.push((file.to_owned(), take(directory, file, habit, beside)));
        }
    }
}

fn take(directory: &Path, file: &str, habit: Habit, beside: Beside) -> Vec<u8> {
    let mut at = directory.join(file);
    for ending in beside {
        assert!(directory.join(format!("{file}{ending}")).exists(), "{file} has its marker and no {ending}");
    }
    if habit == Habit::Renames {
        let aside = directory.join(format!("{file}.taken"));
        fs::rename(&at, &aside).unwrap_or_else(|error| panic!("{file} has its marker and is not there: {error}"));
        at = aside;
    }
    let bytes = fs::read(&at).unwrap_or_else(|error| panic!("{file} has its marker and is not there: {error}"));
    if habit != Habit::Leaves {
        fs::remove_file(&at).unwrap();
        beside.iter().for_each(|ending| fs::remove_file(directory.join(format!("{file}{ending}"))).unwrap());
    }
    bytes
}
