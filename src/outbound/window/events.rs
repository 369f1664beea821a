//! What a record of an event topic is to a window.

use std::borrow::Cow;

use dropbridge_port::FetchedRecord;

use super::plan::WindowPlan;
use crate::domain::BusinessDate;
use crate::domain::envelope::{Envelope, IDENTITY_BYTES, needed};
use crate::domain::policy::EventProvenance;

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
        let envelope = Envelope::read(value)?;
        let event_type = needed(envelope.event_type.as_ref(), "type")?;
        let Some(event_type) = self.settings.event_types.iter().position(|known| known == event_type) else {
            return Ok(Judged::Foreign);
        };
        if envelope.is_legacy() && self.settings.provenance == EventProvenance::Native {
            return Ok(Judged::Foreign);
        }
        let department = needed(envelope.department.as_ref(), "department")?;
        if !self.settings.departments.iter().any(|known| known == department) {
            return Ok(Judged::Foreign);
        }
        let (date, identity, data) = (envelope.date()?, envelope.identity()?, envelope.payload()?);
        let id = envelope.id.unwrap_or_default();
        Ok(Judged::Event(WindowEvent { event_type, date, identity, id, subject: envelope.subject, data }))
    }
}
