//! Delimited samples: lines that are no records, column names, record types and their columns.

use std::collections::BTreeMap;

use super::dialect::{Dialect, Row};
use super::marks::{self, Group, Marks};
use super::names;
use super::notes::{Notes, counted, number, record_place, shown};
use super::survey::Survey;
use crate::layout::{
    ColumnNames, DelimitedSpec, DiscriminatorSpec, FieldSpec, KindSpec, LayoutSpec, LinesSpec, Presence, Quoting,
    Ragged, RecordSpec, Role,
};

/// More lines before or behind the table are none of a preamble.
const MOST_LINES: usize = 20;

/// What comments begin with.
const COMMENTS: [&str; 4] = ["#", "//", "--", "!"];

/// A layout of which nothing is known but what the survey says.
pub(super) fn plain(name: &str, survey: &Survey, kind: KindSpec) -> LayoutSpec {
    LayoutSpec {
        name: name.to_owned(),
        version: 1,
        kind,
        encoding: survey.encoding,
        terminator: survey.terminators.first().copied().unwrap_or(crate::layout::Terminator::Lf),
        final_terminator: survey.final_terminator,
        byte_order_mark: survey.byte_order_mark,
        max_record_bytes: 1 << 20,
        lines: LinesSpec::default(),
        padding_at_end: survey.padding.clone(),
        discriminator: None,
        records: Vec::new(),
        controls: Vec::new(),
    }
}

/// A record type without fields.
pub(super) fn record(name: &str, role: Role, mark: Option<&str>) -> RecordSpec {
    RecordSpec {
        name: name.to_owned(),
        role,
        matches: mark.map(str::to_owned),
        parent: None,
        min: 0,
        max: None,
        fields: Vec::new(),
    }
}

/// States the samples as this dialect divides them, everything as text.
pub(super) fn delimited(name: &str, survey: &Survey, dialect: &Dialect, notes: &mut Notes) -> LayoutSpec {
    let kind = DelimitedSpec {
        delimiter: dialect.delimiter.clone(),
        quote: dialect.quote,
        escape: dialect.escape,
        quoting: if dialect.quote.is_some() { Quoting::Minimal } else { Quoting::None },
        ..DelimitedSpec::default()
    };
    let mut spec = plain(name, survey, KindSpec::Delimited(kind.clone()));
    spec.terminator = dialect.terminator;
    let rows = survey.texts.iter().map(|text| super::dialect::rows(text, dialect)).collect();
    let mut shaper = Shaper { survey, rows, kind, lines: LinesSpec::default(), notes };
    shaper.find_comments();
    shaper.find_blanks();
    match marks::find(&shaper.tables()) {
        Some(found) => {
            spec.discriminator = Some(DiscriminatorSpec::Column(1));
            spec.records = shaper.typed(&found);
        }
        None => spec.records = vec![shaper.single()],
    }
    spec.lines = shaper.lines;
    spec.kind = KindSpec::Delimited(shaper.kind);
    spec
}

struct Shaper<'s> {
    survey: &'s Survey,
    rows: Vec<Vec<Row>>,
    kind: DelimitedSpec,
    lines: LinesSpec,
    notes: &'s mut Notes,
}

impl Shaper<'_> {
    /// Every sample with the rows that may be records.
    fn tables(&self) -> Vec<marks::Table<'_>> {
        let is_record = |text: &[u8], row: &Row| !row.is_blank() && !self.is_comment(text, row);
        let table = |(text, rows)| {
            let (text, rows): (&Vec<u8>, &Vec<Row>) = (text, rows);
            (text.as_slice(), rows.iter().filter(|row| is_record(text, row)).collect())
        };
        self.survey.texts.iter().zip(&self.rows).map(table).collect()
    }

    fn is_comment(&self, text: &[u8], row: &Row) -> bool {
        self.lines.comment.as_ref().is_some_and(|comment| text[row.start..row.end].starts_with(comment.as_bytes()))
    }

    /// Lines that begin alike, and have not the fields that others have.
    fn find_comments(&mut self) {
        let usual = self.usual_fields();
        for comment in COMMENTS {
            let (mut found, mut others) = (0, 0);
            let mut like_records = false;
            for (text, rows) in self.tables() {
                for row in rows {
                    if text[row.start..row.end].starts_with(comment.as_bytes()) {
                        found += 1;
                        like_records |= row.cells.len() == usual && usual > 1;
                    } else {
                        others += 1;
                    }
                }
            }
            if found > 0 && others > 0 && !like_records && usual > 1 {
                self.lines.comment = Some(comment.to_owned());
                let sentence =
                    format!("{} begin with {}, none has {usual} fields.", counted(found, "line"), shown(comment));
                self.notes.add("lines.comment", sentence);
                return;
            }
        }
    }

    fn find_blanks(&mut self) {
        let blank = self.rows.iter().flatten().filter(|row| row.is_blank()).count();
        if blank > 0 {
            self.lines.blank = true;
            self.notes.add("lines.blank", format!("{} blank.", counted(blank, "line")));
        }
    }

    /// How many fields most records have; of equally frequent numbers the largest.
    fn usual_fields(&self) -> usize {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, rows) in self.tables() {
            for row in rows {
                *counts.entry(row.cells.len()).or_default() += 1;
            }
        }
        let several = counts.iter().filter(|(fields, _)| **fields > 1);
        several.max_by_key(|(fields, count)| (**count, **fields)).map_or(1, |(fields, _)| *fields)
    }

    /// A delimiter behind the last field of every record.
    fn find_trailing_delimiter(&mut self) -> bool {
        let tables = self.tables();
        let mut rows = tables.iter().flat_map(|(_, rows)| rows).peekable();
        let is_trailing = |row: &&Row| {
            row.cells.len() > 1 && row.cells.last().is_some_and(|last| !last.quoted && last.start == last.end)
        };
        if rows.peek().is_none() || !rows.all(is_trailing) {
            return false;
        }
        let count = tables.iter().map(|(_, rows)| rows.len()).sum();
        self.kind.trailing_delimiter = Presence::Required;
        let sentence = format!(
            "All {} end with the delimiter. Ambiguous: a last column that is always empty looks the same.",
            counted(count, "record")
        );
        self.notes.add("delimited.trailing_delimiter", sentence);
        true
    }

    fn note_ragged(&mut self, uneven: usize, least: usize, most: usize) {
        self.kind.ragged.short = true;
        let sentence = format!("{} have fewer fields than others: {least} to {most}.", counted(uneven, "record"));
        self.notes.add("delimited.ragged", sentence);
    }

    /// Record types told apart by the first column.
    fn typed(&mut self, found: &Marks) -> Vec<RecordSpec> {
        let trailing = usize::from(self.find_trailing_delimiter());
        let samples = self.tables().iter().filter(|(_, rows)| !rows.is_empty()).count();
        let sentence =
            format!("Column 1 has {} values, each with its own number of fields or place.", found.groups.len());
        self.notes.add("discriminator", sentence);
        let uneven: usize = found.groups.values().map(|group| group.uneven).sum();
        if uneven > 0 {
            let least = found.groups.values().map(|group| group.fields).min().unwrap_or(0);
            let most = found.groups.values().map(|group| group.most).max().unwrap_or(0);
            self.note_ragged(uneven, least, most);
        }
        let mut records = Vec::new();
        for (mark, group) in &found.groups {
            let mark_text = String::from_utf8_lossy(mark).into_owned();
            let role = match () {
                () if found.header.as_ref() == Some(mark) => Role::Header,
                () if found.trailer.as_ref() == Some(mark) => Role::Trailer,
                () => Role::Detail,
            };
            let mut spec = record(&names::record_name(&mark_text, role), role, Some(&mark_text));
            spec.fields = typed_fields(&mark_text, group, trailing, self.kind.ragged);
            let place = record_place(&spec.name);
            self.notes.add(&*place, records_note(&mark_text, group.records, role, samples));
            let parent = parent(&self.tables(), mark, found);
            if let Some(parent) = parent.filter(|_| role == Role::Detail) {
                let sentence = format!(
                    "Each follows a record {} or another {}: parent = \"{}\" would hold.",
                    shown(&parent),
                    shown(&mark_text),
                    names::record_name(&parent, Role::Detail)
                );
                self.notes.add(place, sentence);
            }
            records.push(spec);
        }
        records.sort_by_key(|record| match record.role {
            Role::Header => 0,
            Role::Detail => 1,
            Role::Trailer => 2,
        });
        records
    }

    /// One record type.
    fn single(&mut self) -> RecordSpec {
        let usual = self.usual_fields();
        if usual > 1 {
            self.find_lines_around(usual);
        }
        let trailing = usize::from(usual > 1 && self.find_trailing_delimiter());
        let names = (usual > 1).then(|| self.find_column_names(trailing)).flatten();
        let counts: Vec<usize> = self.tables().iter().flat_map(|(_, rows)| rows).map(|row| row.cells.len()).collect();
        let most = counts.iter().max().copied().unwrap_or(1).max(1) - trailing;
        let least = counts.iter().min().copied().unwrap_or(1).saturating_sub(trailing).max(1);
        let named = names.as_ref().map_or(0, Vec::len);
        let fields = if named > 0 { named } else { most };
        if least < fields {
            let uneven = counts.iter().filter(|count| **count - trailing < fields).count();
            self.note_ragged(uneven, least, most);
        }
        if self.kind.ragged.short && self.kind.column_names == ColumnNames::AnyOrder {
            self.kind.column_names = ColumnNames::Exact;
        }
        if most > fields {
            self.kind.ragged.long = true;
            let longer = counts.iter().filter(|count| **count - trailing > fields).count();
            let sentence = format!("{} have more than the {fields} named fields.", counted(longer, "record"));
            self.notes.add("delimited.ragged", sentence);
        }
        let mut spec = record("record", Role::Detail, None);
        let field_names = names::field_names(fields, names.as_deref());
        for (index, name) in field_names.into_iter().enumerate() {
            let mut field = FieldSpec::new(&name, "text");
            field.optional = self.kind.ragged.short && index >= least;
            let column_name = names.as_ref().and_then(|names| names.get(index));
            field.column_name = column_name.filter(|column_name| **column_name != name).cloned();
            spec.fields.push(field);
        }
        spec
    }

    /// Lines before and behind the table that have not its number of fields.
    fn find_lines_around(&mut self, usual: usize) {
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        // A line break in quotes ends a line all the same, where lines are no records.
        let (mut lines_before, mut lines_behind) = (Vec::new(), Vec::new());
        for (text, rows) in self.survey.texts.iter().zip(&self.rows) {
            let is_other = |row: &Row| row.is_blank() || self.is_comment(text, row);
            let first = rows.iter().position(|row| row.cells.len() == usual);
            let last = rows.iter().rposition(|row| row.cells.len() == usual);
            let (Some(first), Some(last)) = (first, last) else { continue };
            before.push(if rows[..first].iter().all(is_other) { 0 } else { first });
            behind.push(if rows[last + 1..].iter().all(is_other) { 0 } else { rows.len() - last - 1 });
            let physical = |row: &Row| 1 + text[row.start..row.end].iter().filter(|byte| **byte == b'\n').count();
            lines_before.push(rows[..before.last().copied().unwrap_or(0)].iter().map(physical).sum());
            lines_behind.push(rows[rows.len() - behind.last().copied().unwrap_or(0)..].iter().map(physical).sum());
        }
        let total = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let alike = |counts: &[usize]| {
            let first = counts.first().copied().unwrap_or(0);
            (counts.iter().all(|count| *count == first) && first <= MOST_LINES.min(total / 2)).then_some(first)
        };
        let around = [(before, lines_before, "preamble", "before"), (behind, lines_behind, "footer", "behind")];
        for (counts, lines, key, what) in around {
            let (Some(rows_around @ 1..), Some(count)) = (alike(&counts), alike(&lines)) else { continue };
            let sentence = format!(
                "{} {what} the table {} not its {usual} fields, in every sample.",
                counted(count, "line"),
                if count == 1 { "has" } else { "have" }
            );
            self.notes.add(format!("lines.{key}"), sentence);
            for rows in &mut self.rows {
                if key == "preamble" {
                    rows.drain(..rows_around.min(rows.len()));
                } else {
                    rows.truncate(rows.len().saturating_sub(rows_around));
                }
            }
            if key == "preamble" { self.lines.preamble = count } else { self.lines.footer = count }
        }
    }

    /// The names of the columns, where the first line has them; it is taken from the rows.
    fn find_column_names(&mut self, trailing: usize) -> Option<Vec<String>> {
        let encoding = self.survey.encoding;
        let tables = self.tables();
        let cells = |text: &[u8], row: &Row| -> Option<Vec<String>> {
            let count = row.cells.len() - trailing;
            (0..count).map(|index| names::text(encoding, row.cell(text, index))).collect()
        };
        let firsts: Vec<Option<Vec<String>>> = tables
            .iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(text, rows)| cells(text, rows[0]).filter(|cells| are_names(cells)))
            .collect();
        let names = firsts.iter().flatten().next()?.clone();
        let evidence = contrast(&tables, &names, firsts.len())?;
        let same = firsts.iter().filter(|first| first.as_ref() == Some(&names)).count();
        let sorted = |names: &[String]| {
            let mut sorted = names.to_vec();
            sorted.sort();
            sorted
        };
        let permuted = firsts.iter().flatten().filter(|first| sorted(first) == sorted(&names)).count();
        let without = firsts.iter().filter(|first| first.is_none()).count();
        self.notes.add("delimited.column_names", evidence);
        let unique =
            sorted(&names).windows(2).all(|pair| pair[0] != pair[1]) && names.iter().all(|name| !name.is_empty());
        if !unique {
            return Some(self.names_as_preamble(names));
        }
        self.kind.column_names = match () {
            () if same == firsts.len() => ColumnNames::Exact,
            () if permuted == firsts.len() => ColumnNames::AnyOrder,
            () if same + without == firsts.len() => ColumnNames::Optional,
            () => ColumnNames::Exact,
        };
        self.notes.add("delimited.column_names", format!("The same in {same} of {}.", counted(firsts.len(), "sample")));
        self.find_repeated_names();
        Some(names)
    }

    /// Names that are empty or not unique cannot be stated; the line is kept as it stands.
    fn names_as_preamble(&mut self, names: Vec<String>) -> Vec<String> {
        self.lines.preamble += 1;
        let sentence = "The line of column names has empty or equal names, so it is kept as a line and not compared.";
        self.notes.add("lines.preamble", sentence);
        for rows in &mut self.rows {
            if !rows.is_empty() {
                rows.remove(0);
            }
        }
        // The field takes the name, the line of names is not written from it.
        names
    }

    fn find_repeated_names(&mut self) {
        let mut repeated = 0;
        for (text, rows) in self.tables() {
            let Some((first, others)) = rows.split_first() else { continue };
            let line = &text[first.start..first.end];
            repeated += others.iter().filter(|row| &text[row.start..row.end] == line).count();
        }
        if repeated > 0 {
            self.lines.repeated_names = true;
            self.notes.add("lines.repeated_names", format!("It comes again {repeated} times."));
        }
    }
}

fn typed_fields(mark: &str, group: &Group, trailing: usize, ragged: Ragged) -> Vec<FieldSpec> {
    let mut fields =
        vec![FieldSpec { name: "record_type".to_owned(), ..FieldSpec::new("", "constant") }.with("value", mark)];
    let most = if ragged.short { group.most } else { group.fields };
    for index in 1..most.saturating_sub(trailing) {
        let mut field = FieldSpec::new(&format!("column_{}", index + 1), "text");
        field.optional = index >= group.fields.saturating_sub(trailing);
        fields.push(field);
    }
    fields
}

/// How often a type comes, and why it has its role.
pub(super) fn records_note(mark: &str, records: usize, role: Role, samples: usize) -> String {
    let samples = counted(samples, "sample");
    match role {
        Role::Header => format!("{} stands first, and only there, in each of {samples}.", shown(mark)),
        Role::Trailer => format!("{} stands last, and only there, in each of {samples}.", shown(mark)),
        Role::Detail => format!("{}: {}.", shown(mark), counted(records, "record")),
    }
}

/// The mark of the only type that records of this one follow, each other aside.
fn parent(tables: &[marks::Table<'_>], mark: &[u8], found: &Marks) -> Option<String> {
    let mut parent: Option<&[u8]> = None;
    let mut records = 0;
    for (text, rows) in tables {
        let mut before: Option<&[u8]> = None;
        for row in rows {
            let own = row.cell(text, 0);
            if own != mark {
                before = Some(own);
                continue;
            }
            records += 1;
            if before.is_none() || parent.is_some_and(|parent| Some(parent) != before) {
                return None;
            }
            parent = before;
        }
    }
    let parent = parent.filter(|parent| records > 1 && found.header.as_deref() != Some(*parent))?;
    Some(String::from_utf8_lossy(parent).into_owned())
}

/// Whether cells read like names of columns: words, not values.
fn are_names(cells: &[String]) -> bool {
    let is_name = |cell: &String| {
        let first = cell.chars().find(|character| character.is_alphanumeric());
        cell.chars().count() <= 64 && first.is_some_and(char::is_alphabetic) && !cell.chars().any(char::is_control)
    };
    let named = cells.iter().filter(|cell| is_name(cell)).count();
    let empty = cells.iter().filter(|cell| cell.trim().is_empty()).count();
    named > 0 && named + empty == cells.len() && empty * 4 <= cells.len()
}

/// Why the first line is one of names, rather than a record.
fn contrast(tables: &[marks::Table<'_>], names: &[String], samples: usize) -> Option<String> {
    let mut values = vec![(0, 0); names.len()];
    let mut again = 0;
    let mut records = 0;
    for (text, rows) in tables {
        let line = |row: &Row| &text[row.start..row.end];
        // Where the names come again they are no record.
        for row in rows.iter().skip(1).filter(|row| line(row) != line(rows[0])) {
            records += 1;
            for (index, (filled, numeric)) in values.iter_mut().enumerate() {
                let cell = row.cell(text, index);
                if !cell.trim_ascii().is_empty() {
                    *filled += 1;
                    *numeric += usize::from(!cell.iter().any(u8::is_ascii_alphabetic) && cell.is_ascii());
                    again += usize::from(names.get(index).is_some_and(|name| name.as_bytes() == cell));
                }
            }
        }
    }
    let contrasting = values.iter().filter(|(filled, numeric)| *filled > 0 && filled == numeric).count();
    if contrasting > 0 {
        return Some(format!(
            "The first line has words in all columns, {} of {} have no letter below it in {}.",
            number(contrasting as u64),
            counted(names.len(), "column"),
            counted(records, "record")
        ));
    }
    let words =
        names.iter().all(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-' | '#')));
    if samples > 1 && records > 0 && again == 0 {
        return Some(format!("The first lines of {samples} samples have words alone that come in no other line."));
    }
    let likely = words && again == 0;
    likely.then(|| {
        "The first line has words in all columns that never come again. Ambiguous: it may be a record.".to_owned()
    })
}
