//! One field of a record type: from written text to canonical text, and back.

mod plain;

use std::ops::Range;

use super::delimited::{Column, Delimited, Delimiter, Quotes};
use super::fixed_width;
use super::reject::shown;
use super::types::{self, AnyCodec, Codec, Padding, Stated, ValueType, Written};
use super::{DelimitedSpec, Encoding, Escape, FieldSpec, Quoting, RejectCode};

pub(super) use plain::{Output, PlainText, Specials, SpellingScratch, Stop};

/// A field, ready for use.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, unique in its record type.
    pub name: String,
    /// Blank, or a spelling of null, means absent.
    pub optional: bool,
    /// Its values are shown nowhere.
    pub masked: bool,
    /// Where it stands in a fixed-width record; nothing in a delimited one.
    pub(super) column: Column,
    /// The bytes before it in a fixed-width record that belong to no field.
    pub(super) gap: Range<usize>,
    codec: AnyCodec,
    code: RejectCode,
    /// Every written value has this many bytes.
    width: Option<usize>,
    padding: Option<Padding>,
    nulls: Vec<String>,
    /// The same in bytes of the file.
    null_spellings: Vec<Vec<u8>>,
    /// An absent value is written as this.
    absent: Vec<u8>,
    quotes: FieldQuotes,
    /// Nothing stands around a value but what has to: neither padding nor needless quotes; and none means absent, but
    /// an empty or blank one.
    bare: bool,
    /// The same, of a text: what is there is taken as it stands.
    bare_text: bool,
    /// A text that is always there, and padded up to a width.
    is_padded_text: bool,
}

/// When a field is written in quotes; meaningless in a fixed-width layout.
#[derive(Clone, Copy, Debug, Default)]
struct FieldQuotes {
    present: Quotes,
    absent: Quotes,
    /// An empty value goes without.
    bare_if_empty: bool,
    /// An empty value needs them: without, it would be absent.
    empty_needs: bool,
    /// A quoted empty field is an absent one, since this layout writes it so.
    quoted_is_absent: bool,
}

/// What the layout as a whole says that matters to a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'s> {
    /// Delimited rather than fixed width.
    pub(super) delimited: Option<&'s DelimitedSpec>,
    /// How bytes are text.
    pub(super) encoding: Encoding,
    /// The longest record.
    pub(super) max_record_bytes: usize,
}

/// A field whose text does not mean what the layout says.
#[derive(Debug)]
pub(super) struct FieldFault {
    /// The kind of fault.
    pub(super) code: RejectCode,
    /// What is wrong.
    pub(super) reason: String,
}

impl Field {
    /// Makes a field of what was stated; each problem with the key it stands under.
    pub(super) fn compile(spec: &FieldSpec, around: Surroundings<'_>) -> Result<Self, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        check_place(spec, around, &mut problems);
        let column =
            if around.delimited.is_none() { fixed_width::place(spec, &mut problems) } else { Column::default() };
        if !problems.is_empty() {
            return Err(problems);
        }
        let Some(definition) = types::definition(&spec.type_word) else {
            problems.push(("type", format!("there is no type `{}`", spec.type_word)));
            return Err(problems);
        };
        let may_have_breaks = around.delimited.is_some_and(|kind| {
            (kind.quote.is_some() && kind.quoting != Quoting::None) || kind.escape == Escape::Backslash
        });
        let stated = Stated {
            settings: &spec.settings,
            width: spec.width,
            pad: spec.pad,
            align: spec.align,
            may_have_breaks,
            encoding: around.encoding,
        };
        let codec = (definition.compile)(&stated).map_err(|problem| problems.push(problem)).ok();
        let padding = match &codec {
            Some(codec) if spec.width.is_some() => codec.padding(&stated).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            }),
            _ => None,
        };
        let (Some(codec), true) = (codec, problems.is_empty()) else { return Err(problems) };
        let mut nulls = match around.delimited {
            Some(kind) if spec.null.is_empty() && spec.optional => kind.null.clone(),
            _ => spec.null.clone(),
        };
        let absent = codec.absent_spellings();
        if let Some(spelling) = absent.first().filter(|_| !spec.optional) {
            let message = format!("{} stands for an absent value: that needs optional = true", shown(spelling));
            return Err(vec![("sentinels", message)]);
        }
        nulls.extend(absent);
        let mut field = Self {
            name: spec.name.clone(),
            optional: spec.optional,
            masked: spec.masked,
            column,
            gap: 0..0,
            quotes: FieldQuotes::of(spec, &codec, around, nulls.is_empty()),
            codec,
            code: definition.code,
            width: spec.width,
            padding,
            null_spellings: encoded(&nulls, around.encoding).map_err(|reason| vec![("null", reason)])?,
            nulls,
            absent: Vec::new(),
            bare: false,
            bare_text: false,
            is_padded_text: false,
        };
        field.bare = field.width.is_none() && field.nulls.is_empty() && !matches!(field.quotes.present, Quotes::Always);
        field.bare_text = field.bare && field.codec.is_text();
        field.is_padded_text = field.padding.is_some() && !field.optional && field.codec.is_text();
        field.absent = field.write_absent(around).map_err(|reason| vec![("null", reason)])?;
        if let Some(value) = field.codec.fixed_value().map(str::to_owned) {
            let written = field.render(Some(&value), around.encoding, &mut String::new(), &mut Vec::new());
            written.map_err(|reason| vec![("value", format!("{} {reason}", shown(&value)))])?;
        }
        Ok(field)
    }

    /// What its canonical texts are.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.codec.value_type()
    }

    /// The value that it has where an event says nothing: that of a constant, and an empty text.
    #[must_use]
    pub fn default_value(&self) -> Option<&str> {
        match self.codec.fixed_value() {
            Some(_) if self.optional => None,
            None if !self.optional && self.codec.may_be_empty() => Some(""),
            fixed => fixed,
        }
    }

    /// Appends the canonical text to `out`; `false` where the field is absent.
    #[inline]
    pub(super) fn parse(&self, written: Written<'_>, out: &mut String) -> Result<bool, FieldFault> {
        if self.bare_text && written.clean && !written.text.is_empty() {
            out.push_str(written.text);
            return Ok(true);
        }
        if self.bare && is_without_blanks_around(written.text) {
            let parsed = self.codec.parse(written, out);
            return parsed.map(|()| true).map_err(|reason| self.fault(written.text, &reason));
        }
        if self.optional && self.is_absent(written) {
            return Ok(false);
        }
        if let Some(width) = self.width.filter(|width| *width != written.bytes) {
            let reason = format!("{} takes {} bytes, the layout says {width}", self.shown(written.text), written.bytes);
            return Err(FieldFault { code: self.code, reason });
        }
        let mut text = self.padding.map_or(written.text, |padding| padding.trim(written.text));
        if self.codec.ignores_blanks() && (text.starts_with(' ') || text.ends_with(' ')) {
            text = text.trim_matches(' ');
        }
        let parsed = self.codec.parse(Written { text, ..written }, out);
        parsed.map(|()| true).map_err(|reason| self.fault(written.text, &reason))
    }

    #[inline]
    fn is_absent(&self, written: Written<'_>) -> bool {
        if self.codec.ignores_blanks() || (self.width.is_some() && self.nulls.is_empty()) {
            if is_blank(written.text) {
                return true;
            }
        } else if written.text.is_empty() && self.nulls.is_empty() {
            return !written.quoted || self.quotes.quoted_is_absent;
        }
        !self.nulls.is_empty() && !written.quoted && self.is_null(written.raw.unwrap_or(written.text))
    }

    fn is_null(&self, text: &str) -> bool {
        let trimmed = self.padding.map_or(text, |padding| padding.trim(text));
        self.nulls.iter().any(|null| null == text || null == trimmed)
    }

    /// Appends a value as it is written, padded and encoded, to `out`, and says how it is to be quoted; `scratch` is any
    /// string. The error is a predicate of the value.
    #[inline]
    pub(super) fn render(
        &self,
        value: Option<&str>,
        encoding: Encoding,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<Quotes, String> {
        let Some(value) = value.or_else(|| self.default_value()) else {
            if !self.optional {
                return Err("is absent, and the field is not optional".to_owned());
            }
            out.extend_from_slice(&self.absent);
            return Ok(self.quotes.absent);
        };
        self.render_present(value, encoding, scratch, out).map_err(|reason| {
            if self.masked { "cannot be written as the type of the field says".to_owned() } else { reason }
        })
    }

    #[inline]
    fn render_present(
        &self,
        value: &str,
        encoding: Encoding,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<Quotes, String> {
        scratch.clear();
        self.codec.render(value, scratch)?;
        if self.padding.is_some_and(|padding| padding.trim(scratch).len() != scratch.len()) {
            return Err("begins or ends with the padding, which would be taken away when it is read".to_owned());
        }
        let from = out.len();
        let lacking = |character| format!("has {character:?}, which {} does not have", encoding.as_str());
        encoding.encode(scratch, out).map_err(lacking)?;
        self.pad(from, out)?;
        let quotes = self.quotes_of(out.len() == from);
        self.check_not_absent(&out[from..], quotes)?;
        Ok(quotes)
    }

    /// Whether a value that is there would be read as one that is not.
    #[inline]
    fn check_not_absent(&self, written: &[u8], quotes: Quotes) -> Result<(), String> {
        if !self.optional || !self.nulls.is_empty() {
            // A spelling of null is told from what stands in the file, quotes and escapes included.
            return Ok(());
        }
        let quoted = quotes == Quotes::Always && !self.quotes.quoted_is_absent;
        let blank_is_absent = self.width.is_some() && written.iter().all(|byte| *byte == b' ');
        if blank_is_absent || (written.is_empty() && !quoted) {
            return Err(READ_AS_ABSENT.to_owned());
        }
        Ok(())
    }

    /// Whether a field that stands like this in the file, without quotes, is a spelling of null.
    #[inline]
    pub(super) fn is_null_spelling(&self, raw: &[u8]) -> bool {
        self.optional
            && !self.null_spellings.is_empty()
            && self.null_spellings.iter().any(|null| null == raw || null == self.trim(raw))
    }

    /// Whether an empty field in quotes is an absent one.
    pub(super) fn is_absent_in_quotes(&self) -> bool {
        self.nulls.is_empty() && (self.codec.ignores_blanks() || self.width.is_some() || self.quotes.quoted_is_absent)
    }

    fn trim<'r>(&self, raw: &'r [u8]) -> &'r [u8] {
        let Some(Padding { pad, align }) = self.padding else { return raw };
        let blank = |byte: &&u8| **byte == pad;
        match align {
            super::Align::Left => &raw[..raw.len() - raw.iter().rev().take_while(blank).count()],
            super::Align::Right => &raw[raw.iter().take_while(blank).count()..],
        }
    }

    #[inline]
    fn quotes_of(&self, empty: bool) -> Quotes {
        match self.quotes {
            FieldQuotes { empty_needs: true, .. } if empty => Quotes::Always,
            FieldQuotes { bare_if_empty: true, .. } if empty => Quotes::IfNeeded,
            quotes => quotes.present,
        }
    }

    /// Fills what was written since `from` up to the width.
    #[inline]
    fn pad(&self, from: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(width) = self.width else { return Ok(()) };
        let length = out.len() - from;
        match self.padding {
            Some(padding) if length < width => {
                out.resize(from + width, padding.pad);
                if padding.align == super::Align::Right {
                    out[from..].rotate_right(width - length);
                }
                Ok(())
            }
            _ if length != width => Err(format!("takes {length} bytes, the field has {width}")),
            _ => Ok(()),
        }
    }

    /// Whether a record that ends within this field may still have it: nothing but blanks can be missing.
    pub(super) fn may_be_cut(&self) -> bool {
        self.padding.is_some_and(|padding| padding.pad == b' ' && padding.align == super::Align::Left)
    }

    /// Whether it stands at fixed bytes.
    pub(super) fn is_fixed(&self) -> bool {
        self.column != Column::default()
    }

    /// Its width in bytes, where it has one.
    pub(super) fn width(&self) -> Option<usize> {
        self.width
    }

    fn write_absent(&self, around: Surroundings<'_>) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let Some(null) = self.nulls.first() else {
            let blanks_fill = around.delimited.is_none() || self.padding.is_some_and(|padding| padding.pad == b' ');
            out.resize(self.width.filter(|_| blanks_fill).unwrap_or(0), b' ');
            return Ok(out);
        };
        check_null_spellings(&self.null_spellings, around)?;
        out.extend_from_slice(self.null_spellings.first().map_or(null.as_bytes(), Vec::as_slice));
        self.pad(0, &mut out)?;
        Ok(out)
    }

    /// A value as messages show it.
    pub(super) fn shown(&self, text: &str) -> String {
        if self.masked { "the value (masked)".to_owned() } else { shown(text) }
    }

    #[cold]
    fn fault(&self, text: &str, reason: &str) -> FieldFault {
        let reason = if is_blank(text) && self.codec.ignores_blanks() {
            "the field is blank, and not optional".to_owned()
        } else if self.masked {
            format!("the value (masked) is not of the type of the field, `{}`", self.code.as_str())
        } else {
            format!("{} {reason}", shown(text))
        };
        FieldFault { code: self.code, reason }
    }
}

impl FieldQuotes {
    fn of(spec: &FieldSpec, codec: &AnyCodec, around: Surroundings<'_>, no_null: bool) -> Self {
        let Some(kind) = around.delimited else { return Self::default() };
        let number = matches!(codec.value_type(), ValueType::Integer | ValueType::Decimal(_));
        let (present, bare_if_empty) = match (spec.quoted, kind.quoting) {
            (Some(true), _) | (None, Quoting::All) => (Quotes::Always, false),
            (Some(false), _) | (None, Quoting::Minimal) => (Quotes::IfNeeded, false),
            (None, Quoting::NonNumeric) if number => (Quotes::IfNeeded, false),
            (None, Quoting::NonNumeric) => (Quotes::Always, false),
            (None, Quoting::NonEmpty) => (Quotes::Always, true),
            (None, Quoting::None) => (Quotes::Never, false),
        };
        let quoted_is_absent = spec.quoted.is_none() && kind.quoting == Quoting::All;
        Self {
            present,
            bare_if_empty,
            absent: if quoted_is_absent && no_null { Quotes::Always } else { Quotes::Bare },
            empty_needs: spec.optional
                && no_null
                && !quoted_is_absent
                && kind.quote.is_some()
                && present != Quotes::Never,
            quoted_is_absent,
        }
    }
}

/// What has no meaning in such a layout.
fn check_place(spec: &FieldSpec, around: Surroundings<'_>, problems: &mut Vec<(&'static str, String)>) {
    let mut refuse = |key, wrong: bool, message: &str| {
        if wrong {
            problems.push((key, message.to_owned()));
        }
    };
    refuse("width", spec.width == Some(0), "must be at least 1");
    let too_wide = spec.width.is_some_and(|width| width > around.max_record_bytes);
    refuse("width", too_wide, "is more than a record may have (max_record_bytes)");
    refuse("pad", spec.pad.is_some_and(|pad| !(b' '..=b'~').contains(&pad)), "must be a printable ASCII character");
    refuse("pad", spec.width.is_none() && spec.pad.is_some(), "has no meaning without a width");
    refuse("align", spec.width.is_none() && spec.align.is_some(), "has no meaning without a width");
    refuse("null", !spec.null.is_empty() && !spec.optional, "has a meaning only with optional = true");
    let repeated = spec.null.iter().enumerate().any(|(index, null)| spec.null[..index].contains(null));
    refuse("null", repeated, "has the same spelling twice");
    match around.delimited {
        Some(kind) => {
            refuse("start", spec.start.is_some(), "has no meaning in a delimited layout");
            let unquotable = kind.quote.is_none() || kind.quoting == Quoting::None;
            refuse("quoted", spec.quoted == Some(true) && unquotable, "the layout has no quotes");
        }
        None => {
            refuse("quoted", spec.quoted.is_some(), "has no meaning in a fixed-width layout");
            refuse("column_name", spec.column_name.is_some(), "has no meaning in a fixed-width layout");
        }
    }
}

/// Why a value cannot be written.
pub(super) const READ_AS_ABSENT: &str = "would be read as absent";

fn encoded(texts: &[String], encoding: Encoding) -> Result<Vec<Vec<u8>>, String> {
    let encode = |text: &String| {
        let mut bytes = Vec::new();
        let encoded = encoding.encode(text, &mut bytes);
        encoded.map_err(|lacking| format!("has {lacking:?}, which {} does not have", encoding.as_str()))?;
        Ok(bytes)
    };
    texts.iter().map(encode).collect()
}

/// Whether each can stand in a record as it is.
fn check_null_spellings(nulls: &[Vec<u8>], around: Surroundings<'_>) -> Result<(), String> {
    let unusable = |null: &&Vec<u8>| null.iter().any(u8::is_ascii_control);
    if let Some(null) = nulls.iter().find(unusable) {
        return Err(format!("{} has a control character", shown(&String::from_utf8_lossy(null))));
    }
    let Some(kind) = around.delimited else { return Ok(()) };
    let Some(delimiter) = Delimiter::new(&kind.delimiter) else { return Ok(()) };
    let fields = Delimited { delimiter, quote: kind.quote, escape: kind.escape };
    let mut columns = Vec::new();
    for null in nulls {
        let mut record = null.clone();
        record.extend_from_slice(delimiter.bytes());
        fields.split(&record, false, 2, &mut columns);
        let stands = columns.len() == 2
            && columns.first().is_some_and(|column| column.bytes == (0..null.len()) && !column.misplaced_quote);
        if !stands {
            return Err(format!("{} cannot stand in a record as it is", shown(&String::from_utf8_lossy(null))));
        }
    }
    Ok(())
}

/// Whether a text is there, and neither begins nor ends with a blank.
#[inline]
fn is_without_blanks_around(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|first| *first != b' ') && bytes.last() != Some(&b' ')
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ')
}
