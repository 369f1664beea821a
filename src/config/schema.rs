//! The JSON Schema of an event type, and what it says of a payload's properties before any file was read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::mapping::EventSchema;

use super::given::Given;
use super::problems::{Place, suggestion};
use super::section::Section;
use super::settings::EventSettings;

/// Reads and compiles a schema file: its path and content.
pub(super) fn read(given: &Given<'_>) -> Option<(PathBuf, Value)> {
    let path = given.source().beside(&given.text()?);
    match parse(&path) {
        Ok(schema) => Some((path, schema)),
        Err(message) => {
            given.problem(format!("{}: {message}", path.display()));
            None
        }
    }
}

fn parse(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let schema: Value = serde_json::from_str(&text).map_err(|error| format!("is no JSON: {error}"))?;
    EventSchema::compile(&schema).map_err(|error| format!("cannot be used: {error}"))?;
    Ok(schema)
}

/// Reports properties of a payload that its schema can never accept. Only its own `required`, `properties` and
/// `additionalProperties` are looked at: the rest of a schema depends on values.
pub(super) fn check_properties(event: &EventSettings, data: &Section<'_>, properties: &[&str]) {
    let at = event.schema_path.display();
    let required = event.schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str).filter(|name| !properties.contains(name)) {
        // The place is the table: the property stands nowhere.
        let place = Place { key: data.place_of(name).key, ..data.place() };
        data.source().gathered().add(&place, format!("is missing: {at} requires it"), None);
    }
    let closed = event.schema.get("additionalProperties") == Some(&Value::Bool(false))
        && event.schema.get("patternProperties").is_none();
    if !closed {
        return;
    }
    let known: Vec<&str> = event
        .schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|known| known.keys().map(String::as_str).collect())
        .unwrap_or_default();
    for name in properties.iter().filter(|name| !known.contains(name)) {
        data.problem(name, format!("{at} has no such property"), suggestion(name, known.iter().copied()));
    }
}
