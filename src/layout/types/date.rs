//! `date`: a day of the calendar; canonical form ISO 8601.

use super::{AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written};
use crate::domain::date::DateFormat;
use crate::layout::{Align, RejectCode};

pub(super) const DEFINITION: Definition = Definition {
    word: "date",
    settings: &[
        SettingDefinition::needed("format", SettingForm::Text),
        SettingDefinition::optional("pivot", SettingForm::Number(100)),
    ],
    code: RejectCode::Date,
    compile,
};

/// From this two-digit year on it is the 1900s, where nothing is stated.
const PIVOT: u64 = 70;

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let format = stated.text("format").ok_or(("format", "is missing".to_owned()))?;
    let pivot = u32::try_from(stated.number("pivot").unwrap_or(PIVOT)).unwrap_or(u32::MAX);
    let key = if pivot > 100 { "pivot" } else { "format" };
    Ok(Date { format: DateFormat::compile(format, pivot).map_err(|problem| (key, problem))? }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Date {
    format: DateFormat,
}

impl Codec for Date {
    fn value_type(&self) -> ValueType {
        ValueType::Date
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        let (width, takes) = (stated.width.unwrap_or(0), self.format.width());
        match stated.pad {
            _ if width == takes => Ok(None),
            Some(pad) if width > takes && !pad.is_ascii_digit() => {
                Ok(Some(Padding { pad, align: stated.align.unwrap_or(Align::Left) }))
            }
            Some(_) if width > takes => Err(("pad", "could be part of the date".to_owned())),
            _ => Err(("width", format!("is {width}, a date of this format takes {takes} bytes"))),
        }
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        self.format.parse(written.text, out)
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        self.format.render(canonical, out)
    }
}
