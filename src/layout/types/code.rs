//! `code`: one of some written codes, each with its meaning; canonical is the meaning.

use super::spellings::Spellings;
use super::{AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written};
use crate::layout::RejectCode;
use crate::layout::reject::shown;

pub(super) const DEFINITION: Definition = Definition {
    word: "code",
    settings: &[SettingDefinition::needed("codes", SettingForm::Table)],
    code: RejectCode::Value,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let codes = stated.table("codes");
    if codes.is_empty() {
        return Err(("codes", "needs at least one code".to_owned()));
    }
    if let Some((written, _)) = codes.iter().find(|(_, meaning)| meaning.is_empty()) {
        let message = format!("{} has no meaning; what stands for absent belongs to `null`", shown(written));
        return Err(("codes", message));
    }
    let pairs = codes.iter().map(|(written, meaning)| (written.as_str(), meaning.as_str()));
    Ok(Code { codes: Spellings::compile("codes", pairs, stated)? }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Code {
    codes: Spellings,
}

impl Codec for Code {
    fn value_type(&self) -> ValueType {
        ValueType::Text
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        self.codes.padding(stated)
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        let meaning = self.codes.meaning(written.text);
        out.push_str(meaning.ok_or_else(|| format!("is none of the codes {}", self.codes.list()))?);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        out.push_str(self.codes.spelling(canonical).ok_or("is the meaning of no code")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::testing::{parsed, problem, rendered};
    use crate::layout::FieldSpec;

    fn field(codes: &[(&str, &str)]) -> FieldSpec {
        FieldSpec::new("status", "code").with("codes", codes)
    }

    #[test]
    fn the_first_code_of_a_meaning_is_written() {
        let field = field(&[("O", "open"), ("C", "closed"), ("X", "closed")]);
        for (written, canonical, back) in [("O", "open", "O"), ("C", "closed", "C"), ("X", "closed", "C")] {
            assert_eq!(parsed(&field, written).as_deref(), Ok(canonical));
            assert_eq!(rendered(&field, canonical).as_deref(), Ok(back));
        }
    }

    #[test]
    fn a_blank_code_fills_its_field() {
        let field = FieldSpec { width: Some(2), ..field(&[("  ", "regular"), ("R", "reversed")]) };
        for (written, canonical) in [("  ", "regular"), ("R ", "reversed")] {
            assert_eq!(parsed(&field, written).as_deref(), Ok(canonical));
            assert_eq!(rendered(&field, canonical).as_deref(), Ok(written));
        }
    }

    #[test]
    fn whatever_else_is_written_is_refused() {
        let field = field(&[("01", "salary"), ("02", "bonus")]);
        for written in ["03", "1", "", "salary"] {
            assert!(parsed(&field, written).is_err(), "{written:?}");
        }
        for canonical in ["01", "", "Salary"] {
            assert!(rendered(&field, canonical).is_err(), "{canonical:?}");
        }
    }

    #[test]
    fn codes_that_leave_something_open_are_a_problem() {
        for (spec, key) in [
            (field(&[]), "codes"),
            (field(&[("O", "open"), (" O", "closed")]), "codes"),
            (field(&[("O", "")]), "codes"),
            (FieldSpec { width: Some(1), ..field(&[("OP", "open")]) }, "codes"),
            (FieldSpec { width: Some(3), pad: Some(b'O'), ..field(&[("O", "open")]) }, "pad"),
        ] {
            assert_eq!(problem(&spec), key, "{spec:?}");
        }
    }
}
