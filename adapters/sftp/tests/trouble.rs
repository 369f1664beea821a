//! What a server refuses, and what is said of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use dropbridge_conformance::clearing;
use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use dropbridge_conformance::trouble::{self, WRONG_PASSWORD};
use dropbridge_port::{
    Attributes, EntryPath, ErrorKind, ListRequest, Outbox, PortError, Publication, Secret, Share, StagedName, Standing,
};
use dropbridge_sftp::{HostKeyTrust, PrivateKeyFile, SftpClearing, SftpServer, SftpSettings, SftpShare};

fn plain() -> Option<OpenSsh> {
    OpenSsh::start(OpenSshOptions::default())
}

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).unwrap()
}

/// What listing a directory that is there comes to under these settings.
fn refusal(settings: SftpSettings) -> PortError {
    let share = SftpShare::new(SftpServer::new(settings), b"/tmp", "");
    share.list(ListRequest::default()).expect_err("it must be refused")
}

#[test]
fn an_unknown_host_key_is_refused_with_its_fingerprint_and_how_to_accept_it() {
    let Some(server) = plain() else { return };
    let right = support::settings(&server, server.address());
    let unknown = refusal(SftpSettings { trust: HostKeyTrust::default(), ..right.clone() });
    assert_eq!(unknown.kind, ErrorKind::Refused);
    let fingerprint = server.fingerprint();
    assert!(unknown.message.contains(&fingerprint) && unknown.message.contains("not known"), "{unknown}");
    assert!(unknown.hint.unwrap().contains(&format!("host_key = \"{fingerprint}\" in [share.gateway]")));
    let accepted = HostKeyTrust { host_keys: vec![fingerprint.clone()], known_hosts: None };
    let share = SftpShare::new(SftpServer::new(SftpSettings { trust: accepted, ..right.clone() }), b"/tmp", "");
    share.list(ListRequest::default()).unwrap_or_else(|error| panic!("what it says is how it is: {error}"));

    server.make_key("other_key");
    let other = fs::read_to_string(server.path("other_key.pub")).unwrap();
    let changed = HostKeyTrust { host_keys: vec![other.trim().to_owned()], known_hosts: None };
    let changed = refusal(SftpSettings { trust: changed, ..right });
    assert_eq!(changed.kind, ErrorKind::Refused);
    assert!(changed.message.contains(&fingerprint) && changed.message.contains("is expected"), "{changed}");
}

#[test]
fn known_hosts_are_believed() {
    let Some(server) = plain() else { return };
    let right = support::settings(&server, server.address());
    let line = |host: &str| format!("[{host}]:{} {}\n", server.address().port(), server.host_key());
    let trust = HostKeyTrust { host_keys: Vec::new(), known_hosts: Some(server.path("known_hosts")) };
    let settings = SftpSettings { trust, ..right };
    fs::write(server.path("known_hosts"), line("127.0.0.2")).unwrap();
    assert!(refusal(settings.clone()).message.contains("not known"));
    fs::write(server.path("known_hosts"), line("127.0.0.1")).unwrap();
    SftpShare::new(SftpServer::new(settings), b"/tmp", "").list(ListRequest::default()).unwrap();
}

#[test]
fn who_is_not_let_in_is_told_so_and_not_tried_again_at_once() {
    let Some(server) = plain() else { return };
    let right = support::settings(&server, server.address());
    let password = Some(Secret::new(WRONG_PASSWORD));
    let settings = SftpSettings { password, private_key: None, ..right.clone() };
    let share = SftpShare::new(SftpServer::new(settings), b"/tmp", "");
    trouble::wrong_password_is_told(&share, "by the password", "[share.gateway]");
    let log = fs::read_to_string(server.path("log")).unwrap();
    assert_eq!(log.matches("Failed password").count(), 1, "{log}");

    server.make_key("stranger_key");
    let key = Some(PrivateKeyFile { path: server.path("stranger_key"), passphrase: None });
    let error = refusal(SftpSettings { private_key: key, ..right });
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("by the private key"), "{error}");
}

/// Such a server says no more than that the connection ends. It is not troubled again soon: the account may be locked.
#[test]
fn who_is_cut_off_while_logging_in_is_not_let_in() {
    let with = |tries: &str| OpenSsh::start(OpenSshOptions { lines: tries.to_owned(), ..OpenSshOptions::default() });
    let refused_once = |server: &OpenSsh, settings: SftpSettings, said: &str| {
        let share = SftpShare::new(SftpServer::new(settings), b"/tmp", "");
        trouble::wrong_password_is_told(&share, said, "[share.gateway]");
        let log = fs::read_to_string(server.path("log")).unwrap();
        assert_eq!(log.matches("Failed password").count(), 1, "{log}");
    };
    let password = Some(Secret::new(WRONG_PASSWORD));
    let Some(server) = with("MaxAuthTries 1") else { return };
    let right = support::settings(&server, server.address());
    let settings = SftpSettings { password: password.clone(), private_key: None, ..right };
    refused_once(&server, settings, "did not answer the login");

    let Some(server) = with("MaxAuthTries 2") else { return };
    server.make_key("stranger_key");
    let private_key = Some(PrivateKeyFile { path: server.path("stranger_key"), passphrase: None });
    let right = support::settings(&server, server.address());
    refused_once(&server, SftpSettings { password, private_key, ..right }, "by private key and password");
}

#[test]
fn keys_may_be_encrypted() {
    let Some(server) = plain() else { return };
    server.make_key_with_passphrase("encrypted_key", "open sesame");
    server.authorize("encrypted_key");
    let right = support::settings(&server, server.address());
    let with = |passphrase: Option<&str>| SftpSettings {
        private_key: Some(PrivateKeyFile {
            path: server.path("encrypted_key"),
            passphrase: passphrase.map(Secret::new),
        }),
        ..right.clone()
    };
    let share = SftpShare::new(SftpServer::new(with(Some("open sesame"))), b"/tmp", "");
    share.list(ListRequest::default()).unwrap();
    let missing = refusal(with(None));
    assert_eq!(missing.kind, ErrorKind::Configuration);
    assert!(missing.hint.unwrap().contains("passphrase_file"));
    assert_eq!(refusal(with(Some("open barley"))).kind, ErrorKind::Configuration);
    let nowhere = PrivateKeyFile { path: server.path("no_key"), passphrase: None };
    assert_eq!(refusal(SftpSettings { private_key: Some(nowhere), ..right }).kind, ErrorKind::Configuration);
}

#[test]
fn a_server_that_is_away_is_trouble_that_passes() {
    let Some(mut server) = plain() else { return };
    let share = SftpShare::new(support::connection(&server), b"/tmp", "");
    trouble::absence_passes(&share, &mut server, OpenSsh::kill, OpenSsh::start_again);
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
fn what_is_not_permitted_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("out")).unwrap();
    fs::write(scratch.path().join("a"), "x").unwrap();
    // The server refuses these to everybody, privileged or not.
    let only = |lines: &str| OpenSsh::start(OpenSshOptions { lines: lines.to_owned(), ..OpenSshOptions::default() });
    let Some(server) = only("ForceCommand internal-sftp -P open") else { return };
    let share = support::share(&support::connection(&server), scratch.path());
    assert_eq!(share.list(ListRequest::default()).unwrap().entries.len(), 1);
    let error = share.open(&entry("a")).err().expect("opening is not permitted");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.hint.is_some(), "{error}");
    let Some(server) = only("ForceCommand internal-sftp -R") else { return };
    let outbox = support::outbox(&support::connection(&server), scratch.path(), None);
    let name = StagedName::new("test", 1, 1).unwrap();
    let error = outbox.stage(&name, Attributes::default()).err().expect("writing is not permitted");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

#[test]
fn times_are_the_same_in_every_zone_of_the_server() {
    trouble::times_are_the_same_in_every_zone(
        Duration::from_secs(1_767_225_599),
        1_767_225_599_000_000_000,
        |zone| OpenSsh::start(OpenSshOptions { zone: Some(zone), ..OpenSshOptions::default() }),
        |server, root| Box::new(support::share(&support::connection(server), root)),
    );
}

/// More files than a server has handles for one session are opened early, and all can be read.
#[test]
fn more_files_can_be_open_than_the_server_has_handles_for() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..300).map(|number| format!("file-{number}")).collect();
    for name in &names {
        fs::write(scratch.path().join(name), name).unwrap();
    }
    let share = support::share(&support::connection(&server), scratch.path());
    let mut open: Vec<_> = names.iter().map(|name| share.open(&entry(name)).unwrap()).collect();
    for (file, name) in open.iter_mut().zip(&names) {
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, *name);
    }
}

/// The server ended between its link and its unlink: both names are there, and the file was published.
#[test]
fn a_rename_that_the_server_did_not_finish_is_finished() {
    let Some(server) = plain() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    fs::create_dir(&out).unwrap();
    let outbox = support::outbox(&support::connection(&server), scratch.path(), None);
    let stage = |number| {
        let name = StagedName::new("test", 1, number).unwrap();
        let mut staged = outbox.stage(&name, Attributes::default()).unwrap();
        staged.write(b"ours").unwrap();
        staged.finish().unwrap();
        outbox.witness(&name).unwrap();
        name
    };
    let at = |name: &StagedName| out.join(".dropbridge").join(name.to_string());
    let (first, second) = (stage(1), stage(2));
    fs::hard_link(at(&first), out.join("first")).unwrap();
    let modified = fs::metadata(at(&first)).unwrap().modified().unwrap();
    assert_eq!(outbox.standing(&first, &entry("first")).unwrap(), Standing::Published);
    assert!(!at(&first).exists(), "the step is finished");
    assert_eq!(outbox.standing(&first, &entry("first")).unwrap(), Standing::Published);
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds(fs::metadata(out.join("first")).unwrap().modified().unwrap()), seconds(modified));

    // Another file that looks just the same is none of ours.
    fs::write(out.join("second"), b"ours").unwrap();
    fs::File::options().write(true).open(out.join("second")).unwrap().set_modified(modified).unwrap();
    fs::File::options().write(true).open(at(&second)).unwrap().set_modified(modified).unwrap();
    assert_eq!(outbox.standing(&second, &entry("second")).unwrap(), Standing::Staged);
    assert_eq!(outbox.publish(&second, &entry("second")).unwrap(), Publication::TargetExists);
    fs::remove_file(out.join("second")).unwrap();
    assert_eq!(outbox.publish(&second, &entry("second")).unwrap(), Publication::Published);
}

#[test]
fn files_are_taken_out_of_an_inbox_if_they_are_as_they_were() {
    let Some(server) = plain() else { return };
    let connection = support::connection(&server);
    clearing::takes_files_that_are_as_they_were(
        |root| Box::new(SftpShare::new(connection.clone(), root.as_os_str().as_bytes(), "in")),
        |root, disposal| Box::new(SftpClearing::new(connection.clone(), root.as_os_str().as_bytes(), "in", disposal)),
    );
}
