//! The claim of a slot: heartbeats, giving it up, and what is done when another instance has fenced us.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result};

use super::{Context, Slot};
use crate::ledger::control::Claim;
use crate::ledger::replay::{read_control, read_settled_control};

/// How long a fenced holder waits for its successor's claim to show, before it believes that there is none.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);

/// What an instance that was fenced did, in its error.
const HOLD: &str = "hold slot";

impl Slot {
    /// Says that we are alive, when that is due: a standby watches.
    ///
    /// # Errors
    /// Of the log.
    pub fn beat_if_due(&mut self) -> Result<()> {
        self.pulse.beat();
        let due = self.beat_at + self.context.takeover_after / 4;
        if self.context.clock.elapsed() < due {
            return Ok(());
        }
        self.claim.heartbeat += 1;
        self.claim.heartbeat_at = self.context.clock.now();
        self.write_claim()?;
        self.beat_at = self.context.clock.elapsed();
        self.context.health.heartbeat();
        Ok(())
    }

    /// Gives the slot up, so that nobody has to wait for us.
    ///
    /// # Errors
    /// Of the log.
    pub fn release(mut self) -> Result<()> {
        if let Err(error) = self.look_after_cache() {
            tracing::warn!(%error, "the ledger's cache is not written");
        }
        self.claim.released = true;
        self.claim.heartbeat_at = self.context.clock.now();
        self.write_claim().map_err(|error| self.explain(error))
    }

    /// After `Fenced`: takes the slot again if our claim is still the newest (a producer id expires after days of
    /// silence), and reads the ledger anew; otherwise says who has it now.
    ///
    /// # Errors
    /// `Fenced` when somebody else holds it.
    pub fn reclaim(&mut self, fenced: &PortError) -> Result<()> {
        self.in_transaction = false;
        if let Some(claim) = self.successor()? {
            return Err(taken_over(fenced, &claim));
        }
        tracing::warn!(error = %fenced, "fenced though our claim is the newest: taking the slot again");
        self.writer = self.context.log.writer(&Context::transactional_id(&self.context.bridge, self.number))?;
        self.write_claim()?;
        self.read_ledger()?;
        let control = read_settled_control(&*self.context.log, &self.context.topics)?;
        self.begin_arrivals(control.arrivals)
    }

    /// Says who holds the slot, when an error is that it is not ours any more; other errors stay as they are.
    #[must_use]
    pub fn explain(&self, error: PortError) -> PortError {
        if error.kind != ErrorKind::Fenced || error.operation == HOLD {
            return error;
        }
        // Where that cannot be found out, being fenced is still the news.
        match self.successor() {
            Ok(Some(claim)) => taken_over(&error, &claim),
            _ => error,
        }
    }

    /// The claim of whoever fenced us: it is written a moment after.
    fn successor(&self) -> Result<Option<Claim>> {
        let patience = self.context.clock.elapsed() + CLAIM_PATIENCE;
        loop {
            let mut control = read_control(&*self.context.log, &self.context.topics)?;
            match control.claims.remove(&self.number) {
                Some(claim) if claim.instance != self.claim.instance => return Ok(Some(claim)),
                _ if self.context.clock.elapsed() >= patience => return Ok(None),
                _ => {
                    if self.context.stop.wait(Duration::from_millis(200)) {
                        return Err(crate::stop::stopped("read claims"));
                    }
                }
            }
        }
    }

    pub(super) fn write_claim(&mut self) -> Result<()> {
        let topics = Arc::clone(&self.context.topics);
        let claim = self.claim.clone();
        self.begin()?;
        self.send_own(&topics.control, self.number, &Claim::record_key(self.number), Some(&claim))?;
        self.commit()
    }
}

fn taken_over(fenced: &PortError, claim: &Claim) -> PortError {
    PortError::new(
        ErrorKind::Fenced,
        HOLD,
        format!("slot {}", claim.slot),
        format!("{} took it over at {}; {}", claim.holder, claim.claimed_at.local(), fenced.message),
    )
}
