//! Samples whose fields stand at fixed bytes: the record length, and record types told apart by the first bytes.

use std::collections::BTreeMap;

use super::columns;
use super::dialect::lines;
use super::names;
use super::notes::{Notes, counted, field_place, record_place};
use super::shape::{plain, record, records_note};
use super::survey::Survey;
use super::{Sample, marks};
use crate::layout::{
    DiscriminatorSpec, Encoding, FieldSpec, FixedWidthSpec, KindSpec, LayoutSpec, RecordSpec, Role, Terminator,
};

/// A record that is longer, in bytes, is not found where no terminators tell.
const LONGEST_RECORD: u64 = 32 * 1024;

/// How records of fixed width end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) length: usize,
    pub(super) terminator: Terminator,
    /// Blanks at the end are not written.
    pub(super) trimmed: bool,
}

/// Lines of one length; nothing where there are fewer than two.
pub(super) fn same_length(survey: &Survey) -> Option<Records> {
    for terminator in &survey.terminators {
        let lengths = survey.texts.iter().flat_map(|text| lines(text, *terminator)).map(<[u8]>::len);
        let lengths: Vec<usize> = lengths.collect();
        let first = *lengths.first()?;
        if lengths.len() > 1 && first > 1 && lengths.iter().all(|length| *length == first) {
            return Some(Records { length: first, terminator: *terminator, trimmed: false });
        }
    }
    None
}

/// Lines that would have one length, had their last blanks not been taken away: blank columns divide all of them.
pub(super) fn trimmed(survey: &Survey) -> Option<Records> {
    let terminator = *survey.terminators.first()?;
    let rows: Vec<&[u8]> = survey.texts.iter().flat_map(|text| lines(text, terminator)).collect();
    let length = rows.iter().map(|row| row.len()).max()?;
    let blank_end = rows.iter().any(|row| row.ends_with(b" ") || row.is_empty());
    if rows.len() < 4 || blank_end || rows.iter().any(|row| row.contains(&b'\t')) {
        return None;
    }
    let found = columns::find(&rows, 0, length, survey.encoding == Encoding::Utf8);
    (found.len() > 2).then_some(Records { length, terminator, trimmed: true })
}

/// The length of records without terminators: the least that divides every sample, and at which bytes come again.
pub(super) fn by_length(survey: &mut Survey, samples: &[Sample]) -> Option<Records> {
    if !survey.terminators.is_empty() || !survey.padding.is_empty() {
        return None;
    }
    let common = samples.iter().map(|sample| sample.bytes).fold(0, greatest_common_divisor);
    let text = survey.texts.iter().max_by_key(|text| text.len())?;
    let text = &text[..text.len().min(256 * 1024)];
    let mut found = Vec::new();
    for length in (4..=LONGEST_RECORD.min(common)).filter(|length| common.is_multiple_of(*length)) {
        let length = usize::try_from(length).ok()?;
        if length * 3 <= text.len() {
            found.push((length, agreement(text, length)));
        }
    }
    let best = found.iter().map(|(_, share)| *share).max()?;
    // Every multiple of the length agrees as well.
    let (length, _) = found.into_iter().find(|(_, share)| best >= 800 && *share + 30 >= best)?;
    for (text, window) in survey.texts.iter_mut().zip(&mut survey.windows) {
        text.truncate(text.len() / length * length);
        window.truncate(window.len() / length * length);
    }
    Some(Records { length, terminator: Terminator::None, trimmed: false })
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Of 1,000 bytes, how many are of the same kind as the one so many bytes further.
fn agreement(text: &[u8], length: usize) -> usize {
    let pairs = text.iter().zip(&text[length..]);
    let same = pairs.filter(|(one, other)| columns::Kind::of(**one) == columns::Kind::of(**other)).count();
    same * 1000 / (text.len() - length).max(1)
}

/// States samples as records of fixed width, everything as text.
pub(super) fn spec(name: &str, survey: &Survey, found: Records, notes: &mut Notes) -> LayoutSpec {
    let kind = FixedWidthSpec { record_bytes: Some(found.length), trimmed: found.trimmed, ..FixedWidthSpec::default() };
    let mut spec = plain(name, survey, KindSpec::FixedWidth(kind));
    spec.terminator = found.terminator;
    let tables: Vec<Vec<&[u8]>> = survey.texts.iter().map(|text| cut(text, found)).collect();
    let count: usize = tables.iter().map(Vec::len).sum();
    let sentence = match (found.terminator, found.trimmed) {
        (Terminator::None, _) => {
            "The least length that divides the size of every sample and at which bytes of the same kind come again."
                .to_owned()
        }
        (_, true) => format!("The longest of {}; none ends with a blank.", counted(count, "line")),
        _ => format!("All {} have this length.", counted(count, "line")),
    };
    notes.add("fixed_width.record_bytes", sentence);
    let utf8 = survey.encoding == Encoding::Utf8;
    match Types::find(&tables) {
        Some(types) => {
            spec.discriminator = Some(DiscriminatorSpec::Bytes { start: 1, width: types.width });
            let sentence = format!("Bytes 1 to {} have {} values.", types.width, types.groups.len());
            notes.add("discriminator", sentence);
            spec.records = types.records(found.length, utf8, tables.len(), notes);
        }
        None => {
            let rows: Vec<&[u8]> = tables.into_iter().flatten().collect();
            let mut single = record("record", Role::Detail, None);
            single.fields = fields(&single.name, &rows, 0, found.length, utf8, notes);
            spec.records = vec![single];
        }
    }
    spec
}

fn cut(text: &[u8], found: Records) -> Vec<&[u8]> {
    if found.terminator == Terminator::None {
        return text.chunks_exact(found.length).collect();
    }
    lines(text, found.terminator)
}

fn fields(record: &str, rows: &[&[u8]], from: usize, length: usize, utf8: bool, notes: &mut Notes) -> Vec<FieldSpec> {
    let mut fields = Vec::new();
    for column in columns::find(rows, from, length, utf8) {
        let (start, end) = (column.start + 1, column.end);
        let prefix = if column.blank { "blank" } else { "bytes" };
        let mut field = FieldSpec::new(&format!("{prefix}_{start}_{end}"), "text");
        field.start = Some(start);
        field.width = Some(end - column.start);
        field.optional = column.blank;
        notes.add(field_place(record, &field.name), column.why);
        fields.push(field);
    }
    fields
}

/// Record types told apart by their first bytes.
struct Types<'t> {
    width: usize,
    groups: BTreeMap<&'t [u8], Vec<&'t [u8]>>,
    header: Option<&'t [u8]>,
    trailer: Option<&'t [u8]>,
}

impl<'t> Types<'t> {
    fn find(tables: &[Vec<&'t [u8]>]) -> Option<Self> {
        (1..=3).find_map(|width| Self::of_width(tables, width))
    }

    fn of_width(tables: &[Vec<&'t [u8]>], width: usize) -> Option<Self> {
        let rows = || tables.iter().flatten();
        if rows().any(|row| row.len() < width || !row[..width].iter().all(u8::is_ascii_alphanumeric)) {
            return None;
        }
        let first = |rows: &[&'t [u8]]| rows.first().copied();
        let last = |rows: &[&'t [u8]]| rows.last().copied();
        let (header, trailer) = (alone(tables, width, first), alone(tables, width, last));
        let trailer = trailer.filter(|trailer| header != Some(trailer));
        let mark = header.or(trailer)?;
        let detail = rows().copied().find(|row| Some(&row[..width]) != header && Some(&row[..width]) != trailer);
        let edges = rows().filter(|row| row.starts_with(mark));
        let differs = |other: &[u8]| edges.clone().any(|row| unlike(row, other));
        let are_types = match detail {
            Some(detail) => differs(detail),
            None => header.is_some() && trailer.is_some() && mark.iter().all(u8::is_ascii_alphabetic),
        };
        if !are_types {
            return None;
        }
        let width = extended(tables, width);
        let mut groups: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        rows().for_each(|row| groups.entry(&row[..width]).or_default().push(*row));
        let longer =
            |mark: Option<&[u8]>| mark.and_then(|mark| groups.keys().copied().find(|longer| longer.starts_with(mark)));
        let (header, trailer) = (longer(header), longer(trailer));
        (2..=marks::MOST_TYPES).contains(&groups.len()).then_some(Self { width, groups, header, trailer })
    }

    fn records(&self, length: usize, utf8: bool, samples: usize, notes: &mut Notes) -> Vec<RecordSpec> {
        let mut records = Vec::new();
        for (mark, rows) in &self.groups {
            let role = match () {
                () if self.header == Some(mark) => Role::Header,
                () if self.trailer == Some(mark) => Role::Trailer,
                () => Role::Detail,
            };
            let mark = String::from_utf8_lossy(mark).into_owned();
            let mut spec = record(&names::record_name(&mark, role), role, Some(&mark));
            notes.add(record_place(&spec.name), records_note(&mark, rows.len(), role, samples));
            if rows.len() < 20 {
                let sentence = format!(
                    "Byte boundaries from {} are a guess: compare with a description.",
                    counted(rows.len(), "record")
                );
                notes.add(record_place(&spec.name), sentence);
            }
            let mut kind = FieldSpec::new("record_type", "constant").with("value", mark.as_str());
            (kind.start, kind.width) = (Some(1), Some(self.width));
            spec.fields.push(kind);
            spec.fields.extend(fields(&spec.name, rows, self.width, length, utf8, notes));
            records.push(spec);
        }
        records.sort_by_key(|record| match record.role {
            Role::Header => 0,
            Role::Detail => 1,
            Role::Trailer => 2,
        });
        records
    }
}

/// The first bytes at one end of every sample, where no other record of the sample has them.
fn alone<'t>(
    tables: &[Vec<&'t [u8]>],
    width: usize,
    end: impl Fn(&[&'t [u8]]) -> Option<&'t [u8]>,
) -> Option<&'t [u8]> {
    let mut found: Option<&[u8]> = None;
    for rows in tables.iter().filter(|rows| !rows.is_empty()) {
        let mark = &end(rows)?[..width];
        let same = rows.iter().filter(|row| row.starts_with(mark)).count();
        if same != 1 || rows.len() < 2 || found.is_some_and(|found| found != mark) {
            return None;
        }
        found = Some(mark);
    }
    found
}

/// Whether two records have other kinds of bytes in more than a quarter of their places.
fn unlike(one: &[u8], other: &[u8]) -> bool {
    let filled = |pair: &(&u8, &u8)| *pair.0 != b' ' || *pair.1 != b' ';
    let pairs = || one.iter().zip(other).filter(filled);
    let different = pairs().filter(|(one, other)| columns::Kind::of(**one) != columns::Kind::of(**other)).count();
    different * 4 > pairs().count()
}

/// A mark goes on while its letters do, or with a digit that every record has.
fn extended(tables: &[Vec<&[u8]>], mut width: usize) -> usize {
    let rows = || tables.iter().flatten();
    while width < 4 && rows().all(|row| row.len() > width) {
        let mut byte_of: BTreeMap<&[u8], u8> = BTreeMap::new();
        let fixed = rows().all(|row| *byte_of.entry(&row[..width]).or_insert(row[width]) == row[width]);
        let letters = rows().all(|row| row[width].is_ascii_alphabetic() && row[width - 1].is_ascii_alphabetic());
        let mut bytes = rows().map(|row| row[width]);
        let first = bytes.next();
        let one_digit = first.is_some_and(|byte| byte.is_ascii_digit()) && bytes.all(|byte| Some(byte) == first);
        if !fixed || !(letters || one_digit) {
            break;
        }
        width += 1;
    }
    width
}
