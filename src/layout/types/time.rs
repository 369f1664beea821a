//! `time`: a time of day; canonical form `23:59:58`, with as many digits of a second as its format has.

use super::{
    AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written,
    fixed_length_padding,
};
use crate::domain::date_time_format::{DateTime, DateTimeFormat, Extent};
use crate::layout::RejectCode;

pub(super) const DEFINITION: Definition = Definition {
    word: "time",
    settings: &[SettingDefinition::needed("format", SettingForm::Text)],
    code: RejectCode::Value,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let format = stated.text("format").ok_or(("format", "is missing".to_owned()))?;
    let format = DateTimeFormat::compile(format, 0, Extent::Time).map_err(|problem| ("format", problem))?;
    Ok(Time { fraction_digits: format.fraction_digits(), format }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Time {
    format: DateTimeFormat,
    fraction_digits: usize,
}

impl Codec for Time {
    fn value_type(&self) -> ValueType {
        ValueType::Time
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        fixed_length_padding(stated, self.format.width(), "time")
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        self.format.read(written.text)?.push_time(self.fraction_digits, out);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        let time = DateTime::parse_time(canonical, self.fraction_digits);
        let time = time.ok_or_else(|| match self.fraction_digits {
            0 => "is not a time as HH:MM:SS".to_owned(),
            digits => format!("is not a time as HH:MM:SS with {digits} digits of a second"),
        })?;
        self.format.write(&time, out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::testing::{parsed, problem, rendered};
    use crate::layout::FieldSpec;

    fn field(format: &str) -> FieldSpec {
        FieldSpec::new("begun", "time").with("format", format)
    }

    #[test]
    fn times_are_read_and_written_back() {
        for (format, written, canonical) in [
            ("HHMMSS", "235958", "23:59:58"),
            ("HH:MM:SS", "00:00:00", "00:00:00"),
            ("HHMM", "0730", "07:30:00"),
            ("HH.MM", "07.30", "07:30:00"),
            ("HHMMSSFF", "12000005", "12:00:00.05"),
            ("HH:MM:SS.FFF", "23:59:58.125", "23:59:58.125"),
            ("HH:MM:SS,FFFFFFFFF", "23:59:58,999999999", "23:59:58.999999999"),
        ] {
            assert_eq!(parsed(&field(format), written).as_deref(), Ok(canonical), "{format}");
            assert_eq!(rendered(&field(format), canonical).as_deref(), Ok(written), "{format}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (format, written) in [
            ("HHMMSS", "240000"),
            ("HHMMSS", "236000"),
            ("HHMMSS", "235960"),
            ("HHMM", "730"),
            ("HH:MM", "07.30"),
            ("HHMM", "07 0"),
            ("HHMM", "+730"),
            ("HHMM", ""),
        ] {
            assert!(parsed(&field(format), written).is_err(), "{format} {written:?}");
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_not_written() {
        for (format, canonical) in [
            ("HHMM", "07:30:01"),
            ("HHMMSS", "07:30:01.5"),
            ("HHMMSSFF", "07:30:01.5"),
            ("HHMMSSFF", "07:30:01"),
            ("HHMMSS", "7:30:01"),
            ("HHMMSS", "24:00:00"),
        ] {
            assert!(rendered(&field(format), canonical).is_err(), "{format} {canonical}");
        }
    }

    #[test]
    fn a_width_that_is_not_the_formats_needs_a_padding() {
        assert_eq!(problem(&FieldSpec { width: Some(6), ..field("HHMM") }), "width");
        assert_eq!(problem(&FieldSpec { width: Some(6), pad: Some(b'0'), ..field("HHMM") }), "pad");
        assert_eq!(problem(&field("HH")), "format");
        let padded = FieldSpec { width: Some(6), pad: Some(b' '), ..field("HHMM") };
        assert_eq!(parsed(&padded, "0730  ").as_deref(), Ok("07:30:00"));
    }
}
