//! `date`: a day of the calendar; canonical form ISO 8601.
//!
//! Sentinels are written texts that stand for a date, or for none, by agreement: `99999999` for the end of all days. Of
//! several for one date the first is written, even where the format could write the date as well.

use super::spellings::Spellings;
use super::{
    AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written,
    fixed_length_padding, pivot,
};
use crate::domain::BusinessDate;
use crate::domain::date::DateFormat;
use crate::layout::RejectCode;
use crate::layout::reject::shown;

pub(super) const DEFINITION: Definition = Definition {
    word: "date",
    settings: &[
        SettingDefinition::needed("format", SettingForm::Text),
        SettingDefinition::optional("pivot", SettingForm::Number(100)),
        SettingDefinition::optional("sentinels", SettingForm::Table),
    ],
    code: RejectCode::Date,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let format = stated.text("format").ok_or(("format", "is missing".to_owned()))?;
    let format = DateFormat::compile(format, pivot(stated)?).map_err(|problem| ("format", problem))?;
    let table = stated.table("sentinels");
    for (written, canonical) in table {
        if !canonical.is_empty() && BusinessDate::parse(canonical).is_none() {
            let message = format!("{} stands for {}, which is no date as YYYY-MM-DD", shown(written), shown(canonical));
            return Err(("sentinels", message));
        }
    }
    let pairs = table.iter().map(|(written, canonical)| (written.as_str(), canonical.as_str()));
    let sentinels = Spellings::compile("sentinels", pairs, stated)?;
    Ok(Date { format, sentinels }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Date {
    format: DateFormat,
    sentinels: Spellings,
}

impl Codec for Date {
    fn value_type(&self) -> ValueType {
        ValueType::Date
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        let padding = fixed_length_padding(stated, self.format.width(), "date")?;
        let width = stated.width.unwrap_or(0);
        for (written, _) in self.sentinels.iter() {
            if padding.map_or(written.len() != width, |padding| padding.trim(written) != written) {
                return Err(("sentinels", format!("{} does not fill the {width} bytes of the field", shown(written))));
            }
        }
        Ok(padding)
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        if !self.sentinels.is_empty()
            && let Some(canonical) = self.sentinels.meaning(written.text)
        {
            if canonical.is_empty() {
                return Err("stands for no date, and may not stand in quotes".to_owned());
            }
            out.push_str(canonical);
            return Ok(());
        }
        self.format.parse(written.text, out)
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        if self.sentinels.is_empty() {
            return self.format.render(canonical, out);
        }
        if let Some(written) = self.sentinels.spelling(canonical).filter(|_| !canonical.is_empty()) {
            out.push_str(written);
            return Ok(());
        }
        let from = out.len();
        self.format.render(canonical, out)?;
        match self.sentinels.meaning(&out[from..]) {
            Some(_) => Err(format!("would be written {}, which stands for something else", shown(&out[from..]))),
            None => Ok(()),
        }
    }

    fn absent_spellings(&self) -> Vec<String> {
        let absent = self.sentinels.iter().filter(|(_, canonical)| canonical.is_empty());
        absent.map(|(written, _)| written.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::testing::{parsed, problem, rendered};
    use crate::layout::FieldSpec;

    fn field(sentinels: &[(&str, &str)]) -> FieldSpec {
        let optional = sentinels.iter().any(|(_, canonical)| canonical.is_empty());
        let field = FieldSpec::new("ends", "date").with("format", "YYYYMMDD").with("sentinels", sentinels);
        FieldSpec { optional, ..field }
    }

    #[test]
    fn sentinels_stand_for_dates_or_none() {
        let field = field(&[("99999999", "9999-12-31"), ("00000000", "")]);
        let field = FieldSpec { width: Some(8), ..field };
        for (written, canonical, back) in [
            ("99999999", "9999-12-31", "99999999"),
            ("99991231", "9999-12-31", "99999999"),
            ("00000000", "(absent)", "00000000"),
            ("        ", "(absent)", "00000000"),
            ("20260131", "2026-01-31", "20260131"),
        ] {
            assert_eq!(parsed(&field, written).as_deref(), Ok(canonical), "{written}");
            assert_eq!(rendered(&field, canonical).as_deref(), Ok(back), "{written}");
        }
    }

    #[test]
    fn a_sentinel_is_stronger_than_the_format() {
        let field = field(&[("19000101", "9999-12-31")]);
        assert_eq!(parsed(&field, "19000101").as_deref(), Ok("9999-12-31"));
        assert!(rendered(&field, "1900-01-01").is_err());
        assert_eq!(rendered(&field, "1900-01-02").as_deref(), Ok("19000102"));
    }

    #[test]
    fn sentinels_that_leave_something_open_are_a_problem() {
        for spec in [
            field(&[("99999999", "never")]),
            field(&[("99999999", "2026-02-30")]),
            FieldSpec { optional: false, ..field(&[("00000000", "")]) },
            FieldSpec { width: Some(8), ..field(&[("0", "9999-12-31")]) },
        ] {
            assert_eq!(problem(&spec), "sentinels", "{spec:?}");
        }
    }

    #[test]
    fn a_width_that_is_not_the_formats_needs_a_padding() {
        assert_eq!(problem(&FieldSpec { width: Some(10), ..field(&[]) }), "width");
        let padded = FieldSpec { width: Some(10), pad: Some(b' '), ..field(&[("0", "9999-12-31")]) };
        assert_eq!(parsed(&padded, "0         ").as_deref(), Ok("9999-12-31"));
        assert_eq!(rendered(&padded, "9999-12-31").as_deref(), Ok("0         "));
    }
}
