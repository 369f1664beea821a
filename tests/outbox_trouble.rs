//! Outboxes that are full, away, another one, read-only, or not ours to write to: nothing partial under a final name, nothing
//! replaced, lost or delivered twice; and it goes on by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::chown;

use support::places::{Mount, NOBODY, fill, mount, run_as_nobody, unmount};
use support::relayed::{Consumer, Habit, files, left_behind, options, outbox, site};
use support::{LogKind, Running, Site, order_name, orders, wait_for_or};

const RENAMED: &str = "temporary = [\"*.part\"]";

/// Waits until the program has said something.
fn wait_for_log(running: &Running, text: &str) {
    wait_for_or(&format!("the log to say `{text}`"), || running.log(), || running.log().contains(text));
}

fn wait_for_files(site: &Site, running: &Running, count: usize) {
    wait_for_or("the files", || running.log(), || files(&outbox(site)).len() == count);
}

/// A file that is larger than the disk: half of it is written, and taken back.
fn full_disk(site: &Site, grow: impl FnOnce()) {
    let large = orders(1, 20_000).1;
    let consumer = Consumer::start(outbox(site), Habit::Deletes, &[]);
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &large);
    wait_for_log(&running, "the disk is full");
    assert!(files(&outbox(site)).is_empty(), "nothing partial");
    grow();
    wait_for_log(&running, " relayed ");
    site.drop_file(&order_name(2), &orders(2, 3).1);
    wait_for_or("the next file", || running.log(), || running.log().matches(" relayed ").count() == 2);
    assert_eq!(running.log().matches("the disk is full").count(), 1, "it is said once");
    drop(running);
    let expected = vec![(order_name(1), large), (order_name(2), orders(2, 3).1)];
    assert_eq!(consumer.end(), expected);
    assert!(left_behind(site).is_empty());
}

#[test]
fn a_disk_that_is_full_in_mid_write_is_waited_for() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let at = outbox(&site);
    let Some(_mount) = Mount::new("a full disk", &["-t", "tmpfs", "-o", "size=128k", "tmpfs"], &at) else { return };
    full_disk(&site, || mount(&["-o", "remount,size=8m"], &at));
}

/// A real file system in a file, filled by somebody else.
#[test]
fn a_small_file_system_that_somebody_fills_is_waited_for() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let at = outbox(&site);
    let image = site.path("image");
    let Some(_mount) = Mount::small_ext4("a small file system in a file", &image, 4 << 20, &at) else { return };
    let ballast = fill(&at, 100_000);
    full_disk(&site, || fs::remove_file(&ballast).unwrap());
}

/// The share goes away and comes back; meanwhile its empty mount point is there, and later another disk.
#[test]
fn an_outbox_that_was_unmounted_is_not_written_to() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let (at, real) = (outbox(&site), site.path("real"));
    fs::create_dir(&real).unwrap();
    let bind = ["--bind", real.to_str().unwrap()];
    let Some(_mount) = Mount::new("an outbox that is unmounted", &bind, &at) else { return };
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    wait_for_files(&site, &running, 1);
    unmount(&at);
    site.drop_file(&order_name(2), &orders(2, 3).1);
    wait_for_log(&running, "another directory or file system is here");
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "the empty mount point stays empty");
    mount(&["-t", "tmpfs", "tmpfs"], &at);
    site.drop_file(&order_name(3), &orders(3, 3).1);
    wait_for_or("the events of the third", || running.log(), || site.numbers().len() == 9);
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "another disk is no outbox");
    unmount(&at);
    mount(&bind, &at);
    wait_for_files(&site, &running, 3);
    drop(running);
    assert_eq!(files(&real).len(), 3);
    site.run_until_idle(0);
}

#[test]
fn an_outbox_that_was_moved_to_another_disk_is_adopted_by_decision() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    site.drop_file(&order_name(1), &orders(1, 3).1);
    site.run_until_idle(0);
    fs::rename(outbox(&site), site.path("share/old")).unwrap();
    fs::create_dir(outbox(&site)).unwrap();
    site.drop_file(&order_name(2), &orders(2, 3).1);
    let output = site.output(&["run", "--until-idle"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("relay adopt-outbox orders"), "{text}");
    assert!(files(&outbox(&site)).is_empty());
    assert!(site.exits(&["check"], 1).contains("another directory or file system"));
    site.ok(&["relay", "adopt-outbox", "orders"]);
    site.run_until_idle(0);
    assert_eq!(files(&outbox(&site)).len(), 1);
}

#[test]
fn a_read_only_outbox_is_waited_for() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let at = outbox(&site);
    let Some(_mount) = Mount::new("a read-only outbox", &["-t", "tmpfs", "tmpfs"], &at) else { return };
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    wait_for_files(&site, &running, 1);
    mount(&["-o", "remount,ro"], &at);
    site.drop_file(&order_name(2), &orders(2, 3).1);
    wait_for_log(&running, "mounted read-only");
    mount(&["-o", "remount,rw"], &at);
    wait_for_files(&site, &running, 2);
}

/// Run as somebody who may not write there.
#[test]
fn an_outbox_of_somebody_else_is_waited_for() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let Some(running) = run_as_nobody("an outbox of somebody else", &site, &outbox(&site)) else { return };
    fs::write(site.inbox().join(order_name(1)), orders(1, 3).1).unwrap();
    wait_for_log(&running, "give the user that runs dropbridge read, write and execute permission on the outbox");
    assert!(files(&outbox(&site)).is_empty());
    chown(outbox(&site), Some(NOBODY), Some(NOBODY)).unwrap();
    wait_for_files(&site, &running, 1);
}
