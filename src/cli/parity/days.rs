//! The legacy files of a department, each against its candidate, wherever that comes from.
//!
//! The legacy side of what was published is the drop itself: written again from the log, or from the store, to the very
//! hash that was read. A candidate is never made of legacy events: that would be the round-trip proof, and no parity.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use anyhow::Context as _;
use dropbridge_port::PortError;

use super::pair::{Compared, Comparer};
use crate::capture::Store;
use crate::domain::name_pattern::NameFacts;
use crate::domain::{BusinessDate, Moment};
use crate::inbound::manifest::Manifest;
use crate::inbound::plan::FeedPlan;
use crate::outbound::mirror::Assembler;
use crate::parity::{Arrival, CandidateFrom, FileReport, Open, Verdict};
use crate::wiring::Bridge;

/// Compares the files of a department's feeds.
pub(super) struct Days<'d> {
    pub(super) bridge: &'d Bridge,
    pub(super) comparer: Comparer<'d>,
    /// Only those of this business date.
    pub(super) date: Option<BusinessDate>,
}

/// What is known of one file of both producers.
#[derive(Default)]
pub(super) struct Case {
    pub(super) facts: NameFacts,
    pub(super) arrival: Arrival,
    pub(super) legacy_file: Option<String>,
    pub(super) candidate_file: Option<String>,
    pub(super) candidate_from: Option<CandidateFrom>,
    pub(super) compared: Option<Compared>,
    /// A verdict that does not come of comparing, and why.
    pub(super) judged: Option<(Verdict, String)>,
}

impl Days<'_> {
    /// Whether files of a date are wanted.
    pub(super) fn wants(&self, of: Option<BusinessDate>) -> bool {
        self.date.is_none_or(|date| of == Some(date))
    }

    pub(super) fn now(&self) -> Moment {
        self.bridge.context.clock.now()
    }

    /// A file without a name, to be written to.
    pub(super) fn scratch_file(&self) -> Result<File, PortError> {
        let place = self.comparer.scratch.0.display().to_string();
        self.comparer.scratch.file().map_err(|error| PortError::io("create a scratch file", place, &error))
    }

    /// Writes a published file again.
    pub(super) fn legacy(
        &self,
        plan: &FeedPlan,
        manifest: &Manifest,
        assembler: &mut Assembler,
        store: &Store,
    ) -> anyhow::Result<File> {
        let written = assembler.write(plan, manifest, store, || self.scratch_file());
        let (file, _) = written.with_context(|| format!("{} of {}", manifest.key, plan.id()))?;
        Ok(file)
    }

    pub(super) fn compared(
        &self,
        plan: &FeedPlan,
        name: &str,
        legacy: Open<'_>,
        candidate: Open<'_>,
    ) -> anyhow::Result<Compared> {
        let compared = self.comparer.compare(&plan.settings, legacy, candidate);
        compared.with_context(|| format!("{name} of {}", plan.id()))
    }

    pub(super) fn report(&self, plan: &FeedPlan, case: Case) -> FileReport {
        let of_bytes: Option<Verdict> = case.compared.as_ref().map(|compared| compared.outcome.verdict);
        let (outcome, findings, findings_left_out) = match case.compared {
            Some(compared) => (Some(compared.outcome), compared.findings, compared.left_out),
            None => (None, Vec::new(), 0),
        };
        let (verdict, why) = match case.judged {
            Some((verdict, why)) => (verdict, Some(why)),
            None => (case.arrival.verdict(of_bytes, self.now()), None),
        };
        FileReport {
            feed: plan.id().to_owned(),
            business_date: case.facts.business_date,
            sequence: case.facts.sequence,
            verdict,
            why,
            legacy_file: case.legacy_file,
            candidate_file: case.candidate_file,
            candidate_from: case.candidate_from,
            outcome,
            findings,
            findings_left_out,
        }
    }
}

/// When the files of a business date are due, where the feed says so.
pub(super) fn due(plan: &FeedPlan, date: Option<BusinessDate>) -> Option<Moment> {
    plan.settings.expect.as_ref()?.deadline.as_ref()?.due_for(date?)
}

/// Opens a file without a name from its beginning, as often as is wanted.
pub(super) fn from_start(file: &File) -> io::Result<Box<dyn Read + '_>> {
    Ok(Box::new(FromStart { file, offset: 0 }))
}

struct FromStart<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
