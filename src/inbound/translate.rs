//! Bytes become events: parse, map, validate, wrap. No I/O but the reader it is given.

use std::io::Read;

use serde_json::Value;

use super::plan::FeedPlan;
use crate::domain::event::{EnvelopeWriter, Origin, Particulars};
use crate::layout::{FileFacts, ParseError, Parser, Record, Reject, RejectCode};
use crate::mapping::{FileNaming, ForwardError, Group, Mapping, RecordUse, Surroundings};

/// Makes the events of one file, one after the other.
pub struct Translator<'a, R> {
    plan: &'a FeedPlan,
    parser: Parser<'a, R>,
    naming: &'a FileNaming,
    trailer: Option<&'a Record>,
    envelope: EnvelopeWriter<'a>,
    record: Record,
    group: Group,
    data: Vec<u8>,
    event: Vec<u8>,
    subject: String,
    ordinal: u64,
    at_end: bool,
}

/// One event, as it is going to be published.
#[derive(Debug)]
pub struct TranslatedEvent<'t> {
    /// Its plan in the feed's mapping.
    pub event_type: &'t str,
    /// The record's key: the business key.
    pub key: &'t [u8],
    /// The whole CloudEvent.
    pub value: &'t [u8],
    /// Its number in the file, from 1.
    pub ordinal: u64,
}

impl<'a, R: Read> Translator<'a, R> {
    /// For one file. `trailer` is needed where [`Mapping::needs_trailer`] says so.
    pub fn new(
        plan: &'a FeedPlan,
        reader: R,
        origin: Origin<'a>,
        naming: &'a FileNaming,
        trailer: Option<&'a Record>,
    ) -> Self {
        Self {
            plan,
            parser: Parser::new(&plan.settings.layout, reader),
            naming,
            trailer,
            envelope: EnvelopeWriter::new(origin),
            record: Record::new(),
            group: Group::default(),
            data: Vec::new(),
            event: Vec::new(),
            subject: String::new(),
            ordinal: 0,
            at_end: false,
        }
    }

    /// The next event, or `None` at the end of the file; by then its order and controls were checked too.
    ///
    /// # Errors
    /// A reject, or an I/O error of the reader.
    pub fn next_event(&mut self) -> Result<Option<TranslatedEvent<'_>>, ParseError> {
        loop {
            if self.at_end || !self.parser.read(&mut self.record)? {
                self.at_end = true;
                return if self.group.is_open() { self.finish_group() } else { Ok(None) };
            }
            match self.plan.mapping.record_use(self.record.type_index()) {
                RecordUse::Lead(_) => {
                    if self.group.is_open() {
                        let made = self.make_event()?;
                        self.group.begin(&mut self.record);
                        if let Some(event_type) = made {
                            return Ok(Some(self.translated(event_type)));
                        }
                    } else {
                        self.group.begin(&mut self.record);
                    }
                }
                RecordUse::Member(lead) => {
                    let belongs = self.group.lead().is_some_and(|record| record.type_index() == *lead);
                    if !belongs {
                        return Err(ParseError::Reject(self.misplaced(*lead)));
                    }
                    self.group.add(&mut self.record);
                }
                RecordUse::Frame | RecordUse::Ignored => {
                    if self.group.is_open() {
                        return self.finish_group();
                    }
                }
            }
        }
    }

    fn finish_group(&mut self) -> Result<Option<TranslatedEvent<'_>>, ParseError> {
        let made = self.make_event()?;
        self.group.end();
        match made {
            Some(event_type) => Ok(Some(self.translated(event_type))),
            // A group that makes no event: go on with the rest of the file.
            None => self.next_event(),
        }
    }

    fn translated(&self, event_type: &'a str) -> TranslatedEvent<'_> {
        TranslatedEvent { event_type, key: self.subject.as_bytes(), value: &self.event, ordinal: self.ordinal }
    }

    /// Facts of the file; complete after the last event.
    pub fn facts(&self) -> &FileFacts {
        self.parser.facts()
    }

    fn make_event(&mut self) -> Result<Option<&'a str>, ParseError> {
        let plan: &'a FeedPlan = self.plan;
        let around =
            Surroundings { header: self.parser.facts().header.as_ref(), trailer: self.trailer, file: self.naming };
        let group = &self.group;
        let reject = |error: ForwardError| ParseError::Reject(reject_of(plan, group, &error));
        let Some(event) = plan.mapping.plan_for(group).map_err(reject)? else { return Ok(None) };
        self.data.clear();
        Mapping::write_data(event, group, around, &mut self.data).map_err(reject)?;
        self.subject.clear();
        self.subject.push_str(Mapping::key(event, group).map_err(reject)?);
        let business_date = Mapping::business_date(event, group, around).map_err(reject)?;
        let index = plan.mapping.events().iter().position(|known| std::ptr::eq(known, event)).unwrap_or_default();
        let schema = &plan.schemas[index];
        let value: Value = serde_json::from_slice(&self.data).map_err(std::io::Error::from).map_err(ParseError::Io)?;
        schema.validate(&value).map_err(|problem| {
            let (member, field) =
                event.origin_of(&problem.pointer).map_or((None, None), |(member, field)| (member, Some(field)));
            let message = format!(
                "the event does not fit its schema at {}: {}",
                display_pointer(&problem.pointer),
                problem.message
            );
            let mut reject = reject_of(plan, group, &ForwardError { member, field, message });
            reject.code = RejectCode::Schema;
            ParseError::Reject(reject)
        })?;
        self.ordinal += 1;
        let particulars = Particulars {
            event_type: event.event_type(),
            schema: schema.id(),
            subject: &self.subject,
            business_date,
            ordinal: self.ordinal,
            bytes: group.bytes(),
        };
        self.event.clear();
        self.envelope.write(&particulars, &self.data, &mut self.event);
        Ok(Some(event.event_type()))
    }

    fn misplaced(&self, lead: usize) -> Reject {
        let types = self.plan.settings.layout.record_types();
        let record = &self.record;
        Reject {
            code: RejectCode::Order,
            reason: format!("it has to follow a record of type `{}`", types[lead].name),
            byte: record.bytes().start,
            line: record.line(),
            record: record.number(),
            record_type: Some(types[record.type_index()].name.clone()),
            field: None,
        }
    }
}

fn display_pointer(pointer: &str) -> &str {
    if pointer.is_empty() { "its top" } else { pointer }
}

fn reject_of(plan: &FeedPlan, group: &Group, error: &ForwardError) -> Reject {
    let record = error.member.and_then(|index| group.members().get(index)).or_else(|| group.lead());
    let types = plan.settings.layout.record_types();
    let record_type = record.and_then(|record| types.get(record.type_index()));
    let field = error.field.and_then(|field| record_type?.fields.get(field)).map(|field| field.name.clone());
    Reject {
        code: RejectCode::Mapping,
        reason: error.message.clone(),
        byte: record.map_or(0, |record| match error.field {
            Some(field) => record.field_offset(field),
            None => record.bytes().start,
        }),
        line: record.map_or(0, Record::line),
        record: record.map_or(0, Record::number),
        record_type: record_type.map(|record_type| record_type.name.clone()),
        field,
    }
}
