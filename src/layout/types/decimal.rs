//! `decimal`: an exact number with a stated number of digits after the point, or as many as there are.

use super::number::{GROUPING, NumberFormat, OVERPUNCH, SIGN};
use super::{AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written};
use crate::layout::RejectCode;

pub(super) const DEFINITION: Definition = Definition {
    word: "decimal",
    settings: &[
        SettingDefinition::needed("scale", SettingForm::NumberOrWord(MOST_DIGITS, &["any"])),
        SettingDefinition::optional("implied", SettingForm::Flag),
        SettingDefinition::optional("point", SettingForm::Word(&[".", ","])),
        SIGN,
        OVERPUNCH,
        GROUPING,
    ],
    code: RejectCode::Decimal,
    compile,
};

/// The most digits after the point.
const MOST_DIGITS: u64 = 38;

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let scale = match (stated.number("scale"), stated.text("scale")) {
        (Some(scale @ 0..=MOST_DIGITS), _) => usize::try_from(scale).ok(),
        (_, Some("any")) => None,
        _ => return Err(("scale", format!("must be at most {MOST_DIGITS}, or \"any\""))),
    };
    let point = match stated.text("point") {
        None | Some(".") => b'.',
        Some(",") => b',',
        Some(_) => return Err(("point", "must be \".\" or \",\"".to_owned())),
    };
    let implied = stated.flag("implied");
    if implied && scale.is_none() {
        return Err(("implied", "needs a number of digits as scale".to_owned()));
    }
    let format = NumberFormat::compile(stated)?;
    let point = (scale != Some(0) && !implied).then_some(point);
    if point.is_some() && point == format.grouping {
        return Err(("grouping", "is the point too".to_owned()));
    }
    Ok(Decimal { format: NumberFormat { scale, point, ..format } }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Decimal {
    format: NumberFormat,
}

impl Codec for Decimal {
    fn value_type(&self) -> ValueType {
        ValueType::Decimal(self.format.scale)
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
