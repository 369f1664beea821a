//! Bytes become events: parse, map, validate, wrap. No I/O but the reader it is given.

use std::io::Read;

use super::plan::FeedPlan;
use super::proof::FileProof;
use crate::cutover::{Authority, CutoverJournal};
use crate::domain::BusinessDate;
use crate::domain::event::{EnvelopeWriter, Origin, Particulars};
use crate::layout::{FileFacts, ParseError, Parser, Proof, Record, Reject, RejectCode, Verdict};
use crate::mapping::{
    EventPlan, FileNaming, ForwardError, Group, Mapping, PayloadScan, RecordUse, SchemaProblem, Surroundings,
};

/// Makes the events of one file, one after the other.
pub struct Translator<'a, R> {
    plan: &'a FeedPlan,
    parser: Parser<'a, R>,
    naming: &'a FileNaming,
    trailer: Option<&'a Record>,
    envelope: EnvelopeWriter<'a>,
    proof: Option<FileProof<'a>>,
    /// Its events were made before, and fitted their schemas.
    is_examined: bool,
    /// Nobody takes its events: they are made and checked, and not written out.
    only_examines: bool,
    rejects: Vec<Reject>,
    /// Says whose dates are whose.
    journal: Option<&'a CutoverJournal>,
    withheld: u64,
    newest_date: Option<BusinessDate>,
    record: Record,
    group: Group,
    data: Vec<u8>,
    scan: PayloadScan,
    event: Vec<u8>,
    /// Where in `event` begins what it has of its own.
    own: usize,
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
    /// The whole CloudEvent; empty after [`Translator::only_examine`].
    pub value: &'t [u8],
    /// The end of it, from what it has of its own on. What stands before follows from its drop, its type and its schema,
    /// its key and its number.
    pub own: &'t [u8],
    /// Its number in the file, from 1.
    pub ordinal: u64,
}

/// What was found of a whole file beside its events.
#[derive(Debug)]
pub struct Translated {
    /// Whether its events are enough to write it again, where that was asked.
    pub proof: Option<Proof>,
    /// Its bad records.
    pub rejects: Vec<Reject>,
    /// How many events were not made, since they are of dates for which the candidate speaks.
    pub withheld: u64,
    /// The newest date of those that were made.
    pub newest_date: Option<BusinessDate>,
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
            proof: None,
            is_examined: false,
            only_examines: false,
            rejects: Vec::new(),
            journal: None,
            withheld: 0,
            newest_date: None,
            record: Record::new(),
            group: Group::default(),
            data: Vec::new(),
            scan: PayloadScan::default(),
            event: Vec::new(),
            own: 0,
            subject: String::new(),
            ordinal: 0,
            at_end: false,
        }
    }

    /// Proves the file as well: [`Translator::finish`] tells how it came out.
    #[must_use]
    pub fn proving(mut self) -> Self {
        self.proof = Some(FileProof::new(&self.plan.settings.layout, &self.plan.mapping));
        self
    }

    /// Withholds the events of those dates that this journal gives to the candidate: they keep their numbers, and are
    /// not made.
    #[must_use]
    pub const fn spoken_by(mut self, journal: Option<&'a CutoverJournal>) -> Self {
        self.journal = journal;
        self
    }

    /// For a file whose events were made before, from the same bytes by the same plan, and none was left out: they
    /// fitted their schemas then, and fit them now.
    #[must_use]
    pub fn examined(mut self) -> Self {
        self.is_examined = true;
        self
    }

    /// From now on events are made and checked, and not written out: their values are empty.
    pub const fn only_examine(&mut self) {
        self.only_examines = true;
    }

    /// The next event, or `None` at the end of the file; by then its order and controls were checked too.
    ///
    /// # Errors
    /// A reject, or an I/O error of the reader.
    pub fn next_event(&mut self) -> Result<Option<TranslatedEvent<'_>>, ParseError> {
        loop {
            let made = if self.at_end { None } else { self.step()? };
            if let Some(event_type) = made {
                return Ok(Some(self.translated(event_type)));
            }
            if self.at_end {
                return Ok(None);
            }
        }
    }

    /// How many events it has made so far, those that are withheld among them.
    pub const fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// Reads one record; the event that was complete before it, if there is one.
    fn step(&mut self) -> Result<Option<&'a str>, ParseError> {
        match self.parser.read(&mut self.record) {
            Ok(true) => {}
            Ok(false) => {
                self.at_end = true;
                return self.end_group();
            }
            Err(ParseError::Reject(reject)) => return self.pass_over(reject),
            Err(error) => return Err(error),
        }
        match self.plan.mapping.record_use(self.record.type_index()) {
            RecordUse::Lead(_) => {
                let made = self.end_group()?;
                self.group.begin(&mut self.record);
                Ok(made)
            }
            RecordUse::Member(lead) => {
                if self.group.lead().is_some_and(|record| record.type_index() == *lead) {
                    self.group.add(&mut self.record);
                    return Ok(None);
                }
                let reject = self.misplaced(*lead);
                self.allow(reject)?;
                self.prove(FileProof::uncarried);
                Ok(None)
            }
            RecordUse::Frame => {
                let made = self.end_group()?;
                self.prove(FileProof::framing);
                Ok(made)
            }
            RecordUse::Ignored => {
                let made = self.end_group()?;
                self.prove(FileProof::uncarried);
                Ok(made)
            }
        }
    }

    /// Ends the open group: its event, if it makes one.
    fn end_group(&mut self) -> Result<Option<&'a str>, ParseError> {
        if !self.group.is_open() {
            return Ok(None);
        }
        let made = match self.make_event() {
            Ok(made) => made,
            Err(ParseError::Reject(reject)) => {
                self.allow(reject)?;
                Made::Nothing
            }
            Err(error) => return Err(error),
        };
        if matches!(made, Made::Nothing) {
            self.prove_lost_group();
        }
        self.group.end();
        Ok(if let Made::Event(event_type) = made { Some(event_type) } else { None })
    }

    fn prove(&mut self, take: impl FnOnce(&mut FileProof<'a>, &Record, &FileFacts)) {
        if let Some(proof) = &mut self.proof {
            take(proof, &self.record, self.parser.facts());
        }
    }

    fn prove_lost_group(&mut self) {
        let Some(proof) = &mut self.proof else { return };
        for record in self.group.lead().into_iter().chain(self.group.members()) {
            proof.uncarried(record, self.parser.facts());
        }
    }

    /// Leaves a bad record out of the events, where the feed allows it, and what it belongs to.
    fn pass_over(&mut self, reject: Reject) -> Result<Option<&'a str>, ParseError> {
        let may = self.plan.settings.rejects.is_some() && self.parser.pass_over(&mut self.record);
        if !may {
            return Err(reject.into());
        }
        let made = if self.may_be_member(&reject) { self.lose_group(&reject)? } else { self.end_group()? };
        self.allow(reject)?;
        self.prove(FileProof::uncarried);
        Ok(made)
    }

    /// Whether a bad record may belong to the group: without it the event would be wrong.
    fn may_be_member(&self, reject: &Reject) -> bool {
        let known = reject.record_type.as_ref().and_then(|name| self.plan.settings.layout.record_type(name));
        match known.map(|record_type| self.plan.mapping.record_use(record_type)) {
            Some(record_use) => matches!(record_use, RecordUse::Member(_)),
            None => self.plan.mapping.has_members(),
        }
    }

    /// Leaves the group out, which may lack a bad record. It is told and counted like a bad one: nothing goes silently.
    fn lose_group(&mut self, cause: &Reject) -> Result<Option<&'a str>, ParseError> {
        let Some(lead) = self.group.lead() else { return Ok(None) };
        let message = format!("it is left out with the bad record on line {}, which may belong to it", cause.line);
        let error = ForwardError { member: None, field: None, message, value: None };
        let reject = Reject { code: cause.code, ..reject_of(self.plan, &self.group, &error) };
        debug_assert_eq!(reject.record, lead.number());
        self.allow(reject)?;
        self.prove_lost_group();
        self.group.end();
        Ok(None)
    }

    /// Counts a bad record.
    ///
    /// # Errors
    /// The reject itself where the feed allows none, or no more of them.
    fn allow(&mut self, reject: Reject) -> Result<(), ParseError> {
        let Some(limit) = &self.plan.settings.rejects else { return Err(reject.into()) };
        self.rejects.push(reject);
        match limit.exceeded(self.rejects.len() as u64, None) {
            Some(reason) => Err(self.too_many(&reason).into()),
            None => Ok(()),
        }
    }

    fn too_many(&self, reason: &str) -> Reject {
        let first = self.rejects.first();
        let told = first.map_or(String::new(), |first| format!("; the first: {} [{}]", first.reason, first.code));
        Reject {
            code: RejectCode::TooManyRejects,
            reason: format!("{reason}{told}"),
            byte: first.map_or(0, |first| first.byte),
            line: first.map_or(1, |first| first.line),
            record: first.map_or(1, |first| first.record),
            record_type: first.and_then(|first| first.record_type.clone()),
            field: first.and_then(|first| first.field.clone()),
        }
    }

    /// What was found of the file, after its last event.
    ///
    /// # Errors
    /// More bad records than the feed allows, or a file that cannot be written again as the feed demands.
    pub fn finish(&mut self) -> Result<Translated, Reject> {
        let facts = self.parser.facts();
        let limit = self.plan.settings.rejects.as_ref();
        if let Some(reason) = limit.and_then(|limit| limit.exceeded(self.rejects.len() as u64, Some(facts.records))) {
            return Err(self.too_many(&reason));
        }
        let proof = self.proof.take().map(|proof| proof.finish(facts));
        if let Some(proof) = &proof {
            self.check_verdict(proof)?;
        }
        let rejects = std::mem::take(&mut self.rejects);
        Ok(Translated { proof, rejects, withheld: self.withheld, newest_date: self.newest_date })
    }

    fn check_verdict(&self, proof: &Proof) -> Result<(), Reject> {
        let least = self.plan.settings.least_verdict;
        // Bad records are nowhere but among the exceptions.
        let least = if self.rejects.is_empty() { least } else { least.min(Verdict::ExactWithExceptions) };
        if proof.verdict <= least {
            return Ok(());
        }
        let first = proof.first.as_ref();
        Err(Reject {
            code: RejectCode::NotExact,
            reason: format!(
                "events would carry too little to write the file again: {}, the feed demands {least}{}",
                proof.verdict,
                if self.rejects.is_empty() { "" } else { " of a file with bad records" }
            ),
            byte: first.map_or(0, |first| first.byte),
            line: first.map_or(1, |first| first.line),
            record: first.map_or(1, |first| first.record),
            record_type: first.map(|first| first.record_type.clone()),
            field: first.and_then(|first| first.field.clone()),
        })
    }

    fn translated(&self, event_type: &'a str) -> TranslatedEvent<'_> {
        TranslatedEvent {
            event_type,
            key: self.subject.as_bytes(),
            value: &self.event,
            own: self.event.get(self.own..).unwrap_or_default(),
            ordinal: self.ordinal,
        }
    }

    /// Facts of the file; complete after the last event.
    pub fn facts(&self) -> &FileFacts {
        self.parser.facts()
    }

    fn make_event(&mut self) -> Result<Made<'a>, ParseError> {
        let plan: &'a FeedPlan = self.plan;
        let around =
            Surroundings { header: self.parser.facts().header.as_ref(), trailer: self.trailer, file: self.naming };
        let group = &self.group;
        let reject = |error: ForwardError| ParseError::Reject(reject_of(plan, group, &error));
        let Some(event) = plan.mapping.plan_for(group).map_err(reject)? else { return Ok(Made::Nothing) };
        self.data.clear();
        Mapping::write_data(event, group, around, &mut self.data).map_err(reject)?;
        self.subject.clear();
        self.subject.push_str(Mapping::key(event, group).map_err(reject)?);
        let business_date = Mapping::business_date(event, group, around).map_err(reject)?;
        let index = plan.mapping.events().iter().position(|known| std::ptr::eq(known, event)).unwrap_or_default();
        let schema = &plan.schemas[index];
        if !self.is_examined || self.proof.is_some() {
            let payload = self.scan.payload(&self.data);
            let checked = schema.validate(payload, plan.settings.layout.masks());
            checked.map_err(|problem| ParseError::Reject(misfit(plan, event, group, &problem)))?;
            if let Some(proof) = &mut self.proof {
                proof.event(group, event.event_type(), payload, self.parser.facts());
            }
        }
        self.ordinal += 1;
        // Also where the new service speaks for it: a date of which a file was withheld does not go back.
        self.newest_date = self.newest_date.max(Some(business_date));
        if self.journal.is_some_and(|journal| journal.authority_on(business_date) == Authority::Candidate) {
            self.withheld += 1;
            return Ok(Made::Withheld);
        }
        self.event.clear();
        if self.only_examines {
            self.own = 0;
            return Ok(Made::Event(event.event_type()));
        }
        let particulars = Particulars {
            event_type: event.event_type(),
            schema: schema.id(),
            subject: &self.subject,
            business_date,
            ordinal: self.ordinal,
            bytes: group.bytes(),
        };
        self.own = self.envelope.write(&particulars, &self.data, &mut self.event);
        Ok(Made::Event(event.event_type()))
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

/// What a group came to.
enum Made<'a> {
    /// An event of this type.
    Event(&'a str),
    /// One that is not to be published.
    Withheld,
    /// None.
    Nothing,
}

/// An event that does not fit its schema.
#[cold]
fn misfit(plan: &FeedPlan, event: &EventPlan, group: &Group, problem: &SchemaProblem) -> Reject {
    let (member, field) =
        event.origin_of(&problem.pointer).map_or((None, None), |(member, field)| (member, Some(field)));
    let message =
        format!("the event does not fit its schema at {}: {}", display_pointer(&problem.pointer), problem.message);
    let reject = reject_of(plan, group, &ForwardError { member, field, message, value: None });
    Reject { code: RejectCode::Schema, ..reject }
}

fn display_pointer(pointer: &str) -> &str {
    if pointer.is_empty() { "its top" } else { pointer }
}

fn reject_of(plan: &FeedPlan, group: &Group, error: &ForwardError) -> Reject {
    let record = error.member.and_then(|index| group.members().get(index)).or_else(|| group.lead());
    let types = plan.settings.layout.record_types();
    let record_type = record.and_then(|record| types.get(record.type_index()));
    let field = error.field.and_then(|field| record_type?.fields.get(field));
    let masked = field.map_or_else(|| plan.settings.layout.masks(), |field| field.masked);
    let field = field.map(|field| field.name.clone());
    Reject {
        code: RejectCode::Mapping,
        reason: if masked { error.clone().masked().to_string() } else { error.to_string() },
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
