//! Secrets, and properties of librdkafka: they come from the environment or from a file, never from the configuration.

use std::collections::BTreeMap;

use super::given::Given;
use super::section::Section;

/// Reads a table of properties. Keys may be quoted (`"sasl.password"`) or dotted (`sasl.password`).
pub(super) fn properties(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    gather(section, "", &mut properties);
    properties
}

fn gather(section: &Section<'_>, prefix: &str, properties: &mut BTreeMap<String, String>) {
    for (key, given) in section.all() {
        let name = format!("{prefix}{key}");
        match given.as_section() {
            Some(table) if !is_reference(&table) => gather(&table, &format!("{name}."), properties),
            Some(table) => properties.extend(resolve(table).map(|value| (name, value))),
            None if holds_secret(&name) => refuse_plain(&given),
            None => properties.extend(plain(&given).map(|value| (name, value))),
        }
    }
}

/// Whether librdkafka's property of this name holds a secret itself, rather than the place of one.
///
/// Source of the names: librdkafka's CONFIGURATION.md.
fn holds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let place = [".location", ".file", ".url", ".path"].iter().any(|ending| name.ends_with(ending));
    let word = ["password", "passphrase", "secret", "key.pem", "token"].iter().any(|word| name.contains(word));
    (word && !place) || name == "sasl.oauthbearer.config"
}

fn refuse_plain(given: &Given<'_>) {
    given.problem_with_hint(
        "a secret may not stand in the configuration",
        Some("write { env = \"VARIABLE\" } or { file = \"/path\" }".to_owned()),
    );
}

fn plain(given: &Given<'_>) -> Option<String> {
    let value = given
        .as_text()
        .map(str::to_owned)
        .or_else(|| given.as_integer().map(|number| number.to_string()))
        .or_else(|| given.as_flag().map(|flag| flag.to_string()));
    if value.is_none() {
        given.problem(format!("must be text, a whole number, true or false, not {}", given.describe()));
    }
    value
}

/// `{ env = "…" }` or `{ file = "…" }`, and not the first half of a dotted property whose name ends so.
fn is_reference(table: &Section<'_>) -> bool {
    !table.is_dotted() && (table.has("env") || table.has("file"))
}

fn resolve(table: Section<'_>) -> Option<String> {
    let value = match (table.find("env"), table.find("file")) {
        (Some(given), Some(_)) => {
            given.problem("a secret comes from `env` or from `file`, not from both");
            None
        }
        (Some(given), None) => from_environment(&given),
        (None, Some(given)) => from_file(&given),
        (None, None) => None,
    };
    table.end();
    value
}

/// The value of a variable that is named.
pub(super) fn from_environment(given: &Given<'_>) -> Option<String> {
    let variable = given.text()?;
    match std::env::var(&variable) {
        Ok(value) if !value.is_empty() => Some(value),
        Ok(_) => {
            given.problem(format!("the environment variable {variable} is empty"));
            None
        }
        Err(std::env::VarError::NotPresent) => {
            given.problem(format!("the environment variable {variable} is not set"));
            None
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            given.problem(format!("the environment variable {variable} is not UTF-8"));
            None
        }
    }
}

/// The file's text without its last line end, which editors add.
pub(super) fn from_file(given: &Given<'_>) -> Option<String> {
    let path = given.source().beside(&given.text()?);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let value = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
            if value.is_empty() {
                given.problem(format!("the file {} is empty", path.display()));
                return None;
            }
            Some(value.to_owned())
        }
        Err(error) => {
            given.problem(format!("the file {} cannot be read: {error}", path.display()));
            None
        }
    }
}
