//! What a record of a candidate topic has to be before it may become authoritative. Pure: a record in, an event or the
//! reason why it is none out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use dropbridge_port::FetchedRecord;

use super::plan::FeedPlan;
use crate::domain::BusinessDate;
use crate::domain::envelope::{Envelope, IDENTITY_BYTES, needed};
use crate::ledger::Topics;
use crate::mapping::{EventSchema, PayloadScan};

/// How far ahead of today a candidate event may be dated, in days. One that is years ahead by mistake would otherwise
/// take all dates up to it: nobody could go back for years.
pub const MOST_DAYS_AHEAD: i32 = 31;

/// What is known of event types and departments.
#[derive(Default)]
pub struct CandidateRules {
    types: BTreeMap<String, TypeRules>,
    departments: BTreeSet<String>,
}

struct TypeRules {
    /// The authoritative topic.
    topic: String,
    candidate: String,
    schema: Arc<EventSchema>,
    /// No value may be shown.
    masked: bool,
}

/// A candidate event that is fit to become authoritative.
#[derive(Debug)]
pub struct CandidateEvent<'r, 'e> {
    /// Its department.
    pub department: Cow<'e, str>,
    /// Its business date.
    pub date: BusinessDate,
    /// Of source and id.
    pub identity: [u8; IDENTITY_BYTES],
    /// Of what it says: two records of one event have the same.
    pub content: u64,
    /// Where it would go.
    pub topic: &'r str,
}

impl CandidateRules {
    /// For the feeds of a bridge.
    #[must_use]
    pub fn new<'p>(topics: &Topics, plans: impl Iterator<Item = &'p FeedPlan>) -> Self {
        let mut rules = Self::default();
        for plan in plans {
            rules.departments.insert(plan.settings.department.clone());
            for (event, schema) in plan.mapping.events().iter().zip(&plan.schemas) {
                let Some(topic) = topics.event(event.event_type()) else { continue };
                let masked = plan.settings.layout.masks();
                let known = rules.types.entry(event.event_type().to_owned()).or_insert_with(|| TypeRules {
                    topic: topic.to_owned(),
                    candidate: Topics::candidate(topic),
                    schema: Arc::clone(schema),
                    masked,
                });
                known.masked |= masked;
            }
        }
        rules
    }

    /// What a record is. `today`: by the clock of the bridge, in UTC.
    ///
    /// # Errors
    /// Why it is no event that could become authoritative.
    pub fn judge<'r, 'e>(
        &'r self,
        record: &'e FetchedRecord,
        today: BusinessDate,
    ) -> Result<CandidateEvent<'r, 'e>, String> {
        let envelope = Envelope::read(record.value.as_deref().ok_or("it has no value")?)?;
        let version = needed(envelope.specversion.as_ref(), "specversion")?;
        if version != "1.0" {
            return Err(format!("its `specversion` is `{version}`: write 1.0"));
        }
        let event_type = needed(envelope.event_type.as_ref(), "type")?;
        let rules = self.types.get(event_type);
        let Some(rules) = rules.filter(|rules| *rules.candidate == *record.topic) else {
            return Err(format!("events of type `{event_type}` do not belong to this topic"));
        };
        if envelope.is_legacy() {
            return Err("its `provenance` is `legacy`: that says that the bridge made it from a file".to_owned());
        }
        let key = record.key.as_deref().filter(|key| !key.is_empty()).ok_or("its record has no key")?;
        if envelope.subject.as_ref().is_some_and(|subject| subject.as_bytes() != key) {
            return Err("its `subject` and the key of its record differ: both are the business key".to_owned());
        }
        let department = needed(envelope.department.as_ref(), "department")?;
        if !self.departments.contains(department) {
            return Err(format!("no department `{department}` has a feed here"));
        }
        let date = envelope.date()?;
        if date > today.days_later(MOST_DAYS_AHEAD) {
            return Err(format!("its business date, {date}, is more than {MOST_DAYS_AHEAD} days ahead"));
        }
        let (identity, data) = (envelope.identity()?, envelope.payload()?);
        let checked = rules.schema.validate(PayloadScan::default().payload(data), rules.masked);
        checked.map_err(|problem| {
            let pointer = if problem.pointer.is_empty() { "its top" } else { &problem.pointer };
            format!("its `data` does not fit the schema at {pointer}: {}", problem.message)
        })?;
        let mut content = DefaultHasher::new();
        (event_type, department, date.to_string(), key, data).hash(&mut content);
        let content = content.finish();
        Ok(CandidateEvent {
            department: envelope.department.unwrap_or_default(),
            date,
            identity,
            content,
            topic: &rules.topic,
        })
    }
}
