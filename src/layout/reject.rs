//! A reject: why a file is not what its layout says, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of fault, as a word that reports, metrics and tests rely on. Layouts find most of them; the rest belong to
/// capture and mapping, and stand here so that there is one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// Bytes that are no text in the layout's encoding.
    Encoding,
    /// No end of the record within the longest record that is accepted.
    RecordTooLong,
    /// A quoted field that is not closed.
    UnterminatedQuote,
    /// A quote within an unquoted field, or something behind a closing quote.
    QuoteMisplaced,
    /// The discriminator names no record type.
    UnknownRecordType,
    /// Too many or too few fields, or a blank line.
    FieldCount,
    /// Too many or too few bytes in a fixed-width record.
    RecordLength,
    /// Text that may not stand there: control characters, or a wrong width.
    Text,
    /// No whole number.
    Integer,
    /// No decimal of the stated form.
    Decimal,
    /// No date of the stated format.
    Date,
    /// A value that is not of its field's type, for types without a word of their own.
    Value,
    /// Another text than the constant.
    Constant,
    /// Something other than blanks between the fields of a fixed-width record.
    Filler,
    /// Header or trailer missing, twice or misplaced; a record without the one it belongs to, too few or too many.
    Order,
    /// A control that does not add up.
    Control,
    /// A record that does not end as stated.
    Terminator,
    /// A byte order mark that is missing or should not be there.
    ByteOrderMark,
    /// No record where a header, trailer or column names are needed.
    Empty,
    /// Too many bad records for what the feed allows.
    TooManyRejects,
    /// The file cannot be written again as the feed demands.
    NotExact,
    /// A record that the feed's mapping cannot turn into an event.
    Mapping,
    /// An event that does not fit its schema.
    Schema,
    /// An event that the event log refuses for its size.
    EventTooLarge,
    /// A file name that does not say what it must.
    FileName,
    /// Bytes that do not match their checksum sidecar.
    Checksum,
    /// A file that went away before it was read.
    Vanished,
    /// A file of a date for which its department is retired.
    Retired,
}

impl RejectCode {
    /// The word itself: `record_too_long`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::RecordTooLong => "record_too_long",
            Self::UnterminatedQuote => "unterminated_quote",
            Self::QuoteMisplaced => "quote_misplaced",
            Self::UnknownRecordType => "unknown_record_type",
            Self::FieldCount => "field_count",
            Self::RecordLength => "record_length",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Value => "value",
            Self::Constant => "constant",
            Self::Filler => "filler",
            Self::Order => "order",
            Self::Control => "control",
            Self::Terminator => "terminator",
            Self::ByteOrderMark => "byte_order_mark",
            Self::Empty => "empty",
            Self::TooManyRejects => "too_many_rejects",
            Self::NotExact => "not_exact",
            Self::Mapping => "mapping",
            Self::Schema => "schema",
            Self::EventTooLarge => "event_too_large",
            Self::FileName => "file_name",
            Self::Checksum => "checksum",
            Self::Vanished => "vanished",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a file is held, and where in it the cause stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The kind of fault.
    pub code: RejectCode,
    /// What is wrong, in words.
    pub reason: String,
    /// Offset in the file, from 0: of the field's first byte where a field is named, else of the record's.
    pub byte: u64,
    /// The physical line on which the record begins, from 1.
    pub line: u64,
    /// Number of the record in the file, from 1; 0 for a line of column names, which is no record.
    pub record: u64,
    /// Name of the record's type, where it is known.
    pub record_type: Option<String>,
    /// Name of the field, where one is to blame.
    pub field: Option<String>,
}

impl fmt::Display for Reject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, byte {}, record {}", self.line, self.byte, self.record)?;
        match (&self.record_type, &self.field) {
            (Some(record_type), Some(field)) => write!(out, " ({record_type}.{field})")?,
            (Some(name), None) | (None, Some(name)) => write!(out, " ({name})")?,
            (None, None) => {}
        }
        write!(out, ": {} [{}]", self.reason, self.code)
    }
}

impl std::error::Error for Reject {}

/// Text of a file as a reason may show it: quoted, escaped, and not too long.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown = String::from("\"");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        shown.extend(character.escape_debug());
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_reject_reads_as_one_line() {
        let mut reject = Reject {
            code: RejectCode::Decimal,
            reason: "\"1x\" is no number".to_owned(),
            byte: 57,
            line: 3,
            record: 2,
            record_type: Some("bid".to_owned()),
            field: Some("amount".to_owned()),
        };
        assert_eq!(reject.to_string(), "line 3, byte 57, record 2 (bid.amount): \"1x\" is no number [decimal]");
        (reject.record_type, reject.field) = (None, None);
        assert_eq!(reject.to_string(), "line 3, byte 57, record 2: \"1x\" is no number [decimal]");
    }

    #[test]
    fn what_is_shown_is_short_and_on_one_line() {
        assert_eq!(shown("a\nb\u{0}"), "\"a\\nb\\0\"");
        assert_eq!(shown(&"x".repeat(50)), format!("\"{}…\"", "x".repeat(40)));
    }
}
