//! A file, written again from its manifest and its events as they stand in the log.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::manifest::FileSummary;
use super::plan::FeedPlan;
use crate::layout::{Layout, Rebuilder, Record};
use crate::mapping::{CarriedRecords, PayloadScan};

/// Writes one file, event by event.
pub struct Rewriter<'r> {
    plan: &'r FeedPlan,
    summary: &'r FileSummary,
    rebuilder: Rebuilder<'r>,
    carried: CarriedRecords,
    scan: PayloadScan,
    events: u64,
}

/// Why a file cannot be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewriteError {
    /// Number of the event, from 1; 0 for header and trailer.
    pub event: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RewriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            0 => write!(out, "header or trailer: {}", self.message),
            event => write!(out, "event {event}: {}", self.message),
        }
    }
}

impl std::error::Error for RewriteError {}

/// What is needed of an event's envelope.
#[derive(Deserialize)]
struct Envelope<'e> {
    #[serde(rename = "type", borrow)]
    event_type: Cow<'e, str>,
    #[serde(borrow)]
    data: &'e RawValue,
}

impl<'r> Rewriter<'r> {
    /// A file of this feed, with what its manifest says of it.
    #[must_use]
    pub fn new(plan: &'r FeedPlan, summary: &'r FileSummary) -> Self {
        let rebuilder = Rebuilder::new(&plan.settings.layout, &summary.frame, &summary.exceptions);
        Self { plan, summary, rebuilder, carried: CarriedRecords::default(), scan: PayloadScan::default(), events: 0 }
    }

    /// Appends what stands before the first event.
    ///
    /// # Errors
    /// A header that cannot be written.
    pub fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), RewriteError> {
        self.rebuilder.begin(out);
        self.frame_record(self.summary.header.as_ref(), self.plan.settings.layout.header(), out)
    }

    /// Appends the records of the next event, given as it stands in the log. Events come by ordinal.
    ///
    /// # Errors
    /// An event that is none of the feed's.
    pub fn event(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), RewriteError> {
        let wrong = |error: serde_json::Error| RewriteError { event: self.events + 1, message: error.to_string() };
        let envelope: Envelope<'_> = serde_json::from_slice(event).map_err(wrong)?;
        self.payload(&envelope.event_type, envelope.data.get().as_bytes(), out)
    }

    /// Appends the records of the next event, of which type and payload are known.
    ///
    /// # Errors
    /// Where a record cannot be written so that it would be read back.
    pub fn payload(&mut self, event_type: &str, data: &[u8], out: &mut Vec<u8>) -> Result<(), RewriteError> {
        self.events += 1;
        let (layout, mapping) = (&self.plan.settings.layout, &self.plan.mapping);
        let payload = self.scan.payload(data);
        let read = self.carried.read_event(layout, mapping, event_type, payload);
        // Its records are exceptions, each of them whole, where the proof could not read it either.
        let records = read.map_or(&[][..], |()| self.carried.records());
        for record in records {
            let written = self.rebuilder.record(record, out);
            written.map_err(|error| RewriteError { event: self.events, message: error.to_string() })?;
        }
        Ok(())
    }

    /// Appends what stands behind the last event.
    ///
    /// # Errors
    /// A trailer that cannot be written.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RewriteError> {
        self.frame_record(self.summary.trailer.as_ref(), self.plan.settings.layout.trailer(), out)?;
        self.rebuilder.finish(out);
        Ok(())
    }

    fn frame_record(
        &mut self,
        fields: Option<&Value>,
        record_type: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), RewriteError> {
        let (Some(fields), Some(record_type)) = (fields, record_type) else { return Ok(()) };
        let record = record_of(&self.plan.settings.layout, record_type, fields);
        let written = self.rebuilder.record(&record, out);
        written.map_err(|error| RewriteError { event: 0, message: error.to_string() })
    }
}

/// A record of what a manifest has of header or trailer.
fn record_of(layout: &Layout, record_type: usize, values: &Value) -> Record {
    let mut record = Record::build(record_type);
    for field in &layout.record_types()[record_type].fields {
        record.push(values.get(&field.name).and_then(Value::as_str));
    }
    record
}
