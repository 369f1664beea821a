//! What three broken builds have to be noticed by: `cargo xtask sabotage` builds each of them and sees its test fail.
//! In the build as it is, all three pass.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;

use support::{FeedOptions, Site, logs, order_name, orders};

/// A transaction that fails half way is aborted: nothing of it is seen beside what the next attempt publishes.
#[test]
fn skipped_abort_is_noticed() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 20);
        site.drop_file(&order_name(1), &bytes);
        let mut run = site.spawn(&["run", "--until-idle"], Some("half_produced=error"));
        assert_eq!(run.wait().code(), Some(0), "{log:?}: {}", run.log());
        assert!(run.log().contains("half_produced"), "{log:?}: the failpoint was not reached: {}", run.log());
        assert_eq!(site.numbers(), numbers, "{log:?}: each record once");
    }
}

/// Events and ledger entry are committed together: who dies right behind the commit has published, and knows it.
#[test]
fn split_ledger_is_noticed() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 20);
        site.drop_file(&order_name(1), &bytes);
        let mut run = site.spawn(&["run", "--until-idle"], Some("commit_answered=kill"));
        assert_eq!(run.wait().signal(), Some(9), "{log:?}: the failpoint was not reached: {}", run.log());
        assert_eq!(site.numbers(), numbers, "{log:?}: the commit was answered");
        site.run_until_idle(0);
        assert_eq!(site.numbers(), numbers, "{log:?}: each record once after the restart");
    }
}

/// A file that a slow job is still writing is not read as whole, however often it is looked at: its marker comes last.
#[test]
fn unsettled_publish_is_noticed() {
    for log in logs() {
        let ready = "quiet_ms = 50\nmarker = \"{name}.done\"".to_owned();
        let site = Site::new(log, &FeedOptions { ready, ..FeedOptions::default() });
        let (numbers, bytes) = orders(1, 30);
        let path = site.inbox().join(order_name(1));
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for part in lines.chunks(10) {
            OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(&part.concat()).unwrap();
            let looked = site.output(&["run", "--until-idle"]);
            assert_eq!(site.numbers(), [""; 0], "{log:?}: a file was published that is still being written");
            let said = String::from_utf8(looked.stdout).unwrap();
            assert!(said.contains("waits for its marker file"), "{log:?}: {said}");
        }
        std::fs::write(site.inbox().join(order_name(1) + ".done"), b"").unwrap();
        site.run_until_idle(0);
        assert_eq!(site.numbers(), numbers, "{log:?}");
    }
}
