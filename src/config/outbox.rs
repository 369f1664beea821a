//! `outbox` of a feed, and what goes with it: where files are delivered, and how.

use dropbridge_port::Attributes;

use super::bridge::Bridge;
use super::feed::{directory_in_share, known};
use super::given::Given;
use super::problems::Place;
use super::section::Section;
use super::settings::{OutboxSettings, RelaySettings, ShareSettings};
use crate::domain::policy::{Afterwards, TargetExists};

/// Keys that say how to deliver, and mean nothing without an outbox.
const ONLY_WITH_OUTBOX: [&str; 6] =
    ["outbox_share", "staging", "target_exists", "file_mode", "file_owner", "file_group"];

/// The relay of a feed as far as it could be read.
pub(super) struct StatedRelay {
    /// The share's name.
    pub(super) share: Option<String>,
    /// Directory within the share.
    pub(super) directory: Option<String>,
    /// Where the outbox is stated.
    pub(super) place: Place,
    /// The whole of it.
    pub(super) settings: Option<RelaySettings>,
}

/// Reads the keys of an interposed feed; `None` where it is none.
pub(super) fn relay(section: &Section<'_>, inbox_share: Option<&str>, bridge: &Bridge) -> Option<StatedRelay> {
    let Some((outbox, place)) = outbox(section, inbox_share, bridge) else {
        section.refuse("after_relay", "has no meaning without `outbox`");
        return None;
    };
    section.refuse("after", "has no meaning with `outbox`: state `after_relay`");
    let StatedOutbox { share, directory, settings } = outbox;
    let after = afterwards(section, "after_relay");
    let settings = settings.zip(after).map(|(outbox, after)| RelaySettings { outbox, after });
    Some(StatedRelay { share, directory, place, settings })
}

/// An outbox as far as it could be read.
struct StatedOutbox {
    share: Option<String>,
    directory: Option<String>,
    settings: Option<OutboxSettings>,
}

/// Reads `outbox` and what goes with it; `None` where there is none.
fn outbox(section: &Section<'_>, usual_share: Option<&str>, bridge: &Bridge) -> Option<(StatedOutbox, Place)> {
    let Some(given) = section.find("outbox") else {
        for key in ONLY_WITH_OUTBOX {
            section.refuse(key, "has no meaning without `outbox`");
        }
        return None;
    };
    let directory = directory_in_share(&given);
    let share = match section.find("outbox_share") {
        Some(given) => known(&given, "share", &bridge.shares),
        None => usual_share.map(str::to_owned),
    };
    let staging = section.find("staging").map(|given| directory_in_share(&given));
    let waits = [("wait", TargetExists::Wait), ("hold", TargetExists::Hold)];
    let target_exists = section.word("target_exists", &waits, TargetExists::Wait);
    let attributes = attributes(section, share.as_deref(), bridge);
    let settings = (|| {
        Some(OutboxSettings {
            share: share.clone()?,
            directory: directory.clone()?,
            staging: staging.map_or(Some(None), |directory| directory.map(Some))?,
            target_exists,
            attributes: attributes?,
        })
    })();
    Some((StatedOutbox { share, directory, settings }, given.place()))
}

/// What delivered files are given: `file_mode`, `file_owner`, `file_group`. `None` where one is wrong.
pub(super) fn attributes(section: &Section<'_>, share: Option<&str>, bridge: &Bridge) -> Option<Attributes> {
    let why = match share.and_then(|share| bridge.shares.get(share)) {
        Some(Some(ShareSettings::Smb(_))) => Some("cannot be set over SMB: files inherit from their directory there"),
        Some(Some(ShareSettings::Ftp(_))) => Some("cannot be set over FTP: the server's umask decides there"),
        _ => None,
    };
    if let Some(why) = why {
        for key in ["file_mode", "file_owner", "file_group"] {
            section.refuse(key, why);
        }
    }
    let mode = section.find("file_mode").map(|given| mode(&given));
    let owner = section.find("file_owner").map(|given| id(&given, "/etc/passwd", "user"));
    let group = section.find("file_group").map(|given| id(&given, "/etc/group", "group"));
    // The outer `None`: not stated; the inner: stated, and reported as wrong.
    let right = |stated: Option<Option<u32>>| stated.map_or(Some(None), |value| value.map(Some));
    Some(Attributes { mode: right(mode)?, owner: right(owner)?, group: right(group)? })
}

/// `leave`, `delete`, `move:DIRECTORY` or `rename:SUFFIX`; `leave` where nothing is stated.
pub(super) fn afterwards(section: &Section<'_>, key: &str) -> Option<Afterwards> {
    let Some(given) = section.find(key) else { return Some(Afterwards::Leave) };
    let text = given.text()?;
    match text.split_once(':') {
        None if text == "leave" => Some(Afterwards::Leave),
        None if text == "delete" => Some(Afterwards::Delete),
        Some(("move", directory)) if is_plain(directory) => Some(Afterwards::Move(directory.to_owned())),
        Some(("move", _)) => {
            given.problem("must name a directory within the share: no leading or doubled `/`, no `.` or `..`");
            None
        }
        Some(("rename", suffix)) if is_suffix(suffix) => Some(Afterwards::Rename(suffix.to_owned())),
        Some(("rename", _)) => {
            given.problem("must name an ending of letters, digits, `.`, `_` and `-`, such as `rename:.done`");
            None
        }
        _ => {
            given.problem(format!("`{text}` is none of \"leave\", \"delete\", \"move:DIRECTORY\", \"rename:SUFFIX\""));
            None
        }
    }
}

fn is_suffix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_plain(directory: &str) -> bool {
    directory.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// Permission bits as `chmod` takes them: `"0640"`.
fn mode(given: &Given<'_>) -> Option<u32> {
    let text = given.text()?;
    let digits = (3..=4).contains(&text.len()).then(|| u32::from_str_radix(&text, 8).ok()).flatten();
    // What runs with somebody else's rights has no business in an outbox.
    let mode = digits.filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        given.problem(format!("`{text}` is no mode such as \"0640\""));
    }
    mode
}

/// An id, or the name of somebody in a file of the form of `passwd(5)` or `group(5)`.
fn id(given: &Given<'_>, names: &str, what: &str) -> Option<u32> {
    if let Some(number) = given.as_integer() {
        let id = u32::try_from(number).ok();
        if id.is_none() {
            given.problem(format!("{number} is no id of a {what}"));
        }
        return id;
    }
    let name = given.text()?;
    let known = std::fs::read_to_string(names).unwrap_or_default();
    let found = known.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let fits = fields.next() == Some(&name);
        fields.nth(1).filter(|_| fits)?.parse().ok()
    });
    if found.is_none() {
        given.problem(format!("no {what} `{name}` is in {names}: state the id as a number"));
    }
    found
}
