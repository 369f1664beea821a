//! `text`: as it stands. Control characters are refused, since they betray a wrong layout or a damaged file; line
//! breaks and tabs may stand in quotes.

use super::{AnyCodec, Codec, Definition, Padding, Problem, Stated, ValueType, Written};
use crate::layout::{Align, RejectCode};

pub(super) const DEFINITION: Definition =
    Definition { word: "text", settings: &[], code: RejectCode::Text, compile };

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    Ok(Text { may_have_breaks: stated.may_have_breaks }.into())
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Text {
    /// Line breaks and tabs may stand in it.
    may_have_breaks: bool,
}

impl Codec for Text {
    fn value_type(&self) -> ValueType {
        ValueType::Text
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        Ok(Some(Padding { pad: stated.pad.unwrap_or(b' '), align: stated.align.unwrap_or(Align::Left) }))
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        if !written.clean {
            refuse_controls(written.text, written.may_have_breaks())?;
        }
        out.push_str(written.text);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        refuse_controls(canonical, self.may_have_breaks)?;
        out.push_str(canonical);
        Ok(())
    }

    #[inline]
    fn is_same(&self, _text: &[u8]) -> bool {
        true
    }

    fn is_text(&self) -> bool {
        true
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    #[inline]
    fn ignores_blanks(&self) -> bool {
        false
    }
}

fn refuse_controls(text: &str, breaks_allowed: bool) -> Result<(), String> {
    // Most text is plain ASCII, and this vectorises.
    if text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    let refused =
        |character: &char| character.is_control() && !(breaks_allowed && matches!(character, '\n' | '\r' | '\t'));
    match text.chars().find(refused) {
        Some('\n' | '\r' | '\t') => Err("has a line break or tab, which may only stand in quotes".to_owned()),
        Some(character) => Err(format!("has the control character U+{:04X}", u32::from(character))),
        None => Ok(()),
    }
}
