//! Giving a staged file its final name, and telling afterwards whether that was done.
//!
//! The protocol's rename may replace what is there, so that is looked for first. And a server may carry out a line that was
//! cut as far as it came (ProFTPD does, where there is no TLS): then a file has the beginning of its name, until that is
//! seen and mended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, PortError, Publication, Result, StagedName, Standing};
use dropbridge_remote::{nothing_staged, parents, witness_of};

use super::staging::{make_directory, staged_of};
use super::{FtpOutbox, PUBLISH};
use crate::clearing::rename;
use crate::connection::Connection;
use crate::failure;
use crate::look::look;

/// Renames that were asked for and not answered, by temporary name: what the file was.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Mutex<BTreeMap<String, EntryStat>>);

impl Unanswered {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, EntryStat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FtpOutbox {
    /// See [`Outbox::publish`](dropbridge_port::Outbox::publish).
    pub(super) fn give_name(
        &self,
        connection: &mut Connection,
        name: &StagedName,
        target: &EntryPath,
    ) -> Result<Publication> {
        let subject = self.outbox.subject(target);
        let Some(staged) = self.look_at_staged(connection, &staged_of(name), PUBLISH)? else {
            // What was asked once may be done, though its answer was lost.
            return match self.judge(connection, name, target)? {
                Standing::Published => Ok(Publication::Published),
                _ => Err(nothing_staged(self.staged_subject(name))),
            };
        };
        // Most servers' rename replaces what is there.
        if look(connection, PUBLISH, &self.outbox, target)?.is_some() {
            return Ok(Publication::TargetExists);
        }
        parents(target).try_for_each(|directory| make_directory(connection, &self.outbox, directory))?;
        let from = self.staging.full(connection, staged_of(name).as_bytes());
        if let Some(stat) = staged.stat() {
            self.unanswered.all().insert(name.to_string(), stat);
        }
        let answer = rename(connection, PUBLISH, &subject, &from, (&self.outbox, target))?;
        self.unanswered.all().remove(&name.to_string());
        match answer {
            Ok(()) => Ok(Publication::Published),
            Err(refusal) => match look(connection, PUBLISH, &self.outbox, target)? {
                Some(_) => Ok(Publication::TargetExists),
                None => Err(failure::refused(PUBLISH, &subject, &refusal)),
            },
        }
    }

    /// See [`Outbox::standing`](dropbridge_port::Outbox::standing).
    pub(super) fn judge(&self, connection: &mut Connection, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        const OPERATION: &str = "look for";
        if self.look_at_staged(connection, &staged_of(name), OPERATION)?.is_some() {
            return Ok(Standing::Staged);
        }
        if self.look_at_staged(connection, &witness_of(name), OPERATION)?.is_none() {
            return Ok(Standing::Nothing);
        }
        // Staged by another protocol, before the share was reached by this one: it has a name without ending.
        let elsewhere = self.look_at_staged(connection, &name.to_string(), OPERATION)?;
        if elsewhere.and_then(|found| found.size).is_some_and(|size| size > 0) {
            let message = "it was staged by another protocol than FTP, and cannot be published by this one";
            return Err(PortError::new(ErrorKind::Refused, OPERATION, self.staged_subject(name), message)
                .with_hint("reach the share as before until what is under way is delivered"));
        }
        // A server may say of a file that is only out of reach that there is none.
        self.require_unlisted(connection, name, OPERATION)?;
        self.mend(connection, name, target)?;
        Ok(Standing::Published)
    }

    /// Where a rename was not answered and the file has the beginning of its name only, it gets the rest. Servers that do
    /// not tell one file from another (without `MLST`'s `unique`) are not known to carry out cut lines.
    fn mend(&self, connection: &mut Connection, name: &StagedName, target: &EntryPath) -> Result<()> {
        let asked = self.unanswered.all().get(&name.to_string()).copied();
        if let Some(staged) = asked.filter(|staged| staged.version != 0)
            && look(connection, PUBLISH, &self.outbox, target)?.is_none()
        {
            let bytes = target.as_bytes();
            for beginning in (1..bytes.len()).rev().filter_map(|end| EntryPath::new(&bytes[..end])) {
                let found = look(connection, PUBLISH, &self.outbox, &beginning)?;
                if found.and_then(|found| found.stat()) != Some(staged) {
                    continue;
                }
                let subject = self.outbox.subject(&beginning);
                tracing::warn!(file = subject, "the server carried out a cut line: the file gets its whole name");
                let from = self.outbox.full(connection, beginning.as_bytes());
                let given = rename(connection, PUBLISH, &subject, &from, (&self.outbox, target))?;
                failure::done(PUBLISH, &subject, given)?;
                break;
            }
        }
        self.unanswered.all().remove(&name.to_string());
        Ok(())
    }
}
