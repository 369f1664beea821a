//! `[store]`, and what feeds say of it: forms, quotas, what is kept and for how long.

use crate::capture::{Compression, StoreOptions};
use crate::domain::policy::{KeepCaptures, Retention};

use super::bridge;
use super::problems::Place;
use super::section::Section;
use super::settings::StoreSettings;

/// Reads `[store]`.
pub(super) fn read(section: Section<'_>) -> Option<(StoreSettings, Place)> {
    let path = bridge::path(&section, "path");
    let forms = [("zstd", Compression::Zstd), ("none", Compression::None)];
    let compression = section.word("compression", &forms, Compression::Zstd);
    let quota = quota(&section, "quota");
    let retention = retention(&section, Retention::default());
    section.end();
    let (path, place) = path?;
    Some((StoreSettings { path, options: StoreOptions { compression, quota }, retention }, place))
}

/// What a feed says of the store.
pub(super) struct OfFeed {
    pub(super) keep_captures: KeepCaptures,
    pub(super) quota: Option<u64>,
    pub(super) retention: Retention,
}

/// Reads the keys of a feed; what it does not state of its retention is that of the store.
pub(super) fn of_feed(section: &Section<'_>, store: Option<&StoreSettings>) -> OfFeed {
    let words = [("none", KeepCaptures::None), ("all", KeepCaptures::All), ("unproven", KeepCaptures::Unproven)];
    let keep_captures = section.word("keep_captures", &words, KeepCaptures::Unproven);
    let quota = quota(section, "store_quota");
    let retention = retention(section, store.map(|store| store.retention).unwrap_or_default());
    if keep_captures == KeepCaptures::None
        && let Some(kept) = section.section("retention").and_then(|table| table.find("kept"))
    {
        let hint = "state keep_captures = \"all\" or \"unproven\", or remove it".to_owned();
        kept.problem_with_hint("has no meaning: the feed keeps no captures", Some(hint));
    }
    OfFeed { keep_captures, quota, retention }
}

fn quota(section: &Section<'_>, key: &str) -> Option<u64> {
    let given = section.find(key)?;
    let bytes = given.size()?;
    if bytes == 0 {
        given.problem("is nothing: no file that has to be stored could be taken");
        return None;
    }
    Some(bytes)
}

/// The table `retention`; what it does not state is as in `otherwise`.
fn retention(section: &Section<'_>, otherwise: Retention) -> Retention {
    let Some(table) = section.section("retention") else { return otherwise };
    let time = |key: &str, otherwise| table.find(key).and_then(|given| given.time()).unwrap_or(otherwise);
    let retention = Retention {
        kept: time("kept", otherwise.kept),
        discarded: time("discarded", otherwise.discarded),
        abandoned: time("abandoned", otherwise.abandoned),
    };
    table.end();
    retention
}
