//! Assembly of a mirror: the file that a manifest tells of, written again, and held against its hash.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use dropbridge_port::{ErrorKind, EventLog, PortError};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::ranges::{PartitionReaders, merge};
use crate::capture::Store;
use crate::domain::ContentHash;
use crate::inbound::manifest::{FileSummary, Manifest, ManifestStatus};
use crate::inbound::plan::FeedPlan;
use crate::inbound::rewrite::{RewriteError, Rewriter};
use crate::layout::Verdict;
use crate::ledger::Topics;
use crate::mapping::EventPlan;

/// What is rendered before it is handed on.
const BUFFER_BYTES: usize = 1 << 16;

/// Why a file cannot be written again from the log.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// Of the log, the store, or of where the file is written to.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The log has removed events.
    #[error("expired: {topic}, partition {partition} begins at offset {low}, the file's events begin at {from}")]
    Expired {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// Where the file's events begin.
        from: i64,
        /// Where the log begins now.
        low: i64,
    },
    /// An event is not where it should be.
    #[error("event {expected} is not in the ranges that the manifest names{}", or_found(*found))]
    Hole {
        /// The ordinal that comes next.
        expected: u64,
        /// The ordinal that was there instead.
        found: Option<u64>,
    },
    /// The topic is not what it was, or the manifest does not allow it.
    #[error("{0}")]
    Refused(String),
    /// Only its stored bytes give this file.
    #[error("its events are not enough to write it again (replay only), and the store does not keep its bytes")]
    ReplayOnly,
    /// A record could not be written.
    #[error("{0}")]
    Unwritable(#[from] RewriteError),
    /// Other bytes came out.
    #[error("{0}")]
    Different(Box<Different>),
}

fn or_found(found: Option<u64>) -> String {
    found.map(|found| format!(": {found} comes instead")).unwrap_or_default()
}

/// How what was written differs from what was read.
#[derive(Debug, thiserror::Error)]
#[error("its events give other bytes: {found} instead of {expected}{}{}", at(*.first), .since.as_deref().unwrap_or(""))]
pub struct Different {
    /// The manifest's hash.
    pub expected: ContentHash,
    /// The hash of what came out.
    pub found: ContentHash,
    /// The first byte that differs, where the store keeps the file's own.
    pub first: Option<u64>,
    /// That layout or mapping were changed since.
    pub since: Option<String>,
}

fn at(first: Option<u64>) -> String {
    first.map(|first| format!(", from byte {first}")).unwrap_or_default()
}

/// Where the bytes of a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Its events and its manifest.
    Events,
    /// The capture that the store keeps.
    Store,
}

/// A file that was written.
#[derive(Clone, Copy, Debug)]
pub struct Rendered {
    /// Its hash.
    pub sha256: ContentHash,
    /// How many bytes it has.
    pub bytes: u64,
    /// Where they came from.
    pub provenance: Provenance,
}

/// Refuses event topics of which nobody can tell whether they still have everything.
///
/// # Errors
/// `Refused` for a topic that is compacted, or that has another number of partitions than configured.
pub(super) fn check_topics<'t>(
    log: &dyn EventLog,
    topics: &Topics,
    names: impl Iterator<Item = &'t str>,
) -> Result<(), AssemblyError> {
    // Several events of a feed may go to one topic; a broker is asked for each once.
    let names: BTreeSet<&str> = names.collect();
    let names: Vec<&str> = names.into_iter().collect();
    let (states, specs) = (log.topics(&names)?, topics.specs());
    for name in names {
        let Some(state) = states.iter().find(|state| state.name == name) else {
            return Err(AssemblyError::Refused(format!("topic {name} is not there")));
        };
        if state.cleanup.as_deref().is_some_and(|cleanup| cleanup.contains("compact")) {
            let why = "it is compacted, so events of one key may be gone";
            return Err(AssemblyError::Refused(format!("topic {name}: {why}")));
        }
        let configured = specs.iter().find(|spec| spec.name == name).map(|spec| spec.partitions);
        if let Some(was) = configured.filter(|was| *was != state.partitions) {
            let is = state.partitions;
            return Err(AssemblyError::Refused(format!(
                "topic {name} has {is} partitions and not {was}, as configured: it was changed or made anew"
            )));
        }
    }
    Ok(())
}

/// The same of the topics of a feed's events.
///
/// # Errors
/// As for [`check_topics`].
pub fn check_topics_of(log: &dyn EventLog, topics: &Topics, feed: &FeedPlan) -> Result<(), AssemblyError> {
    let types = feed.mapping.events().iter().map(EventPlan::event_type);
    check_topics(log, topics, types.filter_map(|event_type| topics.event(event_type)))
}

/// Writes files again from the log, and from the store where the log has not all of it any more.
pub struct Assembler {
    bridge: String,
    readers: PartitionReaders,
}

impl Assembler {
    /// For the log of a bridge of this name.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, bridge: &str) -> Self {
        Self { bridge: bridge.to_owned(), readers: PartitionReaders::new(log) }
    }

    /// Writes the file of a manifest. `open` begins an output; it is asked a second time where the first attempt, from
    /// the log, came to nothing and the store serves.
    ///
    /// # Errors
    /// Why there is no file; what was written so far is then of no use.
    pub fn write<W: Write>(
        &mut self,
        plan: &FeedPlan,
        manifest: &Manifest,
        store: &Store,
        mut open: impl FnMut() -> Result<W, PortError>,
    ) -> Result<(W, Rendered), AssemblyError> {
        let summary = match (&manifest.file, manifest.status) {
            (Some(summary), ManifestStatus::Complete) => summary,
            _ => return Err(AssemblyError::Refused("it was abandoned: not all its events are there".to_owned())),
        };
        let from_log = match summary.verdict {
            Verdict::ReplayOnly => Err(AssemblyError::ReplayOnly),
            Verdict::Exact | Verdict::ExactWithExceptions => {
                let mut out = open()?;
                // Where it comes to nothing, the output is let go of before the next one begins.
                self.write_from_events(plan, manifest, summary, store, &mut out).map(|rendered| (out, rendered))
            }
        };
        match from_log {
            Ok(written) => Ok(written),
            Err(AssemblyError::Expired { .. } | AssemblyError::ReplayOnly) if store.contains(manifest.sha256) => {
                let mut out = open()?;
                let rendered = write_from_store(manifest, store, &mut out)?;
                Ok((out, rendered))
            }
            Err(error) => Err(error),
        }
    }

    fn write_from_events(
        &mut self,
        plan: &FeedPlan,
        manifest: &Manifest,
        summary: &FileSummary,
        store: &Store,
        out: &mut impl Write,
    ) -> Result<Rendered, AssemblyError> {
        let mut tee = Tee { out, hasher: Sha256::new(), bytes: 0, compared: Compared::open(store, manifest.sha256) };
        let mut rewriter = Rewriter::new(plan, summary);
        let mut buffer = Vec::with_capacity(2 * BUFFER_BYTES);
        rewriter.begin(&mut buffer)?;
        merge(&mut self.readers, &self.bridge, manifest, |event_type, data| {
            rewriter.payload(event_type, data, &mut buffer)?;
            if buffer.len() >= BUFFER_BYTES {
                tee.write(&buffer)?;
                buffer.clear();
            }
            Ok(())
        })?;
        rewriter.finish(&mut buffer)?;
        tee.write(&buffer)?;
        let (found, bytes) = (ContentHash::finish(tee.hasher), tee.bytes);
        if found == manifest.sha256 {
            return Ok(Rendered { sha256: found, bytes, provenance: Provenance::Events });
        }
        let first = tee.compared.and_then(|compared| compared.first(bytes));
        let since = (summary.plan_digest != plan.digest)
            .then(|| format!("; layout or mapping were changed since it was read by {}", summary.layout));
        Err(AssemblyError::Different(Box::new(Different { expected: manifest.sha256, found, first, since })))
    }
}

fn write_from_store(manifest: &Manifest, store: &Store, out: &mut impl Write) -> Result<Rendered, AssemblyError> {
    let mut object = store.read(manifest.sha256)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match object.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PortError::io("read", manifest.sha256.to_string(), &error).into()),
        };
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(not_written)?;
        bytes += count as u64;
    }
    let found = ContentHash::finish(hasher);
    if found != manifest.sha256 {
        let subject = format!("object {}", manifest.sha256);
        return Err(PortError::new(ErrorKind::Corrupt, "read", subject, "its bytes have another hash").into());
    }
    Ok(Rendered { sha256: found, bytes, provenance: Provenance::Store })
}

pub(super) fn not_written(error: io::Error) -> AssemblyError {
    // An output that knows better says so itself.
    match error.downcast::<PortError>() {
        Ok(error) => error.into(),
        Err(error) => PortError::io("write", "the rendered file", &error).into(),
    }
}

/// Hands on what is rendered, and hashes it.
struct Tee<'o, W> {
    out: &'o mut W,
    hasher: Sha256,
    bytes: u64,
    compared: Option<Compared>,
}

impl<W: Write> Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), AssemblyError> {
        self.hasher.update(bytes);
        if let Some(compared) = &mut self.compared {
            compared.compare(bytes, self.bytes);
        }
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(not_written)
    }
}

/// The file's own bytes, where the store keeps them: they say where a rendering differs.
struct Compared {
    object: Box<dyn Read>,
    differs_at: Option<u64>,
    buffer: Vec<u8>,
}

impl Compared {
    fn open(store: &Store, hash: ContentHash) -> Option<Self> {
        // That the store cannot help is no fault of the rendering.
        let object = store.contains(hash).then(|| store.read(hash).ok())??;
        Some(Self { object: Box::new(object), differs_at: None, buffer: Vec::new() })
    }

    fn compare(&mut self, rendered: &[u8], from: u64) {
        if self.differs_at.is_some() {
            return;
        }
        self.buffer.resize(rendered.len(), 0);
        let mut filled = 0;
        while let Ok(count @ 1..) = self.object.read(&mut self.buffer[filled..]) {
            filled += count;
        }
        let same = rendered.iter().zip(&self.buffer[..filled]).take_while(|(ours, theirs)| ours == theirs).count();
        if same < rendered.len() {
            self.differs_at = Some(from + same as u64);
        }
    }

    /// Where the first difference is, of a rendering with so many bytes: it may be too short, and no more.
    fn first(self, bytes: u64) -> Option<u64> {
        Some(self.differs_at.unwrap_or(bytes))
    }
}
