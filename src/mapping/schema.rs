//! The published schema of an event type, held against each payload before it is published.

mod quick;

use std::fmt;

use jsonschema::Validator;
use serde_json::Value;

use super::{EventPlan, Member, Payload, Source, ValuePlan};
use quick::QuickSchema;

/// A compiled JSON Schema (draft 2020-12).
pub struct EventSchema {
    id: String,
    validator: Validator,
    /// For payloads that fit, where the schema is such that it can tell.
    quick: Option<QuickSchema>,
}

/// A payload that its schema refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl EventSchema {
    /// Compiles a schema. Its `$id` is what events name as their `dataschema`.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let id = schema.get("$id").and_then(Value::as_str).ok_or("the schema has no `$id`")?.to_owned();
        let validator =
            jsonschema::options().should_validate_formats(true).build(schema).map_err(|error| error.to_string())?;
        Ok(Self { id, validator, quick: QuickSchema::compile(schema) })
    }

    /// The schema's `$id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Holds a payload against the schema. `masked`: no value may be shown.
    ///
    /// # Errors
    /// The first thing that the schema refuses; that it is no JSON.
    pub fn validate(&self, payload: Payload<'_>, masked: bool) -> Result<(), SchemaProblem> {
        if self.quick.as_ref().is_some_and(|quick| quick.accepts(payload)) {
            return Ok(());
        }
        let data: Value = serde_json::from_slice(payload.data)
            .map_err(|error| SchemaProblem { pointer: String::new(), message: format!("it is no JSON: {error}") })?;
        self.validator.validate(&data).map_err(|error| SchemaProblem {
            pointer: error.instance_path().to_string(),
            message: if masked { error.masked().to_string() } else { error.to_string() },
        })
    }
}

impl fmt::Debug for EventSchema {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EventSchema({})", self.id)
    }
}

impl EventPlan {
    /// The record and field that a place of the payload came from: member index (or the lead) and field.
    #[must_use]
    pub fn origin_of(&self, pointer: &str) -> Option<(Option<usize>, usize)> {
        let parts: Vec<&str> = pointer.split('/').skip(1).collect();
        let mut member = None;
        let source = find(&self.data, &parts, &mut member)?;
        match source {
            Source::Lead(field) => Some((None, field)),
            Source::Member(field) => Some((member, field)),
            _ => None,
        }
    }
}

fn find(plan: &[Member], parts: &[&str], member: &mut Option<usize>) -> Option<Source> {
    let (first, rest) = parts.split_first()?;
    let found = plan.iter().find(|known| known.name == *first)?;
    find_value(&found.plan, rest, member)
}

fn find_value(plan: &ValuePlan, parts: &[&str], member: &mut Option<usize>) -> Option<Source> {
    match plan {
        ValuePlan::Field { source, .. } | ValuePlan::Codes { source, .. } => Some(*source),
        ValuePlan::Constant(_) => None,
        ValuePlan::Object(members) => find(members, parts, member),
        ValuePlan::Array(elements) => {
            let (index, rest) = parts.split_first()?;
            find_value(elements.get(index.parse::<usize>().ok()?)?, rest, member)
        }
        ValuePlan::Each { data, .. } => {
            let (index, rest) = parts.split_first()?;
            *member = Some(index.parse().ok()?);
            find(data, rest, member)
        }
    }
}
