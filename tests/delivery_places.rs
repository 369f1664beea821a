//! Outboxes that are full, read-only, or unmounted: the delivery waits, says so, and completes by itself. Nothing is
//! partial, nothing is replaced, nothing comes twice. These tests mount; where that is not allowed they are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{FeedOptions, LogKind, Site, order_name, orders, wait_for};

/// What is mounted, until the end of the test.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts; `None` is a skip that was said by name.
    fn new(what: &str, arguments: &[&str], at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(arguments).arg(at).output();
        if done.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        let strict = std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
        assert!(!strict, "{what} needs the right to mount: {done:?}");
        eprintln!("skipped: {what}: it needs the right to mount");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", options]).arg(&self.0).status().unwrap();
        assert!(status.success(), "{options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(&self.0).status();
    }
}

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
    names.retain(|name| name != ".dropbridge" && name != "ballast");
    names.sort();
    names
}

fn delivered(site: &Site, file: u32) -> Vec<u8> {
    fs::read(site.path("share/desk").join(order_name(file))).unwrap()
}

#[test]
fn a_full_disk_is_waited_out() {
    let site = site();
    let desk = site.path("share/desk");
    let Some(_mounted) = Mounted::new("a full disk", &["-t", "tmpfs", "-o", "size=256k", "none"], &desk) else {
        return;
    };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    // Room for half of the next file.
    fs::write(desk.join("ballast"), vec![0; 200 << 10]).unwrap();
    let bytes = drop_orders(&site, 2, 5000);
    let behind = drop_orders(&site, 3, 3);
    assert!(bytes.len() > 90 << 10);
    let mut bridge = site.spawn(&["run"], None);
    wait_for("it to say so", || bridge.log().contains("waiting: ") && bridge.log().contains("o space left"));
    assert_eq!(seen(&site), [order_name(1)], "nothing partial, and nothing out of order");
    fs::remove_file(desk.join("ballast")).unwrap();
    wait_for("both files", || seen(&site).len() == 3);
    assert_eq!((delivered(&site, 2), delivered(&site, 3)), (bytes, behind));
    bridge.signal(rustix::process::Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}

#[test]
fn a_read_only_and_an_unmounted_outbox_are_waited_out() {
    let site = site();
    let (desk, disk) = (site.path("share/desk"), site.path("disk"));
    fs::create_dir(&disk).unwrap();
    let arguments = ["--bind", disk.to_str().unwrap()];
    let Some(mounted) = Mounted::new("an outbox that is unmounted", &arguments, &desk) else { return };
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    mounted.remount("remount,bind,ro");
    let second = drop_orders(&site, 2, 3);
    let run = site.run_until_idle(1);
    assert!(run["renderings"][0]["waiting"].as_str().unwrap().contains("ead-only"), "{run}");
    mounted.remount("remount,bind,rw");
    site.run_until_idle(0);
    assert_eq!(delivered(&site, 2), second);

    // Unmounted between intent and rename; the mount point is an empty directory of another file system or inode.
    let third = drop_orders(&site, 3, 3);
    let mut victim = site.spawn(&["run", "--until-idle"], Some("intent_answered=kill"));
    victim.wait();
    drop(mounted);
    let mut bridge = site.spawn(&["run"], None);
    wait_for("it to say so", || bridge.log().contains("another directory or file system is here"));
    assert_eq!(fs::read_dir(&desk).unwrap().count(), 0, "nothing is written where the outbox is not");
    let _mounted = Mounted::new("an outbox that is unmounted", &arguments, &desk).unwrap();
    wait_for("the file", || seen(&site).len() == 3);
    assert_eq!(delivered(&site, 3), third);
    bridge.signal(rustix::process::Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}
