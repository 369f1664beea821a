//! A layout as it was stated: what configuration produces and [`super::Layout::compile`] checks.

/// A whole layout, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Whether the file begins with a byte order mark (UTF-8 only).
    pub byte_order_mark: Presence,
    /// The longest record that is accepted, terminator included; bounds memory.
    pub max_record_bytes: usize,
    /// Where a record says of which type it is; needed with more than one type.
    pub discriminator: Option<DiscriminatorSpec>,
    /// The record types.
    pub records: Vec<RecordSpec>,
    /// Sums that must add up.
    pub controls: Vec<ControlSpec>,
}

/// How a record is divided into fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KindSpec {
    /// Fields separated by a character.
    Delimited {
        /// One ASCII character.
        delimiter: u8,
        /// One ASCII character, or none.
        quote: Option<u8>,
        /// When a rendered field is quoted.
        quoting: Quoting,
        /// The first record is the names of the detail record's fields.
        column_names: bool,
    },
    /// Fields at fixed bytes.
    FixedWidth {
        /// Length of every record without its terminator; longer and shorter ones are rejects.
        record_bytes: Option<usize>,
    },
}

/// When a rendered field is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quoting {
    /// Only where it has to be.
    Minimal,
    /// Always.
    All,
    /// Never: a value that would need it is an error.
    None,
}

/// How bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// ISO 8859-1: each byte is the code point of its value.
    Latin1,
    /// Windows-1252.
    Cp1252,
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terminator {
    /// `\n`.
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r`.
    Cr,
}

/// Whether something stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It must.
    Required,
    /// It may; which it was is kept with the file's facts.
    Optional,
    /// It must not.
    Absent,
}

/// Where the type of a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordSpec {
    /// Its name.
    pub name: String,
    /// Where it may stand.
    pub role: Role,
    /// The discriminator's value.
    pub matches: Option<String>,
    /// Its fields, in the order of the columns.
    pub fields: Vec<FieldSpec>,
}

/// Where records of a type may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// First, exactly once.
    Header,
    /// Between header and trailer, any number.
    Detail,
    /// Last, exactly once.
    Trailer,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldSpec {
    /// Its name, unique in its record type.
    pub name: String,
    /// What its text means.
    pub kind: FieldKind,
    /// Blank means absent.
    pub optional: bool,
    /// First byte in a fixed-width record, from 1.
    pub start: Option<usize>,
    /// Width in bytes; in delimited records only where values are padded to a width.
    pub width: Option<usize>,
    /// The padding byte; the kind's own where it is not stated.
    pub pad: Option<u8>,
    /// The side on which the value stands; the kind's own where it is not stated.
    pub align: Option<Align>,
}

/// The side of a padded field on which its value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Align {
    /// Padding follows the value.
    Left,
    /// Padding precedes the value.
    Right,
}

/// What a field's text means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Text, as it stands.
    Text,
    /// A whole number; canonical without leading zeros or plus sign.
    Integer,
    /// An exact decimal with a fixed number of digits after the point.
    Decimal {
        /// Digits after the point.
        scale: u32,
        /// The point is not written.
        implied: bool,
        /// The point where it is written: `.` or `,`.
        point: u8,
    },
    /// A calendar date; canonical form ISO 8601.
    Date {
        /// Tokens `YYYY`, `YY`, `MM`, `DD`, `DDD` and literal separators.
        format: String,
        /// Two-digit years from here on are in the 1900s.
        pivot: u32,
    },
    /// Always this text.
    Constant {
        /// The text.
        value: String,
    },
}

/// A statement of the file about itself that has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlSpec {
    /// What is counted or added.
    pub total: TotalSpec,
    /// The field that states it: record type and field, in header or trailer.
    pub equals: (String, String),
}

/// What a control counts or adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TotalSpec {
    /// Records of these types.
    Count(Vec<String>),
    /// A numeric field of a record type.
    Sum(String, String),
}
