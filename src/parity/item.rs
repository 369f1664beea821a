//! A record as it is sorted and compared: where it stood, its fields in both spellings, and what is in none of them.
//!
//! Offsets are counted from the record's beginning, so that equal records are equal bytes behind [`HEAD`], wherever they
//! stand in their files.

use crate::layout::Record;

/// Bytes of the place: offset, line, number, and the length of the path above, each of eight.
pub(super) const HEAD: usize = 32;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Offset in the file.
    pub(super) byte: u64,
    /// Line, from 1.
    pub(super) line: u64,
    /// Number in the file, from 1.
    pub(super) number: u64,
    /// How much of its path is that of the record that it belongs to.
    pub(super) above: usize,
}

/// A field of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemField<'i> {
    /// Its canonical text, where it is there.
    pub(super) value: Option<&'i str>,
    /// As it is written.
    pub(super) raw: &'i [u8],
    /// Where, from the record's beginning.
    pub(super) offset: u64,
}

/// Bytes of a record that are in no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'i> {
    pub(super) bytes: &'i [u8],
    /// Where they begin, from the record's beginning.
    pub(super) offset: u64,
}

const PRESENT: u8 = 1;
const WRITTEN_AS_IT_IS: u8 = 2;

/// Appends a record.
pub(super) fn write(record: &Record, above: usize, out: &mut Vec<u8>) {
    let start = record.bytes().start;
    for number in [start, record.line(), record.number(), above as u64] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    push_number(out, record.len() as u64);
    let mut taken: Vec<(usize, usize)> = Vec::with_capacity(record.len());
    for field in 0..record.len() {
        let (value, range) = (record.get(field), record.raw_field(field));
        let raw = record.raw().get(range.clone()).unwrap_or_default();
        let as_it_is = value.is_some_and(|value| value.as_bytes() == raw);
        out.push(if value.is_some() { PRESENT } else { 0 } | if as_it_is { WRITTEN_AS_IT_IS } else { 0 });
        push_number(out, record.offset_of(range.start) - start);
        push_bytes(out, raw);
        if let (Some(value), false) = (value, as_it_is) {
            push_bytes(out, value.as_bytes());
        }
        if !range.is_empty() {
            taken.push((range.start, range.end));
        }
    }
    // Columns may stand in any order.
    taken.sort_unstable();
    taken.push((record.raw().len(), record.raw().len()));
    let mut from = 0;
    for (begin, end) in taken {
        if begin > from {
            push_number(out, record.offset_of(from) - start);
            push_bytes(out, &record.raw()[from..begin]);
        }
        from = from.max(end);
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Where an item's record stands.
pub(super) fn standing(payload: &[u8]) -> Standing {
    let number = |index: usize| {
        let bytes = payload.get(8 * index..8 * index + 8).and_then(|bytes| bytes.try_into().ok());
        u64::from_le_bytes(bytes.unwrap_or_default())
    };
    Standing { byte: number(0), line: number(1), number: number(2), above: number(3) as usize }
}

/// Everything of an item's record but where it stands.
pub(super) fn content(payload: &[u8]) -> &[u8] {
    payload.get(HEAD..).unwrap_or_default()
}

/// The fields of an item, and what is in none of them.
pub(super) fn read<'i>(payload: &'i [u8], fields: &mut Vec<ItemField<'i>>, pieces: &mut Vec<Piece<'i>>) {
    fields.clear();
    pieces.clear();
    let mut rest = Bytes(content(payload));
    for _ in 0..rest.number() {
        let flags = rest.byte();
        let offset = rest.number();
        let raw = rest.bytes();
        let value = match (flags & PRESENT != 0, flags & WRITTEN_AS_IT_IS != 0) {
            (false, _) => None,
            (true, true) => Some(raw),
            (true, false) => Some(rest.bytes()),
        };
        // They were texts.
        let value = value.map(|value| std::str::from_utf8(value).unwrap_or_default());
        fields.push(ItemField { value, raw, offset });
    }
    while !rest.0.is_empty() {
        let offset = rest.number();
        pieces.push(Piece { offset, bytes: rest.bytes() });
    }
}

/// Reads what [`write`] wrote; behind its end there are zeros.
struct Bytes<'i>(&'i [u8]);

impl<'i> Bytes<'i> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 63 {
                return number;
            }
        }
    }

    fn bytes(&mut self) -> &'i [u8] {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}
