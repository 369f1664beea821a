//! From a layout as stated to one that cannot be wrong; every problem is found at once.

use std::collections::HashSet;
use std::fmt;

use super::control;
use super::delimited::{Delimited, Delimiter, Quotes};
use super::digest::digest;
use super::field::{Field, Surroundings};
use super::fixed_width::{FixedWidth, find_gaps};
use super::order::Standing;
use super::parse::BYTE_ORDER_MARK;
use super::{
    ColumnNames, DelimitedSpec, DiscriminatorSpec, EndPadding, Escape, FixedWidthSpec, KindSpec, Layout, LayoutSpec,
    Presence, Quoting, Ragged, RecordSpec, RecordType, Role, Terminator,
};

/// The largest `max_record_bytes`. Offsets within a record, and within its text, fit 32 bits below it.
const MAX_RECORD_BYTES: usize = 1 << 30;

/// Something that is wrong with a stated layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// Where: the path of the setting in the layout's file, its elements numbered from 1: `record[2].field[1].width`.
    pub key: String,
    /// What, for whoever wrote it.
    pub message: String,
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.key, self.message)
    }
}

impl std::error::Error for SpecProblem {}

#[derive(Default)]
struct Problems(Vec<SpecProblem>);

impl Problems {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(SpecProblem { key: key.into(), message: message.into() });
    }

    fn add_if(&mut self, wrong: bool, key: impl Into<String>, message: &str) {
        if wrong {
            self.add(key, message);
        }
    }

    /// Problems of one part, each with its key within the part.
    fn add_all(&mut self, part: &str, found: Vec<(&'static str, String)>) {
        for (key, message) in found {
            self.add(format!("{part}.{key}"), message);
        }
    }
}

/// How records are divided, ready for use.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// By a delimiter.
    Delimited(DelimitedShape),
    /// By position: each record type knows its length, each field its bytes.
    FixedWidth(FixedWidth),
}

/// How delimited records are divided.
#[derive(Clone, Debug)]
pub(super) struct DelimitedShape {
    pub(super) fields: Delimited,
    pub(super) ragged: Ragged,
    pub(super) trailing_delimiter: Presence,
    pub(super) column_names_rule: ColumnNames,
    /// What the line of column names calls each field.
    pub(super) column_names: Vec<String>,
    /// That line as it is written in the order of the fields, without its terminator.
    pub(super) column_names_line: Vec<u8>,
}

/// Makes a layout of what was stated.
pub(super) fn compile(spec: LayoutSpec) -> Result<Layout, Vec<SpecProblem>> {
    let mut problems = Problems::default();
    check_whole(&spec, &mut problems);
    match &spec.kind {
        KindSpec::Delimited(kind) => check_delimited(kind, &spec, &mut problems),
        KindSpec::FixedWidth(kind) => check_fixed_width(kind, &spec, &mut problems),
    }
    let around = Surroundings {
        delimited: match &spec.kind {
            KindSpec::Delimited(kind) => Some(kind),
            KindSpec::FixedWidth(_) => None,
        },
        encoding: spec.encoding,
        max_record_bytes: spec.max_record_bytes,
    };
    let mut record_types = Vec::new();
    for (index, record) in spec.records.iter().enumerate() {
        let key = format!("record[{}]", index + 1);
        record_types.extend(compile_record(record, &spec, around, &key, &mut problems));
    }
    check_roles(&spec, &mut problems);
    check_discriminator(&spec, &mut problems);
    let standing = compile_standing(&spec, &mut problems);
    let shape = compile_shape(&spec, &mut problems);
    let mut controls = Vec::new();
    // A control is about fields: where these are wrong, what is wrong with it would be told twice.
    if record_types.len() == spec.records.len() {
        for (index, control) in spec.controls.iter().enumerate() {
            match control::compile(control, &spec, &record_types) {
                Ok(control) => controls.push(control),
                Err(found) => problems.add_all(&format!("control[{}]", index + 1), found),
            }
        }
    }
    let (Some(shape), true) = (shape, problems.0.is_empty()) else { return Err(problems.0) };
    let position = |role| record_types.iter().position(|record: &RecordType| record.role == role);
    let fallback = record_types.iter().position(|record| record.matches.is_none());
    Ok(Layout {
        digest: digest(&spec),
        header: position(Role::Header),
        trailer: position(Role::Trailer),
        fallback: fallback.filter(|_| spec.discriminator.is_some()),
        record_length: record_types.first().map_or(0, |record| record.length),
        name: spec.name,
        version: spec.version,
        shape,
        encoding: spec.encoding,
        terminator: spec.terminator,
        final_terminator: spec.final_terminator,
        byte_order_mark: spec.byte_order_mark,
        max_record_bytes: spec.max_record_bytes,
        lines: spec.lines,
        padding_at_end: spec.padding_at_end,
        discriminator: spec.discriminator,
        record_types,
        standing,
        controls,
    })
}

fn check_whole(spec: &LayoutSpec, problems: &mut Problems) {
    problems.add_if(spec.name.is_empty(), "name", "is empty");
    problems.add_if(
        spec.byte_order_mark != Presence::Absent && !spec.encoding.is_unicode(),
        "byte_order_mark",
        "only utf-8 and utf-16 have one",
    );
    problems.add_if(
        !(1..=MAX_RECORD_BYTES).contains(&spec.max_record_bytes),
        "max_record_bytes",
        "must be between 1 and 1073741824 (1 GiB)",
    );
    problems.add_if(spec.records.is_empty(), "record", "at least one record type is needed");
    let lines = &spec.lines;
    let uses_lines =
        lines.preamble > 0 || lines.footer > 0 || lines.comment.is_some() || lines.blank || lines.repeated_names;
    problems.add_if(
        uses_lines && spec.terminator == Terminator::None,
        "lines",
        "records without terminator have no lines between them",
    );
    let unusable = |comment: &String| {
        !(1..=LONGEST_COMMENT_MARK).contains(&comment.len())
            || !comment.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    problems.add_if(
        lines.comment.as_ref().is_some_and(unusable),
        "lines.comment",
        "must be one to sixteen printable ASCII characters",
    );
    let doubled = |padding: &EndPadding| spec.padding_at_end.iter().filter(|other| *other == padding).count() > 1;
    problems.add_if(spec.padding_at_end.iter().any(doubled), "padding_at_end", "names the same twice");
    for (key, count) in [("lines.preamble", lines.preamble), ("lines.footer", lines.footer)] {
        problems.add_if(count > MOST_LINES, key, "must be at most 100");
    }
}

/// What a comment begins with is looked for before every record.
const LONGEST_COMMENT_MARK: usize = 16;

/// More lines than this around the records are no preamble and no footer.
const MOST_LINES: usize = 100;

fn check_delimited(kind: &DelimitedSpec, spec: &LayoutSpec, problems: &mut Problems) {
    let unusable = |byte: u8| !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0);
    problems.add_if(
        kind.delimiter.bytes().any(unusable) || Delimiter::new(&kind.delimiter).is_none(),
        "delimited.delimiter",
        "must be one to eight ASCII characters, and no line break",
    );
    let quote = kind.quote;
    problems.add_if(quote.is_some_and(unusable), "delimited.quote", "must be one ASCII character, and no line break");
    let in_comment =
        spec.lines.comment.as_ref().zip(quote).is_some_and(|(mark, quote)| mark.as_bytes()[..].first() == Some(&quote));
    problems.add_if(in_comment, "lines.comment", "begins with the quote, so that a quoted field would be a comment");
    let ends_file = |byte: u8| spec.padding_at_end.iter().any(|padding| padding.byte() == byte);
    let taken = kind.delimiter.bytes().chain(quote).any(ends_file);
    problems.add_if(taken, "padding_at_end", "is part of the delimiter, or the quote");
    let in_delimiter = quote.is_some_and(|quote| kind.delimiter.bytes().any(|byte| byte == quote));
    problems.add_if(in_delimiter, "delimited.quote", "is the delimiter too");
    let backslash = kind.escape == Escape::Backslash;
    let taken = backslash && (quote == Some(b'\\') || kind.delimiter.contains('\\'));
    problems.add_if(taken, "delimited.escape", "the backslash is quote or delimiter already");
    let needs_quote = matches!(kind.quoting, Quoting::All | Quoting::NonNumeric | Quoting::NonEmpty);
    problems.add_if(needs_quote && quote.is_none(), "delimited.quoting", "needs a quote");
    problems.add_if(
        spec.terminator == Terminator::None,
        "terminator",
        "\"none\" is for fixed-width records of one length",
    );
    let names = kind.column_names != ColumnNames::Absent;
    problems.add_if(
        names && (spec.records.len() > 1 || spec.discriminator.is_some()),
        "delimited.column_names",
        "can only be with one record type and no discriminator",
    );
    problems.add_if(
        spec.lines.repeated_names && !names && spec.records.iter().all(|record| record.role != Role::Header),
        "lines.repeated_names",
        "there are neither column names nor a header that could come again",
    );
    let any_order = kind.column_names == ColumnNames::AnyOrder;
    problems.add_if(
        any_order && (kind.ragged.short || kind.ragged.long),
        "delimited.ragged",
        "cannot be with columns in any order",
    );
}

fn check_fixed_width(kind: &FixedWidthSpec, spec: &LayoutSpec, problems: &mut Problems) {
    let by_length = spec.terminator == Terminator::None;
    problems.add_if(
        by_length && kind.record_bytes.is_none(),
        "fixed_width.record_bytes",
        "is needed where records have no terminator",
    );
    problems.add_if(
        by_length && (kind.trimmed || kind.ragged != Ragged::default()),
        "fixed_width",
        "records without terminator are all of one length",
    );
    problems.add_if(
        kind.trimmed && kind.ragged.short,
        "fixed_width.ragged",
        "\"short\" has no meaning where blanks at the end are not written",
    );
    problems.add_if(
        spec.encoding.is_utf16(),
        "encoding",
        "utf-16 is for delimited layouts: here fields are told by their bytes",
    );
}

fn compile_record(
    record: &RecordSpec,
    spec: &LayoutSpec,
    around: Surroundings<'_>,
    key: &str,
    problems: &mut Problems,
) -> Option<RecordType> {
    check_name(&record.name, &format!("{key}.name"), problems);
    problems.add_if(
        record.name == "file",
        format!("{key}.name"),
        "`file` stands for the file itself; take another name",
    );
    let same = spec.records.iter().filter(|other| other.name == record.name).count();
    problems.add_if(same > 1, format!("{key}.name"), "another record type has the same name");
    problems.add_if(record.fields.is_empty(), format!("{key}.field"), "at least one field is needed");
    let mut fields = compile_fields(record, spec, around, key, problems)?;
    let length = record_length(spec, &fields, key, problems)?;
    let matches = compile_match(record, spec, key, problems)?;
    let last_gap = find_gaps(&mut fields, length);
    Some(RecordType { name: record.name.clone(), role: record.role, fields, matches, length, last_gap })
}

/// The fields of a record; `None` where there are problems.
fn compile_fields(
    record: &RecordSpec,
    spec: &LayoutSpec,
    around: Surroundings<'_>,
    key: &str,
    problems: &mut Problems,
) -> Option<Vec<Field>> {
    let before = problems.0.len();
    let mut names = HashSet::new();
    let mut fields: Vec<Field> = Vec::new();
    for (index, stated) in record.fields.iter().enumerate() {
        let key = format!("{key}.field[{}]", index + 1);
        check_name(&stated.name, &format!("{key}.name"), problems);
        problems.add_if(
            !names.insert(&stated.name),
            format!("{key}.name"),
            "another field of the record has the same name",
        );
        match Field::compile(stated, around) {
            Ok(field) => {
                let begins_early = fields.last().is_some_and(|last| field.column.bytes.start < last.column.bytes.end);
                problems.add_if(begins_early, format!("{key}.start"), "begins before the field before it ends");
                fields.push(field);
            }
            Err(found) => problems.add_all(&key, found),
        }
    }
    if let KindSpec::Delimited(kind) = &spec.kind {
        for (index, field) in record.fields.iter().enumerate() {
            let taken =
                field.pad.is_some_and(|pad| kind.delimiter.as_bytes().contains(&pad) || Some(pad) == kind.quote);
            problems.add_if(taken, format!("{key}.field[{}].pad", index + 1), "is the delimiter or the quote");
        }
    }
    (problems.0.len() == before).then_some(fields)
}

fn check_name(name: &str, key: &str, problems: &mut Problems) {
    let wrong = name.is_empty() || name.contains('.') || name.contains(char::is_control);
    problems.add_if(wrong, key, "must be a name without points and control characters");
}

/// The length of a fixed-width record without its terminator; 0 for a delimited one.
fn record_length(spec: &LayoutSpec, fields: &[Field], key: &str, problems: &mut Problems) -> Option<usize> {
    let KindSpec::FixedWidth(FixedWidthSpec { record_bytes, .. }) = spec.kind else { return Some(0) };
    let end = fields.last().map_or(0, |field| field.column.bytes.end);
    let length = record_bytes.unwrap_or(end);
    let last = format!("{key}.field[{}].width", fields.len());
    if end > length {
        problems.add(last, format!("ends at byte {end}, beyond the {length} bytes of a record"));
        return None;
    }
    if length.saturating_add(spec.terminator.bytes().len()) > spec.max_record_bytes {
        problems.add("max_record_bytes", format!("is less than a record of {length} bytes with its terminator"));
        return None;
    }
    Some(length)
}

/// The bytes by which a record type is known; the outer `None` is a problem.
fn compile_match(
    record: &RecordSpec,
    spec: &LayoutSpec,
    key: &str,
    problems: &mut Problems,
) -> Option<Option<Vec<u8>>> {
    let key = format!("{key}.match");
    let (text, discriminator) = match (&record.matches, spec.discriminator) {
        (Some(text), Some(discriminator)) => (text, discriminator),
        (None, _) => return Some(None),
        (Some(_), None) => {
            problems.add(key, "has no meaning: the layout has no discriminator");
            return None;
        }
    };
    let mut bytes = Vec::new();
    if let Err(character) = spec.encoding.encode(text, &mut bytes) {
        problems.add(key, format!("has {character:?}, which {} does not have", spec.encoding.as_str()));
        return None;
    }
    if let DiscriminatorSpec::Bytes { width, .. } = discriminator {
        if bytes.len() > width {
            problems.add(key, format!("takes {} bytes, the discriminator has {width}", bytes.len()));
            return None;
        }
        bytes.resize(width.min(MAX_RECORD_BYTES), b' ');
    }
    Some(Some(bytes))
}

fn check_roles(spec: &LayoutSpec, problems: &mut Problems) {
    for role in [Role::Header, Role::Trailer] {
        for (index, _) in spec.records.iter().enumerate().filter(|(_, record)| record.role == role).skip(1) {
            problems.add(format!("record[{}].role", index + 1), "another record type has this role already");
        }
    }
    let names = matches!(&spec.kind, KindSpec::Delimited(kind) if kind.column_names != ColumnNames::Absent);
    for (index, record) in spec.records.iter().enumerate().filter(|_| names) {
        let key = format!("record[{}].role", index + 1);
        problems.add_if(record.role != Role::Detail, key, "must be \"detail\" below column names");
    }
}

/// Which record may stand where.
fn compile_standing(spec: &LayoutSpec, problems: &mut Problems) -> Vec<Standing> {
    let mut standing = Vec::new();
    for (index, record) in spec.records.iter().enumerate() {
        let key = |key: &str| format!("record[{}].{key}", index + 1);
        let parent = record.parent.as_ref().and_then(|name| {
            let found = spec.records.iter().position(|other| other.name == *name);
            match found {
                None => problems.add(key("parent"), format!("there is no record type `{name}`")),
                Some(found) if spec.records[found].role != Role::Detail => {
                    problems.add(key("parent"), format!("`{name}` is a header or trailer: nothing belongs to it"));
                }
                Some(_) => {}
            }
            found
        });
        let is_detail = record.role == Role::Detail;
        problems.add_if(!is_detail && record.parent.is_some(), key("parent"), "belongs to details only");
        let counted = record.min > 0 || record.max.is_some();
        problems.add_if(!is_detail && counted, key("min"), "header and trailer stand exactly once");
        let contradictory = record.max.is_some_and(|max| max < record.min || max == 0);
        problems.add_if(contradictory, key("max"), "is less than the least");
        standing.push(Standing {
            header: record.role == Role::Header,
            trailer: record.role == Role::Trailer,
            parent,
            min: record.min,
            max: record.max,
        });
    }
    for (index, _) in spec.records.iter().enumerate() {
        let mut ancestor = standing[index].parent;
        let mut steps = 0;
        while let Some(found) = ancestor.filter(|_| steps <= spec.records.len()) {
            steps += 1;
            ancestor = standing[found].parent;
        }
        problems.add_if(steps > spec.records.len(), format!("record[{}].parent", index + 1), "leads back to itself");
    }
    standing
}

fn check_discriminator(spec: &LayoutSpec, problems: &mut Problems) {
    let Some(discriminator) = spec.discriminator else {
        problems.add_if(spec.records.len() > 1, "discriminator", "is needed with more than one record type");
        return;
    };
    for (index, record) in spec.records.iter().enumerate() {
        let earlier =
            spec.records[..index].iter().any(|other| other.matches.is_some() && other.matches == record.matches);
        problems.add_if(earlier, format!("record[{}].match", index + 1), "another record type has the same");
        let fallbacks = spec.records[..index].iter().filter(|other| other.matches.is_none()).count();
        problems.add_if(
            record.matches.is_none() && fallbacks > 0,
            format!("record[{}].match", index + 1),
            "is needed: another record type has none already, and takes all that no other takes",
        );
    }
    match (discriminator, &spec.kind) {
        (DiscriminatorSpec::Column(0), KindSpec::Delimited(_)) => {
            problems.add("discriminator.column", "counts from 1");
        }
        (DiscriminatorSpec::Column(column), KindSpec::Delimited(_)) => {
            for (index, record) in spec
                .records
                .iter()
                .enumerate()
                .filter(|(_, record)| record.matches.is_some() && record.fields.len() < column)
            {
                let message = format!("has {} fields, its type stands in column {column}", record.fields.len());
                problems.add(format!("record[{}].field", index + 1), message);
            }
        }
        (DiscriminatorSpec::Bytes { start, width }, KindSpec::FixedWidth(_)) => {
            problems.add_if(start == 0, "discriminator.start", "counts from 1");
            problems.add_if(width == 0, "discriminator.width", "must be at least 1");
            for (index, record) in spec.records.iter().enumerate() {
                let key = format!("record[{}].field", index + 1);
                let uncovered = record.matches.is_some() && !covers(record, start, width);
                problems.add_if(uncovered, key, "no field covers the bytes of the discriminator");
            }
        }
        (DiscriminatorSpec::Column(_), KindSpec::FixedWidth(_)) => {
            problems.add("discriminator.column", "a fixed-width layout needs start and width");
        }
        (DiscriminatorSpec::Bytes { .. }, KindSpec::Delimited(_)) => {
            problems.add("discriminator.start", "a delimited layout needs column");
        }
    }
}

/// Whether one field holds all bytes of the discriminator: what no field holds must be blank.
fn covers(record: &RecordSpec, start: usize, width: usize) -> bool {
    record.fields.iter().any(|field| match (field.start, field.width) {
        (Some(from), Some(bytes)) => from <= start && start.saturating_add(width) <= from.saturating_add(bytes),
        _ => false,
    })
}

fn compile_shape(spec: &LayoutSpec, problems: &mut Problems) -> Option<Shape> {
    let kind = match &spec.kind {
        KindSpec::FixedWidth(kind) => {
            let FixedWidthSpec { trimmed, ragged, keep_filler, .. } = *kind;
            return Some(Shape::FixedWidth(FixedWidth { trimmed, ragged, keep_filler }));
        }
        KindSpec::Delimited(kind) => kind,
    };
    let fields = Delimited { delimiter: Delimiter::new(&kind.delimiter)?, quote: kind.quote, escape: kind.escape };
    let mut shape = DelimitedShape {
        fields,
        ragged: kind.ragged,
        trailing_delimiter: kind.trailing_delimiter,
        column_names_rule: kind.column_names,
        column_names: Vec::new(),
        column_names_line: Vec::new(),
    };
    if kind.column_names != ColumnNames::Absent {
        compile_column_names(spec, kind, &mut shape, problems);
    }
    Some(Shape::Delimited(shape))
}

fn compile_column_names(spec: &LayoutSpec, kind: &DelimitedSpec, shape: &mut DelimitedShape, problems: &mut Problems) {
    let Some(record) = spec.records.first() else { return };
    let (mut line, fields) = (Vec::new(), shape.fields);
    // All or nothing: whether a name is a number or empty means nothing.
    let always = matches!(kind.quoting, Quoting::All | Quoting::NonNumeric | Quoting::NonEmpty);
    let quotes = if always { Quotes::Always } else { Quotes::IfNeeded };
    for (index, field) in record.fields.iter().enumerate() {
        let key = format!("record[1].field[{}].name", index + 1);
        let name = field.column_name.as_ref().unwrap_or(&field.name);
        problems.add_if(
            shape.column_names.contains(name) && kind.column_names == ColumnNames::AnyOrder,
            &*key,
            "another column has the same name, so that columns in any order cannot be told apart",
        );
        if index > 0 {
            line.extend_from_slice(fields.delimiter.bytes());
        }
        let mut bytes = Vec::new();
        let encoded = spec.encoding.encode(name, &mut bytes);
        let encoded =
            encoded.map_err(|lacking| format!("has {lacking:?}, which {} does not have", spec.encoding.as_str()));
        let written = encoded.and_then(|()| fields.write(&bytes, quotes, &mut line).map_err(str::to_owned));
        if let Err(problem) = written {
            problems.add(key, problem);
        }
        shape.column_names.push(name.clone());
    }
    if kind.trailing_delimiter == Presence::Required {
        line.extend_from_slice(fields.delimiter.bytes());
    }
    let marked = line.starts_with(BYTE_ORDER_MARK);
    problems.add_if(marked, "record[1].field[1].name", "begins with a byte order mark");
    shape.column_names_line = line;
}
