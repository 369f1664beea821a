//! Shares on a real OpenSSH server: files to events and files to files, through broken lines and a server that is
//! killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::process::Command;

use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use support::order_name;
use support::relayed::outbox;
use support::remote::scenarios::{self, Cuts};
use support::remote::{Ready, says, site};

fn server() -> Option<OpenSsh> {
    OpenSsh::start(OpenSshOptions::default())
}

#[test]
fn files_become_events_whatever_their_names() {
    let Some(server) = server() else { return };
    let site = site(&server, server.address(), &scenarios::by_date());
    scenarios::names_become_events("OpenSSH", &site, &scenarios::NAMES_OF_BYTES, &[".snapshot"]);
}

#[test]
fn a_server_that_is_killed_in_mid_transfer_leaves_no_half_file() {
    let Some(mut server) = server() else { return };
    scenarios::killed_in_mid_transfer(&mut server, 8_000);
}

#[test]
fn every_file_is_published_and_relayed_once_over_connections_that_are_cut() {
    let Some(server) = server() else { return };
    let cuts = Cuts { connections: 20, after_bytes: 3_000..63_000 };
    scenarios::connections_that_are_cut(&server, Ready::Renamed, cuts);
}

/// A mirror's files have the mode that is stated.
#[test]
fn events_become_files_on_the_server() {
    let Some(server) = server() else { return };
    let site = scenarios::mirrored(&server, Ready::Renamed, "file_mode = \"0640\"");
    let mode = Command::new("stat").args(["-c", "%a"]).arg(outbox(&site).join(order_name(0))).output().unwrap();
    assert_eq!(String::from_utf8(mode.stdout).unwrap().trim(), "640");
}

/// A feed whose server shows another key is paused with its reason; the other feed goes on, and `check` says it before.
#[test]
fn a_wrong_host_key_pauses_its_own_feed_only() {
    let Some(server) = server() else { return };
    let site = scenarios::spoilt(&server, |right| {
        server.make_key("other_key");
        let other = fs::read_to_string(server.path("other_key.pub")).unwrap();
        right.replace(&server.host_key(), other.trim())
    });
    let said = site.exits(&["check"], 1);
    assert!(says(&said, &server.fingerprint()) && says(&said, "is expected"), "{said}");
    scenarios::pauses_its_own_feed_only(&site, &server.fingerprint());
}

/// A server whose rename may replace a file is refused, unless a marker says when a file is complete. And there a
/// witness is no link, which does as well.
#[test]
fn a_server_that_may_replace_files_needs_a_marker() {
    let lines = "ForceCommand internal-sftp -P posix-rename,hardlink".to_owned();
    let Some(server) = OpenSsh::start(OpenSshOptions { lines, ..OpenSshOptions::default() }) else { return };
    scenarios::refuses_to_go_by_renames(&site(&server, server.address(), &Ready::Renamed.options()));
    scenarios::goes_by_markers(&site(&server, server.address(), &Ready::Marked.options()));
}

#[test]
fn a_full_disk_in_mid_upload_is_said_once_and_got_over() {
    let Some(server) = server() else { return };
    scenarios::full_disk_in_mid_upload(&server, Ready::Renamed);
}
