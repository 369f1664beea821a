//! Events of a large file, made on a thread of their own, ahead of the one that sends them: while a chunk is sent and
//! committed, the next one is in the making. What may be made ahead is bounded.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use dropbridge_port::Result;
use sha2::{Digest, Sha256};

use super::chunks::changed;
use super::prepare::{HeldEvents, HoldLimits, Prepared, plan_index};
use super::translate::{TranslatedEvent, Translator};

/// Bytes of events that go from one thread to the other together.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that may wait: with [`BATCH_BYTES`], half of a usual chunk.
const BATCHES: usize = 16;

/// What is to be done next for a file.
pub(super) enum Next {
    /// Send these events, all of the same chunk.
    Send(HeldEvents),
    /// Commit the chunk: its last event has this ordinal, and all events so far this digest.
    Commit {
        /// Ordinal of its last event.
        through: u64,
        /// Over keys and values of all events so far.
        digest: Sha256,
    },
    /// That was the last of the file.
    Finish,
}

/// Where the next things to do come from. It ends without [`Next::Finish`] only where the maker was not allowed to
/// finish.
pub(super) type Steps = Receiver<Result<Next>>;

/// The two ends: one for the thread that makes events, one for the thread that sends them.
pub(super) fn channel() -> (SyncSender<Result<Next>>, Steps) {
    sync_channel(BATCHES)
}

/// Makes the events of a file from where the translator stands, and says where chunks end. Ends early when nobody
/// listens any more.
pub(super) fn make<R: Read>(
    file: &Prepared,
    translator: &mut Translator<'_, R>,
    mut digest: Sha256,
    chunk_limits: HoldLimits,
    steps: &SyncSender<Result<Next>>,
) {
    let (mut batch, mut chunk) = (HeldEvents::default(), Chunk::default());
    loop {
        let event = match next_event(file, translator, &mut digest) {
            Ok(event) => event,
            Err(error) => return drop(steps.send(Err(error))),
        };
        let Some(event) = event else {
            let _nobody_listens = send(steps, &mut batch) && steps.send(Ok(Next::Finish)).is_ok();
            return;
        };
        batch.append(plan_index(&file.plan, event.event_type), event.key, event.value);
        chunk.count(&event);
        let through = event.ordinal;
        let is_full = chunk.is_full(chunk_limits);
        if (is_full || batch.size() >= BATCH_BYTES) && !send(steps, &mut batch) {
            return;
        }
        if is_full {
            chunk = Chunk::default();
            if steps.send(Ok(Next::Commit { through, digest: digest.clone() })).is_err() {
                return;
            }
        }
    }
}

/// `false` when nobody listens.
fn send(steps: &SyncSender<Result<Next>>, batch: &mut HeldEvents) -> bool {
    batch.is_empty() || steps.send(Ok(Next::Send(std::mem::take(batch)))).is_ok()
}

/// The next event, taken into the digest; `None` at the end of the file.
pub(super) fn next_event<'t, R: Read>(
    file: &Prepared,
    translator: &'t mut Translator<'_, R>,
    digest: &mut Sha256,
) -> Result<Option<TranslatedEvent<'t>>> {
    let event = translator.next_event().map_err(|error| changed(file, error.into()))?;
    if let Some(event) = &event {
        // What all events of a drop have in common would take longer to hash than the rest.
        let schema = file.plan.schemas.get(plan_index(&file.plan, event.event_type)).map_or("", |schema| schema.id());
        for part in [event.event_type.as_bytes(), schema.as_bytes(), event.key, event.own] {
            digest.update(part);
            digest.update([0]);
        }
    }
    Ok(event)
}

/// How much was made of a chunk.
#[derive(Default)]
struct Chunk {
    events: usize,
    bytes: usize,
}

impl Chunk {
    fn count(&mut self, event: &TranslatedEvent<'_>) {
        self.events += 1;
        self.bytes += event.key.len() + event.value.len();
    }

    const fn is_full(&self, limits: HoldLimits) -> bool {
        self.events >= limits.events || self.bytes >= limits.bytes
    }
}
