//! The path of a record: its business key below those of the records that it belongs to, as bytes that sort so that what
//! belongs to a record follows it.
//!
//! A segment is the record type, two bytes, and the texts of the key, each ended by 0 1 and the last by 0 0; a 0 in a
//! text becomes 0 255. So no path is the beginning of another one but of what is below it.

use crate::layout::{Layout, Record};

use super::finding::MASKED;
use super::rules::{Rules, TypeRules};

/// Finds the path of each record of a file, in their order.
pub(super) struct Paths<'r> {
    rules: &'r Rules,
    /// The path of the last record of each type.
    last: Vec<Vec<u8>>,
    /// How many records of each type came since the one that they belong to.
    places: Vec<u64>,
    path: Vec<u8>,
}

impl<'r> Paths<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        let types = rules.types.len();
        Self { rules, last: vec![Vec::new(); types], places: vec![0; types], path: Vec::new() }
    }

    /// The path of the next record, and how much of it is that of the record that it belongs to.
    pub(super) fn next(&mut self, record: &Record) -> (&[u8], usize) {
        let index = record.type_index();
        let rules = &self.rules.types[index];
        self.path.clear();
        if let Some(lead) = rules.lead {
            self.path.extend_from_slice(&self.last[lead]);
        }
        let above = self.path.len();
        self.places[index] += 1;
        push_segment(&mut self.path, index, rules, record, self.places[index]);
        self.last[index].clone_from(&self.path);
        self.begin_again(index);
        (&self.path, above)
    }

    /// What belongs to a record is counted from it on.
    fn begin_again(&mut self, lead: usize) {
        for (place, rules) in self.places.iter_mut().zip(&self.rules.types) {
            if rules.lead == Some(lead) {
                *place = 0;
            }
        }
    }
}

fn push_segment(path: &mut Vec<u8>, record_type: usize, rules: &TypeRules, record: &Record, place: u64) {
    // A layout of more record types than that has no discriminator to tell them apart.
    path.extend_from_slice(&u16::try_from(record_type).unwrap_or(u16::MAX).to_be_bytes());
    if rules.key.is_empty() {
        // Sorts as the number does.
        push_text(path, &format!("{place:020}"));
    }
    for field in &rules.key {
        let text = record.get(*field).unwrap_or_default();
        let compared = &rules.fields[*field];
        let text = if compared.padding { text.trim_matches(' ') } else { text };
        if compared.case { push_text(path, &text.to_lowercase()) } else { push_text(path, text) }
    }
    path.extend_from_slice(&[0, 0]);
}

fn push_text(path: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        path.push(byte);
        if byte == 0 {
            path.push(0xFF);
        }
    }
    path.extend_from_slice(&[0, 1]);
}

/// A path for people: `B26-00117 / 2`; nothing of a record that is the only one of its kind, such as a header.
pub(super) fn shown(path: &[u8], rules: &Rules, layout: &Layout) -> Option<String> {
    let mut shown = Vec::new();
    let mut rest = path;
    while let Some(([high, low], behind)) = rest.split_first_chunk::<2>() {
        let index = usize::from(u16::from_be_bytes([*high, *low]));
        let (texts, behind) = read_texts(behind);
        rest = behind;
        let types = rules.types.get(index).zip(layout.record_types().get(index));
        let Some((types, record)) = types else { break };
        let is_single = [layout.header(), layout.trailer()].contains(&Some(index));
        shown.push(if types.key.is_empty() {
            if is_single {
                continue;
            }
            format!("no. {}", texts.first().map_or("", |text| text.trim_start_matches('0')))
        } else {
            let masked = |position: usize| types.key.get(position).is_some_and(|field| record.fields[*field].masked);
            let texts = texts.into_iter().enumerate();
            let texts =
                texts.map(|(at, text)| if masked(at) { MASKED.to_owned() } else { super::finding::shown(&text) });
            texts.collect::<Vec<_>>().join(", ")
        });
    }
    Some(shown.join(" / ")).filter(|shown| !shown.is_empty())
}

/// The record type at the end of a path.
pub(super) fn record_type(path: &[u8], above: usize) -> usize {
    match path.get(above..above + 2) {
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => usize::MAX,
    }
}

/// The texts of a segment, and what stands behind it.
fn read_texts(mut bytes: &[u8]) -> (Vec<String>, &[u8]) {
    let (mut texts, mut text) = (Vec::new(), Vec::new());
    loop {
        match bytes {
            [0, 0, rest @ ..] => return (texts, rest),
            [0, 1, rest @ ..] => {
                texts.push(String::from_utf8_lossy(&std::mem::take(&mut text)).into_owned());
                bytes = rest;
            }
            [0, 0xFF, rest @ ..] => {
                text.push(0);
                bytes = rest;
            }
            [byte, rest @ ..] => {
                text.push(*byte);
                bytes = rest;
            }
            [] => return (texts, bytes),
        }
    }
}
