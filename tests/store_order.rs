//! After a power cut the store has what the log speaks of. A kill cannot show it, since the kernel lives on: the order
//! of system calls does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::account::Account;
use support::strace::{self, SystemCall};
use support::{FeedOptions, LogKind, Site};

const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,mkdir";

/// The calls of a run.
struct Trace(Vec<SystemCall>);

impl Trace {
    fn find(&self, what: &str, fits: impl Fn(&SystemCall) -> bool) -> &SystemCall {
        self.0.iter().find(|call| fits(call)).unwrap_or_else(|| panic!("no call is {what}"))
    }

    fn all<'t>(&'t self, fits: impl Fn(&SystemCall) -> bool + 't) -> impl Iterator<Item = &'t SystemCall> {
        self.0.iter().filter(move |call| fits(call))
    }

    /// The first successful sync of a path that begins after a call has ended.
    fn sync_after(&self, path: &str, earlier: &SystemCall) -> &SystemCall {
        self.find(&format!("a sync of {path} after {} {}", earlier.name, shortened(&earlier.arguments)), |call| {
            matches!(call.name.as_str(), "fsync" | "fdatasync")
                && is_on(call, path)
                && call.returned == "0"
                && earlier.is_before(call)
        })
    }
}

/// The call's file descriptor is of this path.
fn is_on(call: &SystemCall, path: &str) -> bool {
    call.arguments.split_once('<').is_some_and(|(_, rest)| rest.split('>').next() == Some(path))
}

fn is_write(call: &SystemCall) -> bool {
    matches!(call.name.as_str(), "write" | "pwrite64")
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Written, synced, renamed, its directory synced; and only then a transaction that names it begins.
fn check_object(trace: &Trace, site: &Site, hash: &str) {
    let objects = site.path("store/objects").canonicalize().unwrap().display().to_string();
    let directory = format!("{objects}/{}", &hash[..2]);
    let rename = trace.find(&format!("the rename to {hash}"), |call| {
        call.name.starts_with("rename") && call.arguments.contains(hash) && call.returned == "0"
    });
    let part = rename.arguments.split('"').nth(1).unwrap();
    assert!(part.contains("/incoming/") && part.ends_with(".part"), "renamed from {part}");
    let part = format!(
        "{}/store/incoming/{}",
        site.path("").canonicalize().unwrap().display(),
        part.rsplit('/').next().unwrap()
    );

    let last_write = trace.all(|call| is_write(call) && is_on(call, &part)).last().expect("the object is written");
    let synced = trace.sync_after(&part, last_write);
    assert!(synced.is_before(rename), "{hash}: renamed before it was synced");
    let placed = trace.sync_after(&directory, rename);

    let made = trace.find(&format!("the making of {directory}"), |call| {
        call.name == "mkdir" && call.arguments.contains(&format!("/objects/{}\"", &hash[..2])) && call.returned == "0"
    });
    let kept = trace.sync_after(&objects, made);

    let log = format!("{}/state/events.sqlite-wal", site.path("").canonicalize().unwrap().display());
    let names: Vec<_> =
        trace.all(|call| is_write(call) && is_on(call, &log) && call.arguments.contains(hash)).collect();
    let (first, last) = (names.first().expect("the log speaks of the object"), names.last().unwrap());
    assert!(placed.is_before(first), "{hash}: the log speaks of it before its name is durable");
    assert!(kept.is_before(first), "{hash}: the log speaks of it before its directory is durable");
    // That the log itself is durable, and so the object is not there for nothing.
    trace.sync_after(&log, last);
}

#[test]
fn an_object_is_durable_before_the_log_speaks_of_it() {
    if !strace::is_there("the order of syncs in the store") {
        return;
    }
    let options = FeedOptions {
        transaction: "memory_capture_bytes = 100\nchunk_records = 10".to_owned(),
        ..FeedOptions::default()
    };
    let (site, mut account) = (Site::new(LogKind::Embedded, &options), Account::default());
    // Spooled and published at once; spooled and published in chunks; small and put into quarantine.
    account.drop_orders(&site, 9);
    account.drop_orders(&site, 25);
    account.drop_bad(&site);
    let (code, calls) = strace::trace(&site.command(&["run", "--until-idle"]), CALLS);
    assert_eq!(code, Some(1), "one file is bad");
    account.check(&site, "under strace");
    let trace = Trace(calls);
    let ledger = site.ledger();
    assert_eq!(ledger.len(), 3);
    for entry in ledger {
        check_object(&trace, &site, entry["sha256"].as_str().unwrap());
    }
}
