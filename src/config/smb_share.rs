//! `[share.NAME]` on a Windows or Samba server.

use std::time::Duration;

use super::bridge::{DAY_MS, narrow};
use super::section::Section;
use super::settings::{SmbAddress, SmbSettings};
use super::share::secret;

/// Keys that only such a server has.
pub(super) const KEYS: [&str; 1] = ["exclusive_rename"];

/// Keys of servers that have no meaning for it.
pub(super) const OF_OTHERS: [&str; 5] =
    ["private_key_file", "passphrase_env", "passphrase_file", "host_key", "known_hosts_file"];

/// Who needs no password.
const GUEST: &str = "guest";

/// Reads one.
pub(super) fn read(section: &Section<'_>, address: SmbAddress) -> Option<SmbSettings> {
    let password = secret(section, "password");
    let needs_none = address.user.eq_ignore_ascii_case(GUEST);
    if !section.has("password_env") && !section.has("password_file") && !needs_none {
        let hint = "state password_file or password_env; only the user `guest` needs none".to_owned();
        section.problem("address", "says nothing of how to log in", Some(hint));
    }
    let time = |key: &str, usual_ms: u64| Duration::from_millis(section.number(key, 100..=DAY_MS).unwrap_or(usual_ms));
    // Every key is asked for before one that is wrong ends it: the others would be called unknown.
    let (connect_timeout, stall_timeout) = (time("connect_timeout_ms", 10_000), time("stall_timeout_ms", 30_000));
    let parallel_transfers = section.number("parallel_transfers", 1..=64).and_then(narrow).unwrap_or(4);
    let exclusive_rename = section.flag("exclusive_rename", false);
    let password = password?;
    Some(SmbSettings { address, password, connect_timeout, stall_timeout, parallel_transfers, exclusive_rename })
}
