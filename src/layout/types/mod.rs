//! Field types: what the text of a field means.
//!
//! A type is one file here, with its tests, and one line in the list at the end of this file. It says how
//! its word is written in a layout, which settings it takes, and how written text becomes canonical and comes back.
//!
//! Reading is lenient where the meaning is certain (`+5`, `007`, a blank around a number), since the proof keeps what
//! rendering would spell otherwise. It refuses whatever could mean two things.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Align, Encoding, RejectCode};

/// What a type was told in a layout, by key.
pub type Settings = BTreeMap<String, Setting>;

/// One setting of a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Setting {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// Texts, in their order.
    Texts(Vec<String>),
    /// Pairs of texts, in their order.
    Table(Vec<(String, String)>),
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Setting {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&[&str]> for Setting {
    fn from(texts: &[&str]) -> Self {
        Self::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }
}

impl From<&[(&str, &str)]> for Setting {
    fn from(table: &[(&str, &str)]) -> Self {
        Self::Table(table.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}

/// What a setting must look like; configuration reads by it.
#[derive(Clone, Copy, Debug)]
pub enum SettingForm {
    /// Any text.
    Text,
    /// A whole number up to a limit.
    Number(u64),
    /// A whole number up to a limit, or one of some words.
    NumberOrWord(u64, &'static [&'static str]),
    /// True or false.
    Flag,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A table of texts.
    Table,
}

/// A setting that a type takes.
#[derive(Clone, Copy, Debug)]
pub struct SettingDefinition {
    /// Its key.
    pub key: &'static str,
    /// What it must look like.
    pub form: SettingForm,
    /// Whether it may not be left out.
    pub needed: bool,
}

impl SettingDefinition {
    /// A setting that may be left out.
    #[must_use]
    pub const fn optional(key: &'static str, form: SettingForm) -> Self {
        Self { key, form, needed: false }
    }

    /// A setting that must be there.
    #[must_use]
    pub const fn needed(key: &'static str, form: SettingForm) -> Self {
        Self { key, form, needed: true }
    }
}

/// A type as layouts know it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its word in a layout.
    pub word: &'static str,
    /// What it can be told.
    pub settings: &'static [SettingDefinition],
    /// The code of a reject for text that is not of it.
    pub(super) code: RejectCode,
    pub(super) compile: fn(&Stated<'_>) -> Result<AnyCodec, Problem>,
}

/// A key of the field, and what is wrong with it.
pub(super) type Problem = (&'static str, String);

/// A field of some type as it was stated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'s> {
    /// What the type was told.
    pub(super) settings: &'s Settings,
    /// Width in bytes, where it has one.
    pub(super) width: Option<usize>,
    /// The stated padding byte.
    pub(super) pad: Option<u8>,
    /// The stated side.
    pub(super) align: Option<Align>,
    /// A rendered value may be quoted or escaped, so that line breaks can stand in it.
    pub(super) may_have_breaks: bool,
    /// How bytes are text.
    pub(super) encoding: Encoding,
}

impl<'s> Stated<'s> {
    /// A text, where it was stated.
    pub(super) fn text(&self, key: &str) -> Option<&'s str> {
        match self.settings.get(key)? {
            Setting::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, where it was stated.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.settings.get(key)? {
            Setting::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A flag; false where it was not stated.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.settings.get(key), Some(Setting::Flag(true)))
    }

    /// A list of texts; empty where it was not stated.
    pub(super) fn texts(&self, key: &str) -> &'s [String] {
        match self.settings.get(key) {
            Some(Setting::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A table; empty where it was not stated.
    pub(super) fn table(&self, key: &str) -> &'s [(String, String)] {
        match self.settings.get(key) {
            Some(Setting::Table(table)) => table,
            _ => &[],
        }
    }
}

/// What a canonical text is, for events and controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Any text.
    Text,
    /// `-12`.
    Integer,
    /// `-12.50`; the digits after the point, where they are always as many.
    Decimal(Option<usize>),
    /// `2026-01-31`.
    Date,
    /// `23:59:58` or `23:59:58.125`.
    Time,
    /// `2026-01-31T23:59:58+01:00`; without offset where neither file nor layout has one.
    Timestamp,
    /// `true` or `false`.
    Boolean,
}

/// The text of a field as it stands in the file, without quotes and padding around it.
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
    /// With its escapes, where it has some and is not quoted.
    pub(super) raw: Option<&'t str>,
}

impl Written<'_> {
    /// Line breaks and tabs may stand in it.
    pub(super) fn may_have_breaks(&self) -> bool {
        self.quoted || self.raw.is_some()
    }
}

/// What fills a value up to its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Padding {
    /// The byte.
    pub(super) pad: u8,
    /// Where the value stands.
    pub(super) align: Align,
}

impl Padding {
    /// A value without its padding.
    #[inline]
    pub(super) fn trim(self, text: &str) -> &str {
        // It is ASCII, so that no character is cut in two.
        let pad = |byte: &u8| *byte == self.pad;
        match self.align {
            Align::Left => &text[..text.len() - text.bytes().rev().take_while(pad).count()],
            Align::Right => &text[text.bytes().take_while(pad).count()..],
        }
    }
}

/// How a type reads and writes one field.
pub(super) trait Codec {
    /// What its canonical texts are.
    fn value_type(&self) -> ValueType;

    /// What fills a value up to the width that was stated; `None` where every value fills it by itself.
    ///
    /// # Errors
    /// A padding that could be taken for part of a value.
    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        match stated.pad {
            Some(pad) if pad.is_ascii_digit() => Err(("pad", "could be part of the value".to_owned())),
            pad => Ok(Some(Padding { pad: pad.unwrap_or(b' '), align: stated.align.unwrap_or(Align::Left) })),
        }
    }

    /// Appends the canonical text of what is written.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate: `has no digits`.
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String>;

    /// Appends a canonical text as it is written.
    ///
    /// # Errors
    /// Why it cannot be written so that it would be read back, as a predicate.
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String>;

    /// Whether a text, which has no control character, is the same in file and event: what [`Codec::parse`] makes of it
    /// as well as what [`Codec::render`] does. `false` where these have to be asked.
    fn is_same(&self, _text: &[u8]) -> bool {
        false
    }

    /// Canonical is what is written, whatever that is: no control character in it is all that matters.
    fn is_text(&self) -> bool {
        false
    }

    /// The value that the field has whatever an event says.
    fn fixed_value(&self) -> Option<&str> {
        None
    }

    /// Written texts that stand for nothing at all; only a field that may be absent can have some.
    fn absent_spellings(&self) -> Vec<String> {
        Vec::new()
    }

    /// An empty text is a value of it, which a field has that is not optional and of which nothing is said.
    fn may_be_empty(&self) -> bool {
        false
    }

    /// Blanks around a value mean nothing.
    fn ignores_blanks(&self) -> bool {
        true
    }
}

/// The definition of the type with this word.
#[must_use]
pub fn definition(word: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.word == word)
}

macro_rules! field_types {
    ($($codec:ident in $file:ident),* $(,)?) => {
        $(mod $file;)*

        /// Every type there is.
        pub const DEFINITIONS: &[Definition] = &[$($file::DEFINITION),*];

        /// The codec of a field, of whatever type.
        #[derive(Clone, Debug)]
        pub(super) enum AnyCodec {
            $($codec($file::$codec)),*
        }

        $(impl From<$file::$codec> for AnyCodec {
            fn from(codec: $file::$codec) -> Self {
                Self::$codec(codec)
            }
        })*

        impl Codec for AnyCodec {
            fn value_type(&self) -> ValueType {
                match self { $(Self::$codec(codec) => codec.value_type()),* }
            }

            fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
                match self { $(Self::$codec(codec) => codec.padding(stated)),* }
            }

            #[inline]
            fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
                match self { $(Self::$codec(codec) => codec.parse(written, out)),* }
            }

            #[inline]
            fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
                match self { $(Self::$codec(codec) => codec.render(canonical, out)),* }
            }

            #[inline]
            fn is_same(&self, text: &[u8]) -> bool {
                match self { $(Self::$codec(codec) => codec.is_same(text)),* }
            }

            fn is_text(&self) -> bool {
                match self { $(Self::$codec(codec) => codec.is_text()),* }
            }

            fn fixed_value(&self) -> Option<&str> {
                match self { $(Self::$codec(codec) => codec.fixed_value()),* }
            }

            fn absent_spellings(&self) -> Vec<String> {
                match self { $(Self::$codec(codec) => codec.absent_spellings()),* }
            }

            fn may_be_empty(&self) -> bool {
                match self { $(Self::$codec(codec) => codec.may_be_empty()),* }
            }

            #[inline]
            fn ignores_blanks(&self) -> bool {
                match self { $(Self::$codec(codec) => codec.ignores_blanks()),* }
            }
        }
    };
}

/// The padding of a type whose values have all one length.
fn fixed_length_padding(stated: &Stated<'_>, takes: usize, noun: &str) -> Result<Option<Padding>, Problem> {
    let width = stated.width.unwrap_or(0);
    match stated.pad {
        _ if width == takes => Ok(None),
        Some(pad) if width > takes && !pad.is_ascii_alphanumeric() => {
            Ok(Some(Padding { pad, align: stated.align.unwrap_or(Align::Left) }))
        }
        Some(_) if width > takes => Err(("pad", format!("could be part of the {noun}"))),
        _ => Err(("width", format!("is {width}, a {noun} of this format takes {takes} bytes"))),
    }
}

/// From this two-digit year on it is the 1900s, where nothing is stated.
const PIVOT: u64 = 70;

/// The two-digit year from which on it is the 1900s.
fn pivot(stated: &Stated<'_>) -> Result<u32, Problem> {
    match u32::try_from(stated.number("pivot").unwrap_or(PIVOT)) {
        Ok(pivot @ 0..=100) => Ok(pivot),
        _ => Err(("pivot", "is not between 0 and 100".to_owned())),
    }
}

mod number;
mod spellings;
#[cfg(test)]
mod testing;

pub(super) use number::{from_units, units};

// The list: the codec, and the file it stands in.
field_types! {
    Text in text,
    Integer in integer,
    Decimal in decimal,
    Date in date,
    Time in time,
    Timestamp in timestamp,
    Boolean in boolean,
    Code in code,
    Constant in constant,
}
