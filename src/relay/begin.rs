//! The first start of a relay: what lies in the inbox already.

use std::path::Path;

use dropbridge_port::{ListRequest, Result, Share};

use super::follow::facts;
use super::journal::Journal;
use super::state::Known;
use crate::capture::selection::Named;
use crate::domain::EntryFacts;
use crate::inbound::plan::FeedPlan;

/// What becomes of the files that are there when a relay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstFiles {
    /// They were delivered before the bridge came: they are not relayed.
    Skip,
    /// They are relayed.
    Take,
}

/// Begins the journal of a feed's relay, unless it has one. Answers how many files it does not relay, or `None` where
/// there was a journal.
///
/// # Errors
/// Of the inbox and of the file system.
pub fn begin(journals: &Path, plan: &FeedPlan, inbox: &dyn Share, policy: FirstFiles) -> Result<Option<u64>> {
    if super::journal::path(journals, plan.id()).exists() {
        return Ok(None);
    }
    let mut known = Vec::new();
    if policy == FirstFiles::Skip {
        let listing = inbox.list(ListRequest { recursive: plan.settings.recursive })?;
        let fits = |entry: &&dropbridge_port::Entry| {
            matches!(plan.selection.classify(entry.path.file_name()), Named::Entry(_)) && !plan.is_ours(&entry.path)
        };
        // Their bytes are not read, so there is no hash to tell by: a version that changes must not ask for a look.
        known.extend(listing.entries.iter().filter(fits).map(|entry| Known {
            entry: EntryFacts { version: 0, ..facts(&entry.path, entry.stat) },
            sha256: None,
            relayed: Vec::new(),
        }));
    }
    let count = known.len() as u64;
    Ok(Journal::begin(journals, plan.id(), known)?.then_some(count))
}
