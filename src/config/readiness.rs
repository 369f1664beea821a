//! `[feed.ready]`: when an entry is complete.

use std::time::Duration;

use crate::capture::readiness::{ChecksumAlgorithm, ChecksumRule, Readiness};
use crate::domain::name_pattern::{NameTemplate, Wildcard};
use crate::layout::spec::{LayoutSpec, Role};

use super::bridge::DAY_MS;
use super::given::Given;
use super::section::Section;
use super::settings::ShareSettings;

/// Reads the readiness rule of a feed with this layout, on this share (`None` where one could not be read).
pub(super) fn read(
    section: Section<'_>,
    layout: Option<&LayoutSpec>,
    share: Option<&ShareSettings>,
) -> Option<Readiness> {
    let rules = ["quiet_ms", "temporary", "marker", "checksum"];
    let quiet = section.number("quiet_ms", 1..=DAY_MS).map(Duration::from_millis);
    let temporary = section.find("temporary").map(|given| {
        if given.elements().is_some_and(|names| names.is_empty()) {
            given.problem("is empty: it would be no rule");
        }
        wildcards(&given)
    });
    let marker = section.find("marker").and_then(|given| template(&given));
    let checksum = section.find("checksum").and_then(|given| checksum(&given));
    let trailer = section.flag("trailer", false);
    let has_trailer = |layout: &&LayoutSpec| layout.records.iter().any(|record| record.role == Role::Trailer);
    if let Some(layout) = layout.filter(|layout| trailer && !has_trailer(layout)) {
        section.problem("trailer", format!("layout `{}` has no trailer", layout.name), None);
    }
    let no_writer = section.flag("no_writer", false);
    if no_writer && share.is_some_and(|share| !matches!(share, ShareSettings::Smb(_))) {
        let hint = "only servers that are reached over SMB tell who writes".to_owned();
        section.problem("no_writer", "has no meaning for this share", Some(hint));
    }
    if !trailer && !rules.iter().any(|rule| section.has(rule)) {
        let hint = "state quiet_ms, temporary, marker, checksum or trailer".to_owned();
        section.source().gathered().add(&section.place(), "states no rule", Some(hint));
    }
    section.end();
    Some(Readiness { quiet, temporary: temporary.unwrap_or_default(), marker, checksum, trailer, no_writer })
}

/// A list of names with `*` and `?`.
pub(super) fn wildcards(given: &Given<'_>) -> Vec<Wildcard> {
    let elements = given.list().unwrap_or_default();
    elements.iter().filter_map(|element| file_name(element, Wildcard::parse)).map(|(_, wildcard)| wildcard).collect()
}

/// The text of a file name (no directory) and what `parse` makes of it.
pub(super) fn file_name<T>(given: &Given<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Option<(String, T)> {
    let text = given.text()?;
    if text.is_empty() || text.contains('/') {
        let hint = "state the directory as `inbox`, and `recursive = true` for those below".to_owned();
        given.problem_with_hint(format!("`{text}` must be a file name without a directory"), Some(hint));
        return None;
    }
    match parse(&text) {
        Ok(parsed) => Some((text, parsed)),
        Err(message) => {
            given.problem(message);
            None
        }
    }
}

/// A name derived from a file's.
pub(super) fn template(given: &Given<'_>) -> Option<NameTemplate> {
    NameTemplate::parse(&given.text()?).map_err(|message| given.problem(message)).ok()
}

/// A sidecar with a checksum.
pub(super) fn checksum(given: &Given<'_>) -> Option<ChecksumRule> {
    let sidecar = template(given)?;
    let algorithm = match sidecar.as_str().rsplit_once('.').map(|(_, extension)| extension) {
        Some("sha256") => ChecksumAlgorithm::Sha256,
        Some("md5") => ChecksumAlgorithm::Md5,
        _ => {
            given.problem(format!("`{}` must end in .sha256 or .md5, which says how it is computed", sidecar.as_str()));
            return None;
        }
    };
    Some(ChecksumRule { sidecar, algorithm })
}
