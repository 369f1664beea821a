//! What servers refuse, and what is said of it; what others do on the server meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use dropbridge_conformance::clearing;
use dropbridge_conformance::samba::{Samba, SambaOptions};
use dropbridge_conformance::trouble::{self, WRONG_PASSWORD};
use dropbridge_port::{
    Attributes, Cleared, Clearing, Disposal, EntryPath, ErrorKind, ListRequest, Outbox, PortError, Publication, Secret,
    Share, StagedName,
};
use dropbridge_smb::{SmbClearing, SmbServer, SmbSettings, SmbShare};

const RECURSIVE: ListRequest = ListRequest { recursive: true };

/// Shares that give less than all.
const SHARES: &str = "[closed]\npath = /tmp\nvalid users = nobody\n[enciphered]\npath = /tmp\nsmb encrypt = required\n\
                      [to-read]\npath = /\nread only = yes\n[open]\npath = /tmp\nguest ok = yes\n\
                      [names]\npath = /tmp\nmsdfs root = yes\n";

fn plain() -> Option<Samba> {
    Samba::start(SambaOptions { shares: SHARES.to_owned(), ..SambaOptions::default() })
}

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).unwrap()
}

/// What listing a directory that is there comes to under these settings.
fn refusal(settings: SmbSettings) -> PortError {
    let share = SmbShare::new(SmbServer::new(settings), "/tmp", "");
    share.list(ListRequest::default()).expect_err("it must be refused")
}

fn hint(error: &PortError) -> &str {
    error.hint.as_deref().expect("a hint")
}

#[test]
fn who_is_not_let_in_is_told_so_and_not_tried_again_at_once() {
    let Some(server) = plain() else { return };
    let right = support::settings(&server, server.address());
    let settings = SmbSettings { password: Secret::new(WRONG_PASSWORD), ..right.clone() };
    let share = SmbShare::new(SmbServer::new(settings), "/tmp", "");
    trouble::wrong_password_is_told(&share, "user or password is wrong", "[share.nas]");
    let log = server.log();
    assert_eq!(log.matches("NT_STATUS_WRONG_PASSWORD").count(), 1, "{log}");

    // This server takes whom it does not know for a guest.
    let stranger = refusal(SmbSettings { user: "no-such-user".to_owned(), ..right });
    assert_eq!(stranger.kind, ErrorKind::Refused, "{stranger}");
    assert!(stranger.message.contains("no-such-user") && stranger.message.contains("guest"), "{stranger}");
}

#[test]
fn a_share_that_is_not_given_is_refused_with_the_reason() {
    let Some(server) = plain() else { return };
    let refused = |share: &str| {
        let error = refusal(SmbSettings { share: share.to_owned(), ..support::settings(&server, server.address()) });
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        error
    };
    let none = refused("no-such-share");
    assert!(none.message.contains("no share `no-such-share`"), "{none}");
    assert!(hint(&none).contains("smbclient -L 127.0.0.1"), "{none}");
    let closed = refused("closed");
    assert!(closed.message.contains("does not give user"), "{closed}");
    assert!(hint(&closed).contains("whether the user may use it"), "{closed}");
    let enciphered = refused("enciphered");
    assert!(enciphered.to_string().contains("encrypt"), "{enciphered}");
    assert!(hint(&enciphered).contains("mount the share"), "{enciphered}");
    let names = refused("names");
    assert!(names.message.contains("DFS") && hint(&names).contains("behind it"), "{names}");
}

#[test]
fn users_may_be_of_a_domain_and_guests() {
    let Some(server) = plain() else { return };
    let right = support::settings(&server, server.address());
    let of_a_domain = SmbSettings { domain: "WORKGROUP".to_owned(), ..right.clone() };
    SmbShare::new(SmbServer::new(of_a_domain), "/tmp", "").list(ListRequest::default()).unwrap();
    let guest = SmbSettings { user: "guest".to_owned(), password: Secret::new(""), share: "open".to_owned(), ..right };
    SmbShare::new(SmbServer::new(guest), "", "").list(ListRequest::default()).unwrap();
}

#[test]
fn a_server_that_is_away_is_trouble_that_passes() {
    let Some(mut server) = plain() else { return };
    let share = SmbShare::new(support::connection(&server), "/tmp", "");
    trouble::absence_passes(&share, &mut server, Samba::kill, Samba::start_again);
}

#[test]
fn a_directory_that_is_not_there_is_not_found() {
    let Some(server) = plain() else { return };
    let connection = support::connection(&server);
    trouble::missing_directory_is_not_found(&support::share(&connection, Path::new("/tmp/no such directory")));
    let file = support::share(&connection, Path::new("/etc/passwd"));
    assert_eq!(file.list(ListRequest::default()).unwrap_err().kind, ErrorKind::Refused);
}

#[test]
fn what_is_not_permitted_is_refused_and_seen_before() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("out")).unwrap();
    let only = |share: &str| {
        let settings = SmbSettings { share: share.to_owned(), ..support::settings(&server, server.address()) };
        support::outbox(&SmbServer::new(settings), scratch.path(), None)
    };
    let outbox = only("to-read");
    let seen = outbox.look().expect_err("it is there to be read");
    assert_eq!(seen.kind, ErrorKind::Refused, "{seen}");
    assert!(hint(&seen).contains("write permission"), "{seen}");
    let name = StagedName::new("test", 1, 1).unwrap();
    let error = outbox.stage(&name, Attributes::default()).err().expect("writing is not permitted");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    only("files").look().unwrap();
    assert_eq!(fs::read_dir(scratch.path().join("out")).unwrap().count(), 0, "looking leaves nothing");
    let attributes = Attributes { mode: Some(0o640), ..Attributes::default() };
    let error = only("files").stage(&name, attributes).err().expect("there are no such things");
    assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
}

#[test]
fn times_are_the_same_in_every_zone_of_the_server() {
    trouble::times_are_the_same_in_every_zone(
        Duration::from_nanos(1_767_225_599_123_456_789),
        1_767_225_599_123_456_700,
        |zone| Samba::start(SambaOptions { zone: Some(zone), ..SambaOptions::default() }),
        |server, root| Box::new(support::share(&support::connection(server), root)),
    );
}

/// A legacy consumer deletes and a producer replaces what the bridge has seen, over connections of their own.
#[test]
fn what_is_only_looked_at_is_in_nobodys_way() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("out")).unwrap();
    fs::write(scratch.path().join("out/a"), "first").unwrap();
    let root = scratch.path().to_str().unwrap();
    let ours = SmbShare::new(support::connection(&server), root, "out");
    let mut seen = ours.open(&entry("a")).unwrap();
    let stat = seen.stat().unwrap();
    let theirs = support::connection(&server);
    let consumer = SmbClearing::new(theirs.clone(), root, "out", &Disposal::Delete);
    assert_eq!(consumer.clear(&entry("a"), stat).unwrap(), Cleared::Done);
    assert!(!scratch.path().join("out/a").exists(), "its name is free at once");
    let producer = support::outbox(&theirs, scratch.path(), None);
    let name = StagedName::new("producer", 1, 1).unwrap();
    let mut staged = producer.stage(&name, Attributes::default()).unwrap();
    staged.write(b"other").unwrap();
    staged.finish().unwrap();
    producer.witness(&name).unwrap();
    assert_eq!(producer.publish(&name, &entry("a")).unwrap(), Publication::Published);
    // What has the name now is not what was seen.
    let error = seen.read(&mut [0; 10]).expect_err("another file");
    let error = PortError::io("read", "a", &error);
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.message.contains("another file has its name"), "{error}");
}

/// What is being read can be written, renamed and deleted by others, and goes on.
#[test]
fn reading_denies_nothing_to_others() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("a"), vec![b'x'; 3_000_000]).unwrap();
    let root = scratch.path().to_str().unwrap();
    let ours = SmbShare::new(support::connection(&server), root, "");
    let mut reading = ours.open(&entry("a")).unwrap();
    let stat = reading.stat().unwrap();
    reading.read_exact(&mut [0; 1000]).unwrap();
    let consumer = SmbClearing::new(support::connection(&server), root, "", &Disposal::Rename(".done".to_owned()));
    assert_eq!(consumer.clear(&entry("a"), stat).unwrap(), Cleared::Done);
    assert!(scratch.path().join("a.done").exists());
    let mut rest = Vec::new();
    reading.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 2_999_000);
}

/// A writer is seen as long as it has the file open, whatever it does; readers are none.
#[test]
fn who_writes_a_file_is_told_where_that_is_asked() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("out")).unwrap();
    let outbox = support::outbox(&support::connection(&server), scratch.path(), None);
    let name = StagedName::new("test", 1, 1).unwrap();
    let mut writing = outbox.stage(&name, Attributes::default()).unwrap();
    writing.write(b"half of it").unwrap();
    let share = SmbShare::new(support::connection(&server), scratch.path().to_str().unwrap(), "out/.dropbridge");
    let path = entry(&name.to_string());
    assert_eq!(share.has_writer(&path).unwrap(), Some(true));
    // Asking is in nobody's way.
    writing.write(b", and the other").unwrap();
    writing.finish().unwrap();
    assert_eq!(share.has_writer(&path).unwrap(), Some(false));
    let mut reading = share.open(&path).unwrap();
    reading.read_exact(&mut [0; 4]).unwrap();
    assert_eq!(share.has_writer(&path).unwrap(), Some(false), "who reads is no writer");
    assert_eq!(share.has_writer(&entry("missing")).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn case_makes_no_other_name() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("out")).unwrap();
    fs::write(scratch.path().join("out/Orders.DAT"), "x").unwrap();
    let connection = support::connection(&server);
    let share = SmbShare::new(connection.clone(), scratch.path().to_str().unwrap(), "OUT");
    assert_eq!(
        share.list(ListRequest::default()).unwrap().entries[0].path,
        entry("Orders.DAT"),
        "as it is written there"
    );
    assert!(share.stat(&entry("orders.dat")).unwrap().is_some());
    let outbox = support::outbox(&connection, scratch.path(), None);
    let name = StagedName::new("test", 1, 1).unwrap();
    outbox.stage(&name, Attributes::default()).unwrap().finish().unwrap();
    outbox.witness(&name).unwrap();
    assert_eq!(outbox.publish(&name, &entry("orders.dat")).unwrap(), Publication::TargetExists);
}

/// The server follows links itself, and shows what is behind them as if it were there.
#[test]
fn a_directory_that_leads_to_itself_is_not_followed_for_ever() {
    let scratch = tempfile::tempdir().unwrap();
    // It follows links within a share, and shows none at all in one that is the whole machine.
    let shares = format!("[links]\npath = {}\n", scratch.path().display());
    let Some(server) = Samba::start(SambaOptions { shares, ..SambaOptions::default() }) else { return };
    fs::create_dir_all(scratch.path().join("below")).unwrap();
    fs::write(scratch.path().join("below/a"), "x").unwrap();
    std::os::unix::fs::symlink(".", scratch.path().join("here")).unwrap();
    let settings = SmbSettings { share: "links".to_owned(), ..support::settings(&server, server.address()) };
    let listing = SmbShare::new(SmbServer::new(settings), "", "").list(RECURSIVE).unwrap();
    // The server tells another time of making for the top of a share: so the first round is not noticed.
    let paths: Vec<_> = listing.entries.iter().map(|found| found.path.to_string()).collect();
    assert!(paths == ["below/a"] || paths == ["below/a", "here/below/a"], "{paths:?}");
    let skipped: Vec<_> = listing.skipped.iter().map(|one| (one.path.as_str(), one.reason)).collect();
    let reason = "directory that leads to itself";
    assert!(skipped == [("here", reason)] || skipped == [("here/here", reason)], "{skipped:?}");
}

#[test]
fn files_are_taken_out_of_an_inbox_if_they_are_as_they_were() {
    let Some(server) = plain() else { return };
    let connection = support::connection(&server);
    clearing::takes_files_that_are_as_they_were(
        |root| Box::new(SmbShare::new(connection.clone(), root.to_str().unwrap(), "in")),
        |root, disposal| Box::new(SmbClearing::new(connection.clone(), root.to_str().unwrap(), "in", disposal)),
    );
}
