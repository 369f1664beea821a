//! What becomes of a file in its inbox after it was relayed: nothing, unless the feed asks for it; and then only once the
//! ledger knows the file too, so that its events are published or its bytes are in the store.

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Cleared, EntryStat, Result};

use super::state::{Known, Record};
use super::worker::{Relay, entry_path, pass_point};
use crate::domain::EntryFacts;

impl Relay {
    /// Takes files out of the inbox that were relayed and that the ledger knows.
    pub(super) fn tidy(&mut self) -> Result<()> {
        let Some(clearing) = self.places.clearing.clone() else { return Ok(()) };
        let known: Vec<Known> =
            self.journal.state().known.values().filter(|known| !known.relayed.is_empty()).cloned().collect();
        for known in known {
            if (self.is_over)() {
                break;
            }
            if !self.is_safe(&known.entry) {
                continue;
            }
            let path = entry_path(&known.entry.path)?;
            pass_point(Failpoint::RelayTidying, &path)?;
            // The marker first: what is left of a crash is no file that says it is complete.
            for part in known.relayed.iter().rev() {
                let part_path = entry_path(&part.path)?;
                let stat = EntryStat { size: part.size, modified_ns: part.modified_ns, version: part.version };
                match clearing.clear(&part_path, stat) {
                    Ok(Cleared::Done | Cleared::Gone) => {}
                    Ok(Cleared::Changed) => {
                        tracing::info!(feed = self.plan.id(), path = %part_path, "stays in the inbox: it is another file by now");
                    }
                    // It stops no file on its way, and is tried again.
                    Err(error) => return self.say_untidy(&part_path, &error),
                }
            }
            pass_point(Failpoint::RelayTidied, &path)?;
            self.journal.append(vec![Record::Tidied { path: known.entry.path.clone() }])?;
            tracing::info!(feed = self.plan.id(), %path, "taken out of the inbox");
        }
        Ok(())
    }

    fn is_safe(&self, entry: &EntryFacts) -> bool {
        self.context
            .ledger()
            .arrival(self.plan.id(), &entry.path)
            // Where that cannot be found out, the file stays.
            .is_ok_and(|known| {
                known.is_some_and(|known| known.size == entry.size && known.modified_ns == entry.modified_ns)
            })
    }
}
