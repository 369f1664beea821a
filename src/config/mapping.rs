//! `[[feed.event]]`: from what is written to an [`EventSpec`] whose every reference exists.
//!
//! In a payload a table is an object, but for three words that give it another meaning: `{ const = … }`,
//! `{ field = "record.field", codes = { … } }` and `{ each = "record", data = { … } }`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::layout::spec::{FieldSpec, LayoutSpec, RecordSpec, Role};
use crate::mapping::spec::{EventSpec, FieldRef, ValueSpec, WhenSpec};

use super::given::Given;
use super::problems::{Place, suggestion};
use super::schema;
use super::section::Section;
use super::settings::EventSettings;

/// What `file.…` can name.
const FILE_FACTS: [&str; 3] = ["business_date", "sequence", "name"];

/// What a feed's mapping refers to.
pub(super) struct Surroundings<'a> {
    /// The feed's layout; `None` where it could not be read, and nothing is checked against it.
    pub(super) layout: Option<&'a LayoutSpec>,
    /// The event types of the bridge.
    pub(super) events: &'a BTreeMap<String, Option<EventSettings>>,
    /// Every name of the feed carries a business date.
    pub(super) names_have_date: bool,
    /// Every name of the feed carries a sequence number.
    pub(super) names_have_sequence: bool,
}

/// An event as far as it could be read.
pub(super) struct StatedEvent {
    /// The whole of it, where it could be read.
    pub(super) spec: Option<EventSpec>,
    /// Its lead record type, where that exists.
    pub(super) lead: Option<String>,
    /// Its member record types, with the places that name them.
    pub(super) members: Vec<(String, Place)>,
    /// Some `each` names no usable record type, so that there may be more members.
    pub(super) members_unknown: bool,
}

/// Reads one `[[feed.event]]`.
pub(super) fn read(section: Section<'_>, around: &Surroundings<'_>) -> StatedEvent {
    let event_type = section.need("type").and_then(|given| event_type(&given, around));
    let lead = section.need("record").and_then(|given| lead(&given, around));
    let mut reader = EventReader { around, lead: lead.as_deref(), members: Vec::new(), members_unknown: false };
    let when = section.section("when").map(|when| reader.when(when));
    let key = section.need("key").and_then(|given| reader.lead_field(&given));
    let business_date = reader.business_date(&section);
    let data = section.need("data").and_then(|given| given.section()).and_then(|data| {
        let properties = reader.object(&data, None);
        if let Some(event) = event_type.as_ref().and_then(|name| around.events.get(name)?.as_ref()) {
            let names: Vec<String> = data.all().into_iter().map(|(name, _)| name).collect();
            schema::check_properties(event, &data, &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        properties
    });
    let EventReader { members, members_unknown, .. } = reader;
    section.end();
    let spec = (|| {
        Some(EventSpec {
            event_type: event_type?,
            record: lead.clone()?,
            when: match when {
                Some(stated) => Some(stated?),
                None => None,
            },
            key: key?,
            business_date: business_date?,
            data: data?,
        })
    })();
    StatedEvent { spec, lead, members, members_unknown }
}

fn event_type(given: &Given<'_>, around: &Surroundings<'_>) -> Option<String> {
    let name = given.text()?;
    // Where none is stated at all, that was reported in the bridge's file.
    if !around.events.is_empty() && !around.events.contains_key(&name) {
        let hint = suggestion(&name, around.events.keys().map(String::as_str));
        given.problem_with_hint(format!("no event type `{name}` is stated in the bridge's file"), hint);
        return None;
    }
    Some(name)
}

fn lead(given: &Given<'_>, around: &Surroundings<'_>) -> Option<String> {
    let name = given.text()?;
    let Some(layout) = around.layout else { return Some(name) };
    if record_type(given, layout, &name)?.role != Role::Detail {
        given.problem(format!("`{name}` is a header or trailer: an event is led by a detail record"));
        return None;
    }
    Some(name)
}

/// A record type of the layout by name; its absence is reported.
pub(super) fn record_type<'a>(given: &Given<'_>, layout: &'a LayoutSpec, name: &str) -> Option<&'a RecordSpec> {
    let found = layout.records.iter().find(|record| record.name == name);
    if found.is_none() {
        let hint = suggestion(name, layout.records.iter().map(|record| record.name.as_str()));
        given.problem_with_hint(format!("layout `{}` has no record type `{name}`", layout.name), hint);
    }
    found
}

struct EventReader<'a> {
    around: &'a Surroundings<'a>,
    lead: Option<&'a str>,
    members: Vec<(String, Place)>,
    members_unknown: bool,
}

impl<'a> EventReader<'a> {
    /// `{ field = "record.field", is = ["…"] }`
    fn when(&self, section: Section<'_>) -> Option<WhenSpec> {
        let field = section.need("field").and_then(|given| self.lead_field(&given));
        let is = section.need("is").map(|given| {
            let values = given.texts();
            if values.is_empty() {
                given.problem("is empty: no record would make this event");
            }
            values
        });
        section.end();
        Some(WhenSpec { field: field?, is: is? })
    }

    /// A field of the lead record.
    fn lead_field(&self, given: &Given<'_>) -> Option<FieldRef> {
        let (reference, _) = self.reference(given, None)?;
        match self.lead {
            Some(lead) if reference.record != lead => {
                given.problem(format!("must be a field of the lead record `{lead}`"));
                None
            }
            _ => Some(reference),
        }
    }

    fn business_date(&self, section: &Section<'_>) -> Option<FieldRef> {
        let Some(given) = section.find("business_date") else {
            if !self.around.names_have_date {
                let message = "is missing: not every name of this feed carries a business date";
                let place = Place { key: section.place_of("business_date").key, ..section.place() };
                section.source().gathered().add(&place, message, Some(self.date_hint()));
            }
            return Some(FieldRef { record: "file".to_owned(), field: "business_date".to_owned() });
        };
        let (reference, field) = self.reference(&given, None)?;
        let dated = match field {
            Some(field) => field.type_word == "date",
            None => reference.record != "file" || reference.field == "business_date",
        };
        if !dated {
            given.problem(format!("`{}.{}` is no date", reference.record, reference.field));
        }
        Some(reference)
    }

    /// What to write where names carry no date: a date field of the layout, if there is one.
    fn date_hint(&self) -> String {
        let usable = |record: &&RecordSpec| record.role != Role::Detail || Some(record.name.as_str()) == self.lead;
        let found = self.around.layout.and_then(|layout| {
            layout.records.iter().filter(usable).find_map(|record| {
                let field = record.fields.iter().find(|field| field.type_word == "date")?;
                Some(format!("{}.{}", record.name, field.name))
            })
        });
        match found {
            Some(reference) => format!("state a date of the file, such as business_date = \"{reference}\""),
            None => "state a date of the file, such as business_date = \"header.run_date\"".to_owned(),
        }
    }

    /// `record.field`, where `member` is the record type of the `each` around it.
    fn reference(&self, given: &Given<'_>, member: Option<&str>) -> Option<(FieldRef, Option<&'a FieldSpec>)> {
        let text = given.text()?;
        let Some((record, field)) = text.split_once('.') else {
            given.problem_with_hint(
                format!("`{text}` is no reference"),
                Some("write `record.field`, or { const = … } for a fixed value".to_owned()),
            );
            return None;
        };
        let reference = FieldRef { record: record.to_owned(), field: field.to_owned() };
        if record == "file" {
            self.file_fact(given, field)?;
            return Some((reference, None));
        }
        let Some(layout) = self.around.layout else { return Some((reference, None)) };
        let record_type = record_type(given, layout, record)?;
        let reachable = record_type.role != Role::Detail || member == Some(record);
        if let Some(lead) = self.lead.filter(|lead| !reachable && *lead != record) {
            given.problem_with_hint(
                format!("`{record}` is not the lead record `{lead}`"),
                Some(format!("its fields can stand inside {{ each = \"{record}\", data = {{ … }} }} only")),
            );
            return None;
        }
        let found = record_type.fields.iter().find(|candidate| candidate.name == field);
        if found.is_none() {
            let hint = suggestion(field, record_type.fields.iter().map(|field| field.name.as_str()));
            given.problem_with_hint(format!("record type `{record}` has no field `{field}`"), hint);
        }
        found.map(|found| (reference, Some(found)))
    }

    fn file_fact(&self, given: &Given<'_>, field: &str) -> Option<()> {
        match field {
            "business_date" if !self.around.names_have_date => {
                let hint = Some("take the date from a field, and state `business_date` in the event".to_owned());
                given.problem_with_hint("not every name of this feed carries a business date", hint);
                None
            }
            "sequence" if !self.around.names_have_sequence => {
                given.problem("not every name of this feed carries a sequence number");
                None
            }
            _ if FILE_FACTS.contains(&field) => Some(()),
            _ => {
                given.problem_with_hint(format!("`file` has no `{field}`"), suggestion(field, FILE_FACTS));
                None
            }
        }
    }

    /// Every property of a table; all of them are read before one that failed makes it `None`.
    fn object(&mut self, section: &Section<'_>, member: Option<&str>) -> Option<Vec<(String, ValueSpec)>> {
        let values: Vec<Option<(String, ValueSpec)>> = section
            .all()
            .into_iter()
            .map(|(name, given)| self.value(&given, member).map(|value| (name, value)))
            .collect();
        values.into_iter().collect()
    }

    fn value(&mut self, given: &Given<'_>, member: Option<&str>) -> Option<ValueSpec> {
        if given.as_text().is_some() {
            return self.reference(given, member).map(|(reference, _)| ValueSpec::Field(reference));
        }
        if let Some(elements) = given.elements() {
            let values: Vec<Option<ValueSpec>> = elements.iter().map(|element| self.value(element, member)).collect();
            return values.into_iter().collect::<Option<Vec<_>>>().map(ValueSpec::Array);
        }
        let Some(section) = given.as_section() else {
            given.problem_with_hint(
                format!("must be a reference, a table or a list, not {}", given.describe()),
                Some("write { const = … } for a fixed value".to_owned()),
            );
            return None;
        };
        if section.has("const") {
            let value = section.find("const").and_then(|given| constant(&given));
            section.end();
            value.map(ValueSpec::Constant)
        } else if section.has("each") {
            self.each(section, member)
        } else if section.has("field") {
            self.coded(section, member)
        } else {
            self.object(&section, member).map(ValueSpec::Object)
        }
    }

    /// `{ field = "record.field", codes = { A = "awarded" } }`
    fn coded(&self, section: Section<'_>, member: Option<&str>) -> Option<ValueSpec> {
        let field = section.need("field").and_then(|given| self.reference(&given, member));
        let codes = section.need("codes").and_then(|given| codes(&given));
        section.end();
        Some(ValueSpec::Codes { field: field?.0, codes: codes? })
    }

    /// `{ each = "record", data = { … } }`
    fn each(&mut self, section: Section<'_>, member: Option<&str>) -> Option<ValueSpec> {
        let given = section.need("each")?;
        let record = given.text().filter(|record| self.is_member(&given, record, member));
        self.members_unknown |= record.is_none();
        let data = section.need("data").and_then(|data| data.section());
        section.end();
        let record = record?;
        self.members.push((record.clone(), given.place()));
        let data = self.object(&data?, Some(&record))?;
        Some(ValueSpec::Each { record, data })
    }

    fn is_member(&self, given: &Given<'_>, record: &str, outer: Option<&str>) -> bool {
        if let Some(outer) = outer {
            given.problem(format!("cannot stand inside the `each` of `{outer}`"));
            return false;
        }
        if self.lead == Some(record) {
            given.problem(format!("`{record}` leads the event: it cannot follow itself"));
            return false;
        }
        let Some(layout) = self.around.layout else { return true };
        let Some(record_type) = record_type(given, layout, record) else { return false };
        if record_type.role != Role::Detail {
            given.problem(format!("`{record}` is a header or trailer: there is one of it, name its fields directly"));
            return false;
        }
        true
    }
}

/// A code table that can be read in both directions.
fn codes(given: &Given<'_>) -> Option<Vec<(String, String)>> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for (code, meaning) in given.section()?.all() {
        let Some(text) = meaning.text() else { continue };
        if let Some((other, _)) = codes.iter().find(|(_, known)| *known == text) {
            meaning.problem(format!("`{other}` means `{text}` too: codes must be one to one, to be written again"));
        }
        codes.push((code, text));
    }
    if codes.is_empty() {
        given.problem("is empty");
    }
    Some(codes)
}

/// A fixed value of a payload.
fn constant(given: &Given<'_>) -> Option<Value> {
    if let Some(text) = given.as_text() {
        return Some(Value::from(text));
    }
    if let Some(number) = given.as_integer() {
        return Some(Value::from(number));
    }
    if let Some(flag) = given.as_flag() {
        return Some(Value::from(flag));
    }
    if let Some(elements) = given.elements() {
        return elements.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::Array);
    }
    if let Some(section) = given.as_section() {
        let properties = section.all().into_iter().map(|(name, given)| constant(&given).map(|value| (name, value)));
        return properties.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object);
    }
    given.problem(format!("{} has no exact form in JSON: write it as text", given.describe()));
    None
}
