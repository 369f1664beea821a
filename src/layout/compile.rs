//! From a layout as stated to one that cannot be wrong; every problem is found at once.

use std::collections::HashSet;
use std::fmt;

use super::control::Control;
use super::delimited::Delimited;
use super::digest::digest;
use super::field::{Field, Surroundings};
use super::fixed_width::find_gaps;
use super::parse::BYTE_ORDER_MARK;
use super::{
    DiscriminatorSpec, Encoding, KindSpec, Layout, LayoutSpec, Presence, Quoting, RecordSpec, RecordType, Role,
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
    /// By a delimiter. The line of column names stands here as it is written, without its terminator.
    Delimited { fields: Delimited, column_names: Option<Vec<u8>> },
    /// By position: each record type knows its length, each field its bytes.
    FixedWidth,
}

/// Makes a layout of what was stated.
pub(super) fn compile(spec: LayoutSpec) -> Result<Layout, Vec<SpecProblem>> {
    let mut problems = Problems::default();
    check_whole(&spec, &mut problems);
    let around = Surroundings {
        fixed_width: matches!(spec.kind, KindSpec::FixedWidth { .. }),
        may_quote: matches!(spec.kind, KindSpec::Delimited { quote: Some(_), quoting, .. } if quoting != Quoting::None),
        encoding: spec.encoding,
    };
    let mut record_types = Vec::new();
    for (index, record) in spec.records.iter().enumerate() {
        let key = format!("record[{}]", index + 1);
        record_types.extend(compile_record(record, &spec, around, &key, &mut problems));
    }
    check_roles(&spec, &mut problems);
    check_discriminator(&spec, &mut problems);
    let shape = compile_shape(&spec, &mut problems);
    let mut controls = Vec::new();
    for (index, control) in spec.controls.iter().enumerate() {
        match Control::compile(control, &spec) {
            Ok(control) => controls.push(control),
            Err(found) => problems.add_all(&format!("control[{}]", index + 1), found),
        }
    }
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    let position = |role| record_types.iter().position(|record: &RecordType| record.role == role);
    Ok(Layout {
        digest: digest(&spec),
        header: position(Role::Header),
        trailer: position(Role::Trailer),
        name: spec.name,
        version: spec.version,
        shape,
        encoding: spec.encoding,
        terminator: spec.terminator,
        final_terminator: spec.final_terminator,
        byte_order_mark: spec.byte_order_mark,
        max_record_bytes: spec.max_record_bytes,
        discriminator: spec.discriminator,
        record_types,
        controls,
    })
}

fn check_whole(spec: &LayoutSpec, problems: &mut Problems) {
    problems.add_if(spec.name.is_empty(), "name", "is empty");
    problems.add_if(
        spec.byte_order_mark != Presence::Absent && spec.encoding != Encoding::Utf8,
        "byte_order_mark",
        "only utf-8 has one",
    );
    problems.add_if(
        !(1..=MAX_RECORD_BYTES).contains(&spec.max_record_bytes),
        "max_record_bytes",
        "must be between 1 and 1073741824 (1 GiB)",
    );
    problems.add_if(spec.records.is_empty(), "record", "at least one record type is needed");
    if let KindSpec::Delimited { delimiter, quote, quoting, column_names } = spec.kind {
        let unusable = |byte: u8| !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0);
        let not_ascii = "must be one ASCII character, and no line break";
        problems.add_if(unusable(delimiter), "delimited.delimiter", not_ascii);
        problems.add_if(quote.is_some_and(unusable), "delimited.quote", not_ascii);
        problems.add_if(quote == Some(delimiter), "delimited.quote", "is the delimiter too");
        let all_unquoted = quoting == Quoting::All && quote.is_none();
        problems.add_if(all_unquoted, "delimited.quoting", "\"all\" needs a quote");
        let several_types = column_names && (spec.records.len() > 1 || spec.discriminator.is_some());
        problems.add_if(
            several_types,
            "delimited.column_names",
            "can only be with one record type and no discriminator",
        );
    }
}

fn compile_record(
    record: &RecordSpec,
    spec: &LayoutSpec,
    around: Surroundings,
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
    around: Surroundings,
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
    if let KindSpec::Delimited { delimiter, quote, .. } = spec.kind {
        for (index, field) in record.fields.iter().enumerate() {
            let taken = field.pad.is_some_and(|pad| pad == delimiter || Some(pad) == quote);
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
    let KindSpec::FixedWidth { record_bytes } = spec.kind else { return Some(0) };
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
        (None, None) => return Some(None),
        (None, Some(_)) => {
            problems.add(key, "is needed: the layout has a discriminator");
            return None;
        }
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
    if let KindSpec::Delimited { column_names: true, .. } = spec.kind {
        for (index, record) in spec.records.iter().enumerate() {
            let key = format!("record[{}].role", index + 1);
            problems.add_if(record.role != Role::Detail, key, "must be \"detail\" below column names");
        }
    }
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
    }
    match (discriminator, &spec.kind) {
        (DiscriminatorSpec::Column(0), KindSpec::Delimited { .. }) => {
            problems.add("discriminator.column", "counts from 1");
        }
        (DiscriminatorSpec::Column(column), KindSpec::Delimited { .. }) => {
            for (index, record) in spec.records.iter().enumerate().filter(|(_, record)| record.fields.len() < column) {
                let message = format!("has {} fields, its type stands in column {column}", record.fields.len());
                problems.add(format!("record[{}].field", index + 1), message);
            }
        }
        (DiscriminatorSpec::Bytes { start, width }, KindSpec::FixedWidth { .. }) => {
            problems.add_if(start == 0, "discriminator.start", "counts from 1");
            problems.add_if(width == 0, "discriminator.width", "must be at least 1");
            for (index, record) in spec.records.iter().enumerate() {
                let key = format!("record[{}].field", index + 1);
                problems.add_if(!covers(record, start, width), key, "no field covers the bytes of the discriminator");
            }
        }
        (DiscriminatorSpec::Column(_), KindSpec::FixedWidth { .. }) => {
            problems.add("discriminator.column", "a fixed-width layout needs start and width");
        }
        (DiscriminatorSpec::Bytes { .. }, KindSpec::Delimited { .. }) => {
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

fn compile_shape(spec: &LayoutSpec, problems: &mut Problems) -> Shape {
    let (fields, column_names) = match spec.kind {
        KindSpec::FixedWidth { .. } => return Shape::FixedWidth,
        KindSpec::Delimited { delimiter, quote, quoting, column_names } => {
            (Delimited { delimiter, quote, quoting }, column_names)
        }
    };
    let Some(record) = spec.records.first().filter(|_| column_names) else {
        return Shape::Delimited { fields, column_names: None };
    };
    let mut line = Vec::new();
    for (index, field) in record.fields.iter().enumerate() {
        if index > 0 {
            line.push(fields.delimiter);
        }
        let mut name = Vec::new();
        let encoded = spec.encoding.encode(&field.name, &mut name);
        let encoded =
            encoded.map_err(|lacking| format!("has {lacking:?}, which {} does not have", spec.encoding.as_str()));
        let written = encoded.and_then(|()| fields.write(&name, false, &mut line).map_err(str::to_owned));
        if let Err(problem) = written {
            problems.add(format!("record[1].field[{}].name", index + 1), problem);
        }
    }
    let marked = line.starts_with(BYTE_ORDER_MARK);
    problems.add_if(marked, "record[1].field[1].name", "begins with a byte order mark");
    Shape::Delimited { fields, column_names: Some(line) }
}
