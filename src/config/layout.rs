//! `layouts/*.toml`: from what is written to a [`LayoutSpec`], then compiled.

use std::path::Path;
use std::sync::Arc;

use crate::layout::Layout;
use crate::layout::spec::{
    Align, ControlSpec, DiscriminatorSpec, Encoding, FieldKind, FieldSpec, KindSpec, LayoutSpec, Presence, Quoting,
    RecordSpec, Role, Terminator, TotalSpec,
};

use super::bridge::narrow;
use super::given::Given;
use super::section::{Section, Source};

/// A layout that was stated.
pub(super) struct StatedLayout {
    /// As it was written.
    pub(super) spec: LayoutSpec,
    /// Compiled, where it can be.
    pub(super) layout: Option<Arc<Layout>>,
}

/// A gigabyte: no record is longer.
const MOST_RECORD_BYTES: u64 = 1 << 30;

/// Reads one layout file: the name that feeds know it by, and the layout where it could be read.
pub(super) fn read(source: &Source<'_>, path: &Path) -> (Option<String>, Option<StatedLayout>) {
    let root = source.root();
    let before = source.gathered().count();
    let name = root.text("name");
    let spec = spec(&root, name.clone());
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    // What was written wrongly is not compiled as well: its problems would be told twice.
    let readable = source.gathered().count() == before;
    if let Some(name) = name.as_ref().filter(|name| **name != stem) {
        let hint = Some("name the file after the layout".to_owned());
        root.problem("name", format!("`{name}` is not the name of its file, `{stem}.toml`"), hint);
    }
    root.end();
    let stated = spec.map(|spec| StatedLayout { layout: if readable { compile(source, &spec) } else { None }, spec });
    (name, stated)
}

fn compile(source: &Source<'_>, spec: &LayoutSpec) -> Option<Arc<Layout>> {
    match Layout::compile(spec.clone()) {
        Ok(layout) => Some(Arc::new(layout)),
        Err(problems) => {
            for problem in problems {
                source.gathered().add(&source.locate(&problem.key), problem.message, None);
            }
            None
        }
    }
}

fn spec(root: &Section<'_>, name: Option<String>) -> Option<LayoutSpec> {
    let presences = [("required", Presence::Required), ("optional", Presence::Optional), ("absent", Presence::Absent)];
    let encodings = [("utf-8", Encoding::Utf8), ("latin-1", Encoding::Latin1), ("cp1252", Encoding::Cp1252)];
    let terminators = [("lf", Terminator::Lf), ("crlf", Terminator::CrLf), ("cr", Terminator::Cr)];
    let version = root.need("version").and_then(|given| given.number(1..=u64::from(u32::MAX))).and_then(narrow);
    let kind = kind(root);
    let encoding = root.need("encoding").and_then(|given| given.word(&encodings));
    let terminator = root.need("terminator").and_then(|given| given.word(&terminators));
    let final_terminator = root.word("final_terminator", &presences, Presence::Optional);
    let byte_order_mark = root.word("byte_order_mark", &presences, Presence::Absent);
    let max_record_bytes = root.number("max_record_bytes", 1..=MOST_RECORD_BYTES).and_then(narrow).unwrap_or(1 << 20);
    let discriminator = root.section("discriminator").map(discriminator);
    let records = all(root.need("record").and_then(|given| given.list()), record);
    let controls =
        all(Some(root.find("control").map(|given| given.list().unwrap_or_default()).unwrap_or_default()), control);
    Some(LayoutSpec {
        name: name?,
        version: version?,
        kind: kind?,
        encoding: encoding?,
        terminator: terminator?,
        final_terminator,
        byte_order_mark,
        max_record_bytes,
        // Stated but unreadable differs from not stated.
        discriminator: match discriminator {
            Some(stated) => Some(stated?),
            None => None,
        },
        records: records?,
        controls: controls?,
    })
}

/// Every element as a section that was read to its end; `None` when one of them could not be.
fn all<T>(elements: Option<Vec<Given<'_>>>, read: impl Fn(&Section<'_>) -> Option<T>) -> Option<Vec<T>> {
    let read_one = |given: &Given<'_>| {
        let section = given.section()?;
        let result = read(&section);
        section.end();
        result
    };
    let results: Vec<Option<T>> = elements?.iter().map(read_one).collect();
    results.into_iter().collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Delimited,
    FixedWidth,
}

fn kind(root: &Section<'_>) -> Option<KindSpec> {
    let kinds = [("delimited", Kind::Delimited), ("fixed-width", Kind::FixedWidth)];
    match root.need("kind")?.word(&kinds) {
        Some(Kind::Delimited) => {
            root.refuse("fixed_width", "has no meaning with kind = \"delimited\"");
            root.need("delimited").and_then(|given| given.section()).and_then(delimited)
        }
        Some(Kind::FixedWidth) => {
            root.refuse("delimited", "has no meaning with kind = \"fixed-width\"");
            let record_bytes = root.section("fixed_width").and_then(|section| {
                let record_bytes = section.number("record_bytes", 1..=MOST_RECORD_BYTES).and_then(narrow);
                section.end();
                record_bytes
            });
            Some(KindSpec::FixedWidth { record_bytes })
        }
        None => {
            // Either may be right: whatever they hold is not reported before the kind is known.
            let _ = (root.find("delimited"), root.find("fixed_width"));
            None
        }
    }
}

fn delimited(section: Section<'_>) -> Option<KindSpec> {
    let quotings = [("minimal", Quoting::Minimal), ("all", Quoting::All), ("none", Quoting::None)];
    let delimiter = section.need("delimiter").and_then(|given| ascii(&given));
    let quote = match section.find("quote") {
        None => Some(Some(b'"')),
        Some(given) if given.as_text() == Some("") => Some(None),
        Some(given) => ascii(&given).map(Some),
    };
    let quoting = section.word("quoting", &quotings, Quoting::Minimal);
    let column_names = section.flag("column_names", false);
    section.end();
    Some(KindSpec::Delimited { delimiter: delimiter?, quote: quote?, quoting, column_names })
}

/// One ASCII character.
fn ascii(given: &Given<'_>) -> Option<u8> {
    let text = given.text()?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => {
            given.problem(format!("must be one ASCII character, is {text:?}"));
            None
        }
    }
}

fn discriminator(section: Section<'_>) -> Option<DiscriminatorSpec> {
    let column = section.number("column", 1..=MOST_RECORD_BYTES).and_then(narrow);
    let start = section.number("start", 1..=MOST_RECORD_BYTES).and_then(narrow);
    let width = section.number("width", 1..=MOST_RECORD_BYTES).and_then(narrow);
    let stated = match (section.has("column"), section.has("start"), section.has("width")) {
        (true, false, false) => column.map(DiscriminatorSpec::Column),
        (false, true, true) => start.zip(width).map(|(start, width)| DiscriminatorSpec::Bytes { start, width }),
        _ => {
            let place = section.place();
            let message = "needs `column` (delimited), or `start` and `width` (fixed-width)";
            section.source().gathered().add(&place, message, None);
            None
        }
    };
    section.end();
    stated
}

fn record(section: &Section<'_>) -> Option<RecordSpec> {
    let roles = [("header", Role::Header), ("detail", Role::Detail), ("trailer", Role::Trailer)];
    let name = section.text("name");
    let role = section.word("role", &roles, Role::Detail);
    let matches = section.optional_text("match");
    let fields = all(section.need("field").and_then(|given| given.list()), field);
    Some(RecordSpec { name: name?, role, matches, fields: fields? })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldType {
    Text,
    Integer,
    Decimal,
    Date,
    Constant,
}

const FIELD_TYPES: [(&str, FieldType); 5] = [
    ("text", FieldType::Text),
    ("integer", FieldType::Integer),
    ("decimal", FieldType::Decimal),
    ("date", FieldType::Date),
    ("constant", FieldType::Constant),
];

/// Settings that belong to one type of field.
const FIELD_SETTINGS: [(&str, FieldType); 6] = [
    ("scale", FieldType::Decimal),
    ("implied", FieldType::Decimal),
    ("point", FieldType::Decimal),
    ("format", FieldType::Date),
    ("pivot", FieldType::Date),
    ("value", FieldType::Constant),
];

fn field(section: &Section<'_>) -> Option<FieldSpec> {
    let aligns = [("left", Align::Left), ("right", Align::Right)];
    let name = section.text("name");
    let kind = section.need("type").and_then(|given| given.word(&FIELD_TYPES));
    for (key, owner) in FIELD_SETTINGS.iter().filter(|(_, owner)| kind.is_none_or(|kind| kind != *owner)) {
        match FIELD_TYPES.iter().find(|(_, kind)| kind == owner) {
            Some((word, _)) if kind.is_some() => section.refuse(key, &format!("belongs to type = \"{word}\" only")),
            // The type itself is wrong: its settings are not judged.
            _ => drop(section.find(key)),
        }
    }
    let kind = kind.and_then(|kind| field_kind(section, kind));
    let optional = section.flag("optional", false);
    let start = section.number("start", 1..=MOST_RECORD_BYTES).and_then(narrow);
    let width = section.number("width", 1..=MOST_RECORD_BYTES).and_then(narrow);
    let pad = section.find("pad").and_then(|given| ascii(&given));
    let align = section.find("align").and_then(|given| given.word(&aligns));
    Some(FieldSpec { name: name?, kind: kind?, optional, start, width, pad, align })
}

fn field_kind(section: &Section<'_>, kind: FieldType) -> Option<FieldKind> {
    match kind {
        FieldType::Text => Some(FieldKind::Text),
        FieldType::Integer => Some(FieldKind::Integer),
        FieldType::Decimal => {
            let scale = section.need("scale").and_then(|given| given.number(0..=38)).and_then(narrow);
            let implied = section.flag("implied", false);
            let point = section.word("point", &[(".", b'.'), (",", b',')], b'.');
            Some(FieldKind::Decimal { scale: scale?, implied, point })
        }
        FieldType::Date => {
            let format = section.text("format");
            let pivot = section.number("pivot", 0..=100).and_then(narrow).unwrap_or(70);
            Some(FieldKind::Date { format: format?, pivot })
        }
        FieldType::Constant => section.text("value").map(|value| FieldKind::Constant { value }),
    }
}

fn control(section: &Section<'_>) -> Option<ControlSpec> {
    let equals = section.need("equals").and_then(|given| reference(&given));
    let total = match (section.find("count"), section.find("sum")) {
        (Some(count), None) => Some(TotalSpec::Count(count.texts())),
        (None, Some(sum)) => reference(&sum).map(|(record, field)| TotalSpec::Sum(record, field)),
        _ => {
            section.source().gathered().add(&section.place(), "needs either `count` or `sum`", None);
            None
        }
    };
    Some(ControlSpec { total: total?, equals: equals? })
}

/// `record.field`.
fn reference(given: &Given<'_>) -> Option<(String, String)> {
    let text = given.text()?;
    match text.split_once('.') {
        Some((record, field)) if !record.is_empty() && !field.is_empty() => Some((record.to_owned(), field.to_owned())),
        _ => {
            given.problem(format!("`{text}` must be written `record.field`"));
            None
        }
    }
}
