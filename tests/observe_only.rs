//! Observing changes nothing: an inbox after a run is the inbox before it, and no call of the program could have
//! changed it. And what others change in it while it is read is neither lost in silence nor published by half.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::process::Signal;
use support::feeds::{FRAMED_LAYOUT, framed_orders};
use support::{FeedOptions, LogKind, Random, Site, order_name, orders, strace, wait_for};

/// Each rule of readiness in a feed of its own, over one share.
const FEEDS: &str = r#"
department = "estate"
[[feed]]
id = "marked"
share = "nas"
inbox = "marked"
layout = "orders"
include = ["ORD_{business_date:YYYYMMDD}_{sequence:4}.dat"]
poll_ms = 50
[feed.ready]
marker = "{name}.done"
[[feed.event]]
type = "OrderTaken"
record = "order"
key = "order.number"
data = { number = "order.number", amount = "order.amount" }
[[feed]]
id = "summed"
share = "nas"
inbox = "summed"
layout = "orders"
include = ["ORD_{business_date:YYYYMMDD}_{sequence:4}.dat"]
poll_ms = 50
[feed.ready]
checksum = "{name}.sha256"
[[feed.event]]
type = "OrderTaken"
record = "order"
key = "order.number"
data = { number = "order.number", amount = "order.amount" }
[[feed]]
id = "framed"
share = "nas"
inbox = "framed"
layout = "framed"
recursive = true
include = ["ORD_{business_date:YYYYMMDD}_{sequence:4}.dat"]
poll_ms = 50
[feed.ready]
trailer = true
quiet_ms = 50
[[feed.event]]
type = "OrderTaken"
record = "order"
key = "order.number"
data = { number = "order.number", amount = "order.amount" }
"#;

/// How many drops the estate makes, and how many of them are published.
const DROPS: usize = 8;
const PUBLISHED: usize = 6;

/// Four feeds with good files, a bad one, a wrong checksum, and one that is spooled and published in chunks.
fn estate() -> Site {
    let transaction = "memory_capture_bytes = 4096\nchunk_records = 100".to_owned();
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions { transaction, ..FeedOptions::default() });
    fs::write(site.path("config/departments/estate.toml"), FEEDS).unwrap();
    let framed = FRAMED_LAYOUT.replace("name = \"orders\"", "name = \"framed\"");
    fs::write(site.path("config/layouts/framed.toml"), framed).unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = site.path("share").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(&format!("orders/{}", order_name(1)), &orders(1, 10).1);
    write(&format!("orders/{}", order_name(2)), b"BAD|x\n");
    write(&format!("orders/{}", order_name(3)), &orders(3, 5000).1);
    write("orders/notes.txt", b"not of any feed");
    write(&format!("marked/{}", order_name(4)), &orders(4, 10).1);
    write(&format!("marked/{}.done", order_name(4)), b"");
    for number in [5, 6] {
        write(&format!("summed/{}", order_name(number)), &orders(5, 10).1);
        let program = Command::new("sha256sum").arg(order_name(5)).current_dir(site.path("share/summed")).output();
        let sum = String::from_utf8(program.unwrap().stdout).unwrap().replace(&order_name(5), &order_name(number));
        write(&format!("summed/{}.sha256", order_name(number)), sum.as_bytes());
    }
    // Other bytes than those that were summed.
    write(&format!("summed/{}", order_name(6)), &orders(6, 10).1);
    for (number, directory) in [(7, "framed"), (8, "framed/deep/down")] {
        let (_, rows, trailer) = framed_orders(number, 10);
        write(&format!("{directory}/{}", order_name(number)), &[rows, trailer].concat());
    }
    site.ok(&["init", "--baseline", "take"]);
    site
}

/// Everything that stat tells of a path.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    inode: u64,
    mode: u32,
    links: u64,
    size: u64,
    modified: (i64, i64),
    accessed: (i64, i64),
    changed: (i64, i64),
}

/// All paths of a tree, its root among them. Reads the directories.
fn paths(root: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::from([(root.to_path_buf(), fs::metadata(root).unwrap().ino())]);
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
            found.insert(entry.path(), entry.ino());
        }
    }
    found
}

fn facts<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> BTreeMap<PathBuf, Facts> {
    let of = |path: &PathBuf| {
        let found = fs::symlink_metadata(path).unwrap();
        Facts {
            inode: found.ino(),
            mode: found.mode(),
            links: found.nlink(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            accessed: (found.atime(), found.atime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    };
    paths.map(|path| (path.clone(), of(path))).collect()
}

/// Makes access times so old that a read under `relatime` would renew them.
fn age_access_times<'p>(paths: impl Iterator<Item = &'p PathBuf>) {
    let old = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    for path in paths {
        let times = Timestamps { last_access: old, last_modification: keep };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Inodes that somebody has a lock or lease on. Lines of proc_locks(5) have `MAJOR:MINOR:INODE` in them.
fn locked_inodes() -> BTreeSet<u64> {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let inode = |word: &str| word.split(':').nth(2).filter(|_| word.matches(':').count() == 2)?.parse().ok();
    locks.lines().filter_map(|line| line.split_whitespace().find_map(inode)).collect()
}

#[test]
fn locks_would_be_seen() {
    let scratch = tempfile::NamedTempFile::new().unwrap();
    rustix::fs::flock(scratch.as_file(), rustix::fs::FlockOperation::LockShared).unwrap();
    assert!(locked_inodes().contains(&scratch.as_file().metadata().unwrap().ino()));
}

#[test]
fn a_run_leaves_no_trace() {
    let site = estate();
    let share = site.path("share");
    let names = paths(&share);
    age_access_times(names.keys());
    let before = facts(names.keys());
    let inodes: BTreeSet<u64> = names.values().copied().collect();
    let no_locks = || assert!(locked_inodes().is_disjoint(&inodes), "{}", fs::read_to_string("/proc/locks").unwrap());

    let mut running = site.spawn(&["run"], Some("captured:2=stop;begun:2=stop"));
    for _ in 0..2 {
        running.wait_until_stopped();
        no_locks();
        running.signal(Signal::CONT);
        wait_for("it to go on", || !has_stopped(running.child.id()));
    }
    wait_for("all to be dealt with", || {
        no_locks();
        site.ledger().iter().filter(|entry| entry["state"] != "publishing").count() == DROPS
    });
    running.end();

    let after = facts(names.keys());
    for (path, facts) in &before {
        assert_eq!(facts, &after[path], "{}", path.display());
    }
    assert_eq!(paths(&share), names, "names");
    let published = site.states().iter().filter(|(_, state)| state == "published").count();
    assert_eq!(published, PUBLISHED, "{:?}", site.states());
}

fn has_stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim().starts_with('T')
}

/// Calls on a path of the share that cannot change anything. `fcntl` is looked at more closely.
const HARMLESS: [&str; 17] = [
    "close",
    "fcntl",
    "fstat",
    "fstatfs",
    "getdents64",
    "inotify_add_watch",
    "lseek",
    "lstat",
    "newfstatat",
    "openat",
    "openat2",
    "pread64",
    "read",
    "readlink",
    "stat",
    "statfs",
    "statx",
];

/// What an open for reading never asks for.
const WRITING_FLAGS: [&str; 6] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"];

#[test]
fn no_call_could_change_the_share() {
    if !strace::is_there("no_call_could_change_the_share") {
        return;
    }
    let site = estate();
    let (code, calls) = strace::trace(&site.command(&["run", "--until-idle"]), "%file,%desc");
    assert_eq!(code, Some(1), "a bad file and a wrong checksum are findings");
    let share = site.path("share").display().to_string();
    let (store, mut reads) = (site.path("store").display().to_string(), 0);
    let mut writes_elsewhere = 0;
    for call in &calls {
        if !call.arguments.contains(&share) {
            writes_elsewhere += usize::from(call.name == "write" && call.arguments.contains(&store));
            continue;
        }
        assert!(HARMLESS.contains(&call.name.as_str()), "{}({})", call.name, call.arguments);
        assert!(!WRITING_FLAGS.iter().any(|flag| call.arguments.contains(flag)), "{}({})", call.name, call.arguments);
        let asks = ["F_GETFD", "F_SETFD", "F_GETFL", "F_DUPFD_CLOEXEC"];
        let harmless = call.name != "fcntl" || asks.iter().any(|ask| call.arguments.contains(ask));
        assert!(harmless, "{}({})", call.name, call.arguments);
        reads += usize::from(call.name == "read");
    }
    assert!(reads > 0 && writes_elsewhere > 0, "the calls were seen");
    assert_eq!(site.states().iter().filter(|(_, state)| state == "published").count(), PUBLISHED);
}

/// What a batch job does with a file that it has dropped.
#[derive(Clone, Copy, Debug)]
enum Afterwards {
    Leave,
    Delete,
    RenameAway,
    MoveAway,
}

#[test]
fn a_batch_job_that_takes_its_files_away_loses_none_in_silence() {
    const FILES: u32 = 400;
    let mut random = Random::new("a_batch_job_that_takes_its_files_away_loses_none_in_silence");
    let options = FeedOptions {
        transaction: "memory_capture_bytes = 4096\nchunk_records = 300".to_owned(),
        ..FeedOptions::default()
    };
    let site = Site::new(LogKind::Embedded, &options);
    fs::create_dir(site.path("share/done")).unwrap();
    let mut running = site.run_traced();
    let mut dropped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut pending: Vec<(String, Afterwards)> = Vec::new();
    for file in 0..FILES {
        let (numbers, bytes) = orders(file, 1 + random.below(1000) as u32);
        site.drop_file(&order_name(file), &bytes);
        let afterwards = match random.below(4) {
            0 => Afterwards::Leave,
            1 => Afterwards::Delete,
            2 => Afterwards::RenameAway,
            _ => Afterwards::MoveAway,
        };
        dropped.insert(order_name(file), numbers);
        pending.push((order_name(file), afterwards));
        // Some are taken away before anybody can have looked, some while they are read, some long after.
        while !pending.is_empty() && random.below(3) > 0 {
            let chosen = random.below(pending.len() as u64) as usize;
            let (name, afterwards) = pending.swap_remove(chosen);
            take_away(&site, &name, afterwards);
        }
        if random.below(8) == 0 {
            std::thread::park_timeout(std::time::Duration::from_millis(random.below(60)));
        }
    }
    for (name, afterwards) in pending {
        take_away(&site, &name, afterwards);
    }
    let last = order_name(FILES);
    site.drop_file(&last, &orders(FILES, 1).1);
    running.wait_for_line(&[" published ", &last]);
    running.wait_for_a_look();
    running.end();
    let log = running.log();
    account_for(&site, &dropped, &log);
}

fn take_away(site: &Site, name: &str, afterwards: Afterwards) {
    let path = site.inbox().join(name);
    match afterwards {
        Afterwards::Leave => {}
        Afterwards::Delete => fs::remove_file(path).unwrap(),
        Afterwards::RenameAway => fs::rename(&path, site.inbox().join(format!("{name}.old"))).unwrap(),
        Afterwards::MoveAway => fs::rename(path, site.path("share/done").join(name)).unwrap(),
    }
}

/// Every file that was seen is published whole or reported; what is left lying there was seen; nothing is there twice.
fn account_for(site: &Site, dropped: &BTreeMap<String, Vec<String>>, log: &str) {
    let states: BTreeMap<String, String> = site.states().into_iter().collect();
    let events = site.numbers();
    let unique: BTreeSet<&String> = events.iter().collect();
    assert_eq!(unique.len(), events.len(), "doubled");
    let (mut seen, mut published, mut vanished) = (0, 0, 0);
    for (name, numbers) in dropped {
        let was_seen = log.lines().any(|line| line.contains("seen") && line.contains(name.as_str()));
        let found = numbers.iter().filter(|number| unique.contains(number)).count();
        match states.get(name).map(String::as_str) {
            Some("published") => {
                published += 1;
                assert_eq!(found, numbers.len(), "{name} is published by half");
            }
            Some("vanished" | "quarantined") => {
                vanished += 1;
                assert_eq!(found, 0, "{name} is no event and published");
            }
            None => {
                assert!(!was_seen, "{name} was seen, and is missing in silence");
                assert!(!site.inbox().join(name).exists(), "{name} lies there, and was not seen");
                assert_eq!(found, 0);
            }
            Some(other) => panic!("{name} is {other}"),
        }
        seen += usize::from(was_seen);
    }
    eprintln!("{} dropped, {seen} seen, {published} published, {vanished} vanished", dropped.len());
    assert!(published > 0);
}
