//! Wake-ups through inotify.
//!
//! Every directory gets a watch of its own, put there by our own walk: `notify`'s recursive mode would read the
//! directories in a way that writes their access times. New directories are found by walking again when the kernel
//! tells of one. Each watch is set before its directory is read, so that nothing falls in between.
//!
//! `notify` also reports opens, among them our own: those are dropped here, or reading would wake the reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, ListRequest, PortError, Result, Wake, Watch};
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::failure::failure;
use crate::filesystem;
use crate::listing::{DirectoryBuffer, join};
use crate::tree::{Tree, is_gone};

/// Something may have changed.
const CHANGED: u8 = 1;
/// A directory may have appeared that has no watch yet.
const DIRECTORY: u8 = 2;
/// The watch of the root is gone.
const LOST: u8 = 4;

/// Watches over a directory, and in recursive mode over all below it.
pub(crate) struct LocalWatch {
    tree: Tree,
    recursive: bool,
    /// Device and inode of the root that is watched.
    root: Option<(u64, u64)>,
    watcher: RecommendedWatcher,
    news: Arc<AtomicU8>,
    bell: Receiver<()>,
}

impl LocalWatch {
    /// Begins to watch; `None` where the kernel does not see all changes.
    pub(crate) fn start(tree: &Tree, request: ListRequest) -> Result<Option<Self>> {
        // Before anything else, so that a root that is replaced meanwhile is found out by the first wait.
        let root = tree.root_identity();
        let news = Arc::new(AtomicU8::new(0));
        let (ring, bell) = sync_channel(1);
        let listener = Listener { tree: tree.clone(), news: Arc::clone(&news), ring };
        let settings = notify::Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(move |event| listener.hear(event), settings)
            .map_err(|error| explain(tree.address(), error))?;
        let mut watch = Self { tree: tree.clone(), recursive: request.recursive, root, watcher, news, bell };
        Ok(watch.cover()?.then_some(watch))
    }

    /// Puts a watch on every directory. `false` when one of them is on a file system that others change.
    fn cover(&mut self) -> Result<bool> {
        let root = self.tree.open_root("watch")?;
        let mut buffer = DirectoryBuffer::new();
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            let shown = || self.tree.full_path(&path).to_string_lossy().into_owned();
            let directory = match self.tree.read_directory(&root, &path) {
                Err(errno) if path.is_empty() => return Err(self.tree.root_failure("watch", errno)),
                Err(errno) if is_gone(errno) => continue,
                answer => answer.map_err(|errno| failure("watch", shown(), errno))?,
            };
            if !filesystem::sees_all_changes(&directory) {
                return Ok(false);
            }
            match self.watcher.watch(&self.tree.full_path(&path), RecursiveMode::NonRecursive) {
                Err(error) if !path.is_empty() && says_gone(&error) => continue,
                answer => answer.map_err(|error| explain(&shown(), error))?,
            }
            if !self.recursive {
                break;
            }
            let read = buffer.visit(&directory, |name, kind| {
                if is_directory(&directory, name, kind)? {
                    pending.push(join(&path, name.to_bytes()));
                }
                Ok(())
            });
            match read {
                Err(errno) if !is_gone(errno) => return Err(failure("watch", shown(), errno)),
                _ => {}
            }
        }
        Ok(true)
    }

    /// An unmounted root, or one that a link no longer leads to, sends no event.
    fn root_is_gone(&self) -> bool {
        self.root.is_none() || self.tree.root_identity() != self.root
    }

    /// What the news mean, once new directories are covered.
    fn take_news(&mut self) -> Option<Wake> {
        let news = self.news.swap(0, Ordering::SeqCst);
        if news & LOST != 0 {
            return Some(Wake::Lost);
        }
        if news & DIRECTORY != 0 && self.recursive && !matches!(self.cover(), Ok(true)) {
            return Some(Wake::Lost);
        }
        (news != 0).then_some(Wake::Changed)
    }
}

impl Watch for LocalWatch {
    fn wait(&mut self, timeout: Duration) -> Wake {
        if self.root_is_gone() {
            return Wake::Lost;
        }
        let begun = Instant::now();
        loop {
            match self.bell.recv_timeout(timeout.saturating_sub(begun.elapsed())) {
                Ok(()) => {
                    if let Some(wake) = self.take_news() {
                        return wake;
                    }
                }
                Err(RecvTimeoutError::Timeout) if !self.root_is_gone() => return Wake::TimedOut,
                Err(_) => return Wake::Lost,
            }
        }
    }
}

/// Runs on `notify`'s thread: sums events up, and rings once for any number of them.
struct Listener {
    tree: Tree,
    news: Arc<AtomicU8>,
    ring: SyncSender<()>,
}

impl Listener {
    fn hear(&self, event: notify::Result<Event>) {
        let news = event.map_or(LOST, |event| self.meaning(&event));
        if news != 0 {
            self.news.fetch_or(news, Ordering::SeqCst);
            // A full channel has rung already; without a receiver nobody listens.
            let _ = self.ring.try_send(());
        }
    }

    fn meaning(&self, event: &Event) -> u8 {
        if event.need_rescan() {
            return CHANGED | DIRECTORY;
        }
        let root_itself = event.paths.first().is_some_and(|path| path == self.tree.path());
        match event.kind {
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) if root_itself => LOST,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => CHANGED,
            EventKind::Access(_) => 0,
            // A rename does not tell what was renamed.
            EventKind::Create(CreateKind::Folder) | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
                if self.is_directory_now(event) { CHANGED | DIRECTORY } else { CHANGED }
            }
            _ => CHANGED,
        }
    }

    fn is_directory_now(&self, event: &Event) -> bool {
        event.paths.first().is_some_and(|path| path.symlink_metadata().map_or(true, |found| found.is_dir()))
    }
}

fn is_directory(directory: &rustix::fd::OwnedFd, name: &std::ffi::CStr, kind: FileType) -> rustix::io::Result<bool> {
    if kind != FileType::Unknown {
        return Ok(kind == FileType::Directory);
    }
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        answer => Ok(FileType::from_raw_mode(answer?.st_mode) == FileType::Directory),
    }
}

fn says_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn explain(subject: &str, error: notify::Error) -> PortError {
    const OPERATION: &str = "watch";
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            PortError::new(ErrorKind::Refused, OPERATION, subject, "no inotify watch is left for this user")
                .with_hint("raise fs.inotify.max_user_watches (sysctl); until then the share is polled")
        }
        notify::ErrorKind::Io(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => {
            PortError::new(ErrorKind::Refused, OPERATION, subject, "no inotify instance is left for this user")
                .with_hint(
                    "raise fs.inotify.max_user_instances (sysctl) or `ulimit -n`; until then the share is polled",
                )
        }
        notify::ErrorKind::PathNotFound => {
            PortError::new(ErrorKind::NotFound, OPERATION, subject, "the directory is not there")
                .with_hint("is the share mounted?")
        }
        notify::ErrorKind::Io(error) => PortError::io(OPERATION, subject, &error),
        _ => PortError::new(ErrorKind::Transient, OPERATION, subject, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_the_setting_to_raise() {
        let watches = explain("/share", notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        assert_eq!(watches.kind, ErrorKind::Refused);
        assert!(watches.to_string().contains("fs.inotify.max_user_watches"), "{watches}");
        let instances = explain("/share", notify::Error::io(Errno::MFILE.into()));
        assert_eq!(instances.kind, ErrorKind::Refused);
        assert!(instances.to_string().contains("fs.inotify.max_user_instances"), "{instances}");
    }
}
