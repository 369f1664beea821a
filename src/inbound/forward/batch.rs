//! What is to be done with the records of a pass.

use std::sync::Arc;

use dropbridge_port::{FetchedRecord, Result};
use serde::Serialize;

use super::Forwarder;
use crate::cutover::Passage;
use crate::domain::{BusinessDate, Moment};
use crate::inbound::publish::{EVENT_HEADER, Publisher, event_record};
use crate::inbound::recent::{HORIZON, Seen};

/// The version of a candidate's record in the topic of rejects.
const FORMAT: u32 = 1;

/// What is to be done with records, by their index.
#[derive(Default)]
pub(super) struct Batch {
    forwards: Vec<Forward>,
    rejects: Vec<(usize, String)>,
    repeated: u64,
    passed_over: u64,
}

struct Forward {
    record: usize,
    topic: String,
    department: String,
    date: BusinessDate,
}

/// A record of the rejects topic about a candidate event.
#[derive(Serialize)]
struct CandidateReject<'a> {
    format: u32,
    /// The candidate topic.
    topic: &'a str,
    partition: u32,
    offset: i64,
    /// The record's key, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_key: Option<&'a str>,
    code: &'static str,
    reason: &'a str,
    recorded_at: Moment,
}

impl Batch {
    /// Something is to be written of it.
    pub(super) const fn has_something(&self) -> bool {
        !self.forwards.is_empty() || !self.rejects.is_empty()
    }

    /// It is committed.
    pub(super) fn account(self, publisher: &mut Publisher) {
        let (forwarded, rejected) = (self.forwards.len() as u64, self.rejects.len() as u64);
        publisher.tally.forwarded += forwarded;
        publisher.tally.candidates_rejected += rejected;
        let metrics = &publisher.slot().context().metrics.candidates;
        metrics.count(forwarded, self.passed_over, self.repeated, rejected);
        if forwarded > 0 {
            let newest = self.forwards.iter().map(|forward| forward.date).max();
            let newest = newest.map(|date| date.to_string()).unwrap_or_default();
            tracing::info!(forwarded, rejected, repeated = self.repeated, newest, "candidate events forwarded");
        }
    }
}

impl Forwarder {
    /// Judges records, and takes in that they were.
    pub(super) fn sort_out(&mut self, records: &[FetchedRecord]) -> Batch {
        let mut batch = Batch::default();
        let today = BusinessDate::from(self.context.clock.now().timestamp().to_zoned(jiff::tz::TimeZone::UTC).date());
        self.first_of_pass = None;
        for (index, record) in records.iter().enumerate() {
            self.judge(index, record, today, &mut batch);
        }
        batch
    }

    fn judge(&mut self, index: usize, record: &FetchedRecord, today: BusinessDate, batch: &mut Batch) {
        let (topic, partition, offset) = (&*record.topic, record.partition, record.offset);
        let is_new = self.state.position(topic, partition).is_none_or(|reached| offset >= reached);
        let is_first = is_new && !self.state.is_behind(topic, partition, offset);
        // What was wrong with it may have been mended since: all the same it was refused, and it may come again.
        if !is_new && self.state.refused.hold(topic, partition, offset) {
            return;
        }
        let refused = self.refused.remove(&(Arc::clone(&record.topic), partition, offset));
        let event = refused.map_or_else(|| self.rules.judge(record, today), Err);
        let place = (Arc::clone(&record.topic), partition);
        let seen = match &event {
            Ok(event) => self.recent.entry(place.clone()).or_default().see(offset, event.identity, event.content),
            Err(_) => Seen::First,
        };
        if !is_new {
            return;
        }
        self.first_of_pass.get_or_insert_with(|| (Arc::clone(&record.topic), partition, offset));
        if event.is_err() && is_first {
            let goes_on = !self.refusing.insert(place);
            self.state.refused.add(topic, partition, offset, goes_on);
        } else {
            self.refusing.remove(&place);
        }
        match (event, seen) {
            (Ok(_), Seen::Again) => batch.repeated += u64::from(is_first),
            (Ok(_), Seen::Differs) if is_first => {
                let reason = "it says something else than an earlier event with the same `source` and `id`";
                batch.rejects.push((index, reason.to_owned()));
            }
            (Err(reason), _) if is_first => batch.rejects.push((index, reason)),
            (Ok(_), Seen::Differs) | (Err(_), _) => {}
            (Ok(event), Seen::First) => {
                let journal = self.context.authorities.journal(&event.department);
                match self.state.passage(journal.as_deref(), event.date, (topic, partition, offset)) {
                    Passage::Forward => batch.forwards.push(Forward {
                        record: index,
                        topic: event.topic.to_owned(),
                        department: event.department.into_owned(),
                        date: event.date,
                    }),
                    Passage::PassOver => batch.passed_over += 1,
                    Passage::Judged => {}
                }
            }
        }
        self.state.refused.forget_below(topic, partition, offset - HORIZON);
        self.state.reach(topic, partition, offset + 1);
        self.is_unsaved = true;
    }

    /// Hands over what is forwarded and what is refused.
    pub(super) fn send(&self, publisher: &mut Publisher, records: &[FetchedRecord], batch: &Batch) -> Result<()> {
        for forward in &batch.forwards {
            let Some(record) = records.get(forward.record) else { continue };
            let (key, value) = (record.key.as_deref().unwrap_or_default(), record.value.as_deref().unwrap_or_default());
            let trace = record.headers.iter().filter(|(name, _)| name == "traceparent");
            let trace = trace.map(|(name, value)| (name.as_str(), value.as_slice()));
            let headers: Vec<(&str, &[u8])> = [EVENT_HEADER].into_iter().chain(trace).collect();
            publisher.slot().writer().send(event_record(&forward.topic, key, value, 0, &headers))?;
            publisher.send_spoken(&forward.department, Some(forward.date))?;
        }
        let topic = self.context.topics.rejects.clone();
        for (index, reason) in &batch.rejects {
            let Some(record) = records.get(*index) else { continue };
            let reject = CandidateReject {
                format: FORMAT,
                topic: &record.topic,
                partition: record.partition,
                offset: record.offset,
                record_key: record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()),
                code: "candidate",
                reason,
                recorded_at: self.context.clock.now(),
            };
            tracing::error!(
                topic = &*record.topic,
                partition = record.partition,
                offset = record.offset,
                "a candidate event is refused: {reason}"
            );
            publisher.slot().send_own(&topic, 0, &record.topic, Some(&reject))?;
        }
        Ok(())
    }
}
