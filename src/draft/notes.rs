//! Evidence, by the place in the layout that it is about.

use std::collections::BTreeMap;

/// What is to stand as a comment above each place: `terminator`, `record.bid`, `record.bid.amount`.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(BTreeMap<String, Vec<String>>);

impl Notes {
    /// Adds a sentence.
    pub(super) fn add(&mut self, place: impl Into<String>, sentence: impl Into<String>) {
        self.0.entry(place.into()).or_default().push(sentence.into());
    }

    /// Takes back what was said about a place, for other evidence.
    pub(super) fn replace(&mut self, place: &str, sentence: impl Into<String>) {
        self.0.insert(place.to_owned(), vec![sentence.into()]);
    }

    /// Takes back what was said about a place.
    pub(super) fn remove(&mut self, place: &str) {
        self.0.remove(place);
    }

    /// What was said about a place.
    pub(super) fn of(&self, place: &str) -> &[String] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }
}

/// The place of a record type.
pub(super) fn record_place(record: &str) -> String {
    format!("record.{record}")
}

/// The place of a field.
pub(super) fn field_place(record: &str, field: &str) -> String {
    format!("record.{record}.{field}")
}

/// A count as people write it: `1,204`.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 line`, `1,204 lines`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count as u64), if count == 1 { "" } else { "s" })
}

/// Text of a sample as a comment may show it: on one line, without control characters.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_with_marks_between_thousands() {
        for (count, written) in [(0, "0"), (999, "999"), (1204, "1,204"), (1_000_000, "1,000,000")] {
            assert_eq!(number(count), written);
        }
        assert_eq!([counted(1, "line"), counted(0, "line")], ["1 line", "0 lines"]);
    }

    #[test]
    fn what_is_shown_stays_on_its_line() {
        assert_eq!([shown(";"), shown("\t"), shown("\u{1}")], ["`;`", "`\\t`", "`\\u{1}`"]);
    }
}
