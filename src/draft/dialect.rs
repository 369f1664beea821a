//! How delimited records are divided: terminator, delimiter, quote and escape, by how evenly they divide the samples.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use memchr::memmem;

use super::marks;
use super::notes::{Notes, counted, number, shown};
use crate::layout::{Escape, Terminator};

/// How records end, and how they are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) terminator: Terminator,
    pub(super) delimiter: String,
    pub(super) quote: Option<u8>,
    pub(super) escape: Escape,
}

/// A line, or several where line breaks stand in quotes.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its bytes without terminator.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) cells: Vec<Cell>,
    /// A quote, or a line break, stands where none may.
    pub(super) faulty: bool,
}

impl Row {
    /// Nothing stands on it.
    pub(super) fn is_blank(&self) -> bool {
        self.start == self.end
    }

    /// The bytes of its cell number `index`.
    pub(super) fn cell<'t>(&self, text: &'t [u8], index: usize) -> &'t [u8] {
        self.cells.get(index).map_or(&[], |cell| &text[cell.start..cell.end])
    }
}

/// What stands between delimiters, without quotes around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
}

/// Most likely first. Of equally even ones the earlier wins.
const DELIMITERS: [&str; 17] =
    ["~|~", "|~|", "||", "~~", "^^", "::", ";;", "##", ",", ";", "\t", "|", "^", "~", "\u{1}", "\u{1f}", ":"];

/// The choice is made over so many bytes of all samples together.
const MOST_BYTES: usize = 2 << 20;

/// A delimiter that divides fewer records in 1,000 alike is none.
const LEAST_EVEN: usize = 600;

/// How evenly a dialect divides samples.
#[derive(Clone, Debug)]
struct Fit {
    /// How many records have as many fields as most of their type do, without fault.
    even: usize,
    rows: usize,
    faulty: usize,
    /// The usual number of fields, and where types differ, each type's.
    fields: usize,
    by_type: bool,
    least: usize,
    most: usize,
}

impl Fit {
    fn of(texts: &[&[u8]], dialect: &Dialect) -> Self {
        let tables: Vec<Vec<Row>> = texts.iter().map(|text| rows(text, dialect)).collect();
        let filled = || tables.iter().flatten().filter(|row| !row.is_blank());
        let faulty = filled().filter(|row| row.faulty).count();
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for row in filled().filter(|row| !row.faulty) {
            *counts.entry(row.cells.len()).or_default() += 1;
        }
        let usual = counts.iter().filter(|(fields, _)| **fields > 1).max_by_key(|(fields, count)| (**count, **fields));
        let (mut fields, mut even) = usual.map_or((1, 0), |(fields, count)| (*fields, *count));
        let mut total = filled().count();
        let mut around = total;
        let table = |index: usize| (texts[index], tables[index].iter().filter(|row| !row.is_blank()).collect());
        let found = marks::find(&(0..texts.len()).map(table).collect::<Vec<_>>());
        if let Some(found) = found.as_ref().filter(|found| found.even + faulty >= even) {
            fields = found.groups.values().map(|group| group.fields).max().unwrap_or(fields);
            even = found.even;
        } else if fields > 1 {
            // Lines around a table are no part of it, as long as it is most of the file.
            around = tables.iter().map(|rows| within_table(rows, fields)).sum();
        }
        if around > 2 && around * 2 >= total {
            total = around;
        }
        let (least, most) = (counts.keys().next().copied(), counts.keys().next_back().copied());
        Self {
            even: even.saturating_sub(faulty),
            rows: total,
            faulty,
            fields,
            by_type: found.is_some(),
            least: least.unwrap_or(1),
            most: most.unwrap_or(1),
        }
    }

    /// Whether it divides at all; a colon stands in too many texts to be believed at once.
    fn divides(&self, delimiter: &str, least: usize) -> bool {
        self.share() >= least && self.fields > if delimiter == ":" { 2 } else { 1 }
    }

    /// Of 1,000 records, how many are even.
    fn share(&self) -> usize {
        (self.even * 1000).checked_div(self.rows).unwrap_or(0)
    }
}

/// How many rows that are not blank stand from the first with so many fields to the last.
fn within_table(rows: &[Row], fields: usize) -> usize {
    let usual = |row: &Row| row.cells.len() == fields;
    let (Some(first), Some(last)) = (rows.iter().position(usual), rows.iter().rposition(usual)) else { return 0 };
    rows[first..=last].iter().filter(|row| !row.is_blank()).count()
}

/// The dialect that divides the samples most evenly; `None` where none does. `same_length` says that all lines have the
/// same length, which fixed width explains as well.
pub(super) fn choose(
    texts: &[Vec<u8>],
    terminators: &[Terminator],
    same_length: bool,
    notes: &mut Notes,
) -> Option<Dialect> {
    let share = MOST_BYTES / texts.len().max(1);
    let texts: Vec<&[u8]> = texts.iter().map(|text| beginning(text, share)).collect();
    let mut fits: Vec<(Dialect, Fit)> = Vec::new();
    for delimiter in DELIMITERS.into_iter().filter(|delimiter| may_be(&texts, delimiter)) {
        let best = dialects(&texts, terminators, delimiter).map(|dialect| {
            let fit = Fit::of(&texts, &dialect);
            (dialect, fit)
        });
        // Of equals the first: the most usual quoting.
        fits.extend(best.min_by_key(|(_, fit)| Reverse((fit.share(), fit.even))));
    }
    let least = if same_length { 1000 } else { LEAST_EVEN };
    let usable = fits.iter().enumerate().filter(|(_, (dialect, fit))| fit.divides(&dialect.delimiter, least));
    let best = usable
        .max_by_key(|(index, (dialect, fit))| (fit.share(), dialect.delimiter.len() > 1, fit.fields, Reverse(*index)));
    let best = best.map(|(index, _)| index);
    describe(&fits, best, notes);
    best.map(|index| fits.swap_remove(index).0)
}

/// A text up to the last line break within so many bytes.
fn beginning(text: &[u8], bytes: usize) -> &[u8] {
    if text.len() <= bytes {
        return text;
    }
    let end = text[..bytes].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes, |at| at + 1);
    &text[..end]
}

/// Whether samples have it at all; one of several characters only where its first stands nowhere else.
fn may_be(texts: &[&[u8]], delimiter: &str) -> bool {
    let count = |needle: &[u8]| -> usize { texts.iter().map(|text| memmem::find_iter(text, needle).count()).sum() };
    let found = count(delimiter.as_bytes());
    let first = delimiter.as_bytes()[0];
    let within = delimiter.bytes().filter(|byte| *byte == first).count();
    found > 0 && (delimiter.len() == 1 || count(&[first]) == found * within)
}

fn dialects<'d>(
    texts: &'d [&[u8]],
    terminators: &'d [Terminator],
    delimiter: &'d str,
) -> impl Iterator<Item = Dialect> + 'd {
    let has = |byte: u8| texts.iter().any(|text| text.contains(&byte));
    let (backslash, double, single) = (has(b'\\'), has(b'"'), has(b'\''));
    let mut quotings = vec![(Some(b'"'), Escape::Doubled)];
    if backslash && double {
        quotings.push((Some(b'"'), Escape::Backslash));
    }
    if double {
        quotings.push((None, Escape::Doubled));
    }
    if backslash {
        quotings.push((None, Escape::Backslash));
    }
    if single {
        quotings.push((Some(b'\''), Escape::Doubled));
    }
    quotings.into_iter().flat_map(move |(quote, escape)| {
        terminators.iter().map(move |terminator| Dialect {
            terminator: *terminator,
            delimiter: delimiter.to_owned(),
            quote,
            escape,
        })
    })
}

fn describe(fits: &[(Dialect, Fit)], best: Option<usize>, notes: &mut Notes) {
    let place = "delimited.delimiter";
    if let Some((dialect, fit)) = best.map(|index| &fits[index]) {
        let what = shown(&dialect.delimiter);
        let (even, rows) = (number(fit.even as u64), counted(fit.rows, "record"));
        let sentence = if fit.by_type {
            format!("{what} divides {even} of {rows} as others of their type, into up to {} fields.", fit.fields)
        } else {
            format!("{what} divides {even} of {rows} into {} fields.", fit.fields)
        };
        notes.add(place, sentence);
        if fit.faulty > 0 {
            notes.add(place, format!("{} have a quote where none may stand.", counted(fit.faulty, "line")));
        }
    } else {
        notes.add(place, "No delimiter divides the lines evenly.");
    }
    let others = fits.iter().enumerate().filter(|(index, _)| Some(*index) != best);
    for (_, (dialect, fit)) in others.take(4) {
        let what = shown(&dialect.delimiter);
        let would = match (fit.least, fit.most) {
            (least, most) if least == most => format!("{most} everywhere"),
            (least, most) => format!("{least} to {most}"),
        };
        notes.add(place, format!("Rejected: {what} would give {would}."));
    }
}

/// Divides a text. Lenient where the parser is not: what is wrong only marks the row.
pub(super) fn rows(text: &[u8], dialect: &Dialect) -> Vec<Row> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (row, next) = row(text, at, dialect);
        found.push(row);
        at = next;
    }
    found
}

/// The row that begins here, and where the next one does.
fn row(text: &[u8], start: usize, dialect: &Dialect) -> (Row, usize) {
    let mut row = Row { start, end: start, cells: Vec::new(), faulty: false };
    let mut at = start;
    loop {
        let quoted = dialect.quote.filter(|quote| text.get(at) == Some(quote));
        let behind = match quoted {
            Some(quote) => {
                let (end, closed) = closing(text, at + 1, quote, dialect.escape);
                row.cells.push(Cell { start: at + 1, end, quoted: true });
                row.faulty |= !closed;
                (end + 1).min(text.len())
            }
            None => at,
        };
        let end = bare_end(text, behind, dialect);
        match quoted {
            Some(_) => row.faulty |= end > behind,
            None => {
                row.faulty |= text[at..end].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
                row.faulty |= dialect.escape != Escape::Backslash
                    && dialect.quote.is_some_and(|quote| text[at..end].contains(&quote));
                row.cells.push(Cell { start: at, end, quoted: false });
            }
        }
        row.end = end;
        let break_bytes = line_break(text, end, dialect.terminator);
        if end >= text.len() || break_bytes > 0 {
            return (row, end + break_bytes.max(usize::from(end >= text.len())));
        }
        at = end + dialect.delimiter.len();
    }
}

/// Where the quote closes that opened before `from`, and whether it does.
fn closing(text: &[u8], from: usize, quote: u8, escape: Escape) -> (usize, bool) {
    let mut at = from;
    while let Some(byte) = text.get(at) {
        if *byte == b'\\' && escape == Escape::Backslash {
            at += 2;
        } else if *byte != quote {
            at += 1;
        } else if escape == Escape::Doubled && text.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return (at, true);
        }
    }
    (text.len(), false)
}

/// Where the next delimiter or line break stands.
fn bare_end(text: &[u8], from: usize, dialect: &Dialect) -> usize {
    let delimiter = dialect.delimiter.as_bytes();
    let mut at = from;
    while at < text.len() {
        if text[at] == b'\\' && dialect.escape == Escape::Backslash {
            at += 2;
            continue;
        }
        if text[at..].starts_with(delimiter) || line_break(text, at, dialect.terminator) > 0 {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The lines of a text, without what ends them.
pub(super) fn lines(text: &[u8], terminator: Terminator) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < text.len() {
        let bytes = line_break(text, at, terminator);
        if bytes > 0 {
            found.push(&text[from..at]);
            from = at + bytes;
        }
        at += bytes.max(1);
    }
    if from < text.len() {
        found.push(&text[from..]);
    }
    found
}

/// How many bytes of a terminator stand here.
fn line_break(text: &[u8], at: usize, terminator: Terminator) -> usize {
    match (text.get(at), terminator) {
        (Some(b'\n'), Terminator::Lf | Terminator::Mixed) => 1,
        (Some(b'\r'), Terminator::CrLf | Terminator::Mixed) if text.get(at + 1) == Some(&b'\n') => 2,
        (Some(b'\r'), Terminator::Cr | Terminator::Mixed) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn dialect(quote: Option<u8>, escape: Escape, terminator: Terminator) -> Dialect {
        Dialect { terminator, delimiter: ",".to_owned(), quote, escape }
    }

    #[test]
    fn rows_are_divided_outside_quotes() {
        use Terminator::{CrLf, Lf, Mixed};
        let double = Some(b'"');
        for (text, dialect, expected) in [
            ("a,b\nc\n", dialect(double, Escape::Doubled, Lf), &[&["a", "b"] as &[&str], &["c"]] as &[&[&str]]),
            ("\"a,\nb\",c\n", dialect(double, Escape::Doubled, Lf), &[&["a,\nb", "c"]]),
            ("\"a\"\"\",b", dialect(double, Escape::Doubled, Lf), &[&["a\"\"", "b"]]),
            ("a\\,b,c\n", dialect(None, Escape::Backslash, Lf), &[&["a\\,b", "c"]]),
            ("a,b\r\nc,d\n", dialect(double, Escape::Doubled, Mixed), &[&["a", "b"], &["c", "d"]]),
            ("a,b\nb\r\n", dialect(double, Escape::Doubled, CrLf), &[&["a", "b\nb"]]),
            ("a,\n", dialect(double, Escape::Doubled, Lf), &[&["a", ""]]),
        ] {
            let bytes = text.as_bytes();
            let found = rows(bytes, &dialect);
            let cells: Vec<Vec<&str>> = found
                .iter()
                .map(|row| (0..row.cells.len()).map(|at| std::str::from_utf8(row.cell(bytes, at)).unwrap()).collect())
                .collect();
            assert_eq!(cells, expected, "{text:?}");
        }
    }

    #[test]
    fn what_stands_where_it_may_not_is_a_fault() {
        let usual = dialect(Some(b'"'), Escape::Doubled, Terminator::Lf);
        for (text, faulty) in
            [("a,\"b\"\n", false), ("a,b\"c\n", true), ("a,\"b\"c\n", true), ("a,\"b", true), ("a,b\r\n", true)]
        {
            assert_eq!(rows(text.as_bytes(), &usual).iter().any(|row| row.faulty), faulty, "{text:?}");
        }
    }

    #[test]
    fn the_most_even_delimiter_wins() {
        for (text, expected) in [
            ("a;b;c\nd,d;e;f\n", Some(";")),
            ("a||b\nc||d\n", Some("||")),
            ("a|b||c\n|b|c|\n", Some("|")),
            ("no,thing\nat all\nis, even, here\n", None),
            ("key: value\nother: value\n", None),
        ] {
            let texts = [text.as_bytes().to_vec()];
            let found = choose(&texts, &[Terminator::Lf], false, &mut Notes::default());
            assert_eq!(found.map(|dialect| dialect.delimiter).as_deref(), expected, "{text:?}");
        }
    }
}
