//! A layout as it was stated: what configuration produces and [`super::Layout::compile`] checks.

use std::collections::BTreeMap;

use serde::Serialize;

pub use super::types::{Setting, Settings};

/// A whole layout, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct LayoutSpec {
    /// Its name; feeds refer to it.
    pub name: String,
    /// Counted up by its author with each change that matters.
    pub version: u32,
    /// Delimited or fixed width.
    pub kind: KindSpec,
    /// How bytes are text.
    pub encoding: Encoding,
    /// What ends a record.
    pub terminator: Terminator,
    /// Whether the last record ends with a terminator too.
    pub final_terminator: Presence,
    /// Whether the file begins with a byte order mark (Unicode only).
    pub byte_order_mark: Presence,
    /// The longest record that is accepted, terminator included; bounds memory.
    pub max_record_bytes: usize,
    /// Lines that are no records.
    #[serde(skip_serializing_if = "is_default")]
    pub lines: LinesSpec,
    /// Bytes that may follow the last record, in any number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub padding_at_end: Vec<EndPadding>,
    /// Where a record says of which type it is; needed with more than one type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<DiscriminatorSpec>,
    /// The record types.
    pub records: Vec<RecordSpec>,
    /// Sums that must add up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlSpec>,
}

/// How a record is divided into fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum KindSpec {
    /// Fields separated by a delimiter.
    Delimited(DelimitedSpec),
    /// Fields at fixed bytes.
    FixedWidth(FixedWidthSpec),
}

/// Fields separated by a delimiter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DelimitedSpec {
    /// One ASCII character, or up to eight.
    pub delimiter: String,
    /// One ASCII character, or none.
    pub quote: Option<u8>,
    /// How a quote or a delimiter stands within a field.
    pub escape: Escape,
    /// When a rendered field is quoted.
    pub quoting: Quoting,
    /// Whether a line names the columns.
    pub column_names: ColumnNames,
    /// A delimiter behind the last field.
    #[serde(skip_serializing_if = "Presence::is_absent")]
    pub trailing_delimiter: Presence,
    /// What a record with more or fewer fields is.
    #[serde(skip_serializing_if = "is_default")]
    pub ragged: Ragged,
    /// How an absent value is spelled where a field does not say; the first is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub null: Vec<String>,
}

impl Default for DelimitedSpec {
    fn default() -> Self {
        Self {
            delimiter: ",".to_owned(),
            quote: Some(b'"'),
            escape: Escape::Doubled,
            quoting: Quoting::Minimal,
            column_names: ColumnNames::Absent,
            trailing_delimiter: Presence::Absent,
            ragged: Ragged::default(),
            null: Vec::new(),
        }
    }
}

/// Fields at fixed bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct FixedWidthSpec {
    /// Length of every record without its terminator.
    pub record_bytes: Option<usize>,
    /// Blanks at the end of a record are not written.
    #[serde(skip_serializing_if = "is_default")]
    pub trimmed: bool,
    /// What a record that is longer or shorter is.
    #[serde(skip_serializing_if = "is_default")]
    pub ragged: Ragged,
    /// What stands between fields is kept; otherwise anything but blanks is refused.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_filler: bool,
}

/// Whether records may deviate from their stated number of fields, or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Ragged {
    /// Fields may be missing at the end: they are absent.
    pub short: bool,
    /// More may follow: it is in no field, and kept.
    pub long: bool,
}

/// How a quote or a delimiter stands within a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Escape {
    /// A quote within quotes is doubled (RFC 4180).
    Doubled,
    /// A backslash stands before it; `\n`, `\r` and `\t` are line break and tab.
    Backslash,
    /// It cannot: the first quote within quotes closes them.
    None,
}

/// Whether a line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ColumnNames {
    /// There is none.
    Absent,
    /// The names of the fields in their order.
    Exact,
    /// The names of the fields in any order, which is the order of the columns.
    AnyOrder,
    /// As `Exact`, or not there.
    Optional,
}

/// When a rendered field is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Quoting {
    /// Only where it has to be.
    Minimal,
    /// Always.
    All,
    /// Everything but numbers, and what is absent.
    NonNumeric,
    /// Everything but empty fields.
    NonEmpty,
    /// Never: a value that would need it is an error.
    None,
}

/// Lines that are no records. They are kept as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct LinesSpec {
    /// How many stand before the first record, or the column names.
    pub preamble: usize,
    /// How many stand behind the last record.
    pub footer: usize,
    /// What a comment begins with.
    pub comment: Option<String>,
    /// Blank lines may stand anywhere.
    pub blank: bool,
    /// The line of column names, or the header's own bytes, may come again between records.
    pub repeated_names: bool,
}

/// Bytes that may follow the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum EndPadding {
    /// 0x1A, the end of a text file for CP/M and DOS.
    CtrlZ,
    /// 0x00.
    Nul,
}

/// How bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// ISO 8859-1: each byte is the code point of its value.
    Latin1,
    /// Windows-1252.
    Cp1252,
    /// The code page of DOS in western Europe.
    Cp850,
    /// The code page of the IBM PC.
    Cp437,
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Terminator {
    /// `\n`.
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r`.
    Cr,
    /// Any of these, from record to record.
    Mixed,
    /// Nothing: fixed-width records of one length.
    None,
}

/// Whether something stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Presence {
    /// It must.
    Required,
    /// It may; which it was is kept with the file's facts.
    Optional,
    /// It must not.
    Absent,
}

impl Presence {
    /// Whether it must not stand there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// Where the type of a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum DiscriminatorSpec {
    /// Column of a delimited record, from 1.
    Column(usize),
    /// Bytes of a fixed-width record.
    Bytes {
        /// First byte, from 1.
        start: usize,
        /// How many bytes.
        width: usize,
    },
}

/// One record type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RecordSpec {
    /// Its name.
    pub name: String,
    /// Where it may stand.
    pub role: Role,
    /// The discriminator's value; the type of all records that no other type matches where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The record type that it belongs to: it stands below a record of that type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How many there must be, below each parent or in the file.
    #[serde(skip_serializing_if = "is_default")]
    pub min: u64,
    /// How many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Its fields, in the order of the columns.
    pub fields: Vec<FieldSpec>,
}

/// Where records of a type may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Role {
    /// First, exactly once.
    Header,
    /// Between header and trailer, any number.
    Detail,
    /// Last, exactly once.
    Trailer,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FieldSpec {
    /// Its name, unique in its record type.
    pub name: String,
    /// The word for its type: `text`, `decimal`.
    pub type_word: String,
    /// What its type asks for.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// Blank, or a spelling of null, means absent.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
    /// First byte in a fixed-width record, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// Width in bytes; in delimited records only where values are padded to a width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// The padding byte; the type's own where it is not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<u8>,
    /// The side on which the value stands; the type's own where it is not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub align: Option<Align>,
    /// How an absent value is spelled; the first is written. An empty text is then a text; other types take blanks for
    /// absent as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub null: Vec<String>,
    /// Whether it is written in quotes, whatever the layout's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted: Option<bool>,
    /// What the line of column names calls it; its own name where it is not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_name: Option<String>,
    /// Its values are shown nowhere.
    #[serde(skip_serializing_if = "is_default")]
    pub masked: bool,
}

impl FieldSpec {
    /// A field of a type without settings.
    #[must_use]
    pub fn new(name: &str, type_word: &str) -> Self {
        Self {
            name: name.to_owned(),
            type_word: type_word.to_owned(),
            settings: BTreeMap::new(),
            optional: false,
            start: None,
            width: None,
            pad: None,
            align: None,
            null: Vec::new(),
            quoted: None,
            column_name: None,
            masked: false,
        }
    }

    /// The same field with a setting of its type.
    #[must_use]
    pub fn with(mut self, key: &str, setting: impl Into<Setting>) -> Self {
        self.settings.insert(key.to_owned(), setting.into());
        self
    }
}

/// The side of a padded field on which its value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Align {
    /// Padding follows the value.
    Left,
    /// Padding precedes the value.
    Right,
}

/// A field by its names: record type and field.
pub type FieldName = (String, String);

/// A statement of the file about itself that has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ControlSpec {
    /// What is counted, added or compared.
    pub total: TotalSpec,
    /// The field that states it, in header or trailer: it is about the whole file. In a record type with members: it
    /// is about the members of each of its records.
    pub equals: FieldName,
}

/// What a control counts, adds or compares.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TotalSpec {
    /// Records of these types.
    Count(Vec<String>),
    /// Numeric fields.
    Sum {
        /// What is added, each of the same scale.
        fields: Vec<FieldName>,
        /// Which records count, where not all do.
        only: Option<Condition>,
        /// Which records count with their sign turned: credits among debits.
        negative: Option<Condition>,
    },
    /// The digits of fields, taken as whole numbers and added modulo 10^`digits`.
    Hash {
        /// What is added.
        fields: Vec<FieldName>,
        /// How many digits of the sum are kept.
        digits: u32,
    },
    /// Every value of a field.
    Same(FieldName),
}

/// Which records a total takes: those with one of some canonical values in a field of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Condition {
    /// The field's name, in the record type of the field that is added.
    pub field: String,
    /// The values, as events have them.
    pub is: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
