//! The files that were there before the bridge came: recorded, not published, unless asked.

use std::collections::HashSet;

use dropbridge_port::{EntryPath, ErrorKind, ListRequest, PortError, Result, Share};

use super::plan::FeedPlan;
use super::slot::Slot;
use crate::capture::selection::Named;
use crate::domain::key::Unnamed;
use crate::domain::name_pattern::NameFacts;
use crate::domain::policy::Repeat;
use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey, Moment};
use crate::ledger::control::{Baseline, FORMAT};
use crate::ledger::{DropState, LedgerEntry};

/// How many entries share a transaction.
const ENTRIES_PER_TRANSACTION: usize = 5000;

/// What becomes of the files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaselinePolicy {
    /// All are recorded, none is published.
    Skip,
    /// None is recorded: all are published.
    Take,
    /// Those of an earlier business date, or without one, are recorded; the others are published.
    From(BusinessDate),
}

impl BaselinePolicy {
    /// As it is written in commands and records.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Skip => "skip".to_owned(),
            Self::Take => "take".to_owned(),
            Self::From(date) => format!("from {date}"),
        }
    }

    /// From the words of [`BaselinePolicy::describe`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None if text == "skip" => Some(Self::Skip),
            None if text == "take" => Some(Self::Take),
            Some(("from", date)) => BusinessDate::parse(date).map(Self::From),
            _ => None,
        }
    }

    fn skips(self, facts: &NameFacts) -> bool {
        match self {
            Self::Skip => true,
            Self::Take => false,
            Self::From(date) => facts.business_date.is_none_or(|own| own < date),
        }
    }
}

/// The hash of an entry's bytes, or `None` when it is gone.
fn read_hash(share: &dyn Share, path: &EntryPath) -> Result<Option<ContentHash>> {
    let entry = match share.open(path) {
        Ok(entry) => entry,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    ContentHash::read(entry).map(Some).map_err(|error| PortError::io("read", path.to_string(), &error))
}

/// The entries of a feed's baseline: what is in its inbox, as the policy says.
///
/// # Errors
/// Of the share.
pub fn survey_baseline(
    plan: &FeedPlan,
    share: &dyn Share,
    policy: BaselinePolicy,
    now: Moment,
) -> Result<Vec<LedgerEntry>> {
    let listing = share.list(ListRequest { recursive: plan.settings.recursive })?;
    let mut entries = Vec::new();
    let mut keys = HashSet::new();
    for listed in &listing.entries {
        let Named::Entry(facts) = plan.selection.classify(listed.path.file_name()) else { continue };
        let facts = facts.unwrap_or_default();
        if !policy.skips(&facts) || plan.is_ours(&listed.path) {
            continue;
        }
        let recursive = plan.settings.recursive;
        let by = Unnamed::ByArrival(listed.stat.modified_ns);
        let mut key = LogicalKey::named(&listed.path, &facts, 0, recursive)
            .unwrap_or_else(|| LogicalKey::unnamed(&listed.path, by, recursive));
        // Where the bytes are the identity they have to be read, or a touched old file would be taken for a new one.
        let by_content = plan.settings.repeat == Some(Repeat::Ignore)
            && LogicalKey::named(&listed.path, &facts, 0, recursive).is_none();
        let hash = if by_content { read_hash(share, &listed.path)? } else { None };
        if let Some(hash) = hash {
            key = LogicalKey::unnamed(&listed.path, Unnamed::ByContent(hash), recursive);
        }
        if !keys.insert(key.clone()) {
            // Several old files under one key: the first speaks for it, the others are known by their names.
            key = LogicalKey::unnamed(&listed.path, by, recursive);
        }
        entries.push(LedgerEntry {
            format: DropState::Baseline.format(),
            feed: plan.id().to_owned(),
            department: plan.settings.department.clone(),
            key,
            sha256: hash,
            // Mostly not read, so there is no hash to tell by: a version that changes must not ask for another look.
            entry: EntryFacts {
                path: listed.path.to_string(),
                size: listed.stat.size,
                modified_ns: listed.stat.modified_ns,
                version: 0,
            },
            business_date: facts.business_date,
            sequence: facts.sequence,
            generation: 0,
            state: DropState::Baseline,
            repeats: 0,
            recorded_at: now,
        });
    }
    Ok(entries)
}

/// Records the baseline of a feed.
///
/// # Errors
/// Of the log.
pub fn record_baseline(
    slot: &mut Slot,
    plan: &FeedPlan,
    policy: BaselinePolicy,
    entries: &[LedgerEntry],
) -> Result<()> {
    for some in entries.chunks(ENTRIES_PER_TRANSACTION) {
        slot.begin()?;
        for entry in some {
            slot.send_ledger(entry)?;
        }
        slot.commit()?;
    }
    let record = Baseline {
        format: FORMAT,
        feed: plan.id().to_owned(),
        policy: policy.describe(),
        entries: entries.len() as u64,
        recorded_at: slot.context().clock.now(),
    };
    let topic = slot.context().topics.control.clone();
    slot.begin()?;
    slot.send_own(&topic, 0, &Baseline::record_key(plan.id()), Some(&record))?;
    slot.commit()
}
