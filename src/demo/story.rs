//! What is told while the demonstration runs: a line for each thing of interest, and on a terminal how far it has come.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Output;
use crate::ledger::{DropState, LedgerEntry, LedgerIndex};

/// Tells the story.
pub(super) struct Story {
    output: Output,
    begun: Instant,
    bar: ProgressBar,
    /// State and repeats of each drop, as they were told last.
    told: Mutex<HashMap<String, (String, u64)>>,
}

impl Story {
    /// A story of so many files.
    pub(super) fn new(output: Output, drops: u64) -> Self {
        let bar = if output.shows_progress() { ProgressBar::new(drops) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files dropped") {
            bar.set_style(style);
        }
        Self { output, begun: Instant::now(), bar, told: Mutex::default() }
    }

    /// Tells one thing: who did it, with which feed, and what.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(super) fn tell(&self, who: &str, feed: &str, what: impl fmt::Display) -> anyhow::Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let what = what.to_string();
        self.bar.suspend(|| {
            self.output.object(&json!({ "told": what, "by": who, "feed": feed }))?;
            self.output.line(format!("{seconds:5.1}  {who:<6} {feed:<24} {what}"))
        })
    }

    /// A file more was dropped.
    pub(super) fn dropped(&self) {
        self.bar.inc(1);
    }

    /// Tells what is new in the ledger.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(super) fn look(&self, ledger: &LedgerIndex) -> anyhow::Result<()> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in all_drops(ledger)? {
            let now = (entry.state.as_str().to_owned(), entry.repeats);
            let is_new = told.insert(entry.record_key(), now.clone()) != Some(now);
            if let Some(what) = told_of(&entry).filter(|_| is_new) {
                self.tell("bridge", &entry.feed, format!("{}: {what}", entry.entry.path))?;
            }
        }
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Every drop of a ledger that is known to be small, the oldest first.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub(super) fn all_drops(ledger: &LedgerIndex) -> anyhow::Result<Vec<LedgerEntry>> {
    let mut drops = Vec::new();
    ledger.each(&mut |entry| {
        drops.push(entry);
        ControlFlow::Continue(())
    })?;
    drops.reverse();
    Ok(drops)
}

/// What became of a drop, in a few words; nothing for what was told at the beginning.
fn told_of(entry: &LedgerEntry) -> Option<String> {
    if entry.repeats > 0 {
        return Some("the same bytes again, not published".to_owned());
    }
    Some(match &entry.state {
        DropState::Baseline => return None,
        DropState::Withheld { .. } => "withheld".to_owned(),
        DropState::Published { events: 1, .. } => "1 event published".to_owned(),
        DropState::Published { events, .. } => format!("{events} events published"),
        DropState::Publishing { through, .. } => format!("published as far as event {through}"),
        DropState::Quarantined { .. } => "quarantined, none of it published".to_owned(),
        DropState::Held { .. } => "held for a person".to_owned(),
        DropState::Discarded { .. } => "discarded".to_owned(),
        DropState::Echo { .. } => "a delivery of ours that came back, not published".to_owned(),
        DropState::Vanished => "gone before it could be read".to_owned(),
        DropState::Abandoned { .. } => "abandoned".to_owned(),
    })
}
