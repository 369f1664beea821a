//! Taking what has settled: its bytes, what the ledger says of them, and what is wrong with them.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, ErrorKind, OpenEntry, PortError, Result};

use super::{Emit, Facts, Scanner};
use crate::capture::settle::{Missing, Standing};
use crate::capture::take::{TakeOptions, Taken, take};
use crate::capture::{Body, Capture, sidecar};
use crate::cutover::CutoverJournal;
use crate::domain::name_pattern::NameFacts;
use crate::inbound::plan::FeedPlan;
use crate::inbound::prepare::{Outcome, Prepared, Source, examine, pass, whole_file};
use crate::inbound::way::Way;
use crate::layout::RejectCode;
use crate::ledger::admit::{Admission, Candidate, admit};

/// The longest sidecar that is read.
const MAX_SIDECAR_BYTES: u64 = 1 << 16;

/// What was found out about an entry beside its bytes.
struct Found {
    /// It disappeared before this came.
    lost: Option<Missing>,
    /// What its sidecar states.
    stated: Option<String>,
    /// What its name says.
    facts: Facts,
    /// When it was seen, found complete, and read.
    way: Way,
}

impl Found {
    /// What speaks against it, before anybody looks at its content.
    fn fault(&self, checksum: Option<&str>) -> Option<(RejectCode, String)> {
        match (self.lost, &self.stated, &self.facts) {
            (Some(missing), ..) => Some((
                RejectCode::Vanished,
                format!(
                    "the file disappeared before {} came, so nobody can tell whether it is whole",
                    missing.as_str()
                ),
            )),
            (None, Some(stated), _) if checksum != Some(stated) => Some((
                RejectCode::Checksum,
                format!("its checksum is {}, the sidecar states {stated}", checksum.unwrap_or("-")),
            )),
            (None, _, Err(message)) => Some((RejectCode::FileName, message.clone())),
            _ => None,
        }
    }
}

impl Scanner {
    pub(super) fn take_settled(
        &mut self,
        facts: &BTreeMap<EntryPath, Facts>,
        may_go_on: &dyn Fn() -> bool,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let now = self.context.clock.elapsed();
        let mut ready: Vec<(EntryPath, Standing, Facts)> = Vec::new();
        for (path, standing) in self.settler.standings(now) {
            if matches!(standing, Standing::Settled | Standing::Lost(_)) {
                let said = facts.get(&path).cloned().unwrap_or_else(|| self.facts_of(&path));
                ready.push((path, standing, said));
            }
        }
        ready.sort_by_cached_key(|(path, _, facts)| FeedPlan::order(path, facts.as_ref().ok()));
        let mut trouble = None;
        for (path, standing, facts) in ready {
            if !may_go_on() {
                break;
            }
            // An entry that cannot be read does not stop those behind it.
            if let Some(error) = self.take_one(&path, standing, facts, emit)? {
                trouble.get_or_insert(error);
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// Takes an entry and hands it over. Answers what is wrong with this entry alone: it is tried again.
    fn take_one(
        &mut self,
        path: &EntryPath,
        standing: Standing,
        facts: Facts,
        emit: &mut Emit<'_>,
    ) -> Result<Option<PortError>> {
        let lost = if let Standing::Lost(missing) = standing { Some(missing) } else { None };
        let stated = match if lost.is_some() { Ok(None) } else { self.stated_checksum(path) } {
            Ok(stated) => stated,
            Err(error) => return Ok(self.unread(path, error)),
        };
        if stated.is_none() && lost.is_none() && self.plan.settings.ready.checksum.is_some() {
            // The sidecar is there and says nothing yet: half written, for one.
            return Ok(None);
        }
        match self.is_written(path) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Ok(self.unread(path, error)),
        }
        let mut handle = match self.handles.remove(path).map_or_else(|| self.share.open(path), Ok) {
            Ok(handle) => handle,
            // Its name is gone and its handle was lost with an error: nobody can read it any more.
            Err(error) if error.kind == ErrorKind::NotFound && self.settler.is_gone(path) => {
                return self.vanished(path, emit).map(|()| None);
            }
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Ok(self.unread(path, error)),
        };
        self.unreadable.remove(path);
        let gone = self.settler.is_gone(path);
        let settled = Some(self.context.clock.elapsed());
        let way = Way { seen: self.settler.seen_at(path), settled, ..Way::default() };
        let settings = Arc::clone(&self.plan.settings);
        let options = TakeOptions {
            account: settings.account(),
            memory_bytes: self.memory_bytes,
            unchanged_since: if self.settler.demands_quiet() && lost.is_none() {
                self.settler.stat(path)
            } else {
                None
            },
            gone,
            checksum: self.plan.settings.ready.checksum.as_ref().map(|rule| rule.algorithm),
        };
        let taken = match take(&*self.share, path, &mut *handle, &self.store, options) {
            Ok(taken) => taken,
            Err(error) => {
                // What has no name any more can be read through its handle alone.
                if gone {
                    self.handles.insert(path.clone(), handle);
                }
                return Ok(self.unread(path, error));
            }
        };
        match taken {
            Taken::Changed(stat) if cfg!(feature = "sabotage-unsettled") => {
                tracing::debug!(%path, ?stat, "sabotage: a changing entry is taken");
            }
            Taken::Changed(stat) => {
                tracing::debug!(feed = self.plan.id(), %path, "it changed: settling begins again");
                self.settler.unsettle(path, stat, self.context.clock.elapsed());
                if gone {
                    self.handles.insert(path.clone(), handle);
                }
            }
            Taken::Capture(capture) => {
                let way = Way { taken: Some(self.context.clock.elapsed()), ..way };
                let found = Found { lost, stated, facts, way };
                self.captured(path, capture, handle, found, emit)?;
            }
        }
        Ok(None)
    }

    /// Whether somebody has an entry open to write it, where the feed asks for that. What has no name any more has nobody
    /// who could be asked.
    fn is_written(&mut self, path: &EntryPath) -> Result<bool> {
        if !self.plan.settings.ready.no_writer || self.settler.is_gone(path) {
            return Ok(false);
        }
        let is_written = self.share.has_writer(path)? == Some(true);
        if is_written {
            self.written.insert(path.clone());
        } else {
            self.written.remove(path);
        }
        Ok(is_written)
    }

    /// What is not allowed waits for a person, and is nothing that the feed has to pause for.
    fn unread(&mut self, path: &EntryPath, error: PortError) -> Option<PortError> {
        if error.kind != ErrorKind::Refused {
            return Some(error);
        }
        if self.unreadable.insert(path.clone()) {
            tracing::error!(feed = self.plan.id(), %path, "it cannot be read, and is tried again: {error}");
        }
        None
    }

    fn captured(
        &mut self,
        path: &EntryPath,
        capture: Capture,
        handle: Box<dyn OpenEntry>,
        found: Found,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let layout = &self.plan.settings.layout;
        let wants_trailer = self.plan.settings.ready.trailer && found.lost.is_none();
        if wants_trailer && !layout.ends_with_trailer(&capture.tail) {
            self.settler.set_incomplete(path, Missing::Trailer);
            if self.settler.is_gone(path) {
                self.handles.insert(path.clone(), handle);
            }
            return Ok(());
        }
        let fault = found.fault(capture.checksum.as_deref());
        let prepared = match self.prepare(capture, found.facts.unwrap_or_default(), fault, found.way) {
            Ok(prepared) => prepared,
            Err(error) => {
                if self.settler.is_gone(path) {
                    self.handles.insert(path.clone(), handle);
                }
                return Err(error);
            }
        };
        drop(handle);
        match prepared {
            Some(prepared) => {
                if self.settler.is_gone(path) {
                    self.settler.forget(path);
                } else {
                    self.settler.set_in_flight(path);
                    self.in_flight.insert(path.clone(), Arc::downgrade(&prepared.on_its_way));
                }
                emit(prepared)
            }
            None => {
                self.settler.forget(path);
                Ok(())
            }
        }
    }

    /// Asks the ledger, and examines what is new. `None` when there is nothing to do.
    fn prepare(
        &self,
        capture: Capture,
        facts: NameFacts,
        fault: Option<(RejectCode, String)>,
        way: Way,
    ) -> Result<Option<Prepared>> {
        let plan = &self.plan;
        let (identity, admission) = {
            let ledger = self.context.ledger();
            let identity = plan.identify(&capture.entry, facts, capture.hash, &ledger)?;
            let arrival = self.context.recognise(plan, &capture.entry.path, &identity.key, capture.hash);
            let known = ledger.drops(plan.id(), &identity.key)?;
            let candidate =
                Candidate { hash: capture.hash, entry: &capture.entry, by_request: false, echo_of: arrival.echo_of() };
            (identity, admit(&known.iter().collect::<Vec<_>>(), candidate, plan.settings.corrections))
        };
        if admission == Admission::Known {
            self.context.ledger().refresh_arrival(plan.id(), &capture.entry);
            return Ok(None);
        }
        pass(Failpoint::Admitted, &capture.entry.path)?;
        let Capture { hash, entry, body, .. } = capture;
        let mut file = Prepared {
            plan: Arc::clone(plan),
            identity,
            entry,
            hash: Some(hash),
            body: Some(body),
            revision: 1,
            supersedes: None,
            outcome: Outcome::Unexamined,
            transitions: 0,
            request: None,
            way,
            ticket: None,
            on_its_way: Arc::default(),
        };
        if let Some((code, reason)) = fault {
            file.outcome = Outcome::Reject(whole_file(code, reason));
        } else if let Admission::Publish { revision, supersedes } = admission {
            (file.revision, file.supersedes) = (revision, supersedes);
            let journal = self.context.authorities.journal(&file.plan.settings.department);
            file.transitions = journal.as_ref().map_or(0, |journal| journal.transitions.len());
            file.outcome = self.examine(&file, journal.as_deref())?;
        }
        file.way.examined = Some(self.context.clock.elapsed());
        pass(Failpoint::Prepared, &file.entry.path)?;
        Ok(Some(file))
    }

    fn examine(&self, file: &Prepared, journal: Option<&CutoverJournal>) -> Result<Outcome> {
        match (file.source(&self.context.bridge, journal), &file.body) {
            (Some(source), Some(body)) => self.examine_body(&source, body),
            _ => Ok(Outcome::Vanished),
        }
    }

    fn examine_body(&self, source: &Source<'_>, body: &Body) -> Result<Outcome> {
        examine(source, body, &self.store, self.limits)
    }

    /// What the sidecar states, where the feed has one.
    fn stated_checksum(&self, path: &EntryPath) -> Result<Option<String>> {
        let Some(rule) = &self.plan.settings.ready.checksum else { return Ok(None) };
        let Some(beside) = path.sibling(&rule.sidecar.apply(path.file_name())) else { return Ok(None) };
        let opened = match self.share.open(&beside) {
            Ok(opened) => opened,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        opened
            .take(MAX_SIDECAR_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| PortError::io("read", beside.to_string(), &error))?;
        Ok(sidecar::read(&bytes, path.file_name(), rule.algorithm))
    }
}
