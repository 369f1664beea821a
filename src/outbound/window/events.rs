//! What a record of an event topic is to a window.

use std::borrow::Cow;

use dropbridge_port::FetchedRecord;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::plan::WindowPlan;
use crate::domain::BusinessDate;
use crate::domain::policy::EventProvenance;

/// Length of what stands for source and id of an event.
const IDENTITY_BYTES: usize = 16;

/// What is read of an envelope: see `domain/event.rs`. Everything may be missing in what others write.
#[derive(Deserialize)]
struct Envelope<'e> {
    #[serde(rename = "type", borrow)]
    event_type: Option<Cow<'e, str>>,
    #[serde(borrow)]
    source: Option<Cow<'e, str>>,
    #[serde(borrow)]
    id: Option<Cow<'e, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'e, str>>,
    #[serde(borrow)]
    department: Option<Cow<'e, str>>,
    #[serde(borrow)]
    businessdate: Option<Cow<'e, str>>,
    #[serde(borrow)]
    provenance: Option<Cow<'e, str>>,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
}

/// An event of a window.
#[derive(Debug)]
pub(super) struct WindowEvent<'e> {
    /// Its type, as an index of the plan's.
    pub(super) event_type: usize,
    /// Its business date.
    pub(super) date: BusinessDate,
    /// The same for two records of one event, and for no others: of source and id.
    pub(super) identity: [u8; IDENTITY_BYTES],
    /// Its id.
    pub(super) id: Cow<'e, str>,
    /// Its business key.
    pub(super) subject: Option<Cow<'e, str>>,
    /// Its payload.
    pub(super) data: &'e [u8],
}

/// What a record is.
#[derive(Debug)]
pub(super) enum Judged<'e> {
    /// None of the window's: of another type or department, or from a file.
    Foreign,
    /// One of the window's.
    Event(WindowEvent<'e>),
    /// It may be one, and nobody can tell of which date, or whose.
    Unusable(String),
}

impl WindowPlan {
    /// What a record of its topics is.
    pub(super) fn judge<'e>(&self, record: &'e FetchedRecord) -> Judged<'e> {
        match record.value.as_deref() {
            None => Judged::Foreign,
            Some(value) => self.judge_value(value).unwrap_or_else(Judged::Unusable),
        }
    }

    fn judge_value<'e>(&self, value: &'e [u8]) -> Result<Judged<'e>, String> {
        let envelope: Envelope<'e> = serde_json::from_slice(value)
            .map_err(|error| format!("it is no CloudEvent in structured mode: {error}"))?;
        let needed = |attribute: &str| format!("it has no `{attribute}`");
        let event_type = envelope.event_type.ok_or_else(|| needed("type"))?;
        let Some(event_type) = self.settings.event_types.iter().position(|known| *known == *event_type) else {
            return Ok(Judged::Foreign);
        };
        let is_legacy = envelope.provenance.is_some_and(|provenance| provenance == "legacy");
        if is_legacy && self.settings.provenance == EventProvenance::Native {
            return Ok(Judged::Foreign);
        }
        let department = envelope.department.ok_or_else(|| needed("department"))?;
        if !self.settings.departments.iter().any(|known| *known == *department) {
            return Ok(Judged::Foreign);
        }
        let date = envelope.businessdate.ok_or_else(|| needed("businessdate"))?;
        let date = BusinessDate::parse(&date).ok_or_else(|| format!("its `businessdate`, `{date}`, is no date"))?;
        let source = envelope.source.ok_or_else(|| needed("source"))?;
        let id = envelope.id.ok_or_else(|| needed("id"))?;
        let data = envelope.data.ok_or_else(|| needed("data"))?.get().as_bytes();
        let digest =
            Sha256::new().chain_update(source.as_bytes()).chain_update([0]).chain_update(id.as_bytes()).finalize();
        let mut identity = [0; IDENTITY_BYTES];
        identity.copy_from_slice(&digest[..IDENTITY_BYTES]);
        Ok(Judged::Event(WindowEvent { event_type, date, identity, id, subject: envelope.subject, data }))
    }
}
