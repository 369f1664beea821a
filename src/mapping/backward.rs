//! A payload becomes the group of records that it was made from. The payload is read as text, straight into the
//! records: neither a document nor a value is built.
//!
//! There is a short way for payloads as the bridge writes them ([`scanned`]), and this long one for any, which tells
//! what is wrong.

mod scanned;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{EventPlan, Mapping, Member, Payload, Source, ValuePlan};
use crate::layout::{Layout, Record};

/// A payload that makes no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackwardError {
    /// Where in the payload, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for BackwardError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for BackwardError {}

/// The records of one event, as buffers that are used again.
#[derive(Debug, Default)]
pub struct CarriedRecords {
    records: Vec<Record>,
    used: usize,
    error: Option<BackwardError>,
}

impl CarriedRecords {
    /// The lead record, then its members, in the order of the payload.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records[..self.used]
    }

    /// The same, so that what the event does not carry can be set.
    pub fn records_mut(&mut self) -> &mut [Record] {
        &mut self.records[..self.used]
    }

    /// Reads the records that an event of this plan was made from.
    ///
    /// Fields that the event does not carry are absent, or what they are where nobody says anything: constants have
    /// their value, a mandatory text is empty.
    ///
    /// # Errors
    /// When the payload is no JSON, or does not have the declared form.
    pub fn read(&mut self, layout: &Layout, plan: &EventPlan, payload: Payload<'_>) -> Result<(), BackwardError> {
        if !self.read_shortly(layout, plan, payload) {
            self.read_at_length(layout, plan, payload.data)?;
        }
        self.records[..self.used].iter_mut().for_each(|record| record.fill_defaults(layout));
        Ok(())
    }

    /// `false` where the long way has to be gone.
    fn read_shortly(&mut self, layout: &Layout, plan: &EventPlan, payload: Payload<'_>) -> bool {
        self.used = 0;
        payload.scanned.and_then(|scanned| scanned::read(self, layout, plan, scanned)).is_some()
    }

    fn read_at_length(&mut self, layout: &Layout, plan: &EventPlan, data: &[u8]) -> Result<(), BackwardError> {
        self.used = 0;
        self.error = None;
        self.begin(layout, plan.record);
        let mut payload = serde_json::Deserializer::from_slice(data);
        let mut reading = Reading { layout, found: self };
        let read = ObjectSeed { reading: &mut reading, members: &plan.data, record: 0 }.deserialize(&mut payload);
        let read = read.and_then(|()| payload.end());
        if let Err(error) = read {
            let told = self.error.take();
            return Err(told.unwrap_or_else(|| wrong(&error.to_string())));
        }
        Ok(())
    }

    /// Reads the records that an event of this type was made from: by the first of its plans that could have made it.
    ///
    /// # Errors
    /// When none could; that of the last plan of the type.
    pub fn read_event(
        &mut self,
        layout: &Layout,
        mapping: &Mapping,
        event_type: &str,
        payload: Payload<'_>,
    ) -> Result<(), BackwardError> {
        let mut last = wrong(&format!("no event of type `{event_type}` is declared"));
        for plan in mapping.events().iter().filter(|plan| plan.event_type == event_type) {
            match self.read(layout, plan, payload) {
                Ok(()) if plan.could_make(&self.records[0]) => return Ok(()),
                Ok(()) => last = wrong("the condition of the event does not hold"),
                Err(error) => last = error,
            }
        }
        self.used = 0;
        Err(last)
    }

    fn begin(&mut self, layout: &Layout, record_type: usize) -> usize {
        if self.used == self.records.len() {
            self.records.push(Record::default());
        }
        let record = &mut self.records[self.used];
        record.rebuild(record_type);
        record.resize(layout.record_types()[record_type].fields.len());
        self.used += 1;
        self.used - 1
    }

    /// Keeps the text of a field of the record at hand.
    #[inline]
    fn keep(&mut self, source: Source, record: usize, text: &str) -> Result<(), BackwardError> {
        let (record, field) = match source {
            Source::Lead(field) => (0, field),
            Source::Member(field) => (record, field),
            // Header, trailer and the file's name travel in the manifest.
            _ => return Ok(()),
        };
        let record = &mut self.records[record];
        if record.get(field).is_some_and(|other| other != text) {
            return Err(wrong("another property gives the same field another value"));
        }
        record.set(field, text);
        Ok(())
    }
}

impl EventPlan {
    /// Whether its condition holds for a lead record.
    fn could_make(&self, lead: &Record) -> bool {
        self.when.as_ref().is_none_or(|(field, is)| {
            let text = lead.get(*field).unwrap_or("");
            is.iter().any(|wanted| wanted == text)
        })
    }
}

struct Reading<'r> {
    layout: &'r Layout,
    found: &'r mut CarriedRecords,
}

impl Reading<'_> {
    /// Adds what leads to an error to it, from within outwards.
    #[cold]
    fn within(&mut self, step: &dyn fmt::Display, told: &dyn fmt::Display) {
        let error = self.found.error.get_or_insert_with(|| wrong(&told.to_string()));
        error.pointer.insert_str(0, &format!("/{step}"));
    }

    fn fail<E: serde::de::Error>(&mut self, error: BackwardError) -> E {
        let message = error.message.clone();
        self.found.error.get_or_insert(error);
        E::custom(message)
    }
}

fn wrong(message: &str) -> BackwardError {
    BackwardError { pointer: String::new(), message: message.to_owned() }
}

/// Reads an object; null is one without properties.
struct ObjectSeed<'s, 'r> {
    reading: &'s mut Reading<'r>,
    members: &'s [Member],
    record: usize,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reading, members, record } = self;
        // Properties mostly come as they are declared.
        let mut next = 0;
        while let Some(found) = map.next_key_seed(NameSeed { members, next })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            next = index + 1;
            let Member { name, plan, .. } = &members[index];
            let value = map.next_value_seed(ValueSeed { reading, plan, record });
            value.inspect_err(|error| reading.within(name, error))?;
        }
        Ok(())
    }
}

/// Reads the name of a property: which of the declared ones it is, if any.
struct NameSeed<'s> {
    members: &'s [Member],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        if self.members.get(self.next).is_some_and(|known| known.name == name) {
            return Ok(Some(self.next));
        }
        Ok(self.members.iter().position(|known| known.name == name))
    }
}

/// Reads one value by its plan.
struct ValueSeed<'s, 'r> {
    reading: &'s mut Reading<'r>,
    plan: &'s ValuePlan,
    record: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { reading, plan, record } = self;
        match plan {
            // As it is written: a number may be longer than any that a machine counts with.
            ValuePlan::Field { source, number: true } => {
                let raw = <&RawValue>::deserialize(deserializer)?.get();
                match bare(raw)? {
                    None => Ok(()),
                    Some(text) => reading.found.keep(*source, record, &text).map_err(|error| reading.fail(error)),
                }
            }
            ValuePlan::Field { source, .. } => {
                deserializer.deserialize_any(TextSeed { reading, record, source: *source, codes: None })
            }
            ValuePlan::Codes { source, codes } => {
                deserializer.deserialize_any(TextSeed { reading, record, source: *source, codes: Some(codes) })
            }
            ValuePlan::Constant(expected) => {
                let found = Value::deserialize(deserializer)?;
                if found == *expected {
                    return Ok(());
                }
                let message = format!("{expected} is wanted: the mapping has no field for it");
                Err(reading.fail(wrong(&message)))
            }
            ValuePlan::Object(members) => ObjectSeed { reading, members, record }.deserialize(deserializer),
            ValuePlan::Array(_) | ValuePlan::Each { .. } => {
                deserializer.deserialize_any(ListSeed { reading, plan, record })
            }
        }
    }
}

/// A number or a truth value as it is written, the content of a text, or nothing for null.
fn bare<E: serde::de::Error>(raw: &str) -> Result<Option<Cow<'_, str>>, E> {
    match raw.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(E::custom),
        Some(b'{' | b'[') => Err(E::custom("a text or a number is wanted")),
        _ => Ok(Some(Cow::Borrowed(raw))),
    }
}

/// Reads a text, by a code table where there is one.
struct TextSeed<'s, 'r> {
    reading: &'s mut Reading<'r>,
    record: usize,
    source: Source,
    codes: Option<&'s [(String, String)]>,
}

impl TextSeed<'_, '_> {
    fn keep<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let in_file = match self.codes {
            None => text,
            Some(codes) => match codes.iter().find(|(_, in_event)| in_event == text) {
                Some((in_file, _)) => in_file,
                None => return Err(self.reading.fail(wrong("the value is not in the code table"))),
            },
        };
        let kept = self.reading.found.keep(self.source, self.record, in_file);
        kept.map_err(|error| self.reading.fail(error))
    }
}

impl<'de> Visitor<'de> for TextSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text or a number")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.keep(text)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.keep(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.keep(&number.to_string())
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.keep(if flag { "true" } else { "false" })
    }
}

/// Reads an array: of declared elements, or one element for each member record.
struct ListSeed<'s, 'r> {
    reading: &'s mut Reading<'r>,
    plan: &'s ValuePlan,
    record: usize,
}

impl<'de> Visitor<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { reading, plan, record } = self;
        let mut index = 0;
        loop {
            let more = match plan {
                ValuePlan::Each { record: member, data } => {
                    list.next_element_seed(MemberSeed { reading, record_type: *member, data })
                }
                ValuePlan::Array(plans) => match plans.get(index) {
                    Some(plan) => list.next_element_seed(ValueSeed { reading, plan, record }),
                    None => match list.next_element::<IgnoredAny>()? {
                        None => Ok(None),
                        Some(_) => {
                            let message = format!("at most {} elements have a place in the file", plans.len());
                            return Err(reading.fail(wrong(&message)));
                        }
                    },
                },
                _ => Err(A::Error::custom("no list is declared here")),
            };
            if more.inspect_err(|error| reading.within(&index, error))?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

/// Reads the object of one member record.
struct MemberSeed<'s, 'r> {
    reading: &'s mut Reading<'r>,
    record_type: usize,
    data: &'s [Member],
}

impl<'de> DeserializeSeed<'de> for MemberSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { reading, record_type, data } = self;
        let record = reading.found.begin(reading.layout, record_type);
        ObjectSeed { reading, members: data, record }.deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests;
