//! Shares on real FTP servers: files to events and files to files, through broken lines and a server that is killed.
//!
//! FTP cannot keep two from taking a name at once, so that a relay has to have markers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use dropbridge_conformance::ftp_proxy::PASSIVE_PORTS;
use dropbridge_conformance::ftpd::{FtpDaemon, Ftpd, FtpdCertificate, FtpdOptions};
use support::ftp::{ftps, share_lines};
use support::remote::scenarios::{self, Cuts, NAMES_OF_BYTES};
use support::remote::{Ready, says, site};
use support::{FeedOptions, LogKind, Site};

fn server() -> Option<FtpDaemon> {
    ftps(FtpdOptions::default())
}

/// One whose transfers can be led over a proxy.
fn server_to_be_cut() -> Option<FtpDaemon> {
    ftps(FtpdOptions { passive_ports: Some(PASSIVE_PORTS), ..FtpdOptions::default() })
}

/// By the listings of both servers, with TLS and without.
#[test]
fn files_become_events_whatever_their_names() {
    let Some(proftpd) = server() else { return };
    let with_tls = site(&proftpd, proftpd.address(), &scenarios::by_date());
    scenarios::names_become_events("ProFTPD", &with_tls, &NAMES_OF_BYTES, &[".snapshot"]);
    let Some(vsftpd) = FtpDaemon::start(FtpdOptions { ftpd: Ftpd::Vsftpd, ..FtpdOptions::default() }) else { return };
    let plain = Site::uninitialised(LogKind::Embedded, &scenarios::by_date());
    let directory = plain.path("share");
    let share = format!("address = \"ftp://anonymous@{}{}\"", vsftpd.address(), directory.display());
    plain.configure(&FeedOptions { share, ..scenarios::by_date() });
    plain.ok(&["init", "--baseline", "take"]);
    scenarios::names_become_events("vsftpd", &plain, &NAMES_OF_BYTES, &[".snapshot"]);
}

#[test]
fn a_server_that_is_killed_in_mid_transfer_leaves_no_half_file() {
    let Some(mut server) = server_to_be_cut() else { return };
    scenarios::killed_in_mid_transfer(&mut server, 16_000);
}

#[test]
fn every_file_is_published_and_relayed_once_over_connections_that_are_cut() {
    let Some(server) = server_to_be_cut() else { return };
    let cuts = Cuts { connections: 40, after_bytes: 500..20_500 };
    scenarios::connections_that_are_cut(&server, Ready::Marked, cuts);
}

#[test]
fn events_become_files_on_the_server() {
    let Some(server) = server() else { return };
    scenarios::mirrored(&server, Ready::Marked, "");
}

/// What `check` says of a share on the server before anything runs.
fn said_by_check(share: &str) -> String {
    let usual = FeedOptions::default();
    let site = Site::uninitialised(LogKind::Embedded, &usual);
    site.ok(&["init", "--baseline", "take"]);
    site.configure(&FeedOptions { share: share.to_owned(), ..usual });
    site.exits(&["check"], 1)
}

#[test]
fn what_the_server_refuses_check_says_before_anything_runs() {
    let Some(server) = server() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("in")).unwrap();
    let right = share_lines(&server, server.address(), scratch.path());
    fs::write(scratch.path().join("wrong"), "not the password").unwrap();
    let wrong = right
        .replace(&server.path("password").display().to_string(), &scratch.path().join("wrong").display().to_string());
    let said = said_by_check(&wrong);
    assert!(says(&said, "does not let user") && !says(&said, "not the password"), "{said}");
    let untrusted = right.replace(&server.fingerprint(), &"AB".repeat(32));
    let said = said_by_check(&untrusted);
    assert!(says(&said, &server.fingerprint()) && says(&said, "is expected"), "{said}");
    let nowhere = share_lines(&server, server.address(), &scratch.path().join("nowhere"));
    let said = said_by_check(&nowhere);
    assert!(says(&said, "no such directory"), "{said}");
    let Some(expired) = ftps(FtpdOptions { certificate: FtpdCertificate::Expired, ..FtpdOptions::default() }) else {
        return;
    };
    let pinned = share_lines(&expired, expired.address(), scratch.path());
    let (address, _) = pinned.split_once("certificate_fingerprint").unwrap();
    let said = said_by_check(&format!("{address}ca_file = \"{}\"", expired.ca_file().display()));
    assert!(says(&said, "has expired") && says(&said, &expired.fingerprint()), "{said}");
}

/// A feed whose server shows another certificate is paused with its reason; the other feed goes on.
#[test]
fn a_wrong_certificate_pauses_its_own_feed_only() {
    let Some(server) = server() else { return };
    let site = scenarios::spoilt(&server, |right| right.replace(&server.fingerprint(), &"AB".repeat(32)));
    scenarios::pauses_its_own_feed_only(&site, &server.fingerprint());
}

/// A rename may replace a file: without a marker that says when one is complete, `check` refuses the relay.
#[test]
fn a_relay_needs_a_marker() {
    let Some(server) = server() else { return };
    scenarios::refuses_to_go_by_renames(&site(&server, server.address(), &Ready::Renamed.options()));
    scenarios::goes_by_markers(&site(&server, server.address(), &Ready::Marked.options()));
}

#[test]
fn a_full_disk_in_mid_upload_is_said_once_and_got_over() {
    let Some(server) = server() else { return };
    scenarios::full_disk_in_mid_upload(&server, Ready::Marked);
}
