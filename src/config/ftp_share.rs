//! `[share.NAME]` on an FTP server.

use std::time::Duration;

use super::bridge::{DAY_MS, narrow};
use super::given::Given;
use super::section::Section;
use super::settings::{FtpSettings, FtpTls, RemoteAddress};
use super::share::secret;

/// Keys that only an FTP server has.
pub(super) const KEYS: [&str; 3] = ["tls", "ca_file", "certificate_fingerprint"];

/// The port where TLS begins with the first byte, by custom.
const IMPLICIT_PORT: u16 = 990;

/// Who needs no password, by custom.
const ANONYMOUS: [&str; 2] = ["anonymous", "ftp"];

/// Reads one.
pub(super) fn read(section: &Section<'_>, address: RemoteAddress) -> Option<FtpSettings> {
    let password = secret(section, "password");
    if !section.has("password_env") && !section.has("password_file") && !ANONYMOUS.contains(&address.user.as_str()) {
        let hint = "state password_file or password_env".to_owned();
        section.problem("address", "says nothing of how to log in", Some(hint));
    }
    let time = |key: &str, usual_ms: u64| Duration::from_millis(section.number(key, 100..=DAY_MS).unwrap_or(usual_ms));
    // Every key is asked for before one that is wrong ends it: the others would be called unknown.
    let tls = tls(section, &address);
    let certificate_fingerprints = section.find("certificate_fingerprint").map(|given| fingerprints(&given));
    let ca_file = section.find("ca_file").map(|given| given.text().map(|path| given.source().beside(&path)));
    let (connect_timeout, stall_timeout) = (time("connect_timeout_ms", 10_000), time("stall_timeout_ms", 30_000));
    let parallel_transfers = section.number("parallel_transfers", 1..=64).and_then(narrow).unwrap_or(4);
    Some(FtpSettings {
        address,
        password: password?,
        tls,
        certificate_fingerprints: certificate_fingerprints.unwrap_or_default(),
        ca_file: ca_file.map_or(Some(None), |path| path.map(Some))?,
        connect_timeout,
        stall_timeout,
        parallel_transfers,
    })
}

fn tls(section: &Section<'_>, address: &RemoteAddress) -> FtpTls {
    if address.scheme == "ftp" {
        for key in KEYS {
            section.refuse(key, "has no meaning without TLS: write `ftps://` in the address");
        }
        return FtpTls::None;
    }
    let usual = if address.port == IMPLICIT_PORT { FtpTls::Implicit } else { FtpTls::Explicit };
    section.word("tls", &[("explicit", FtpTls::Explicit), ("implicit", FtpTls::Implicit)], usual)
}

/// One, or a list of them.
fn fingerprints(given: &Given<'_>) -> Vec<String> {
    let stated = if given.as_text().is_some() { given.text().into_iter().collect() } else { given.texts() };
    for fingerprint in &stated {
        let digits: Vec<char> = fingerprint.chars().filter(|digit| *digit != ':').collect();
        if digits.len() != 64 || !digits.iter().all(char::is_ascii_hexdigit) {
            given.problem_with_hint(
                format!("`{fingerprint}` is no fingerprint"),
                Some("state the 64 hexadecimal digits of a SHA-256, as `dropbridge check` tells them".to_owned()),
            );
        }
    }
    stated
}
