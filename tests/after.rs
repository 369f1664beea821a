//! What becomes of files in the inbox after their events are published: only what the feed says, and only then.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dropbridge_conformance::ftpd::FtpdOptions;
use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use dropbridge_conformance::samba::{Samba, SambaOptions};
use support::{FeedOptions, LogKind, Site, order_name, orders};

/// A feed with markers that does this with its files.
fn feed(after: &str) -> FeedOptions {
    let usual = FeedOptions::default();
    FeedOptions {
        feed: format!("{}\nafter = \"{after}\"", usual.feed),
        ready: "marker = \"{name}.done\"".to_owned(),
        ..usual
    }
}

fn drop_marked(site: &Site, file: u32, bytes: &[u8]) {
    site.drop_file(&order_name(file), bytes);
    site.drop_file(&format!("{}.done", order_name(file)), b"");
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn set(names: &[String]) -> BTreeSet<String> {
    names.iter().cloned().collect()
}

/// Two good files, and one that is quarantined, behind one that was there before the bridge came.
fn play(site: &Site, done: &Path, left: &[String], moved: &[String]) {
    drop_marked(site, 2, &orders(2, 3).1);
    drop_marked(site, 3, b"not an order\n");
    drop_marked(site, 4, &orders(4, 3).1);
    site.run_until_idle(1);
    let kept = [1, 3].map(|file| [order_name(file), format!("{}.done", order_name(file))]).concat();
    assert_eq!(names(&site.inbox()), set(&[&kept, left].concat()), "a baseline and a held file stay");
    assert_eq!(names(done), set(moved));
    site.run_until_idle(0);
    assert_eq!(site.numbers(), [orders(2, 3).0, orders(4, 3).0].concat(), "nothing twice");
    assert_eq!(names(&site.inbox()), set(&[&kept, left].concat()));
}

/// With the files of a site at hand before it is initialised.
fn with_a_past(options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/done")).unwrap();
    drop_marked(&site, 1, &orders(1, 3).1);
    site
}

fn play_all(prepare: impl Fn(&FeedOptions) -> Site) {
    let marked = [2, 4].map(|file| [order_name(file), format!("{}.done", order_name(file))]).concat();
    let renamed: Vec<String> = marked.iter().map(|name| format!("{name}.old")).collect();
    for (after, left, moved) in [
        ("leave", marked.clone(), vec![]),
        ("delete", vec![], vec![]),
        ("move:done", vec![], marked),
        ("rename:.old", renamed, vec![]),
    ] {
        let site = prepare(&feed(after));
        site.ok(&["init", "--baseline", "skip"]);
        play(&site, &site.path("share/done"), &left, &moved);
    }
}

#[test]
fn published_files_leave_a_directory_as_the_feed_says() {
    play_all(with_a_past);
}

#[test]
fn published_files_leave_a_server_as_the_feed_says() {
    let Some(server) = OpenSsh::start(OpenSshOptions::default()) else { return };
    play_all(|options| {
        let site = with_a_past(options);
        let share = support::sftp::share_lines(&server, server.address(), &site.path("share"));
        site.configure(&FeedOptions { share, ..options.clone() });
        site
    });
}

#[test]
fn published_files_leave_a_windows_share_as_the_feed_says() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    play_all(|options| {
        let site = with_a_past(options);
        let share = support::smb::share_lines(&server, server.address(), &site.path("share"));
        site.configure(&FeedOptions { share, ..options.clone() });
        site
    });
}

#[test]
fn published_files_leave_an_ftp_server_as_the_feed_says() {
    let Some(server) = support::ftp::ftps(FtpdOptions::default()) else { return };
    play_all(|options| {
        let site = with_a_past(options);
        let share = support::ftp::share_lines(&server, server.address(), &site.path("share"));
        site.configure(&FeedOptions { share, ..options.clone() });
        site
    });
}

/// What is in the way where a file is to be moved to stays, and so does the file; others go their way.
#[test]
fn a_name_that_is_taken_stops_nothing() {
    let site = with_a_past(&feed("move:done"));
    site.ok(&["init", "--baseline", "skip"]);
    fs::write(site.path("share/done").join(order_name(2)), "of last year").unwrap();
    drop_marked(&site, 2, &orders(2, 3).1);
    drop_marked(&site, 4, &orders(4, 3).1);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), [orders(2, 3).0, orders(4, 3).0].concat());
    assert_eq!(fs::read(site.path("share/done").join(order_name(2))).unwrap(), b"of last year");
    assert!(names(&site.inbox()).contains(&order_name(2)) && !names(&site.inbox()).contains(&order_name(4)));
}

#[cfg(feature = "failpoints")]
#[test]
fn a_crash_beside_it_loses_nothing_and_doubles_nothing() {
    use std::os::unix::process::ExitStatusExt;
    for point in ["inbox_tidying", "inbox_tidied"] {
        let site = with_a_past(&feed("delete"));
        site.ok(&["init", "--baseline", "skip"]);
        for file in [2, 4] {
            drop_marked(&site, file, &orders(file, 3).1);
        }
        let mut victim = site.spawn(&["run", "--until-idle"], Some(&format!("{point}=kill")));
        assert_eq!(victim.wait().signal(), Some(9), "{point} was not reached: {}", victim.log());
        site.run_until_idle(0);
        assert_eq!(site.numbers(), [orders(2, 3).0, orders(4, 3).0].concat(), "{point}");
        assert_eq!(names(&site.inbox()), set(&[order_name(1), format!("{}.done", order_name(1))]), "{point}");
    }
}
