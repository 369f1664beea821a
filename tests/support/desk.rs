//! A legacy consumer: polls a directory for markers, takes the file beside each, and does away with it in its manner.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dropbridge::domain::ContentHash;

/// What it does with a file that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Deletes it with everything beside it.
    Deletes,
    /// Leaves it, and remembers its name.
    Leaves,
    /// Gives everything another name.
    Renames,
}

/// Names and bytes of the files that it took, in the order in which it took them.
type Taken = Vec<(String, Vec<u8>)>;

/// A consumer that works until it is dismissed.
pub struct Consumer {
    taken: Arc<Mutex<Taken>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Polls for `NAME.done`, which says that `NAME` and `NAME.sha256` are there.
    pub fn start(directory: PathBuf, manner: Manner) -> Self {
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (into, end) = (Arc::clone(&taken), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            let mut known = BTreeSet::new();
            while !end.load(Ordering::SeqCst) {
                for name in ready(&directory) {
                    if known.insert(name.clone()) || manner != Manner::Leaves {
                        into.lock().unwrap().push((name.clone(), take(&directory, &name, manner)));
                    }
                }
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        Self { taken, ended, thread: Some(thread) }
    }

    /// What it took so far, in the order in which it took it.
    pub fn taken(&self) -> Taken {
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the consumer has failed");
    }
}

/// Names of files whose marker is there, in their order.
fn ready(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut ready: Vec<String> = names.filter_map(|name| name.strip_suffix(".done").map(str::to_owned)).collect();
    ready.sort();
    ready
}

fn take(directory: &Path, name: &str, manner: Manner) -> Vec<u8> {
    let all = [format!("{name}.done"), format!("{name}.sha256"), name.to_owned()];
    let path = directory.join(name);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{name}: its marker is there, and it is not: {error}"));
    let sidecar = fs::read_to_string(directory.join(&all[1])).unwrap();
    assert_eq!(sidecar, format!("{}  {name}\n", ContentHash::of(&bytes)), "half a file, or another's checksum");
    for beside in &all {
        match manner {
            Manner::Leaves => {}
            Manner::Deletes => fs::remove_file(directory.join(beside)).unwrap(),
            Manner::Renames => fs::rename(directory.join(beside), directory.join(format!("{beside}.taken"))).unwrap(),
        }
    }
    bytes
}
