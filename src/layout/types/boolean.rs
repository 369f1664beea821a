//! `boolean`: one of two meanings, each with its spellings; canonical `true` and `false`.

use super::spellings::Spellings;
use super::{AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written};
use crate::layout::RejectCode;

pub(super) const DEFINITION: Definition = Definition {
    word: "boolean",
    settings: &[
        SettingDefinition::needed("true", SettingForm::Texts),
        SettingDefinition::needed("false", SettingForm::Texts),
    ],
    code: RejectCode::Value,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    for key in ["true", "false"] {
        if stated.texts(key).is_empty() {
            return Err((key, "needs at least one spelling".to_owned()));
        }
    }
    let pairs = |key: &'static str| stated.texts(key).iter().map(move |written| (written.as_str(), key));
    let spellings = Spellings::compile("false", pairs("true").chain(pairs("false")), stated)?;
    Ok(Boolean { spellings }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Boolean {
    spellings: Spellings,
}

impl Codec for Boolean {
    fn value_type(&self) -> ValueType {
        ValueType::Boolean
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        self.spellings.padding(stated)
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        let meaning = self.spellings.meaning(written.text);
        out.push_str(meaning.ok_or_else(|| format!("is none of {}", self.spellings.list()))?);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        out.push_str(self.spellings.spelling(canonical).ok_or("is neither true nor false")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::testing::{parsed, problem, rendered};
    use crate::layout::FieldSpec;

    fn field(yes: &[&str], no: &[&str]) -> FieldSpec {
        FieldSpec::new("paid", "boolean").with("true", yes).with("false", no)
    }

    #[test]
    fn the_first_spelling_is_written() {
        let field = field(&["Y", "1"], &["N"]);
        for (written, canonical, back) in [("Y", "true", "Y"), ("1", "true", "Y"), ("N", "false", "N"), (" N ", "false", "N")] {
            assert_eq!(parsed(&field, written).as_deref(), Ok(canonical), "{written:?}");
            assert_eq!(rendered(&field, canonical).as_deref(), Ok(back));
        }
    }

    #[test]
    fn blank_may_be_a_spelling() {
        let field = FieldSpec { width: Some(1), ..field(&["X"], &[" "]) };
        assert_eq!(parsed(&field, " ").as_deref(), Ok("false"));
        assert_eq!(rendered(&field, "false").as_deref(), Ok(" "));
    }

    #[test]
    fn whatever_else_is_written_is_refused() {
        let field = field(&["Y"], &["N"]);
        for written in ["y", "YES", "", "0"] {
            assert!(parsed(&field, written).is_err(), "{written:?}");
        }
        assert!(rendered(&field, "Y").is_err());
    }

    #[test]
    fn spellings_that_mean_both_are_a_problem() {
        for (spec, key) in [
            (field(&["Y"], &["N", "Y"]), "false"),
            (field(&[], &["N"]), "true"),
            (field(&["Y"], &[]), "false"),
            (FieldSpec { width: Some(1), ..field(&["YES"], &["N"]) }, "false"),
            (FieldSpec { width: Some(3), pad: Some(b'N'), ..field(&["Y"], &["N"]) }, "pad"),
        ] {
            assert_eq!(problem(&spec), key, "{spec:?}");
        }
    }
}
