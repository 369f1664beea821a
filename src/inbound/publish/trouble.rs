//! What is done when the log, or the store, does not do what it was asked for.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result};

use super::Publisher;
use super::step::Step;
use crate::inbound::prepare::{Events, Outcome, Prepared, is_damage, whole_file};
use crate::layout::RejectCode;
use crate::stop::Backoff;

/// How long a file that was put aside rests before it is tried again.
const DEFERRED_PAUSE: Duration = Duration::from_secs(5);

impl Publisher {
    /// After a file could not be looked at, or not be read: it waits, or is given up, and those behind it go on. No
    /// transaction may be open.
    ///
    /// # Errors
    /// The error, where it is not that file's alone; of the log.
    pub(super) fn set_apart(&mut self, file: Prepared, error: PortError) -> Result<()> {
        match error.kind {
            ErrorKind::Transient | ErrorKind::Refused => {
                self.defer(file, error);
                Ok(())
            }
            _ if is_damage(&error) => self.lose(file, error),
            _ => Err(error),
        }
    }

    /// Gives up a file of which the store has lost or damaged the bytes. A command that asked for it is refused, and what
    /// the ledger says of it stays. Otherwise the store lets go of what it has, and the feed looks for the file in its
    /// inbox, half published or not.
    fn lose(&mut self, file: Prepared, error: PortError) -> Result<()> {
        let Some(hash) = file.hash else { return Err(error) };
        match self.verify(&file) {
            Err(found) if is_damage(&found) => {}
            // Nobody knows yet.
            Err(found) if matches!(found.kind, ErrorKind::Transient | ErrorKind::Refused) => {
                self.defer(file, found);
                return Ok(());
            }
            Err(found) => return Err(found),
            // The store has what was put there: that it does not fit is an error of ours.
            Ok(()) => return Err(error),
        }
        if let Some(asked) = &file.request {
            let why = format!("the store has lost or damaged the bytes of `{}`: {error}", file.identity.key);
            while let Err(error) = self.refuse_request(&asked.id, &why) {
                self.weather(error)?;
            }
            return Ok(());
        }
        let (plan, path, on_its_way) = (Arc::clone(&file.plan), file.entry.path.clone(), Arc::clone(&file.on_its_way));
        tracing::error!(feed = plan.id(), key = %file.identity.key, %path, object = %hash, "the store has lost or damaged its bytes: removing them, and looking for it in the inbox: {error}");
        // Its lease would put the removal off, until what was taken anew is there.
        drop(file);
        if let Err(error) = self.store.remove(hash) {
            tracing::warn!(%error, "damaged bytes stay in the store");
        }
        self.slot.context().ledger().forget_arrival(plan.id(), &path);
        // Now its feed may take it again.
        drop(on_its_way);
        Ok(())
    }

    /// Puts a file aside that cannot be dealt with now (its bytes find no room in the store, for one), so that those
    /// behind it go on.
    fn defer(&mut self, mut file: Prepared, error: PortError) {
        if matches!(file.outcome, Outcome::Events { body: Events::Held(_), .. }) {
            // They are made again when it is tried again; until then it takes as little memory as it can.
            file.outcome = Outcome::Unexamined;
        }
        let weight = file.weight();
        if let Some(ticket) = &mut file.ticket {
            ticket.put_aside(weight, &error.message);
        }
        if let Some(left_out) = self.said.due(&format!("{} {} {error}", file.plan.id(), file.entry.path)) {
            let path = &file.entry.path;
            tracing::error!(feed = file.plan.id(), %path, left_out, "not dealt with, and tried again: {error}");
        }
        // Others that come after it do not put off when it is tried again.
        if self.deferred.is_empty() {
            self.deferred_at = self.slot.context().clock.elapsed();
        }
        self.deferred.push(file);
        self.trouble = Some(error);
    }

    /// Tries the files again that were put aside, when some time has passed.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn retry_deferred(&mut self) -> Result<()> {
        let due = self.deferred_at + DEFERRED_PAUSE;
        if self.deferred.is_empty() || self.slot.context().clock.elapsed() < due {
            return Ok(());
        }
        let files = std::mem::take(&mut self.deferred);
        self.publish(files)
    }

    /// Tries the files again that were put aside, for the last time.
    ///
    /// # Errors
    /// As for [`Publisher::publish`]; why one of them cannot be dealt with.
    pub fn finish_deferred(&mut self) -> Result<()> {
        let files = std::mem::take(&mut self.deferred);
        self.publish(files)?;
        match self.trouble.take() {
            Some(error) if !self.deferred.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings things to where the same files can be tried again.
    pub(super) fn recover(
        &mut self,
        error: PortError,
        group: &mut [(Prepared, Step)],
        backoff: &mut Backoff,
    ) -> Result<()> {
        match error.kind {
            ErrorKind::Fenced => self.regain(&error),
            ErrorKind::Transient => {
                if let Some(left_out) = self.said.due(&format!("publish {}", error.kind.as_str())) {
                    tracing::warn!(%error, files = group.len(), left_out, "not published: trying again");
                }
                self.abort_or_reclaim()?;
                let stop = self.slot.context().stop.clone();
                backoff.wait(&stop, error)
            }
            ErrorKind::Unacceptable => {
                self.abort_or_reclaim()?;
                let [(file, _)] = group else { return Ok(()) };
                let reject =
                    whole_file(RejectCode::EventTooLarge, format!("the log refuses an event: {}", error.message));
                file.outcome = Outcome::Reject(reject);
                Ok(())
            }
            _ => {
                self.abort_or_reclaim()?;
                Err(error)
            }
        }
    }

    pub(in crate::inbound) fn abort_or_reclaim(&mut self) -> Result<()> {
        match self.slot.abort() {
            Err(error) if error.kind == ErrorKind::Fenced => self.regain(&error),
            answer => answer,
        }
    }

    /// Takes the slot again if nobody else has. A log that is away is waited for: what is on its way stays with us, and
    /// so does what the feeds know of their inboxes.
    fn regain(&mut self, fenced: &PortError) -> Result<()> {
        let stop = self.slot.context().stop.clone();
        let mut backoff = Backoff::default();
        loop {
            match self.slot.reclaim(fenced) {
                Err(error) if error.kind == ErrorKind::Transient => {
                    tracing::warn!(%error, "the log is away: trying again");
                    self.slot.context().health.log_failed(error.kind.as_str(), &error.to_string(), true);
                    backoff.wait(&stop, error)?;
                }
                answer => return answer,
            }
        }
    }

    /// Brings things to where work can go on after an error that was met beside files.
    ///
    /// # Errors
    /// The error, where it does not pass by itself or we are asked to stop; `Fenced` when another instance holds the
    /// slot.
    pub fn weather(&mut self, error: PortError) -> Result<()> {
        match error.kind {
            ErrorKind::Fenced => self.regain(&error),
            ErrorKind::Transient => {
                tracing::warn!(%error, "the log is away: trying again");
                self.slot.context().health.log_failed(error.kind.as_str(), &error.to_string(), true);
                self.abort_or_reclaim()?;
                let stop = self.slot.context().stop.clone();
                Backoff::default().wait(&stop, error)
            }
            _ => Err(error),
        }
    }
}
