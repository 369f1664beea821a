//! `layouts/*.toml`: from what is written to a [`LayoutSpec`], then compiled.

use std::path::Path;
use std::sync::Arc;

use crate::layout::Layout;
use crate::layout::spec::{
    Align, ColumnNames, Condition, ControlSpec, DelimitedSpec, DiscriminatorSpec, Encoding, EndPadding, Escape,
    FieldName, FieldSpec, FixedWidthSpec, KindSpec, LayoutSpec, LinesSpec, Presence, Quoting, Ragged, RecordSpec, Role,
    Setting, Settings, Terminator, TotalSpec,
};
use crate::layout::types::{DEFINITIONS, Definition, SettingDefinition, SettingForm};

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

const PRESENCES: [(&str, Presence); 3] =
    [("required", Presence::Required), ("optional", Presence::Optional), ("absent", Presence::Absent)];

const ENCODINGS: [(&str, Encoding); 7] = [
    ("utf-8", Encoding::Utf8),
    ("utf-16le", Encoding::Utf16Le),
    ("utf-16be", Encoding::Utf16Be),
    ("latin-1", Encoding::Latin1),
    ("cp1252", Encoding::Cp1252),
    ("cp850", Encoding::Cp850),
    ("cp437", Encoding::Cp437),
];

const TERMINATORS: [(&str, Terminator); 5] = [
    ("lf", Terminator::Lf),
    ("crlf", Terminator::CrLf),
    ("cr", Terminator::Cr),
    ("mixed", Terminator::Mixed),
    ("none", Terminator::None),
];

fn spec(root: &Section<'_>, name: Option<String>) -> Option<LayoutSpec> {
    let version = root.need("version").and_then(|given| given.number(1..=u64::from(u32::MAX))).and_then(narrow);
    let kind = kind(root);
    let encoding = root.need("encoding").and_then(|given| given.word(&ENCODINGS));
    let terminator = root.need("terminator").and_then(|given| given.word(&TERMINATORS));
    let final_terminator = root.word("final_terminator", &PRESENCES, Presence::Optional);
    let byte_order_mark = root.word("byte_order_mark", &PRESENCES, Presence::Absent);
    let max_record_bytes = root.number("max_record_bytes", 1..=MOST_RECORD_BYTES).and_then(narrow).unwrap_or(1 << 20);
    let lines = root.section("lines").map(lines).unwrap_or_default();
    let paddings = [("ctrl-z", EndPadding::CtrlZ), ("nul", EndPadding::Nul)];
    let padding_at_end = words(root, "padding_at_end", &paddings);
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
        lines,
        padding_at_end,
        // Stated but unreadable differs from not stated.
        discriminator: match discriminator {
            Some(stated) => Some(stated?),
            None => None,
        },
        records: records?,
        controls: controls?,
    })
}

/// A list of words out of some.
fn words<T: Copy>(section: &Section<'_>, key: &str, known: &[(&str, T)]) -> Vec<T> {
    let given = section.find(key).and_then(|given| given.list()).unwrap_or_default();
    given.iter().filter_map(|given| given.word(known)).collect()
}

fn lines(section: Section<'_>) -> LinesSpec {
    let count = |key| section.number(key, 0..=MOST_RECORD_BYTES).and_then(narrow).unwrap_or(0);
    let lines = LinesSpec {
        preamble: count("preamble"),
        footer: count("footer"),
        comment: section.optional_text("comment"),
        blank: section.flag("blank", false),
        repeated_names: section.flag("repeated_names", false),
    };
    section.end();
    lines
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
            Some(KindSpec::FixedWidth(root.section("fixed_width").map(fixed_width).unwrap_or_default()))
        }
        None => {
            // Either may be right: whatever they hold is not reported before the kind is known.
            let _ = (root.find("delimited"), root.find("fixed_width"));
            None
        }
    }
}

fn fixed_width(section: Section<'_>) -> FixedWidthSpec {
    let kind = FixedWidthSpec {
        record_bytes: section.number("record_bytes", 1..=MOST_RECORD_BYTES).and_then(narrow),
        trimmed: section.flag("trimmed", false),
        ragged: ragged(&section),
        keep_filler: section.flag("keep_filler", false),
    };
    section.end();
    kind
}

fn ragged(section: &Section<'_>) -> Ragged {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Word {
        Short,
        Long,
    }
    let words = words(section, "ragged", &[("short", Word::Short), ("long", Word::Long)]);
    Ragged { short: words.contains(&Word::Short), long: words.contains(&Word::Long) }
}

fn delimited(section: Section<'_>) -> Option<KindSpec> {
    let quotings = [
        ("minimal", Quoting::Minimal),
        ("all", Quoting::All),
        ("non-numeric", Quoting::NonNumeric),
        ("non-empty", Quoting::NonEmpty),
        ("none", Quoting::None),
    ];
    let escapes = [("doubled", Escape::Doubled), ("backslash", Escape::Backslash), ("none", Escape::None)];
    let delimiter = section.text("delimiter");
    let quote = match section.find("quote") {
        None => Some(Some(b'"')),
        Some(given) if given.as_text() == Some("") => Some(None),
        Some(given) => ascii(&given).map(Some),
    };
    let kind = DelimitedSpec {
        delimiter: delimiter.clone().unwrap_or_default(),
        quote: quote.flatten(),
        escape: section.word("escape", &escapes, Escape::Doubled),
        quoting: section.word("quoting", &quotings, Quoting::Minimal),
        column_names: column_names(&section),
        trailing_delimiter: section.word("trailing_delimiter", &PRESENCES, Presence::Absent),
        ragged: ragged(&section),
        null: nulls(&section),
    };
    section.end();
    (delimiter.is_some() && quote.is_some()).then_some(KindSpec::Delimited(kind))
}

/// `true` and `false`, or a word.
fn column_names(section: &Section<'_>) -> ColumnNames {
    let words = [
        ("exact", ColumnNames::Exact),
        ("any-order", ColumnNames::AnyOrder),
        ("optional", ColumnNames::Optional),
        ("absent", ColumnNames::Absent),
    ];
    match section.find("column_names") {
        None => ColumnNames::Absent,
        Some(given) => match given.as_flag() {
            Some(true) => ColumnNames::Exact,
            Some(false) => ColumnNames::Absent,
            None => given.word(&words).unwrap_or(ColumnNames::Absent),
        },
    }
}

/// One spelling of null, or a list.
fn nulls(section: &Section<'_>) -> Vec<String> {
    match section.find("null") {
        None => Vec::new(),
        Some(given) => given.as_text().map_or_else(|| given.texts(), |text| vec![text.to_owned()]),
    }
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
    let parent = section.optional_text("parent");
    let count = 0..=i64::MAX.unsigned_abs();
    let min = section.number("min", count.clone()).unwrap_or(0);
    let max = section.number("max", count);
    let fields = all(section.need("field").and_then(|given| given.list()), field);
    Some(RecordSpec { name: name?, role, matches, parent, min, max, fields: fields? })
}

fn field(section: &Section<'_>) -> Option<FieldSpec> {
    let aligns = [("left", Align::Left), ("right", Align::Right)];
    let types: Vec<(&str, &Definition)> = DEFINITIONS.iter().map(|known| (known.word, known)).collect();
    let name = section.text("name");
    let definition = section.need("type").and_then(|given| given.word(&types));
    refuse_foreign(section, definition);
    let settings = definition.map(|definition| settings(section, definition));
    let spec = FieldSpec {
        settings: settings.unwrap_or_default(),
        optional: section.flag("optional", false),
        start: section.number("start", 1..=MOST_RECORD_BYTES).and_then(narrow),
        width: section.number("width", 1..=MOST_RECORD_BYTES).and_then(narrow),
        pad: section.find("pad").and_then(|given| ascii(&given)),
        align: section.find("align").and_then(|given| given.word(&aligns)),
        null: nulls(section),
        quoted: section.find("quoted").and_then(|given| given.flag()),
        column_name: section.optional_text("column_name"),
        masked: section.flag("masked", false),
        ..FieldSpec::new(name.as_deref().unwrap_or_default(), definition.map_or("", |definition| definition.word))
    };
    (name.is_some() && definition.is_some()).then_some(spec)
}

/// Reports settings that belong to another type.
fn refuse_foreign(section: &Section<'_>, definition: Option<&Definition>) {
    let own = |key: &str| definition.is_some_and(|own| own.settings.iter().any(|setting| setting.key == key));
    for setting in DEFINITIONS.iter().flat_map(|known| known.settings).filter(|setting| !own(setting.key)) {
        let owners = DEFINITIONS.iter().filter(|known| known.settings.iter().any(|other| other.key == setting.key));
        let owners: Vec<String> = owners.map(|known| format!("\"{}\"", known.word)).collect();
        if definition.is_some() {
            if section.has(setting.key) {
                section.refuse(setting.key, &format!("belongs to type = {} only", owners.join(" or ")));
            }
        } else {
            // The type itself is wrong: its settings are not judged.
            drop(section.find(setting.key));
        }
    }
}

fn settings(section: &Section<'_>, definition: &Definition) -> Settings {
    let read = |setting: &SettingDefinition| Some((setting.key.to_owned(), read_setting(section, setting)?));
    definition.settings.iter().filter_map(read).collect()
}

fn read_setting(section: &Section<'_>, setting: &SettingDefinition) -> Option<Setting> {
    let given = if setting.needed { section.need(setting.key) } else { section.find(setting.key) }?;
    let one_of = |words: &'static [&'static str]| -> Option<Setting> {
        let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
        given.word(&words).map(Setting::from)
    };
    match setting.form {
        SettingForm::Text => given.text().map(Setting::Text),
        SettingForm::Number(most) => given.number(0..=most).map(Setting::Number),
        SettingForm::NumberOrWord(_, words) if given.as_text().is_some() => one_of(words),
        SettingForm::NumberOrWord(most, _) => given.number(0..=most).map(Setting::Number),
        SettingForm::Flag => given.flag().map(Setting::Flag),
        SettingForm::Word(words) => one_of(words),
        SettingForm::Texts => match given.as_text() {
            Some(text) => Some(Setting::Texts(vec![text.to_owned()])),
            None => Some(Setting::Texts(given.texts())),
        },
        SettingForm::Table => {
            let pairs = given.section()?.all().into_iter().map(|(key, value)| Some((key, value.text()?)));
            Some(Setting::Table(pairs.collect::<Option<_>>()?))
        }
    }
}

fn control(section: &Section<'_>) -> Option<ControlSpec> {
    let equals = section.need("equals").and_then(|given| reference(&given));
    let stated = ["count", "sum", "hash", "same"].into_iter().filter(|key| section.has(key)).count();
    if stated != 1 {
        let message = "needs one of `count`, `sum`, `hash` and `same`";
        section.source().gathered().add(&section.place(), message, None);
    }
    let count = section.find("count").map(|given| TotalSpec::Count(given.texts()));
    let (sum, hash) = (section.find("sum"), section.find("hash"));
    let only = condition(section, "only", sum.is_some());
    let negative = condition(section, "negative", sum.is_some());
    let digits = section.find("digits");
    if let Some(given) = digits.as_ref().filter(|_| hash.is_none()) {
        given.problem("belongs to `hash` only");
    }
    let digits = digits.and_then(|given| given.number(1..=37)).and_then(narrow);
    let sum = sum.and_then(|given| references(&given)).map(|fields| TotalSpec::Sum { fields, only, negative });
    let hash = hash.and_then(|given| {
        if digits.is_none() {
            section.problem("digits", "is missing", None);
        }
        Some(TotalSpec::Hash { fields: references(&given)?, digits: digits? })
    });
    let same = section.find("same").and_then(|given| reference(&given)).map(TotalSpec::Same);
    Some(ControlSpec { total: count.or(sum).or(hash).or(same).filter(|_| stated == 1)?, equals: equals? })
}

/// `{ field = "side", is = ["C"] }`.
fn condition(section: &Section<'_>, key: &str, of_sum: bool) -> Option<Condition> {
    let given = section.find(key)?;
    if !of_sum {
        given.problem("belongs to `sum` only");
    }
    let stated = given.section()?;
    let field = stated.text("field");
    let is = stated.need("is").map(|given| given.as_text().map_or_else(|| given.texts(), |text| vec![text.to_owned()]));
    stated.end();
    Some(Condition { field: field?, is: is? })
}

/// One field, or a list.
fn references(given: &Given<'_>) -> Option<Vec<FieldName>> {
    if given.as_text().is_some() {
        return reference(given).map(|name| vec![name]);
    }
    given.list()?.iter().map(reference).collect()
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
