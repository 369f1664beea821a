//! The short way back: records from a payload that was scanned ([`crate::mapping::scan`]).
//!
//! It reads what the long way reads, and gives up without a word where that would have an error to tell.

use serde_json::Value;

use super::CarriedRecords;
use crate::layout::Layout;
use crate::mapping::scan::{Kind, Scanned};
use crate::mapping::{EventPlan, Member, Source, ValuePlan};

/// Reads the records of one payload; `None` where the long way has to.
pub(super) fn read(found: &mut CarriedRecords, layout: &Layout, plan: &EventPlan, scanned: Scanned<'_>) -> Option<()> {
    found.begin(layout, plan.record);
    Reading { layout, found, scanned, text: String::new() }.object(&plan.data, 0, 0)
}

struct Reading<'r> {
    layout: &'r Layout,
    found: &'r mut CarriedRecords,
    scanned: Scanned<'r>,
    /// For texts with escapes.
    text: String,
}

impl Reading<'_> {
    fn object(&mut self, members: &[Member], index: usize, record: usize) -> Option<()> {
        match self.scanned.token(index).kind {
            Kind::Object => {}
            Kind::Null => return Some(()),
            _ => return None,
        }
        // Properties mostly come as they are declared.
        let mut next = 0;
        for child in self.scanned.children(index) {
            let name = self.scanned.name(child);
            let known = match members.get(next) {
                Some(member) if member.name == name => Some(next),
                _ => members.iter().position(|member| member.name == name),
            };
            let Some(known) = known else { continue };
            next = known + 1;
            self.value(&members[known].plan, child, record)?;
        }
        Some(())
    }

    fn value(&mut self, plan: &ValuePlan, index: usize, record: usize) -> Option<()> {
        let kind = self.scanned.token(index).kind;
        if kind == Kind::Null && !matches!(plan, ValuePlan::Constant(_)) {
            return Some(());
        }
        match plan {
            ValuePlan::Field { source, number } => match kind {
                Kind::Text | Kind::EscapedText | Kind::True | Kind::False => self.keep(*source, index, record, None),
                Kind::Integer | Kind::Fraction if *number => self.keep(*source, index, record, None),
                _ => None,
            },
            ValuePlan::Codes { source, codes } => match kind {
                Kind::Text | Kind::EscapedText => self.keep(*source, index, record, Some(codes)),
                _ => None,
            },
            ValuePlan::Constant(expected) => {
                let written = self.scanned.written(index);
                let same = match (kind, expected) {
                    (Kind::Text, Value::String(text)) => text == written,
                    (Kind::Integer, Value::Number(number)) => number.to_string() == written,
                    (Kind::True, Value::Bool(flag)) => *flag,
                    (Kind::False, Value::Bool(flag)) => !flag,
                    _ => false,
                };
                same.then_some(())
            }
            ValuePlan::Object(members) => self.object(members, index, record),
            ValuePlan::Array(plans) if kind == Kind::Array => {
                for (element, child) in self.scanned.children(index).enumerate() {
                    self.value(plans.get(element)?, child, record)?;
                }
                Some(())
            }
            ValuePlan::Each { record: member, data } if kind == Kind::Array => {
                for child in self.scanned.children(index) {
                    let record = self.found.begin(self.layout, *member);
                    self.object(data, child, record)?;
                }
                Some(())
            }
            ValuePlan::Array(_) | ValuePlan::Each { .. } => None,
        }
    }

    /// Keeps the text of a field of the record at hand.
    fn keep(&mut self, source: Source, index: usize, record: usize, codes: Option<&[(String, String)]>) -> Option<()> {
        let mut text = self.scanned.written(index);
        if self.scanned.token(index).kind == Kind::EscapedText {
            self.text.clear();
            self.scanned.unescape(index, &mut self.text);
            text = &self.text;
        }
        if let Some(codes) = codes {
            text = codes.iter().find(|(_, in_event)| in_event == text).map(|(in_file, _)| in_file.as_str())?;
        }
        self.found.keep(source, record, text).ok()
    }
}
