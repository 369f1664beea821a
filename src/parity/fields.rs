//! Two records of one key, field by field.

use crate::layout::{Field, RecordType};

use super::finding::{Finding, Kind, MASKED, Seen, shown};
use super::item::{self, ItemField, Piece};
use super::rules::{FieldRules, TypeRules};

/// What one difference is: found, or expected by a rule.
pub(super) enum Told {
    Found(Finding),
    Expected(&'static str, Finding),
}

/// A record type and what may differ in its records.
#[derive(Clone, Copy)]
pub(super) struct Compare<'c> {
    pub(super) record_type: &'c RecordType,
    pub(super) rules: &'c TypeRules,
}

impl Compare<'_> {
    /// Every difference of two records, given as their payloads.
    pub(super) fn records(self, legacy: &[u8], candidate: &[u8], each: &mut dyn FnMut(Told)) {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let (mut pieces, mut other_pieces) = (Vec::new(), Vec::new());
        item::read(legacy, &mut one, &mut pieces);
        item::read(candidate, &mut other, &mut other_pieces);
        let fields = self.record_type.fields.iter().zip(&self.rules.fields);
        for (index, (field, rules)) in fields.enumerate() {
            let (Some(left), Some(right)) = (one.get(index), other.get(index)) else { continue };
            if left.value == right.value && left.raw == right.raw {
                continue;
            }
            let kind = if left.value == right.value { Kind::Written } else { Kind::Different };
            let mut finding = Finding::new(kind);
            finding.field = Some(field.name.clone());
            finding.legacy = Some(seen(legacy, *left, field, kind));
            finding.candidate = Some(seen(candidate, *right, field, kind));
            each(match expecting(*rules, *left, *right) {
                Some(rule) => Told::Expected(rule, finding),
                None => Told::Found(finding),
            });
        }
        if let Some((left, right)) = first_difference(&pieces, &other_pieces) {
            let mut finding = Finding::new(Kind::BetweenFields);
            finding.legacy = Some(self.between(legacy, left, end(&one, &pieces)));
            finding.candidate = Some(self.between(candidate, right, end(&other, &other_pieces)));
            each(Told::Found(finding));
        }
    }

    /// What stands there; nothing at the record's end where nothing does.
    fn between(self, payload: &[u8], piece: Option<&Piece<'_>>, end: u64) -> Seen {
        let standing = item::standing(payload);
        let offset = piece.map_or(end, |piece| piece.offset);
        let masks = self.record_type.fields.iter().any(|field| field.masked);
        let value = piece.map(|piece| if masks { MASKED.to_owned() } else { shown_bytes(piece.bytes) });
        Seen { byte: standing.byte + offset, line: Some(standing.line), record: Some(standing.number), value }
    }

    /// A whole record.
    pub(super) fn whole(self, payload: &[u8]) -> Seen {
        let standing = item::standing(payload);
        let masks = self.record_type.fields.iter().any(|field| field.masked);
        let value = if masks { MASKED.to_owned() } else { shown_bytes(&raw(payload)) };
        Seen { byte: standing.byte, line: Some(standing.line), record: Some(standing.number), value: Some(value) }
    }
}

/// Where a record ends, from its beginning.
fn end(fields: &[ItemField<'_>], pieces: &[Piece<'_>]) -> u64 {
    let fields = fields.iter().map(|field| field.offset + field.raw.len() as u64);
    fields.chain(pieces.iter().map(|piece| piece.offset + piece.bytes.len() as u64)).max().unwrap_or(0)
}

/// The bytes of a record, put together again without its terminator.
fn raw(payload: &[u8]) -> Vec<u8> {
    let (mut fields, mut pieces) = (Vec::new(), Vec::new());
    item::read(payload, &mut fields, &mut pieces);
    let fields = fields.iter().filter(|field| !field.raw.is_empty()).map(|field| (field.offset, field.raw));
    let mut parts: Vec<(u64, &[u8])> = fields.chain(pieces.iter().map(|piece| (piece.offset, piece.bytes))).collect();
    parts.sort_unstable_by_key(|(offset, _)| *offset);
    let mut raw: Vec<u8> = parts.into_iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    while raw.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        raw.pop();
    }
    raw
}

fn seen(payload: &[u8], item: ItemField<'_>, field: &Field, kind: Kind) -> Seen {
    let standing = item::standing(payload);
    let value = match (kind, item.value) {
        _ if field.masked => Some(MASKED.to_owned()),
        (Kind::Written, _) => Some(shown_bytes(item.raw)),
        (_, value) => value.map(shown),
    };
    Seen { byte: standing.byte + item.offset, line: Some(standing.line), record: Some(standing.number), value }
}

fn shown_bytes(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}

/// The rule that expects two fields to differ so.
fn expecting(rules: FieldRules, legacy: ItemField<'_>, candidate: ItemField<'_>) -> Option<&'static str> {
    if rules.is_ignored {
        return Some("ignore");
    }
    if rules.padding && legacy.value == candidate.value {
        return Some("padding");
    }
    // With padding a blank value and an absent one are the same.
    let blank = if rules.padding { Some("") } else { None };
    let (one, other) = (legacy.value.or(blank)?, candidate.value.or(blank)?);
    let (one, other) = if rules.padding { (one.trim_matches(' '), other.trim_matches(' ')) } else { (one, other) };
    if rules.padding && one == other {
        return Some("padding");
    }
    if rules.case && one.to_lowercase() == other.to_lowercase() && one != other {
        return Some("case");
    }
    if let Some(tolerance) = rules.tolerance
        && tolerance.allows(one, other)
    {
        return Some("tolerance");
    }
    None
}

type Pieces<'p, 'i> = (Option<&'p Piece<'i>>, Option<&'p Piece<'i>>);

/// The pieces in which the first byte between fields stands that differs. Where it stands does not matter: a longer field
/// shifts it, and an empty one joins what is on both sides of it.
fn first_difference<'p, 'i>(one: &'p [Piece<'i>], other: &'p [Piece<'i>]) -> Option<Pieces<'p, 'i>> {
    let bytes =
        |pieces: &'p [Piece<'i>]| pieces.iter().flat_map(|piece| piece.bytes.iter().map(move |byte| (byte, piece)));
    let (mut one, mut other) = (bytes(one), bytes(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (Some((left, _)), Some((right, _))) if left == right => {}
            (left, right) => return Some((left.map(|(_, piece)| piece), right.map(|(_, piece)| piece))),
        }
    }
}
