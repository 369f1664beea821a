//! Shares on a real Samba server: files to events and files to files, through broken lines and a server that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use dropbridge_conformance::samba::{FILES, PASSWORD, Samba, SambaOptions};
use dropbridge_port::{Attributes, EntryPath, Outbox, Publication, Secret, StagedName};
use dropbridge_smb::{SmbOutbox, SmbServer, SmbSettings};
use support::relayed::{self, files, outbox};
use support::remote::scenarios::{self, Cuts};
use support::remote::{Ready, says, site, uninitialised};
use support::smb::{share_lines, share_lines_of};
use support::{FeedOptions, order_name, orders};

fn server() -> Option<Samba> {
    Samba::start(SambaOptions::default())
}

#[test]
fn files_become_events_whatever_their_names() {
    let Some(server) = server() else { return };
    let site = site(&server, server.address(), &scenarios::by_date());
    let names = [
        "20260101.dat",
        "20260102 with space.dat",
        "20260103#mark",
        "20260104 grün €",
        // What a client of Unix stores for `20260105 10:30?.dat`.
        "20260105 10\u{f022}30\u{f025}.dat",
        "below/20260106 per%cent",
    ];
    scenarios::names_become_events("Samba", &site, &names.map(str::as_bytes), &[".snapshot", "~snapshot"]);
    assert!(site.ok(&["ledger", "list"]).contains("10:30?"), "names are as clients of Unix show them");
}

#[test]
fn a_server_that_is_killed_in_mid_transfer_leaves_no_half_file() {
    let Some(mut server) = server() else { return };
    let log = scenarios::killed_in_mid_transfer(&mut server, 8_000);
    assert!(!log.contains("negotiate"), "libraries keep to themselves: {log}");
}

#[test]
fn every_file_is_published_and_relayed_once_over_connections_that_are_cut() {
    let Some(server) = server() else { return };
    let cuts = Cuts { connections: 20, after_bytes: 3_000..63_000 };
    scenarios::connections_that_are_cut(&server, Ready::Renamed, cuts);
}

#[test]
fn events_become_files_on_the_server() {
    let Some(server) = server() else { return };
    scenarios::mirrored(&server, Ready::Renamed, "");
}

/// A job that has a file open under its final name is waited for, by the feed and by its relay, where the feed asks.
#[test]
fn a_file_is_left_alone_as_long_as_its_writer_has_it_open() {
    let Some(server) = server() else { return };
    let options = relayed::options("", "temporary = [\"*.part\"]\nno_writer = true");
    let site = site(&server, server.address(), &options);
    let job = SmbServer::new(SmbSettings {
        name: "job".to_owned(),
        host: server.address().ip().to_string(),
        port: server.address().port(),
        share: FILES.to_owned(),
        domain: String::new(),
        user: server.user(),
        password: Secret::new(PASSWORD),
        connect_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        parallel_transfers: 1,
        exclusive_rename: true,
    });
    fs::create_dir_all(site.inbox()).unwrap();
    fs::create_dir(site.path("share/desk")).unwrap();
    let inbox = SmbOutbox::new(job, site.path("share").to_str().unwrap(), "orders", Some("desk"));
    let (numbers, bytes) = orders(1, 40_000);
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    let name = StagedName::new("job", 1, 1).unwrap();
    let mut writing = inbox.stage(&name, Attributes::default()).unwrap();
    writing.write(half).unwrap();
    let given = inbox.publish(&name, &EntryPath::new(order_name(1)).unwrap()).unwrap();
    assert_eq!(given, Publication::Published, "it has its name while it is written");
    let waiting = site.run_until_idle(1);
    assert_eq!(waiting["feeds"][0]["waiting"][0][1], "its writer to close it", "{waiting}");
    assert!(site.numbers().is_empty() && files(&outbox(&site)).is_empty());
    writing.write(rest).unwrap();
    writing.finish().unwrap();
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers);
    assert!(files(&outbox(&site)) == [(order_name(1), bytes)].into());
}

/// What stands in the way is said before a run, each with what to do.
#[test]
fn check_says_what_is_wrong_with_a_share() {
    let shares = "[closed]\npath = /\nvalid users = nobody\n[enciphered]\npath = /\nsmb encrypt = required\n\
                  [to-read]\npath = /\nread only = yes\n";
    let options = SambaOptions { shares: shares.to_owned(), ..SambaOptions::default() };
    let Some(server) = Samba::start(options) else { return };
    let relayed = Ready::Renamed.options();
    let site = site(&server, server.address(), &relayed);
    let right = share_lines(&server, server.address(), &site.path("share"));
    let of = |share: &str| share_lines_of(&server, server.address(), share, &site.path("share"));
    let expect = |share: &str, words: &[&str]| {
        site.configure(&FeedOptions { share: share.to_owned(), ..relayed.clone() });
        let said = site.exits(&["check"], 1);
        for word in words {
            assert!(says(&said, word), "`{word}` is not said of {share}: {said}");
        }
        assert!(!says(&said, "wr0ng"), "{said}");
    };
    expect(&of("nowhere"), &["no share `nowhere`", "smbclient -L"]);
    expect(&of("closed"), &["does not give user", "ask the server's owner"]);
    expect(&of("enciphered"), &["encrypt", "mount the share"]);
    expect(&of("to-read"), &["permission denied", "write permission on the outbox"]);
    let elsewhere = share_lines(&server, server.address(), Path::new("/no/such/directory"));
    expect(&elsewhere, &["no such directory on the server", "is the path behind the share's name right"]);
    fs::write(server.path("wrong"), "wr0ng").unwrap();
    let wrong =
        right.replace(&server.path("password").display().to_string(), &server.path("wrong").display().to_string());
    expect(&wrong, &["user or password is wrong", "[share.nas]"]);
}

/// A feed whose password is wrong is paused with its reason; the other feed goes on.
#[test]
fn a_wrong_password_pauses_its_own_feed_only() {
    let Some(server) = server() else { return };
    let site = scenarios::spoilt(&server, |right| {
        fs::write(server.path("password"), "wr0ng").unwrap();
        right.to_owned()
    });
    let log = scenarios::pauses_its_own_feed_only(&site, "user or password is wrong");
    assert!(!log.contains("wr0ng"));
}

/// A server whose rename may replace a file is refused, unless a marker says when a file is complete.
#[test]
fn a_server_that_may_replace_files_needs_a_marker() {
    let Some(server) = server() else { return };
    let site = uninitialised(&server, server.address(), &Ready::Renamed.options());
    let share = share_lines(&server, server.address(), &site.path("share")).replace("exclusive_rename = true", "");
    site.configure(&FeedOptions { share: share.clone(), ..Ready::Renamed.options() });
    site.ok(&["init", "--baseline", "take"]);
    scenarios::refuses_to_go_by_renames(&site);
    site.configure(&FeedOptions { share, ..Ready::Marked.options() });
    assert!(site.ok(&["check"]).contains("ready to run"));
}

#[test]
fn a_full_disk_in_mid_upload_is_said_once_and_got_over() {
    let Some(server) = server() else { return };
    scenarios::full_disk_in_mid_upload(&server, Ready::Renamed);
}
