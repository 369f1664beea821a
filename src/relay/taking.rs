//! Taking a file that has settled: it and its companions staged, witnessed, and an intent journaled. From then on its bytes
//! are safe.

use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, ErrorKind, OpenEntry, PortError, Result, StagedName};

use super::staging::{Source, Staged, stage};
use super::state::{Intent, Known, Part, Record};
use super::worker::{Relay, Way, pass_point, staged_name};
use crate::capture::{settle::Missing, sidecar};

/// A marker or sidecar, open for reading; and what it is.
type Companion = (EntryPath, Box<dyn OpenEntry>, Missing);

impl Relay {
    fn next_name(&mut self) -> Result<StagedName> {
        self.numbers += 1;
        let (owner, epoch) = (self.owner(), self.journal.state().epoch);
        StagedName::new(&owner, epoch, self.numbers).ok_or_else(|| {
            PortError::new(
                ErrorKind::Configuration,
                "name staged file",
                owner,
                "the feed's id is too long for a file name",
            )
        })
    }

    /// Says once that a file cannot be read.
    fn say_unread(&mut self, path: &EntryPath, error: &PortError) {
        if self.said.insert((path.to_string(), error.to_string())) {
            tracing::error!(feed = self.plan.id(), %path, "it cannot be read to be relayed, and is tried again: {error}");
        }
    }

    /// Takes a file that has settled: once its intent is journaled, its bytes are safe in the outbox's staging directory,
    /// and it has its turn. That is broken off when the relay is to end, unless a restart could not do it.
    pub(super) fn take(&mut self, path: &EntryPath, is_last_chance: bool) -> Result<std::result::Result<Intent, Way>> {
        let companions = self.companions(path);
        let parts = match self.stage_all(path, &companions, is_last_chance)? {
            Ok(parts) => parts,
            Err(way) => return Ok(Err(way)),
        };
        if let Some(known) = self.same_as_known(&parts) {
            self.discard(&parts)?;
            self.journal.append(vec![Record::Known(known)])?;
            self.follower.forget(path);
            return Ok(Err(Way::Done));
        }
        for part in &parts {
            let address = self.places.outbox.address();
            let named = |error: PortError| PortError { subject: format!("{path} in {address}"), ..error };
            self.places.outbox.witness(&staged_name(part)?).map_err(named)?;
        }
        let intent = Intent { delivery: self.journal.state().totals.delivery + 1, parts };
        self.journal.append(vec![Record::Intent(intent.clone())])?;
        pass_point(Failpoint::RelayIntended, path)?;
        self.follower.forget(path);
        Ok(Ok(intent))
    }

    /// Checksum sidecar and marker of a file, in the order in which they follow it.
    fn companions(&self, path: &EntryPath) -> Vec<(EntryPath, Missing)> {
        let ready = &self.plan.settings.ready;
        let sidecar = ready.checksum.iter().map(|rule| (&rule.sidecar, Missing::Checksum));
        let marker = ready.marker.iter().map(|template| (template, Missing::Marker));
        sidecar
            .chain(marker)
            .filter_map(|(template, missing)| Some((path.sibling(&template.apply(path.file_name()))?, missing)))
            .collect()
    }

    /// Stages a file and its companions, or says what it waits for.
    fn stage_all(
        &mut self,
        path: &EntryPath,
        companions: &[(EntryPath, Missing)],
        is_last_chance: bool,
    ) -> Result<std::result::Result<Vec<Part>, Way>> {
        let now = self.context.clock.elapsed();
        let later = match self.open_companions(companions, now)? {
            Ok(later) => later,
            Err(way) => return Ok(Err(way)),
        };
        let later_on = Way::Settling(now + self.plan.settings.poll);
        if self.plan.settings.ready.no_writer && !self.follower.is_gone(path) {
            match self.places.inbox.has_writer(path) {
                Ok(Some(true)) => return Ok(Err(Way::Aside(Missing::WriterGone.as_str().to_owned()))),
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(Err(later_on)),
                // Not allowed to ask is not allowed to read: said below.
                Err(error) if error.kind != ErrorKind::Refused => return Err(error),
                _ => {}
            }
        }
        let mut handle = match self.follower.open(&*self.places.inbox, path) {
            Ok(Some(handle)) => handle,
            Ok(None) => return Ok(Err(later_on)),
            Err(error) if error.kind == ErrorKind::Refused => {
                self.say_unread(path, &error);
                return Ok(Err(Way::Aside(Missing::Permission.as_str().to_owned())));
            }
            Err(error) => return Err(error),
        };
        let (gone, judged) = (self.follower.is_gone(path), self.follower.judged(path));
        let staged = self.stage_part(Source { path, handle: &mut *handle, gone, judged }, is_last_chance);
        if gone || staged.is_err() {
            // What has no name any more can be read through its handle alone.
            self.follower.keep(path, handle);
        }
        let (part, tail) = match staged? {
            Staged::Part(part, tail) => (part, tail),
            Staged::Changed(stat) => {
                self.follower.unsettle(path, stat, now);
                return Ok(Err(later_on));
            }
            Staged::BrokenOff => return Ok(Err(later_on)),
        };
        let mut parts = vec![part];
        if self.plan.settings.ready.trailer && !self.plan.settings.layout.ends_with_trailer(&tail) {
            self.discard(&parts)?;
            self.follower.set_incomplete(path);
            return Ok(Err(Way::Aside(Missing::Trailer.as_str().to_owned())));
        }
        for (companion, mut handle, missing) in later {
            let source = Source { path: &companion, handle: &mut *handle, gone: false, judged: None };
            let staged = self.stage_part(source, is_last_chance);
            let Ok(Staged::Part(part, tail)) = staged else {
                self.discard(&parts)?;
                return staged.map(|_| Err(later_on));
            };
            parts.push(part);
            if missing == Missing::Checksum && !self.says_something(path, &tail) {
                self.discard(&parts)?;
                return Ok(Err(Way::Aside(missing.as_str().to_owned())));
            }
        }
        Ok(Ok(parts))
    }

    fn open_companions(
        &mut self,
        companions: &[(EntryPath, Missing)],
        now: Duration,
    ) -> Result<std::result::Result<Vec<Companion>, Way>> {
        let mut opened = Vec::new();
        for (companion, missing) in companions {
            let handle = match self.places.inbox.open(companion) {
                Ok(handle) => handle,
                Err(error) if error.kind == ErrorKind::NotFound => {
                    return Ok(Err(Way::Aside(missing.as_str().to_owned())));
                }
                Err(error) => return Err(error),
            };
            if let Some(until) = self.follower.companion_settles(companion, handle.stat()?, now) {
                return Ok(Err(Way::Settling(until)));
            }
            opened.push((companion.clone(), handle, *missing));
        }
        Ok(Ok(opened))
    }

    fn stage_part(&mut self, source: Source<'_>, is_last_chance: bool) -> Result<Staged> {
        let name = self.next_name()?;
        let is_over = || !is_last_chance && (self.is_over)();
        stage(&*self.places.inbox, &*self.places.outbox, &name, self.settings.outbox.attributes, source, &is_over)
    }

    /// The sidecar states a checksum of the file: it is more than half written.
    fn says_something(&self, path: &EntryPath, bytes: &[u8]) -> bool {
        let rule = self.plan.settings.ready.checksum.as_ref();
        rule.is_none_or(|rule| sidecar::read(bytes, path.file_name(), rule.algorithm).is_some())
    }

    pub(super) fn discard(&self, parts: &[Part]) -> Result<()> {
        parts.iter().try_for_each(|part| self.places.outbox.discard(&staged_name(part)?))
    }

    /// The file was relayed before and was only touched: size, mtime and bytes are as they were. One with another mtime
    /// was dropped again.
    fn same_as_known(&self, parts: &[Part]) -> Option<Known> {
        let file = parts.first()?;
        let known = self.journal.state().known.get(&file.entry.path)?;
        let same = known.entry.same_arrival(&file.entry) && known.sha256 == Some(file.sha256);
        same.then(|| Known { entry: file.entry.clone(), ..known.clone() })
    }
}
