//! A payload becomes the group of records that it was made from.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::{EventPlan, Mapping, Source, ValuePlan};
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

type Texts = BTreeMap<usize, String>;

#[derive(Default)]
struct Found {
    lead: Texts,
    members: Vec<(usize, Texts)>,
}

impl Mapping {
    /// The records that an event of this type was made from: the lead record and its members.
    ///
    /// Fields that the event does not carry are absent, constants have their value.
    ///
    /// # Errors
    /// When the payload does not have the declared form.
    pub fn records(&self, layout: &Layout, plan: &EventPlan, data: &Value) -> Result<Vec<Record>, BackwardError> {
        let mut found = Found::default();
        read_object(&plan.data, data, "", None, &mut found)?;
        let mut records = vec![build(layout, plan.record, &found.lead)];
        records.extend(found.members.iter().map(|(record, texts)| build(layout, *record, texts)));
        Ok(records)
    }
}

fn build(layout: &Layout, record_type: usize, texts: &Texts) -> Record {
    let mut record = Record::build(record_type);
    for (index, field) in layout.record_types()[record_type].fields.iter().enumerate() {
        record.push(texts.get(&index).map(String::as_str).or(field.default_value()));
    }
    record
}

fn read_object(
    plan: &[(String, ValuePlan)],
    data: &Value,
    pointer: &str,
    member: Option<usize>,
    found: &mut Found,
) -> Result<(), BackwardError> {
    let empty = Map::new();
    let object = match data {
        Value::Null => &empty,
        Value::Object(object) => object,
        _ => return Err(wrong(pointer, "an object is wanted")),
    };
    for (name, value) in plan {
        read_value(value, object.get(name).unwrap_or(&Value::Null), &format!("{pointer}/{name}"), member, found)?;
    }
    Ok(())
}

fn read_value(
    plan: &ValuePlan,
    data: &Value,
    pointer: &str,
    member: Option<usize>,
    found: &mut Found,
) -> Result<(), BackwardError> {
    match plan {
        ValuePlan::Field { source, .. } => {
            if let Some(text) = text(data, pointer)? {
                keep(*source, &text, pointer, member, found)?;
            }
        }
        ValuePlan::Codes { source, codes } => {
            if let Some(in_event) = text(data, pointer)? {
                let code = codes.iter().find(|(_, event)| *event == in_event);
                let (in_file, _) = code.ok_or_else(|| wrong(pointer, "the value is not in the code table"))?;
                keep(*source, in_file, pointer, member, found)?;
            }
        }
        ValuePlan::Constant(value) if data == value => {}
        ValuePlan::Constant(value) => {
            return Err(wrong(pointer, &format!("{value} is wanted: the mapping has no field for it")));
        }
        ValuePlan::Object(members) => read_object(members, data, pointer, member, found)?,
        ValuePlan::Array(plans) => {
            let elements = elements(data, pointer)?;
            if elements.len() > plans.len() {
                return Err(wrong(pointer, &format!("at most {} elements have a place in the file", plans.len())));
            }
            for (index, plan) in plans.iter().enumerate() {
                let element = elements.get(index).unwrap_or(&Value::Null);
                read_value(plan, element, &format!("{pointer}/{index}"), member, found)?;
            }
        }
        ValuePlan::Each { record, data: plan } => {
            for (index, element) in elements(data, pointer)?.iter().enumerate() {
                found.members.push((*record, Texts::new()));
                let member = Some(found.members.len() - 1);
                read_object(plan, element, &format!("{pointer}/{index}"), member, found)?;
            }
        }
    }
    Ok(())
}

fn keep(
    source: Source,
    text: &str,
    pointer: &str,
    member: Option<usize>,
    found: &mut Found,
) -> Result<(), BackwardError> {
    let texts = match (source, member.and_then(|index| found.members.get_mut(index))) {
        (Source::Lead(_), _) => &mut found.lead,
        (Source::Member(_), Some((_, texts))) => texts,
        // Header, trailer and the file's name travel in the manifest.
        _ => return Ok(()),
    };
    let (Source::Lead(field) | Source::Member(field)) = source else { return Ok(()) };
    match texts.insert(field, text.to_owned()) {
        Some(other) if other != text => Err(wrong(pointer, "another property gives the same field another value")),
        _ => Ok(()),
    }
}

fn text(data: &Value, pointer: &str) -> Result<Option<String>, BackwardError> {
    match data {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(wrong(pointer, "a text or a number is wanted")),
    }
}

fn elements<'a>(data: &'a Value, pointer: &str) -> Result<&'a [Value], BackwardError> {
    match data {
        Value::Null => Ok(&[]),
        Value::Array(elements) => Ok(elements),
        _ => Err(wrong(pointer, "an array is wanted")),
    }
}

fn wrong(pointer: &str, message: &str) -> BackwardError {
    BackwardError { pointer: pointer.to_owned(), message: message.to_owned() }
}
