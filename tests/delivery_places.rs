//! Outboxes that are full, read-only, unmounted, or not ours to write to: the delivery waits, says so, and completes by
//! itself. Nothing is partial, nothing is replaced, nothing comes twice. These tests mount; where that is not allowed they
//! are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::chown;

use rustix::process::Signal;
use support::places::{Mount, NOBODY, fill, mount, run_as_nobody, unmount};
use support::{FeedOptions, LogKind, Running, Site, order_name, orders, wait_for_or};

fn site() -> Site {
    let after =
        "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"desk\"";
    let options = FeedOptions { after: after.to_owned(), ..FeedOptions::default() };
    let site = Site::uninitialised(LogKind::Embedded, &options);
    fs::create_dir_all(site.path("share/desk")).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site
}

fn drop_orders(site: &Site, file: u32, count: u32) -> Vec<u8> {
    let (_, bytes) = orders(file, count);
    site.drop_file(&order_name(file), &bytes);
    bytes
}

/// Names that a consumer sees.
fn seen(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("share/desk")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn delivered(site: &Site, file: u32) -> Vec<u8> {
    fs::read(site.path("share/desk").join(order_name(file))).unwrap()
}

fn wait_for_log(bridge: &Running, text: &str) {
    wait_for_or(&format!("the log to say `{text}`"), || bridge.log(), || bridge.log().contains(text));
}

fn wait_for_files(site: &Site, bridge: &Running, count: usize) {
    wait_for_or("the files", || bridge.log(), || seen(site).len() == count);
}

fn end(mut bridge: Running) {
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}

/// The second file finds room for half of it, until `grow` makes more. Its predecessor is there.
fn full_disk(site: &Site, grow: impl FnOnce()) {
    let bytes = drop_orders(site, 2, 20_000);
    let behind = drop_orders(site, 3, 3);
    assert!(bytes.len() > 300_000, "it would fit");
    let bridge = site.spawn(&["run"], None);
    wait_for_log(&bridge, "the disk is full");
    assert!(bridge.log().contains("waiting: "), "{}", bridge.log());
    assert_eq!(seen(site), [order_name(1)], "nothing partial, and nothing out of order");
    grow();
    wait_for_files(site, &bridge, 3);
    assert_eq!((delivered(site, 2), delivered(site, 3)), (bytes, behind));
    end(bridge);
}

#[test]
fn a_disk_that_is_full_in_mid_write_is_waited_for() {
    let site = site();
    let desk = site.path("share/desk");
    let Some(_mount) = Mount::new("a full disk", &["-t", "tmpfs", "-o", "size=128k", "none"], &desk) else { return };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    full_disk(&site, || mount(&["-o", "remount,size=8m"], &desk));
}

/// A real file system in a file, filled by somebody else.
#[test]
fn a_small_file_system_that_somebody_fills_is_waited_for() {
    let site = site();
    let (desk, image) = (site.path("share/desk"), site.path("image"));
    let Some(_mount) = Mount::small_ext4("a small file system in a file", &image, 4 << 20, &desk) else { return };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    let ballast = fill(&desk, 100_000);
    full_disk(&site, || fs::remove_file(&ballast).unwrap());
}

#[test]
fn a_read_only_outbox_is_waited_for() {
    let site = site();
    let desk = site.path("share/desk");
    let Some(_mount) = Mount::new("a read-only outbox", &["-t", "tmpfs", "none"], &desk) else { return };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    mount(&["-o", "remount,ro"], &desk);
    let second = drop_orders(&site, 2, 3);
    let run = site.run_until_idle(1);
    assert!(run["renderings"][0]["waiting"].as_str().unwrap().contains("read-only"), "{run}");
    mount(&["-o", "remount,rw"], &desk);
    site.run_until_idle(0);
    assert_eq!(delivered(&site, 2), second);
}

/// Unmounted between intent and rename; meanwhile its empty mount point is there, and then another disk.
#[test]
fn an_outbox_that_was_unmounted_after_the_intent_is_waited_for() {
    let site = site();
    let (desk, disk) = (site.path("share/desk"), site.path("disk"));
    fs::create_dir(&disk).unwrap();
    let bind = ["--bind", disk.to_str().unwrap()];
    let Some(_mount) = Mount::new("an outbox that is unmounted", &bind, &desk) else { return };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    let second = drop_orders(&site, 2, 3);
    site.spawn(&["run", "--until-idle"], Some("intent_answered=kill")).wait();
    unmount(&desk);
    let bridge = site.spawn(&["run"], None);
    wait_for_log(&bridge, "another directory or file system is here");
    assert_eq!(fs::read_dir(&desk).unwrap().count(), 0, "nothing is written where the outbox is not");
    mount(&["-t", "tmpfs", "none"], &desk);
    // By the time that the next file's events are there, it has looked many times.
    let third = drop_orders(&site, 3, 3);
    wait_for_or("the events of the third", || bridge.log(), || site.numbers().len() == 9);
    assert_eq!(fs::read_dir(&desk).unwrap().count(), 0, "another disk is no outbox");
    unmount(&desk);
    mount(&bind, &desk);
    wait_for_files(&site, &bridge, 3);
    assert_eq!((delivered(&site, 2), delivered(&site, 3)), (second, third));
    end(bridge);
}

/// Run as somebody who may not write there.
#[test]
fn an_outbox_of_somebody_else_is_waited_for() {
    let site = site();
    let desk = site.path("share/desk");
    let bytes = drop_orders(&site, 1, 3);
    let Some(bridge) = run_as_nobody("an outbox of somebody else", &site, &desk) else { return };
    wait_for_log(&bridge, "give the user that runs dropbridge read, write and execute permission on the outbox");
    assert!(seen(&site).is_empty());
    chown(&desk, Some(NOBODY), Some(NOBODY)).unwrap();
    wait_for_files(&site, &bridge, 1);
    assert_eq!(delivered(&site, 1), bytes);
}
