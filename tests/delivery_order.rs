//! After a power cut a consumer has whole files or none, and the log knows of each that may have been seen. A kill cannot
//! show it, since the kernel lives on: the order of system calls does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use support::strace::{self, SystemCall};
use support::{FeedOptions, LogKind, Site, order_name, orders};

const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,linkat,renameat,renameat2";

/// The first call that fits and begins after another one has ended.
fn after<'t>(
    trace: &'t [SystemCall],
    earlier: Option<&SystemCall>,
    what: &str,
    fits: impl Fn(&SystemCall) -> bool,
) -> &'t SystemCall {
    let found = trace.iter().find(|call| fits(call) && earlier.is_none_or(|earlier| earlier.is_before(call)));
    found.unwrap_or_else(|| {
        panic!("there is no {what} after {}", earlier.map_or("the start", |call| call.name.as_str()))
    })
}

fn is_write(call: &SystemCall, path: &str) -> bool {
    matches!(call.name.as_str(), "write" | "pwrite64") && is_on(call, path)
}

fn is_sync(call: &SystemCall, path: &str) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync") && is_on(call, path) && call.returned == "0"
}

/// The call's file descriptor is of this path.
fn is_on(call: &SystemCall, path: &str) -> bool {
    call.arguments.split_once('<').is_some_and(|(_, rest)| rest.split('>').next() == Some(path))
}

#[test]
fn synced_intended_renamed_synced_and_receipted_in_this_order() {
    if !strace::is_there("the order of syncs of a delivery") {
        return;
    }
    let after_feed = "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"desk\"\n\
                      marker = \"{name}.done\"";
    let site =
        Site::uninitialised(LogKind::Embedded, &FeedOptions { after: after_feed.to_owned(), ..FeedOptions::default() });
    fs::create_dir_all(site.path("share/desk")).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site.drop_file(&order_name(1), &orders(1, 9).1);
    let (code, trace) = strace::trace(&site.command(&["run", "--until-idle"]), CALLS);
    assert_eq!(code, Some(0));
    let root = site.path("").canonicalize().unwrap().display().to_string();
    let root = root.trim_end_matches('/');
    let (desk, log) = (format!("{root}/share/desk"), format!("{root}/state/events.sqlite-wal"));
    let staging = format!("{desk}/.dropbridge");
    let says = |call: &SystemCall, word: &str| {
        is_write(call, &log) && call.arguments.contains(&format!("\\\"state\\\":\\\"{word}\\\""))
    };

    let renames = |name: &str| {
        let name = format!("\"{name}\"");
        after(&trace, None, "rename into the outbox", |call| {
            call.name == "renameat2" && call.arguments.contains(&name) && call.returned == "0"
        })
    };
    let (data, marker) = (renames(&order_name(1)), renames(&format!("{}.done", order_name(1))));
    let staged = data.arguments.split('"').nth(1).unwrap();
    let part = format!("{staging}/{staged}");

    let written =
        trace.iter().rfind(|call| is_write(call, &part)).expect("the file is written under its temporary name");
    let synced = after(&trace, Some(written), "sync of the file", |call| is_sync(call, &part));
    let witnessed = after(&trace, Some(synced), "witness", |call| {
        call.name == "linkat" && call.arguments.contains(staged) && call.returned == "0"
    });
    let kept = after(&trace, Some(witnessed), "sync of the staging directory", |call| is_sync(call, &staging));
    let intent = after(&trace, None, "intent", |call| says(call, "intended"));
    assert!(kept.is_before(intent), "the intent is journaled before what it speaks of is durable");
    let intended = after(&trace, Some(intent), "sync of the log", |call| is_sync(call, &log));
    assert!(intended.is_before(data), "a name is given before the intent is durable");
    assert!(data.is_before(marker), "the marker comes before the file");
    let durable = after(&trace, Some(data), "sync of the outbox", |call| is_sync(call, &desk));
    assert!(durable.is_before(marker), "the marker comes before the file's name is durable");
    let marked = after(&trace, Some(marker), "sync of the outbox", |call| is_sync(call, &desk));
    let receipt = after(&trace, None, "receipt", |call| says(call, "delivered"));
    assert!(marked.is_before(receipt), "the receipt comes before the names are durable");
    after(&trace, Some(receipt), "sync of the log", |call| is_sync(call, &log));
}
