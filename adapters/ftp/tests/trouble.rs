//! What a server refuses, and what is said of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dropbridge_conformance::clearing;
use dropbridge_conformance::ftpd::{FtpDaemon, Ftpd, FtpdCertificate, FtpdOptions, FtpdTls};
use dropbridge_conformance::openssh::skipped;
use dropbridge_conformance::trouble::{self, WRONG_PASSWORD};
use dropbridge_ftp::{CertificateTrust, Encryption, FtpClearing, FtpServer, FtpSettings, FtpShare};
use dropbridge_port::{
    Attributes, EntryPath, ErrorKind, ListRequest, Outbox, PortError, Secret, Share, StagedName, Standing,
};

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).unwrap()
}

/// A server and how to reach it.
fn with_tls(tls: FtpdTls) -> Option<(FtpDaemon, FtpSettings)> {
    with_certificate(tls, FtpdCertificate::Right)
}

/// The same, with something wrong with its certificate.
fn with_certificate(tls: FtpdTls, certificate: FtpdCertificate) -> Option<(FtpDaemon, FtpSettings)> {
    let server = FtpDaemon::start(FtpdOptions { tls, certificate, ..FtpdOptions::default() })?;
    let settings = support::settings(&server, server.address(), tls);
    Some((server, settings))
}

fn listing(settings: FtpSettings) -> Result<usize, PortError> {
    let share = FtpShare::new(FtpServer::new(settings), b"/tmp", "");
    share.list(ListRequest::default()).map(|listing| listing.entries.len())
}

/// What listing a directory that is there comes to under these settings.
fn refusal(settings: FtpSettings) -> PortError {
    listing(settings).expect_err("it must be refused")
}

#[test]
fn a_certificate_of_no_known_authority_is_refused_with_its_fingerprint_and_how_to_accept_it() {
    let Some((server, right)) = with_tls(FtpdTls::Explicit) else { return };
    let unknown = refusal(FtpSettings { trust: CertificateTrust::default(), ..right.clone() });
    assert_eq!(unknown.kind, ErrorKind::Refused, "{unknown}");
    let fingerprint = server.fingerprint();
    // A machine without any authority says that first.
    if !unknown.message.contains("trusts no authority") {
        assert!(unknown.message.contains(&fingerprint) && unknown.message.contains("no known authority"), "{unknown}");
        let hint = unknown.hint.unwrap();
        assert!(hint.contains(&format!("certificate_fingerprint = \"{fingerprint}\" in [share.gateway]")), "{hint}");
    }
    let pinned = |print: &str| CertificateTrust { certificate_fingerprints: vec![print.to_owned()], ca_file: None };
    listing(FtpSettings { trust: pinned(&fingerprint), ..right.clone() })
        .unwrap_or_else(|error| panic!("what it says is how it is: {error}"));
    let other = fingerprint.chars().rev().collect::<String>();
    let changed = refusal(FtpSettings { trust: pinned(&other), ..right.clone() });
    assert_eq!(changed.kind, ErrorKind::Refused);
    assert!(changed.message.contains(&fingerprint) && changed.message.contains("is expected"), "{changed}");
    let elsewhere = refusal(FtpSettings { host: "127.0.0.2".to_owned(), ..right });
    assert_ne!(elsewhere.kind, ErrorKind::Bug, "{elsewhere}");
}

#[test]
fn an_expired_certificate_is_refused_though_its_authority_is_trusted() {
    for tls in [FtpdTls::Explicit, FtpdTls::Implicit] {
        let Some((server, right)) = with_certificate(tls, FtpdCertificate::Expired) else { return };
        let expired = refusal(right.clone());
        assert_eq!(expired.kind, ErrorKind::Refused, "{expired}");
        let fingerprint = server.fingerprint();
        assert!(expired.message.contains("has expired") && expired.message.contains(&fingerprint), "{expired}");
        assert!(expired.hint.as_ref().unwrap().contains("renew"), "{expired}");
        let trust = CertificateTrust { certificate_fingerprints: vec![fingerprint], ca_file: None };
        listing(FtpSettings { trust, ..right }).unwrap_or_else(|error| panic!("it was accepted: {error}"));
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let Some((_server, right)) = with_tls(FtpdTls::Explicit) else { return };
    listing(FtpSettings { host: "localhost".to_owned(), ..right }).unwrap();
    let Some((server, right)) = with_certificate(FtpdTls::Explicit, FtpdCertificate::OfAnotherName) else { return };
    for host in ["127.0.0.1", "localhost"] {
        let other = refusal(FtpSettings { host: host.to_owned(), ..right.clone() });
        assert_eq!(other.kind, ErrorKind::Refused, "{other}");
        assert!(other.message.contains(&format!("is not for `{host}`")), "{other}");
        assert!(other.message.contains("elsewhere.test") && other.message.contains(&server.fingerprint()), "{other}");
    }
}

#[test]
fn authorities_are_read_from_a_file_of_certificates_only() {
    let Some((server, right)) = with_tls(FtpdTls::Explicit) else { return };
    let with = |file: std::path::PathBuf| FtpSettings {
        trust: CertificateTrust { certificate_fingerprints: Vec::new(), ca_file: Some(file) },
        ..right.clone()
    };
    for wrong in ["no such file", "server.key", "names"] {
        let error = refusal(with(server.path(wrong)));
        assert_eq!(error.kind, ErrorKind::Configuration, "{wrong}: {error}");
        assert!(error.hint.unwrap().contains("ca_file"));
    }
    let garbled = CertificateTrust { certificate_fingerprints: vec!["AB:CD".to_owned()], ca_file: None };
    assert_eq!(refusal(FtpSettings { trust: garbled, ..right }).kind, ErrorKind::Configuration);
}

#[test]
fn a_password_goes_over_no_line_that_is_not_protected_as_stated() {
    let Some((plain, settings)) = with_tls(FtpdTls::None) else { return };
    let error = refusal(FtpSettings { encryption: Encryption::Explicit, ..settings });
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.message.contains("does not protect"), "{error}");
    assert!(!plain.log().contains("batch"), "nobody logged in: {}", plain.log());
    let Some((_server, settings)) = with_tls(FtpdTls::Explicit) else { return };
    let error = refusal(FtpSettings { encryption: Encryption::None, ..settings });
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.hint.as_ref().unwrap().contains("ftps://"), "{error}");
}

#[test]
fn who_is_not_let_in_is_told_so_and_not_tried_again_at_once() {
    let Some((server, right)) = with_tls(FtpdTls::None) else { return };
    let settings = FtpSettings { password: Some(Secret::new(WRONG_PASSWORD)), ..right };
    let share = FtpShare::new(FtpServer::new(settings), b"/tmp", "");
    trouble::wrong_password_is_told(&share, "by the password", "[share.gateway]");
    assert_eq!(server.log().matches("Login failed").count(), 1, "{}", server.log());
}

#[test]
fn a_server_that_is_away_is_trouble_that_passes() {
    let Some((mut server, settings)) = with_tls(FtpdTls::Explicit) else { return };
    let share = FtpShare::new(FtpServer::new(settings), b"/tmp", "");
    share.list(ListRequest::default()).unwrap();
    trouble::absence_passes(&share, &mut server, FtpDaemon::kill, FtpDaemon::start_again);
}

#[test]
fn a_directory_that_is_not_there_is_not_found() {
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        let Some(server) = support::server(ftpd, FtpdTls::None) else { return };
        let connection = support::connection(&server, FtpdTls::None);
        for missing in ["/tmp/no such directory", "/etc/passwd"] {
            println!("{missing} of {ftpd:?}");
            trouble::missing_directory_is_not_found(&support::share(&connection, Path::new(missing)));
        }
    }
}

#[test]
fn what_is_not_permitted_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("out")).unwrap();
    fs::write(scratch.path().join("a"), "x").unwrap();
    let only = |commands: &str| {
        let lines =
            format!("<Directory {}>\n<Limit {commands}>\nDenyAll\n</Limit>\n</Directory>", scratch.path().display());
        FtpDaemon::start(FtpdOptions { lines, ..FtpdOptions::default() })
    };
    let Some(server) = only("RETR") else { return };
    let share = support::share(&support::connection(&server, FtpdTls::None), scratch.path());
    let mut file = share.open(&entry("a")).unwrap();
    let error = std::io::Read::read_to_end(&mut file, &mut Vec::new()).expect_err("reading is not permitted");
    let error = PortError::io("read", "a", &error);
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.hint.is_some(), "{error}");
    let Some(server) = only("STOR") else { return };
    let outbox = support::outbox(&support::connection(&server, FtpdTls::None), scratch.path(), None);
    let name = StagedName::new("test", 1, 1).unwrap();
    let error = outbox.stage(&name, Attributes::default()).err().expect("writing is not permitted");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    let Some(server) = only("CWD") else { return };
    let share = support::share(&support::connection(&server, FtpdTls::None), scratch.path());
    let error = share.list(ListRequest::default()).expect_err("entering is not permitted");
    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::NotFound), "{error}");
}

/// Tables of ProFTPD's quotas, made by its own program: so many kilobytes may be uploaded.
fn quota(directory: &Path, kilobytes: u32) -> Option<String> {
    let made = |arguments: &[&str], table: &str| {
        let path = format!("--table-path={}", directory.join(table).display());
        Command::new("ftpquota").args(arguments).arg(path).output().is_ok_and(|output| output.status.success())
    };
    let upload = format!("--bytes-upload={kilobytes}");
    let limits =
        ["--add-record", "--type=limit", "--name=batch", "--quota-type=user", "--limit-type=hard", "--units=Kb"];
    let all = made(&["--create-table", "--type=limit"], "limit")
        && made(&["--create-table", "--type=tally"], "tally")
        && made(&[&limits[..], &[upload.as_str()]].concat(), "limit");
    let at = |table: &str| directory.join(table).display().to_string();
    all.then(|| {
        format!(
            "LoadModule mod_quotatab.c\nLoadModule mod_quotatab_file.c\nQuotaEngine on\nQuotaLimitTable file:{}\n\
             QuotaTallyTable file:{}",
            at("limit"),
            at("tally")
        )
    })
}

#[test]
fn a_quota_that_is_used_up_in_mid_upload_is_said_as_such() {
    let (tables, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(scratch.path().join("out")).unwrap();
    let Some(lines) = quota(tables.path(), 500) else {
        return skipped("no `ftpquota`, which comes with ProFTPD and wants perl");
    };
    let Some(server) = FtpDaemon::start(FtpdOptions { lines, ..FtpdOptions::default() }) else { return };
    let outbox = support::outbox(&support::connection(&server, FtpdTls::None), scratch.path(), None);
    let name = StagedName::new("test", 1, 1).unwrap();
    let mut staged = outbox.stage(&name, Attributes::default()).unwrap();
    let block = vec![0; 100_000];
    let written = (0..40).try_for_each(|_| staged.write(&block));
    let error = written.and_then(|()| staged.finish().map(drop)).expect_err("there is no room for it");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.hint.as_ref().unwrap().contains("quota"), "{error}");
    outbox.discard(&name).unwrap();
    let staging = fs::read_dir(scratch.path().join("out/.dropbridge")).unwrap();
    assert_eq!(staging.count(), 0, "nothing is left over");
}

/// By `MLSD` and by `MDTM`, which are of no zone; the rows of `LIST`, which are, are not believed.
#[test]
fn times_are_the_same_in_every_zone_of_the_server() {
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        println!("{ftpd:?}");
        trouble::times_are_the_same_in_every_zone(
            Duration::from_secs(1_767_225_599),
            1_767_225_599_000_000_000,
            |zone| FtpDaemon::start(FtpdOptions { ftpd, zone: Some(zone), ..FtpdOptions::default() }),
            |server, root| Box::new(support::share(&support::connection(server, FtpdTls::None), root)),
        );
    }
}

/// A server without `MLSD`: the time of a file is asked for once, and again when its row changes.
#[test]
fn times_are_asked_for_once_for_each_row() {
    let lines = "log_ftp_protocol=YES\nxferlog_enable=YES".to_owned();
    let options = FtpdOptions { ftpd: Ftpd::Vsftpd, lines, ..FtpdOptions::default() };
    let Some(server) = FtpDaemon::start(options) else { return };
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..5 {
        fs::write(scratch.path().join(format!("file-{number}")), "x").unwrap();
    }
    let share = support::share(&support::connection(&server, FtpdTls::None), scratch.path());
    for _ in 0..4 {
        assert_eq!(share.list(ListRequest::default()).unwrap().entries.len(), 5);
    }
    assert_eq!(server.log().matches("FTP command: Client \"127.0.0.1\", \"MDTM ").count(), 5, "{}", server.log());
    fs::write(scratch.path().join("file-2"), "longer").unwrap();
    assert_eq!(share.list(ListRequest::default()).unwrap().entries[2].stat.size, 6);
    assert_eq!(server.log().matches("\"MDTM ").count(), 6, "{}", server.log());
}

/// Commands and small files, one after the other, need one connection.
#[test]
fn one_connection_serves_all_that_is_done_one_after_the_other() {
    let Some((server, settings)) = with_tls(FtpdTls::Explicit) else { return };
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..20 {
        fs::write(scratch.path().join(format!("file-{number}")), number.to_string()).unwrap();
    }
    let share = support::share(&FtpServer::new(settings), scratch.path());
    for entry in share.list(ListRequest::default()).unwrap().entries {
        let mut file = share.open(&entry.path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.stat().unwrap().size).unwrap()];
        // Who knows the size may not ask for the end.
        std::io::Read::read_exact(&mut file, &mut bytes).unwrap();
        assert_eq!(file.stat().unwrap(), entry.stat);
    }
    assert_eq!(server.log().matches("Login successful").count(), 1, "{}", server.log());
}

#[test]
fn links_are_not_followed_out_of_a_listing() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("a"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", scratch.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", scratch.path().join("directory")).unwrap();
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        let Some(server) = support::server(ftpd, FtpdTls::None) else { return };
        let share = support::share(&support::connection(&server, FtpdTls::None), scratch.path());
        let listing = share.list(ListRequest { recursive: true }).unwrap();
        let names: Vec<String> = listing.entries.iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(names, ["a"], "{ftpd:?}");
        assert_eq!(listing.skipped.len(), 2, "{ftpd:?}: {:?}", listing.skipped);
    }
}

#[test]
fn files_are_taken_out_of_an_inbox_if_they_are_as_they_were() {
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        let Some(server) = support::server(ftpd, FtpdTls::None) else { return };
        let connection = support::connection(&server, FtpdTls::None);
        println!("{ftpd:?}");
        clearing::takes_files_that_are_as_they_were(
            |root| Box::new(FtpShare::new(connection.clone(), root.as_os_str().as_bytes(), "in")),
            |root, disposal| {
                Box::new(FtpClearing::new(connection.clone(), root.as_os_str().as_bytes(), "in", disposal))
            },
        );
    }
}

/// A share that was mounted before may have a delivery under way.
#[test]
fn what_another_protocol_has_staged_is_not_taken_for_published() {
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        let Some(server) = support::server(ftpd, FtpdTls::None) else { return };
        let scratch = tempfile::tempdir().unwrap();
        let staging = scratch.path().join("out/.dropbridge");
        fs::create_dir_all(&staging).unwrap();
        let name = StagedName::new("mirror", 1, 1).unwrap();
        for ending in ["", ".witness"] {
            fs::write(staging.join(format!("{name}{ending}")), "whole").unwrap();
        }
        let outbox = support::outbox(&support::connection(&server, FtpdTls::None), scratch.path(), None);
        let error = outbox.standing(&name, &entry("orders.dat")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{ftpd:?}: {error}");
        assert!(error.hint.unwrap().contains("reach the share as before"), "{ftpd:?}");
        assert!(staging.join(name.to_string()).exists(), "{ftpd:?}");
    }
}

/// Of a link that leads nowhere this server says what it says of a name that nothing has.
#[test]
fn a_staged_file_that_the_server_lists_and_does_not_tell_of_is_not_taken_for_published() {
    let Some(server) = support::server(Ftpd::Vsftpd, FtpdTls::None) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let staging = scratch.path().join("out/.dropbridge");
    fs::create_dir_all(&staging).unwrap();
    let name = StagedName::new("relay", 1, 1).unwrap();
    let staged = staging.join(format!("{name}.staged"));
    std::os::unix::fs::symlink("nowhere", &staged).unwrap();
    fs::write(staging.join(format!("{name}.witness")), "").unwrap();
    let outbox = support::outbox(&support::connection(&server, FtpdTls::None), scratch.path(), None);
    for _ in 0..2 {
        let error = outbox.standing(&name, &entry("orders.dat")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.message.contains("a file that it lists"), "{error}");
        let error = outbox.publish(&name, &entry("orders.dat")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    }
    fs::remove_file(&staged).unwrap();
    assert_eq!(outbox.standing(&name, &entry("orders.dat")).unwrap(), Standing::Published);
}
