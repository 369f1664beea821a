//! Record types: marks in the first column, by which records of different kinds are told apart.

use std::collections::BTreeMap;

use super::dialect::Row;

/// Rows of a sample that are not blank, with its text.
pub(super) type Table<'t> = (&'t [u8], Vec<&'t Row>);

/// Records by their marks.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// What is known of each.
    pub(super) groups: BTreeMap<Vec<u8>, Group>,
    /// Records that have as many fields as most of their type.
    pub(super) even: usize,
    /// The mark of the first record of every sample, which no other has.
    pub(super) header: Option<Vec<u8>>,
    /// The mark of the last record of every sample, which no other has.
    pub(super) trailer: Option<Vec<u8>>,
}

/// Records of one mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// How many there are.
    pub(super) records: usize,
    /// How many fields most of them have.
    pub(super) fields: usize,
    /// How many have other numbers of fields.
    pub(super) uneven: usize,
    /// The most fields that one has.
    pub(super) most: usize,
}

/// There are no more record types than this.
pub(super) const MOST_TYPES: usize = 12;
/// A mark is no longer than this, in bytes.
const LONGEST: usize = 8;
/// What headers are marked with.
const HEADERS: [&str; 14] =
    ["H", "HD", "HDR", "HEAD", "HEADER", "H1", "HH", "00", "0", "01", "000", "FH", "BOF", "FHDR"];
/// What trailers are marked with.
const TRAILERS: [&str; 16] =
    ["T", "TR", "TRL", "TLR", "TRAILER", "T1", "TT", "99", "9", "999", "E", "END", "FT", "EOF", "FTR", "Z"];

/// Finds record types; `None` where the first column does not tell any.
pub(super) fn find(tables: &[Table<'_>]) -> Option<Marks> {
    let mut counts: BTreeMap<Vec<u8>, BTreeMap<usize, usize>> = BTreeMap::new();
    for (text, rows) in tables {
        for row in rows {
            let mark = row.cell(text, 0);
            if !is_mark(mark) {
                return None;
            }
            *counts.entry(mark.to_vec()).or_default().entry(row.cells.len()).or_default() += 1;
            if counts.len() > MOST_TYPES {
                return None;
            }
        }
    }
    let groups: BTreeMap<Vec<u8>, Group> = counts.into_iter().map(|(mark, counts)| (mark, group(&counts))).collect();
    let header = alone(tables, |rows| rows.first().copied());
    let trailer = alone(tables, |rows| rows.last().copied()).filter(|trailer| Some(trailer) != header.as_ref());
    let even = groups.values().map(|group| group.records - group.uneven).sum();
    let found = Marks { groups, even, header, trailer };
    found.are_types().then_some(found)
}

fn is_mark(bytes: &[u8]) -> bool {
    (1..=LONGEST).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'*'))
}

fn group(counts: &BTreeMap<usize, usize>) -> Group {
    let records = counts.values().sum();
    let usual = counts.iter().max_by_key(|(fields, count)| (**count, **fields));
    let (fields, same) = usual.map_or((0, 0), |(fields, count)| (*fields, *count));
    let most = counts.keys().next_back().copied().unwrap_or(0);
    Group { records, fields, uneven: records - same, most }
}

/// The mark at one end of every sample, where no other record of the sample has it.
fn alone<'t>(tables: &[Table<'t>], end: impl Fn(&[&'t Row]) -> Option<&'t Row>) -> Option<Vec<u8>> {
    let mut found: Option<Vec<u8>> = None;
    for (text, rows) in tables.iter().filter(|(_, rows)| !rows.is_empty()) {
        let mark = end(rows)?.cell(text, 0);
        let same = rows.iter().filter(|row| row.cell(text, 0) == mark).count();
        if same != 1 || rows.len() < 2 || found.as_ref().is_some_and(|found| found != mark) {
            return None;
        }
        found = Some(mark.to_vec());
    }
    found
}

impl Marks {
    /// Whether these are types at all, rather than the values of a column.
    fn are_types(&self) -> bool {
        if self.groups.len() < 2 {
            return false;
        }
        let records: usize = self.groups.values().map(|group| group.records).sum();
        let uneven: usize = self.groups.values().map(|group| group.uneven).sum();
        if uneven * 10 > records {
            return false;
        }
        let known = |mark: &Option<Vec<u8>>, words: &[&str]| {
            mark.as_ref().is_some_and(|mark| words.iter().any(|word| word.as_bytes() == mark))
        };
        // In a long file marks come again; what never does is a key.
        let letters = self.groups.keys().flatten().all(u8::is_ascii_uppercase);
        let again = records <= if letters { 8 } else { 3 } || self.groups.values().any(|group| group.records > 1);
        let framed = known(&self.header, &HEADERS) && (known(&self.trailer, &TRAILERS) || self.differ());
        again && (framed || (self.differ() && self.look_alike()))
    }

    /// Whether records of different types have different numbers of fields.
    fn differ(&self) -> bool {
        let mut fields = self.groups.values().map(|group| group.fields);
        let first = fields.next();
        fields.any(|fields| Some(fields) != first)
    }

    /// Marks of one file are written alike: all capitals and digits, and short, or all of one length.
    fn look_alike(&self) -> bool {
        let mut marks = self.groups.keys();
        let is_code = |mark: &Vec<u8>| mark.len() <= 4 && !mark.iter().any(u8::is_ascii_lowercase);
        let length = marks.clone().next().map_or(0, Vec::len);
        marks.clone().all(is_code) || (length > 1 && marks.all(|mark| mark.len() == length))
    }
}
