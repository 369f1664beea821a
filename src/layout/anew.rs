//! What has to be known of a layout to state header and trailer of a file that is made anew.

use jiff::Zoned;

use super::types::ValueType;
use super::{Layout, Role};

/// A field says so many digits of a second at most.
const MOST_FRACTION_DIGITS: usize = 9;

impl Layout {
    /// Whether a canonical text can be written as a field.
    ///
    /// # Errors
    /// Why it cannot, or that there is no such field.
    pub fn check_value(&self, record_type: usize, field: usize, canonical: &str) -> Result<(), String> {
        let field = self.record_types.get(record_type).and_then(|record| record.fields.get(field));
        let field = field.ok_or_else(|| "there is no such field".to_owned())?;
        let rendered = field.render(Some(canonical), self.encoding, &mut String::new(), &mut Vec::new());
        rendered.map(|_quotes| ())
    }

    /// A moment in the canonical form that a field of a date, a time or both takes; `None` for any other field.
    #[must_use]
    pub fn moment_text(&self, record_type: usize, field: usize, moment: &Zoned) -> Option<String> {
        let stated = self.record_types.get(record_type)?.fields.get(field)?;
        let date = moment.strftime("%Y-%m-%d").to_string();
        let times = (0..=MOST_FRACTION_DIGITS).map(|digits| match digits {
            0 => moment.strftime("%H:%M:%S").to_string(),
            digits => format!("{}.{:0digits$}", moment.strftime("%H:%M:%S"), 0),
        });
        let candidates: Vec<String> = match stated.value_type() {
            ValueType::Date => vec![date],
            ValueType::Time => times.collect(),
            ValueType::Timestamp => {
                let offset = moment.strftime("%:z").to_string();
                let offset = if offset == "+00:00" { "Z" } else { offset.as_str() };
                times.flat_map(|time| [format!("{date}T{time}{offset}"), format!("{date}T{time}")]).collect()
            }
            _ => Vec::new(),
        };
        candidates.into_iter().find(|text| self.check_value(record_type, field, text).is_ok())
    }

    /// Whether a field is stated by a total, of the file or of the members of its record.
    #[must_use]
    pub fn states_total(&self, record_type: usize, field: usize) -> bool {
        self.controls.iter().any(|control| control.states(record_type, field))
    }

    /// Whether somebody has to say what a field of a new record is: it is neither optional, nor constant, nor a total.
    #[must_use]
    pub fn needs_value(&self, record_type: usize, field: usize) -> bool {
        let Some(record) = self.record_types.get(record_type) else { return false };
        let Some(stated) = record.fields.get(field) else { return false };
        // A text that may be empty is no reason to leave one out, in the records that there is one of.
        let has_default = match stated.default_value() {
            Some("") => record.role == Role::Detail,
            default => default.is_some(),
        };
        !stated.optional && !has_default && !self.states_total(record_type, field)
    }
}
