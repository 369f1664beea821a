//! `constant`: always the same text.

use super::{AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written};
use crate::layout::reject::shown;
use crate::layout::{Align, RejectCode};

pub(super) const DEFINITION: Definition = Definition {
    word: "constant",
    settings: &[SettingDefinition::needed("value", SettingForm::Text)],
    code: RejectCode::Constant,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let value = stated.text("value").ok_or(("value", "is missing".to_owned()))?;
    Ok(Constant { value: value.to_owned() }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Constant {
    value: String,
}

impl Codec for Constant {
    fn value_type(&self) -> ValueType {
        ValueType::Text
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        let mut bytes = Vec::new();
        // One that fills its field may end with what would be padding.
        let fills = stated.encoding.encode(&self.value, &mut bytes).is_ok() && stated.width == Some(bytes.len());
        let padding = Padding { pad: stated.pad.unwrap_or(b' '), align: stated.align.unwrap_or(Align::Left) };
        Ok((!fills).then_some(padding))
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        if written.text != self.value {
            return Err(format!("is not {}", shown(&self.value)));
        }
        out.push_str(&self.value);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        if canonical != self.value {
            return Err(format!("is not {}", shown(&self.value)));
        }
        out.push_str(canonical);
        Ok(())
    }

    fn fixed_value(&self) -> Option<&str> {
        Some(&self.value)
    }

    #[inline]
    fn ignores_blanks(&self) -> bool {
        false
    }
}
