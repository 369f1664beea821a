//! What becomes of files in the inbox that are published: nothing, unless the feed asks for it.

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Cleared, Clearing, Entry, EntryPath, EntryStat, Result};

use super::Scanner;
use crate::capture::selection::Named;
use crate::domain::policy::Afterwards;
use crate::inbound::prepare::pass;

impl Scanner {
    /// Remembers what a listing shows that was dealt with. A feed that leaves its files has no use for it.
    pub(super) fn note_known(&mut self, listed: &[Entry]) {
        self.dealt_with.clear();
        if self.plan.settings.after == Afterwards::Leave {
            return;
        }
        for entry in listed {
            let stays = self.staying.get(&entry.path) == Some(&entry.stat);
            if !stays && !self.in_flight.contains_key(&entry.path) && self.known.knows(entry) {
                self.dealt_with.push((entry.path.clone(), entry.stat));
            }
        }
        let staying = &mut self.staying;
        if staying.len() > 1024 + 2 * listed.len() {
            staying.clear();
        }
    }

    /// Takes out of the inbox what the last pass listed and the ledger has as published: its events are committed. What
    /// is recorded for another reason (a baseline, a held file) stays.
    ///
    /// # Errors
    /// Of the ledger. What cannot be taken out is said, and tried again: it stops no file on its way.
    pub fn tidy(&mut self, clearing: &dyn Clearing, may_go_on: &dyn Fn() -> bool) -> Result<()> {
        for (path, stat) in std::mem::take(&mut self.dealt_with) {
            if !may_go_on() {
                break;
            }
            let published = self.context.ledger().published_arrival(self.plan.id(), &path.to_string())?;
            let is_this =
                published.is_some_and(|known| known.size == stat.size && known.modified_ns == stat.modified_ns);
            if !is_this {
                self.staying.insert(path, stat);
                continue;
            }
            pass(Failpoint::InboxTidying, &path.to_string())?;
            match self.take_out(clearing, &path, stat) {
                Ok(()) => tracing::info!(feed = self.plan.id(), %path, "published, and taken out of the inbox"),
                Err(error) => {
                    let said = error.to_string();
                    if self.warned.insert(said.clone()) {
                        tracing::error!(feed = self.plan.id(), %path, "published, and cannot be taken out of the inbox: {said}");
                    }
                    continue;
                }
            }
            pass(Failpoint::InboxTidied, &path.to_string())?;
        }
        Ok(())
    }

    /// The marker first: what is left of a crash is no file that says it is complete.
    fn take_out(&self, clearing: &dyn Clearing, path: &EntryPath, stat: EntryStat) -> Result<()> {
        let ready = &self.plan.settings.ready;
        let sidecar = ready.checksum.as_ref().map(|rule| &rule.sidecar);
        for template in ready.marker.iter().chain(sidecar) {
            let Some(beside) = path.sibling(&template.apply(path.file_name())) else { continue };
            // A marker for several files goes with none of them.
            let is_its_own = self.plan.selection.classify(beside.file_name()) == Named::Companion;
            if let Some(stat) = self.share.stat(&beside)?.filter(|_| is_its_own) {
                clearing.clear(&beside, stat)?;
            }
        }
        match clearing.clear(path, stat)? {
            Cleared::Done | Cleared::Gone => {}
            Cleared::Changed => {
                tracing::info!(feed = self.plan.id(), %path, "stays in the inbox: it is another file by now");
            }
        }
        Ok(())
    }
}
