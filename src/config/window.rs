//! What a `[[rendering]]` of kind `window` states: which events, cut-offs, numbers, names, order, header and trailer.

use std::collections::BTreeSet;

use crate::domain::calendar::TimeOfDay;
use crate::domain::policy::{EventProvenance, SequenceReset, UnusableEvent};
use crate::layout::Layout;
use crate::mapping::spec::{EventSpec, FieldRef, ValueSpec};
use crate::window::{CloseDay, EmptyDay, FileNameForm, LateEvent, SequenceRules, WindowDays, WindowRules};

use super::bridge::Bridge;
use super::calendar;
use super::given::Given;
use super::problems::{Gathered, Place, suggestion};
use super::section::Section;
use super::settings::{FeedSettings, FrameValue, WindowSettings};

/// Keys that a rendering of another kind has no use for.
const KEYS: [&str; 15] = [
    "file_name",
    "calendar",
    "days",
    "cut_off",
    "cut_off_day",
    "empty_day",
    "late_event",
    "sequence",
    "order",
    "events",
    "departments",
    "provenance",
    "unusable",
    "header",
    "trailer",
];

/// What a text in header or trailer can name.
const FILE_FACTS: [(&str, FrameValue); 4] = [
    ("file.business_date", FrameValue::BusinessDate),
    ("file.sequence", FrameValue::Sequence),
    ("file.name", FrameValue::Name),
    ("file.cut_off", FrameValue::CutOff),
];

/// The largest number of a sequence.
const MOST_SEQUENCE: u64 = 999_999_999_999_999_999;

/// A window as far as it could be read.
pub(super) struct StatedWindow {
    rules: Option<WindowRules>,
    /// Event types, where they are not all of the feed's.
    events: Option<Vec<(String, Place)>>,
    departments: Option<Vec<String>>,
    pub(super) provenance: EventProvenance,
    order: Vec<(FieldRef, Place)>,
    header: StatedFrame,
    trailer: StatedFrame,
    unusable: UnusableEvent,
    /// Where the rendering begins.
    place: Place,
}

/// Fields of header or trailer that are stated.
struct StatedFrame {
    values: Vec<(String, FrameValue, Place)>,
    place: Place,
}

/// Refuses what belongs to windows alone.
pub(super) fn refuse(section: &Section<'_>) {
    KEYS.iter().for_each(|key| section.refuse(key, "belongs to kind = \"window\" only"));
}

/// Takes what belongs to windows for known.
pub(super) fn pass(section: &Section<'_>) {
    KEYS.iter().for_each(|key| drop(section.find(key)));
}

/// Reads the keys of a window.
pub(super) fn read(section: &Section<'_>, bridge: &Bridge) -> StatedWindow {
    let provenance = [("native", EventProvenance::Native), ("any", EventProvenance::Any)];
    let unusable = [("hold", UnusableEvent::Hold), ("leave-out", UnusableEvent::LeaveOut)];
    StatedWindow {
        rules: rules(section, bridge),
        events: section.find("events").map(|given| named(&given, "the file would never have a record")),
        departments: section.find("departments").map(|given| {
            named(&given, "the file would never have a record").into_iter().map(|(name, _)| name).collect()
        }),
        provenance: section.word("provenance", &provenance, EventProvenance::Native),
        order: section.find("order").map(|given| order(&given)).unwrap_or_default(),
        header: frame(section, "header"),
        trailer: frame(section, "trailer"),
        unusable: section.word("unusable", &unusable, UnusableEvent::Hold),
        place: section.place(),
    }
}

/// A list of names that may not be empty.
fn named(given: &Given<'_>, otherwise: &str) -> Vec<(String, Place)> {
    let elements = given.list().unwrap_or_default();
    if elements.is_empty() {
        given.problem(format!("is empty: {otherwise}"));
    }
    elements.iter().filter_map(|element| Some((element.text()?, element.place()))).collect()
}

fn rules(section: &Section<'_>, bridge: &Bridge) -> Option<WindowRules> {
    let calendar = section.need("calendar").and_then(|given| calendar::named(&given, &bridge.calendars));
    let closes = section
        .need("cut_off")
        .and_then(|given| TimeOfDay::parse(&given.text()?).map_err(|message| given.problem(message)).ok());
    let days = [("business", WindowDays::Business), ("every", WindowDays::Every)];
    let close_days =
        [("same", CloseDay::Same), ("next-day", CloseDay::NextDay), ("next-business-day", CloseDay::NextBusinessDay)];
    let empty = [("no-file", EmptyDay::NoFile), ("empty-file", EmptyDay::EmptyFile)];
    let late = [("next-file", LateEvent::NextFile), ("correction", LateEvent::Correction)];
    let days = section.word("days", &days, WindowDays::Business);
    let close_day = section.word("cut_off_day", &close_days, CloseDay::Same);
    let empty = section.need("empty_day").and_then(|given| given.word(&empty));
    let late = section.need("late_event").and_then(|given| given.word(&late));
    let name = section
        .need("file_name")
        .and_then(|given| FileNameForm::parse(&given.text()?).map_err(|message| given.problem(message)).ok());
    let sequence = sequence(section, name.as_ref());
    let (empty, late) = (empty?, late?);
    let rules = WindowRules {
        calendar: calendar?,
        days,
        closes: closes?,
        close_day,
        empty,
        late,
        sequence: sequence?,
        name: name?,
    };
    if let Some(problem) = rules.problem() {
        section.problem("file_name", problem, None);
        return None;
    }
    Some(rules)
}

/// `sequence = { reset = "wrap", last = 9999, first = 1, next = 8124 }`; daily where the name has a date, otherwise never.
fn sequence(section: &Section<'_>, name: Option<&FileNameForm>) -> Option<SequenceRules> {
    let dated = name.is_none_or(FileNameForm::has_date);
    let reset = if dated { SequenceReset::Daily } else { SequenceReset::Never };
    let Some(given) = section.find("sequence") else { return Some(SequenceRules { reset, first: 1, next: None }) };
    let table = given.section()?;
    let words = [("daily", None), ("never", Some(false)), ("wrap", Some(true))];
    let stated = table.need("reset").and_then(|given| given.word(&words));
    let last = match stated {
        Some(Some(true)) => table.need("last").and_then(|given| given.number(1..=MOST_SEQUENCE)),
        Some(_) => {
            table.refuse("last", "belongs to reset = \"wrap\" only");
            None
        }
        None => table.find("last").and(None),
    };
    let first = table.number("first", 0..=MOST_SEQUENCE).unwrap_or(1);
    let next = table.number("next", 0..=MOST_SEQUENCE);
    if stated == Some(None) {
        table.refuse("next", "has no meaning with reset = \"daily\": each date begins with `first`");
    }
    table.end();
    let reset = match (stated?, last) {
        (None, _) => SequenceReset::Daily,
        (Some(false), _) => SequenceReset::Never,
        (Some(true), last) => SequenceReset::Wrap { last: last? },
    };
    Some(SequenceRules { reset, first, next })
}

/// Fields by which a file is ordered: `["bid.number"]`.
fn order(given: &Given<'_>) -> Vec<(FieldRef, Place)> {
    let reference = |element: &Given<'_>| {
        let text = element.text()?;
        let Some((record, field)) = text.split_once('.') else {
            element.problem(format!("`{text}` is no reference: write `record.field`"));
            return None;
        };
        Some((FieldRef { record: record.to_owned(), field: field.to_owned() }, element.place()))
    };
    given.list().unwrap_or_default().iter().filter_map(reference).collect()
}

/// `[rendering.header]` or `[rendering.trailer]`.
fn frame(section: &Section<'_>, key: &str) -> StatedFrame {
    let place = section.place_of(key);
    let fields = section.section(key).map(|table| table.all()).unwrap_or_default();
    let values = fields.into_iter().filter_map(|(name, given)| Some((name, frame_value(&given)?, given.place())));
    StatedFrame { values: values.collect(), place }
}

fn frame_value(given: &Given<'_>) -> Option<FrameValue> {
    if let Some(table) = given.as_section() {
        let value = table.need("const").and_then(|given| given.text());
        table.end();
        return value.map(FrameValue::Constant);
    }
    let text = given.text()?;
    if let Some((_, value)) = FILE_FACTS.iter().find(|(word, _)| *word == text) {
        return Some(value.clone());
    }
    let hint = suggestion(&text, FILE_FACTS.iter().map(|(word, _)| *word))
        .unwrap_or_else(|| "write { const = \"…\" } for a fixed value".to_owned());
    let known = FILE_FACTS.map(|(word, _)| word).join(", ");
    given.problem_with_hint(format!("`{text}` is none of {known}"), Some(hint));
    None
}

impl StatedWindow {
    /// Event types that it takes of a feed's.
    pub(super) fn types<'w>(&'w self, feed: &'w FeedSettings) -> BTreeSet<&'w str> {
        match &self.events {
            Some(stated) => stated.iter().map(|(name, _)| name.as_str()).collect(),
            None => feed.events.iter().map(|event| event.event_type.as_str()).collect(),
        }
    }

    /// Departments whose events it takes.
    pub(super) fn departments(&self, feed: &FeedSettings) -> Vec<String> {
        self.departments.clone().unwrap_or_else(|| vec![feed.department.clone()])
    }

    /// Reports what does not fit the feed, which stands at `place`.
    pub(super) fn check(&self, feed: &FeedSettings, place: &Place, gathered: &Gathered) {
        let known = || feed.events.iter().map(|event| event.event_type.as_str());
        for (name, place) in self.events.iter().flatten() {
            if !known().any(|known| known == name) {
                let message = format!("feed `{}` makes no event `{name}`, so nobody knows how it is a record", feed.id);
                gathered.add(place, message, suggestion(name, known()));
            }
        }
        for (reference, place) in &self.order {
            check_order(reference, feed, place, gathered);
        }
        self.check_frame(&self.header, feed.layout.header(), "header", &feed.layout, gathered);
        self.check_frame(&self.trailer, feed.layout.trailer(), "trailer", &feed.layout, gathered);
        let types = self.types(feed);
        for event in feed.events.iter().filter(|event| types.contains(event.event_type.as_str())) {
            for missing in not_carried(event, &feed.layout) {
                let message = format!(
                    "its event `{}` does not carry `{missing}`, without which no record can be written",
                    event.event_type
                );
                gathered.add(place, message, None);
            }
        }
    }

    fn check_frame(
        &self,
        stated: &StatedFrame,
        record_type: Option<usize>,
        role: &str,
        layout: &Layout,
        gathered: &Gathered,
    ) {
        let Some(record_type) = record_type else {
            if let Some((name, ..)) = stated.values.first() {
                let message = format!("layout `{}` has no {role}: `{name}` has no place", layout.name());
                gathered.add(&stated.place, message, None);
            }
            return;
        };
        let fields = &layout.record_types()[record_type].fields;
        for (name, value, place) in &stated.values {
            let Some(field) = layout.field(record_type, name) else {
                let hint = suggestion(name, fields.iter().map(|field| field.name.as_str()));
                gathered.add(place, format!("the {role} of layout `{}` has no field `{name}`", layout.name()), hint);
                continue;
            };
            if layout.states_total(record_type, field) {
                gathered.add(place, "is a total, which is derived", Some("remove it".to_owned()));
            } else if let Some(message) = self.misfit(value, layout, record_type, field) {
                gathered.add(place, message, None);
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if layout.needs_value(record_type, index) && !stated.values.iter().any(|(name, ..)| *name == field.name) {
                let message = format!("nothing says what `{}` of the {role} is", field.name);
                let hint = format!("state it in [rendering.{role}], such as {} = \"file.business_date\"", field.name);
                gathered.add(if stated.values.is_empty() { &self.place } else { &stated.place }, message, Some(hint));
            }
        }
    }

    /// Why a field cannot be this.
    fn misfit(&self, value: &FrameValue, layout: &Layout, record_type: usize, field: usize) -> Option<String> {
        match value {
            FrameValue::Constant(text) => {
                layout.check_value(record_type, field, text).err().map(|why| format!("`{text}` {why}"))
            }
            FrameValue::BusinessDate => {
                layout.check_value(record_type, field, "2026-01-31").err().map(|_| "takes no date".to_owned())
            }
            FrameValue::Sequence => {
                layout.check_value(record_type, field, "1").err().map(|_| "takes no number".to_owned())
            }
            FrameValue::CutOff => {
                let rules = self.rules.as_ref()?;
                let sample = rules
                    .calendar
                    .local(rules.closes(crate::domain::BusinessDate::from(jiff::civil::date(2026, 1, 31))));
                let fits = layout.moment_text(record_type, field, &sample).is_some();
                (!fits).then(|| "takes neither a date nor a time".to_owned())
            }
            FrameValue::Name => None,
        }
    }

    /// The whole of it, where it could be read.
    pub(super) fn settings(&self, feed: &FeedSettings) -> Option<WindowSettings> {
        let values =
            |frame: &StatedFrame| frame.values.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
        Some(WindowSettings {
            feed: feed.id.clone(),
            layout: std::sync::Arc::clone(&feed.layout),
            mapping: feed.events.clone(),
            ignore: feed.ignore.clone(),
            event_types: self.types(feed).into_iter().map(str::to_owned).collect(),
            departments: self.departments(feed),
            provenance: self.provenance,
            rules: self.rules.clone()?,
            order: self.order.iter().map(|(reference, _)| reference.clone()).collect(),
            header: values(&self.header),
            trailer: values(&self.trailer),
            unusable: self.unusable,
        })
    }
}

/// Only lead records are ordered: the others stand behind theirs.
fn check_order(reference: &FieldRef, feed: &FeedSettings, place: &Place, gathered: &Gathered) {
    let leads: BTreeSet<&str> = feed.events.iter().map(|event| event.record.as_str()).collect();
    if !leads.contains(reference.record.as_str()) {
        let hint = suggestion(&reference.record, leads.iter().copied());
        gathered.add(place, format!("no event of feed `{}` is led by `{}`", feed.id, reference.record), hint);
        return;
    }
    let Some(record_type) = feed.layout.record_type(&reference.record) else { return };
    if feed.layout.field(record_type, &reference.field).is_none() {
        let fields = feed.layout.record_types()[record_type].fields.iter().map(|field| field.name.as_str());
        let message = format!("record type `{}` has no field `{}`", reference.record, reference.field);
        gathered.add(place, message, suggestion(&reference.field, fields));
    }
}

/// Fields that a record has to have and an event does not carry, as `record.field`.
fn not_carried(event: &EventSpec, layout: &Layout) -> Vec<String> {
    let (mut carried, mut records) = (BTreeSet::new(), BTreeSet::from([event.record.as_str()]));
    event.data.iter().for_each(|(_, value)| carry(value, &mut carried, &mut records));
    let mut missing = Vec::new();
    for record in records {
        let Some(record_type) = layout.record_type(record) else { continue };
        let fields = layout.record_types()[record_type].fields.iter().enumerate();
        let wanted = fields.filter(|(index, _)| layout.needs_value(record_type, *index));
        let absent = wanted.filter(|(_, field)| !carried.contains(&(record, field.name.as_str())));
        missing.extend(absent.map(|(_, field)| format!("{record}.{}", field.name)));
    }
    missing
}

/// The fields that a value carries, and the records that it makes.
fn carry<'s>(value: &'s ValueSpec, carried: &mut BTreeSet<(&'s str, &'s str)>, records: &mut BTreeSet<&'s str>) {
    match value {
        ValueSpec::Field(field) | ValueSpec::Codes { field, .. } => {
            carried.insert((&field.record, &field.field));
        }
        ValueSpec::Constant(_) => {}
        ValueSpec::Object(members) => members.iter().for_each(|(_, value)| carry(value, carried, records)),
        ValueSpec::Array(values) => values.iter().for_each(|value| carry(value, carried, records)),
        ValueSpec::Each { record, data } => {
            records.insert(record);
            data.iter().for_each(|(_, value)| carry(value, carried, records));
        }
    }
}
