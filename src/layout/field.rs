//! One field of a record type: from raw text to canonical text, and back.
//!
//! [`Codec`] is the one place that a new field type touches.

use std::ops::Range;

use super::decimal::NumberFormat;
use super::delimited::Column;
use super::fixed_width;
use super::reject::shown;
use super::{Align, Encoding, FieldKind, FieldSpec, RejectCode};
use crate::domain::date::DateFormat;

/// A field, ready for use.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, unique in its record type.
    pub name: String,
    /// What its text means.
    pub kind: FieldKind,
    /// Blank means absent.
    pub optional: bool,
    /// Where it stands in a fixed-width record; nothing in a delimited one.
    pub(super) column: Column,
    /// The bytes before it in a fixed-width record that belong to no field.
    pub(super) gap: Range<usize>,
    codec: Codec,
    /// Every written value has this many bytes.
    width: Option<usize>,
    padding: Option<Padding>,
    /// An absent value is written as this many blanks.
    absent_width: usize,
}

/// What fills a value up to its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Padding {
    pad: u8,
    align: Align,
}

/// How the text of a field type becomes canonical, and back.
#[derive(Clone, Debug)]
enum Codec {
    /// Line breaks and tabs may stand in it where it can be quoted.
    Text {
        may_be_quoted: bool,
    },
    Number(NumberFormat),
    Date(DateFormat),
    Constant(String),
}

/// What the layout as a whole says that matters to a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Fields stand at fixed bytes.
    pub(super) fixed_width: bool,
    /// A rendered value may be quoted.
    pub(super) may_quote: bool,
    /// How bytes are text.
    pub(super) encoding: Encoding,
}

/// The text of a field as it stands in the file, without quotes around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'t> {
    /// Its text.
    pub(super) text: &'t str,
    /// How many bytes the text took, each doubled quote counted once.
    pub(super) bytes: usize,
    /// It stood in quotes.
    pub(super) quoted: bool,
    /// It is known to have no control character.
    pub(super) clean: bool,
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
    pub(super) fn compile(spec: &FieldSpec, around: Surroundings) -> Result<Self, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        if spec.width == Some(0) {
            problems.push(("width", "must be at least 1".to_owned()));
        }
        let column = if around.fixed_width {
            fixed_width::place(spec, &mut problems)
        } else {
            problems.extend(spec.start.map(|_| ("start", "has no meaning in a delimited layout".to_owned())));
            Column::default()
        };
        let mut codec = Codec::compile(&spec.kind, around).map_err(|problem| problems.push(problem)).ok();
        let padding = codec.as_mut().and_then(|codec| padding(spec, codec, around, &mut problems));
        let (Some(codec), true) = (codec, problems.is_empty()) else { return Err(problems) };
        let blanks_fill = around.fixed_width || padding.is_some_and(|padding| padding.pad == b' ');
        let field = Self {
            name: spec.name.clone(),
            kind: spec.kind.clone(),
            optional: spec.optional,
            column,
            gap: 0..0,
            codec,
            width: spec.width,
            padding,
            absent_width: spec.width.filter(|_| blanks_fill).unwrap_or(0),
        };
        if let FieldKind::Constant { value } = &spec.kind {
            let written = field.render(Some(value), around.encoding, &mut String::new(), &mut Vec::new());
            written.map_err(|reason| vec![("value", format!("{} {reason}", shown(value)))])?;
        }
        Ok(field)
    }

    /// Appends the canonical text to `out`; `false` where the field is absent.
    pub(super) fn parse(&self, written: Written<'_>, out: &mut String) -> Result<bool, FieldFault> {
        if self.optional && written.bytes == self.absent_width && is_blank(written.text) {
            return Ok(false);
        }
        if let Some(width) = self.width.filter(|width| *width != written.bytes) {
            let reason = format!("{} takes {} bytes, the layout says {width}", shown(written.text), written.bytes);
            return Err(FieldFault { code: self.code(), reason });
        }
        let text = self.padding.map_or(written.text, |padding| padding.trim(written.text));
        let parsed = match &self.codec {
            Codec::Text { .. } => parse_text(Written { text, ..written }, out),
            Codec::Number(format) => format.parse(text, out),
            Codec::Date(format) => format.parse(text, out),
            Codec::Constant(value) if text == value => {
                out.push_str(value);
                Ok(())
            }
            Codec::Constant(value) => Err(format!("is not {}", shown(value))),
        };
        parsed.map(|()| true).map_err(|reason| self.fault(written.text, &reason))
    }

    /// Appends a value as it is written, padded and encoded, to `out`; `scratch` is any string. A constant needs no
    /// value. The error is a predicate of the value.
    pub(super) fn render(
        &self,
        value: Option<&str>,
        encoding: Encoding,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let constant = match &self.codec {
            Codec::Constant(constant) if !self.optional => Some(constant.as_str()),
            _ => None,
        };
        let Some(value) = value.or(constant) else {
            if !self.optional {
                return Err("is absent, and the field is not optional".to_owned());
            }
            out.extend(std::iter::repeat_n(b' ', self.absent_width));
            return Ok(());
        };
        scratch.clear();
        match &self.codec {
            Codec::Text { may_be_quoted } => render_text(value, *may_be_quoted, scratch)?,
            Codec::Number(format) => format.render(value, self.width.unwrap_or(0), scratch)?,
            Codec::Date(format) => format.render(value, scratch)?,
            Codec::Constant(constant) if value == constant => scratch.push_str(value),
            Codec::Constant(constant) => return Err(format!("is not {}", shown(constant))),
        }
        if self.padding.is_some_and(|padding| padding.trim(scratch).len() != scratch.len()) {
            return Err("begins or ends with the padding, which would be taken away when it is read".to_owned());
        }
        let from = out.len();
        let lacking = |character| format!("has {character:?}, which {} does not have", encoding.as_str());
        encoding.encode(scratch, out).map_err(lacking)?;
        self.pad(from, out)
    }

    /// Fills what was written since `from` up to the width.
    fn pad(&self, from: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let length = out.len() - from;
        match (self.width, self.padding) {
            (Some(width), Some(padding)) if length < width => {
                out.resize(from + width, padding.pad);
                if padding.align == Align::Right {
                    out[from..].rotate_right(width - length);
                }
            }
            (Some(width), _) if length != width => return Err(format!("takes {length} bytes, the field has {width}")),
            _ => {}
        }
        Ok(())
    }

    fn code(&self) -> RejectCode {
        match self.kind {
            FieldKind::Text => RejectCode::Text,
            FieldKind::Integer => RejectCode::Integer,
            FieldKind::Decimal { .. } => RejectCode::Decimal,
            FieldKind::Date { .. } => RejectCode::Date,
            FieldKind::Constant { .. } => RejectCode::Constant,
        }
    }

    #[cold]
    fn fault(&self, text: &str, reason: &str) -> FieldFault {
        let blank = is_blank(text) && !matches!(self.kind, FieldKind::Text | FieldKind::Constant { .. });
        let reason = match (blank, self.optional) {
            (true, false) => "the field is blank, and not optional".to_owned(),
            (true, true) => format!("{} is blank, but absent is written as {} blanks", shown(text), self.absent_width),
            (false, _) => format!("{} {reason}", shown(text)),
        };
        FieldFault { code: self.code(), reason }
    }
}

impl Codec {
    fn compile(kind: &FieldKind, around: Surroundings) -> Result<Self, (&'static str, String)> {
        Ok(match kind {
            FieldKind::Text => Self::Text { may_be_quoted: around.may_quote },
            FieldKind::Integer => Self::Number(NumberFormat { scale: 0, point: None, zero_filled: false }),
            FieldKind::Decimal { point, .. } if ![b'.', b','].contains(point) => {
                return Err(("point", "must be \".\" or \",\"".to_owned()));
            }
            FieldKind::Decimal { scale, implied, point } => {
                let scale = usize::try_from(*scale).ok().filter(|scale| *scale <= 38);
                let scale = scale.ok_or(("scale", "must be at most 38".to_owned()))?;
                let point = (scale > 0 && !implied).then_some(*point);
                Self::Number(NumberFormat { scale, point, zero_filled: false })
            }
            FieldKind::Date { format, pivot } => {
                let key = if *pivot > 100 { "pivot" } else { "format" };
                Self::Date(DateFormat::compile(format, *pivot).map_err(|problem| (key, problem))?)
            }
            FieldKind::Constant { value } => Self::Constant(value.clone()),
        })
    }
}

impl Padding {
    fn trim(self, text: &str) -> &str {
        let pad = char::from(self.pad);
        match self.align {
            Align::Left => text.trim_end_matches(pad),
            Align::Right => text.trim_start_matches(pad),
        }
    }
}

/// What fills a value up to its width: as stated, or as is the custom for its type.
fn padding(
    spec: &FieldSpec,
    codec: &mut Codec,
    around: Surroundings,
    problems: &mut Vec<(&'static str, String)>,
) -> Option<Padding> {
    let Some(width) = spec.width else {
        for (key, is_stated) in [("pad", spec.pad.is_some()), ("align", spec.align.is_some())] {
            if is_stated {
                problems.push((key, "has no meaning without a width".to_owned()));
            }
        }
        return None;
    };
    if spec.pad.is_some_and(|pad| !(b' '..=b'~').contains(&pad)) {
        problems.push(("pad", "must be a printable ASCII character".to_owned()));
    }
    match codec {
        Codec::Number(format) => {
            let (pad, align) = (spec.pad.unwrap_or(b'0'), spec.align.unwrap_or(Align::Right));
            match (pad, align) {
                (b'0', Align::Right) => format.zero_filled = true,
                (b'0'..=b'9', _) => problems.push(("pad", "digits can only be zeros before the number".to_owned())),
                (b'-' | b'+' | b'.' | b',', _) => problems.push(("pad", "could be part of the number".to_owned())),
                _ => return Some(Padding { pad, align }),
            }
            None
        }
        Codec::Date(format) if format.width() == width => None,
        Codec::Date(format) if format.width() > width || spec.pad.is_none() => {
            problems.push(("width", format!("is {width}, a date of this format takes {} bytes", format.width())));
            None
        }
        Codec::Date(_) if spec.pad.is_some_and(|pad| pad.is_ascii_digit()) => {
            problems.push(("pad", "could be part of the date".to_owned()));
            None
        }
        // A constant that fills its field may end with what would be padding.
        Codec::Constant(value) if encoded_length(value, around.encoding) == Some(width) => None,
        Codec::Text { .. } | Codec::Date(_) | Codec::Constant(_) => {
            Some(Padding { pad: spec.pad.unwrap_or(b' '), align: spec.align.unwrap_or(Align::Left) })
        }
    }
}

fn encoded_length(text: &str, encoding: Encoding) -> Option<usize> {
    let mut bytes = Vec::new();
    encoding.encode(text, &mut bytes).ok().map(|()| bytes.len())
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ')
}

fn parse_text(written: Written<'_>, out: &mut String) -> Result<(), String> {
    if !written.clean {
        refuse_controls(written.text, written.quoted)?;
    }
    out.push_str(written.text);
    Ok(())
}

fn render_text(value: &str, may_be_quoted: bool, out: &mut String) -> Result<(), String> {
    refuse_controls(value, may_be_quoted)?;
    out.push_str(value);
    Ok(())
}

fn refuse_controls(text: &str, in_quotes: bool) -> Result<(), String> {
    // Most text is plain ASCII, and this vectorises.
    if text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    let refused = |character: &char| character.is_control() && !(in_quotes && matches!(character, '\n' | '\r' | '\t'));
    match text.chars().find(refused) {
        Some('\n' | '\r' | '\t') => Err("has a line break or tab, which may only stand in quotes".to_owned()),
        Some(character) => Err(format!("has the control character U+{:04X}", u32::from(character))),
        None => Ok(()),
    }
}
