//! `integer`: a whole number of any length.

use super::number::{GROUPING, NumberFormat, OVERPUNCH, SIGN};
use super::{AnyCodec, Codec, Definition, Padding, Problem, Stated, ValueType, Written};
use crate::layout::RejectCode;

pub(super) const DEFINITION: Definition =
    Definition { word: "integer", settings: &[SIGN, OVERPUNCH, GROUPING], code: RejectCode::Integer, compile };

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    Ok(Integer { format: NumberFormat::compile(stated)? }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Integer {
    format: NumberFormat,
}

impl Codec for Integer {
    fn value_type(&self) -> ValueType {
        ValueType::Integer
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        self.format.padding(stated)
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        self.format.parse(written.text, out)
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        self.format.render(canonical, out)
    }

    #[inline]
    fn is_same(&self, text: &[u8]) -> bool {
        self.format.is_same(text)
    }
}
