//! Taking in what people decided about files that are held.

use dropbridge_port::{Result, Standing};

use super::decision::{self, Decision};
use super::state::{Intent, Known, Record};
use super::worker::{Relay, entry_path, staged_name};

impl Relay {
    /// Takes in what people decided.
    pub(super) fn take_decisions(&mut self) -> Result<()> {
        for (file, decision) in decision::waiting(&self.places.journals, self.plan.id())? {
            match &decision {
                Decision::AdoptOutbox => drop(self.adopt_outbox()?),
                Decision::Again { path } | Decision::Delivered { path } => {
                    self.release(path, matches!(decision, Decision::Delivered { .. }))?;
                }
            }
            decision::done(&file)?;
        }
        Ok(())
    }

    fn release(&mut self, path: &str, is_delivered: bool) -> Result<()> {
        let Some(hold) = self.journal.state().held.get(path).cloned() else {
            tracing::warn!(feed = self.plan.id(), path, "nothing of this name is held: the decision is void");
            return Ok(());
        };
        let released = Record::Released { path: path.to_owned() };
        let mut open = self.journal.state().open.values();
        let intent = open.find(|intent| intent.file().is_some_and(|file| file.target == path)).cloned();
        let records = match (intent, is_delivered) {
            (Some(intent), true) => vec![Record::Receipt { delivery: intent.delivery }, released],
            (None, true) => {
                vec![Record::Known(Known { entry: hold.entry.clone(), sha256: None, relayed: Vec::new() }), released]
            }
            (Some(intent), false) if self.is_staged(&intent)? => vec![released],
            (Some(intent), false) => {
                if self.places.inbox.stat(&entry_path(path)?)?.is_none() {
                    tracing::error!(
                        feed = self.plan.id(),
                        path,
                        "stays held: it is not in the inbox any more, so there is nothing to relay"
                    );
                    return Ok(());
                }
                self.discard(&intent.parts)?;
                vec![Record::Withdrawn { delivery: intent.delivery }, released]
            }
            (None, false) => vec![released],
        };
        self.journal.append(records)?;
        self.is_cleared = false;
        tracing::info!(feed = self.plan.id(), path, delivered = is_delivered, "released by decision");
        Ok(())
    }

    /// Every part that was not published is there.
    fn is_staged(&self, intent: &Intent) -> Result<bool> {
        for part in &intent.parts {
            let standing = self.places.outbox.standing(&staged_name(part)?, &entry_path(&part.target)?)?;
            if !matches!(standing, Standing::Staged | Standing::Published) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
