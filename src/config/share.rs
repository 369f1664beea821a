//! `[share.NAME]`: a place where files live, and how to reach it.

use std::time::Duration;

use dropbridge_port::Secret;

use super::address::{Address, address};
use super::bridge::{DAY_MS, narrow};
use super::ftp_share;
use super::given::Given;
use super::secret;
use super::section::Section;
use super::settings::{DirectorySettings, RemoteAddress, SftpSettings, ShareSettings};
use super::smb_share;

/// Keys that only a directory of this machine has.
const OF_DIRECTORIES: [&str; 2] = ["notify", "require_mount"];

/// Keys that only a server has.
const OF_SERVERS: [&str; 10] = [
    "password_env",
    "password_file",
    "private_key_file",
    "passphrase_env",
    "passphrase_file",
    "host_key",
    "known_hosts_file",
    "connect_timeout_ms",
    "stall_timeout_ms",
    "parallel_transfers",
];

/// Keys that only an SFTP server has.
const OF_SFTP: [&str; 5] = ["private_key_file", "passphrase_env", "passphrase_file", "host_key", "known_hosts_file"];

/// Reads one.
pub(super) fn read(section: Section<'_>) -> Option<ShareSettings> {
    let found = section.need("address").and_then(|given| address(&given));
    let settings = match found {
        Some(Address::Directory(root)) => {
            refuse(&section, &OF_SERVERS, "has no meaning for a directory of this machine");
            refuse(&section, &smb_share::KEYS, "has no meaning for a directory of this machine");
            refuse(&section, &ftp_share::KEYS, "has no meaning for a directory of this machine");
            let notify = section.flag("notify", true);
            let require_mount = section.flag("require_mount", false);
            Some(ShareSettings::Directory(DirectorySettings { root, notify, require_mount }))
        }
        Some(Address::Sftp(address)) => {
            refuse(&section, &OF_DIRECTORIES, "has no meaning for a server");
            refuse(&section, &smb_share::KEYS, "has no meaning for an SFTP server");
            refuse(&section, &ftp_share::KEYS, "has no meaning for an SFTP server");
            sftp(&section, address).map(|server| ShareSettings::Sftp(Box::new(server)))
        }
        Some(Address::Smb(address)) => {
            refuse(&section, &OF_DIRECTORIES, "has no meaning for a server");
            refuse(&section, &smb_share::OF_OTHERS, "has no meaning for a server that is reached over SMB");
            refuse(&section, &ftp_share::KEYS, "has no meaning for a server that is reached over SMB");
            smb_share::read(&section, address).map(|server| ShareSettings::Smb(Box::new(server)))
        }
        Some(Address::Ftp(address)) => {
            refuse(&section, &OF_DIRECTORIES, "has no meaning for a server");
            refuse(&section, &OF_SFTP, "has no meaning for an FTP server");
            refuse(&section, &smb_share::KEYS, "has no meaning for an FTP server");
            ftp_share::read(&section, address).map(|server| ShareSettings::Ftp(Box::new(server)))
        }
        None => {
            // Which keys have a meaning, the address would say.
            for key in OF_DIRECTORIES.iter().chain(&OF_SERVERS).chain(&smb_share::KEYS).chain(&ftp_share::KEYS) {
                let _asked = section.find(key);
            }
            None
        }
    };
    section.end();
    settings
}

fn refuse(section: &Section<'_>, keys: &[&str], why: &str) {
    for key in keys {
        section.refuse(key, why);
    }
}

fn sftp(section: &Section<'_>, address: RemoteAddress) -> Option<SftpSettings> {
    let password = secret(section, "password");
    let passphrase = secret(section, "passphrase");
    let key_file = section.find("private_key_file");
    if key_file.is_none() {
        for key in ["passphrase_env", "passphrase_file"] {
            section.refuse(key, "has no meaning without private_key_file");
        }
    }
    let stated = ["password_env", "password_file", "private_key_file"];
    if stated.iter().all(|key| !section.has(key)) {
        let hint = "state private_key_file, password_file or password_env";
        section.problem("address", "says nothing of how to log in", Some(hint.to_owned()));
    }
    let file = |given: &Given<'_>| given.text().map(|path| given.source().beside(&path));
    let time = |key: &str, usual_ms: u64| Duration::from_millis(section.number(key, 100..=DAY_MS).unwrap_or(usual_ms));
    // Every key is asked for before one that is wrong ends it: the others would be called unknown.
    let host_keys = section.find("host_key").map(|given| host_keys(&given)).unwrap_or_default();
    let known_hosts = section.find("known_hosts_file").map(|given| file(&given));
    let (connect_timeout, stall_timeout) = (time("connect_timeout_ms", 10_000), time("stall_timeout_ms", 30_000));
    let parallel_transfers = section.number("parallel_transfers", 1..=64).and_then(narrow).unwrap_or(4);
    Some(SftpSettings {
        address,
        password: password?,
        private_key: match key_file {
            Some(given) => Some((file(&given)?, passphrase?)),
            None => None,
        },
        host_keys,
        known_hosts: known_hosts.map_or(Some(None), |path| path.map(Some))?,
        connect_timeout,
        stall_timeout,
        parallel_transfers,
    })
}

/// `NAME_env` or `NAME_file`. The outer `None`: it could not be had, which is reported; the inner: neither is stated.
pub(super) fn secret(section: &Section<'_>, name: &str) -> Option<Option<Secret>> {
    match (section.find(&format!("{name}_env")), section.find(&format!("{name}_file"))) {
        (Some(given), Some(_)) => {
            given.problem(format!("comes from {name}_env or from {name}_file, not from both"));
            None
        }
        (Some(given), None) => Some(Some(Secret::new(secret::from_environment(&given)?))),
        (None, Some(given)) => Some(Some(Secret::new(secret::from_file(&given)?))),
        (None, None) => Some(None),
    }
}

/// One, or a list of them.
fn host_keys(given: &Given<'_>) -> Vec<String> {
    let keys = if given.as_text().is_some() { given.text().into_iter().collect() } else { given.texts() };
    for key in &keys {
        let is_one = key.starts_with("SHA256:") || key.split_whitespace().count() >= 2;
        if !is_one {
            given.problem_with_hint(
                format!("`{key}` is no host key"),
                Some("state a fingerprint (\"SHA256:…\") or a public key (\"ssh-ed25519 AAAA…\")".to_owned()),
            );
        }
    }
    keys
}
