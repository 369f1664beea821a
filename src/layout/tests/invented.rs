//! Layouts that nobody would think of, and files for them.

use super::random::Random;
use super::specs::*;
use super::*;

pub(super) const LETTERS: [char; 20] = [
    'a',
    'N',
    '0',
    ' ',
    '|',
    ',',
    '"',
    '\'',
    '\n',
    '\r',
    '\t',
    '\u{e4}',
    '\u{20ac}',
    '\u{1f332}',
    '.',
    '-',
    '\\',
    '#',
    '*',
    ';',
];

/// A layout with any of the constructs; it may be one that cannot work.
pub(super) fn spec(random: &mut Random) -> LayoutSpec {
    let delimited = random.one_in(2) || random.one_in(3);
    let types = if random.one_in(2) { 1 } else { 3 };
    let kind = if delimited { KindSpec::Delimited(delimited_kind(random, types)) } else { fixed_kind(random) };
    let encodings = [
        Encoding::Utf8,
        Encoding::Latin1,
        Encoding::Cp1252,
        Encoding::Cp850,
        Encoding::Cp437,
        Encoding::Utf16Le,
        Encoding::Utf16Be,
    ];
    let terminators =
        [Terminator::Lf, Terminator::CrLf, Terminator::Cr, Terminator::Mixed, Terminator::Mixed, Terminator::None];
    let encoding = random.pick(&encodings[..if delimited { 7 } else { 5 }]);
    let mut spec = LayoutSpec {
        kind,
        encoding,
        terminator: random.pick(&terminators[..if delimited { 5 } else { 6 }]),
        final_terminator: presence(random),
        byte_order_mark: if encoding.is_unicode() { presence(random) } else { Presence::Absent },
        padding_at_end: [EndPadding::CtrlZ, EndPadding::Nul].into_iter().filter(|_| random.one_in(3)).collect(),
        ..single(text())
    };
    if spec.terminator != Terminator::None && random.one_in(2) {
        spec.lines = LinesSpec {
            preamble: random.below(3),
            footer: random.below(3),
            comment: random.pick(&[None, Some("#"), Some("//")]).map(str::to_owned),
            blank: random.one_in(2),
            repeated_names: random.one_in(3),
        };
    }
    spec.records = records(random, delimited, types);
    if types > 1 {
        let bytes = DiscriminatorSpec::Bytes { start: 1, width: 2 };
        spec.discriminator = Some(if delimited { DiscriminatorSpec::Column(1) } else { bytes });
        spec.controls = controls(random, &spec);
    }
    if let KindSpec::FixedWidth(kind) = &mut spec.kind {
        let end =
            |record: &RecordSpec| record.fields.last().map_or(0, |last| last.start.unwrap() + last.width.unwrap());
        let longest = spec.records.iter().map(end).max().unwrap_or(0);
        kind.record_bytes = (spec.terminator == Terminator::None || random.one_in(2)).then_some(longest);
    }
    spec
}

fn presence(random: &mut Random) -> Presence {
    random.pick(&[Presence::Optional, Presence::Optional, Presence::Required, Presence::Absent])
}

fn ragged(random: &mut Random) -> Ragged {
    Ragged { short: random.one_in(4), long: random.one_in(4) }
}

fn delimited_kind(random: &mut Random, types: usize) -> DelimitedSpec {
    use Quoting::{All, Minimal, NonEmpty, NonNumeric};
    let names = [ColumnNames::Absent, ColumnNames::Exact, ColumnNames::AnyOrder, ColumnNames::Optional];
    let nulls: [&[&str]; 6] = [&[], &[], &[], &["\\N"], &["NULL", "-"], &[""]];
    DelimitedSpec {
        delimiter: random.pick(&[",", "|", "\t", "||", ";;", "|~|", "."]).to_owned(),
        quote: random.pick(&[Some(b'"'), Some(b'"'), Some(b'\''), None]),
        escape: random.pick(&[Escape::Doubled, Escape::Doubled, Escape::Backslash, Escape::None]),
        quoting: random.pick(&[Minimal, Minimal, All, NonNumeric, NonEmpty, Quoting::None]),
        column_names: if types == 1 { random.pick(&names) } else { ColumnNames::Absent },
        trailing_delimiter: random.pick(&[Presence::Absent, Presence::Absent, Presence::Required, Presence::Optional]),
        ragged: ragged(random),
        null: random.pick(&nulls).iter().map(|null| (*null).to_owned()).collect(),
    }
}

fn fixed_kind(random: &mut Random) -> KindSpec {
    KindSpec::FixedWidth(FixedWidthSpec {
        record_bytes: None,
        trimmed: random.one_in(3),
        ragged: ragged(random),
        keep_filler: random.one_in(3),
    })
}

/// One type; or header, details and trailer, of which a detail may belong to the other and one may have no mark.
fn records(random: &mut Random, delimited: bool, types: usize) -> Vec<RecordSpec> {
    let mut records = Vec::new();
    if types == 1 {
        records.push(record("row", Role::Detail, None, fields(random, delimited, None)));
        return records;
    }
    if random.one_in(2) {
        records.push(record("head", Role::Header, Some("H"), fields(random, delimited, Some("H"))));
    }
    records.push(record("order", Role::Detail, Some("O"), fields(random, delimited, Some("O"))));
    let mut line = record("line", Role::Detail, Some("L"), fields(random, delimited, Some("L")));
    if random.one_in(2) {
        line.parent = Some("order".to_owned());
        line.min = random.below(2) as u64;
        line.max = random.pick(&[None, Some(2)]);
    }
    records.push(line);
    if random.one_in(2) {
        records.push(record("rest", Role::Detail, None, fields(random, delimited, Some("R"))));
    }
    if random.one_in(2) {
        records.push(record("end", Role::Trailer, Some("T"), fields(random, delimited, Some("T"))));
    }
    records
}

/// Counts that trailer and master state: in a whole number each.
fn controls(random: &mut Random, spec: &LayoutSpec) -> Vec<ControlSpec> {
    let states = |name: &str, about: &str| {
        let found = spec.records.iter().find(|record| record.name == name)?;
        let total = TotalSpec::Count(vec![about.to_owned()]);
        let whole = found.fields.iter().find(|field| field.type_word == "integer" && !field.optional)?;
        Some(ControlSpec { total, equals: (name.to_owned(), whole.name.clone()) })
    };
    let member = spec.records.iter().any(|record| record.name == "line" && record.parent.is_some());
    let mut controls: Vec<ControlSpec> = states("end", "order").into_iter().collect();
    controls.extend(states("order", "line").filter(|_| member));
    controls.retain(|_| !random.one_in(4));
    controls
}

fn fields(random: &mut Random, delimited: bool, mark: Option<&str>) -> Vec<FieldSpec> {
    let mut fields = Vec::new();
    let mut start = 1;
    let mut place = |random: &mut Random, spec: FieldSpec, width: usize| {
        if delimited {
            return spec;
        }
        let at = start + if start > 2 { random.below(3) } else { 0 };
        start = at + width;
        FieldSpec { start: Some(at), width: Some(width), ..spec }
    };
    if let Some(mark) = mark {
        let spec = if random.one_in(2) && mark != "R" { constant(mark) } else { field("mark", text()) };
        fields.push(place(random, spec, 2));
    }
    for index in 0..=random.below(4) {
        let mut spec = any_field(random, &format!("field_{index}"));
        if delimited && random.one_in(5) {
            spec.quoted = Some(random.one_in(2));
        }
        spec.optional = random.one_in(2);
        if spec.optional && random.one_in(4) {
            spec.null = vec![random.pick(&["NA", "", "-", "?"]).to_owned()];
        }
        let width = match spec.settings.get("format") {
            Some(Setting::Text(format)) => format.len(),
            _ => random.below(8) + 1,
        };
        if delimited && random.one_in(5) {
            spec.width = Some(width);
        }
        if (!delimited || spec.width.is_some()) && spec.type_word != "date" && random.one_in(3) {
            spec.pad = Some(random.pick(b" 0*"));
            spec.align = random.pick(&[None, Some(Align::Left), Some(Align::Right)]);
        }
        spec.masked = random.one_in(8);
        fields.push(place(random, spec, width));
    }
    fields
}

fn any_field(random: &mut Random, name: &str) -> FieldSpec {
    let signs = [
        "leading",
        "leading",
        "leading-always",
        "trailing",
        "trailing-always",
        "parentheses",
        "unsigned",
        "leading-overpunched",
        "trailing-overpunched",
    ];
    let number = |random: &mut Random, spec: FieldSpec| {
        let spec = spec.with("sign", random.pick(&signs));
        if random.one_in(5) { spec.with("grouping", random.pick(&[",", ".", "'", " "])) } else { spec }
    };
    match random.below(8) {
        0..=2 => field(name, text()),
        3 => field(name, integer()),
        4 => number(random, field(name, integer())),
        5 => {
            let point = random.pick(&[".", ","]);
            let scale = random.below(4) as u64;
            number(random, field(name, decimal(scale)).with("point", point))
        }
        6 => {
            let scale = random.below(3) as u64;
            number(random, field(name, implied(scale)))
        }
        _ => field(name, date(random.pick(&["YYYYMMDD", "YYYY-MM-DD", "DD.MM.YYYY", "YYDDD"]))),
    }
}

/// The records of a file, in an order that the layout allows; `None` where they cannot be written.
pub(super) fn rows(random: &mut Random, layout: &Layout, spec: &LayoutSpec) -> Option<Rows> {
    let mut rows = Rows::new();
    let role = |role| layout.record_types.iter().position(|record| record.role == role);
    let stated = |name: &str| {
        let control = spec.controls.iter().find(|control| control.equals.0 == name)?;
        layout.field(layout.record_type(name)?, &control.equals.1)
    };
    if let Some(header) = role(Role::Header) {
        rows.push(row(random, layout, header, None)?);
    }
    let mut orders = 0;
    for _ in 0..random.below(6) {
        let index = random.below(layout.record_types.len());
        let record_type = &layout.record_types[index];
        if record_type.role != Role::Detail || layout.standing[index].parent.is_some() {
            continue;
        }
        let member = layout.standing.iter().position(|standing| standing.parent == Some(index));
        let members = member.map_or(0, |_| 1 + random.below(2));
        let count = stated(&record_type.name).map(|field| (field, members));
        rows.push(row(random, layout, index, count)?);
        orders += usize::from(record_type.name == "order");
        for _ in 0..members {
            rows.push(row(random, layout, member?, None)?);
        }
    }
    if let Some(trailer) = role(Role::Trailer) {
        let count = stated("end").map(|field| (field, orders));
        rows.push(row(random, layout, trailer, count)?);
    }
    Some(rows)
}

/// A record that can be written, if there is one among the first few.
fn row(
    random: &mut Random,
    layout: &Layout,
    index: usize,
    count: Option<(usize, usize)>,
) -> Option<(String, Vec<Option<String>>)> {
    let record_type = &layout.record_types[index];
    for _ in 0..8 {
        let mut record = Record::build(index);
        for (position, field) in record_type.fields.iter().enumerate() {
            let value = match (count, &record_type.matches) {
                (Some((stated, count)), _) if stated == position => Some(count.to_string()),
                (_, Some(mark)) if position == 0 => Some(String::from_utf8_lossy(mark).trim_end().to_owned()),
                _ if field.optional && random.one_in(3) => None,
                _ => Some(value(random, field)),
            };
            record.push(value.as_deref());
        }
        let mut written = Vec::new();
        if render::RecordWriter::new(layout).write(&record, true, &mut written).is_ok() {
            let values = (0..record.len()).map(|field| record.get(field).map(str::to_owned)).collect();
            return Some((record_type.name.clone(), values));
        }
    }
    None
}

fn value(random: &mut Random, field: &Field) -> String {
    let sign = random.pick(&["", "-"]);
    let digits = random.digits(3);
    let fraction = |random: &mut Random, scale: usize| (0..scale).map(|_| random.pick(&['0', '5', '9'])).collect();
    match field.value_type() {
        ValueType::Integer if digits == "0" => digits,
        ValueType::Integer => format!("{sign}{digits}"),
        ValueType::Decimal(Some(0)) => digits,
        ValueType::Decimal(scale) => {
            let fraction: String = fraction(random, scale.unwrap_or(2));
            let zero = digits == "0" && fraction.bytes().all(|digit| digit == b'0');
            if zero { format!("{digits}.{fraction}") } else { format!("{sign}{digits}.{fraction}") }
        }
        ValueType::Date => format!("20{:02}-{:02}-{:02}", random.below(70), 1 + random.below(12), 1 + random.below(28)),
        _ => {
            let longest = random.pick(&[1, 4, 8]);
            random.text(&LETTERS, longest)
        }
    }
}

/// What may stand beside the records of such a file.
pub(super) fn frame(random: &mut Random, layout: &Layout, records: usize) -> FileFrame {
    let end = match layout.terminator {
        Terminator::Mixed => "\r\n",
        terminator => std::str::from_utf8(terminator.bytes()).unwrap(),
    };
    let line = |before: usize, text: &str| KeptLine {
        before_record: before as u64,
        raw: Raw(format!("{text}{end}").into_bytes()),
    };
    let mut kept_lines: Vec<KeptLine> =
        (0..layout.lines.preamble).map(|_| line(0, random.pick(&["title", "\"odd", "a,b;c|d", ""]))).collect();
    for before in 1..=records + 1 {
        if let Some(comment) = layout.lines.comment.as_ref().filter(|_| random.one_in(4)) {
            kept_lines.push(line(before, &format!("{comment} \"odd")));
        }
        if layout.lines.blank && random.one_in(4) {
            kept_lines.push(line(before, ""));
        }
    }
    kept_lines.extend((0..layout.lines.footer).map(|_| line(records + 1, random.pick(&["end", "'odd", "1,2|3"]))));
    let lines_behind = kept_lines.iter().any(|line| line.before_record > records as u64);
    // A CR before a LF would be one terminator, where the record between them is empty.
    let words = random.pick(&[["lf", "cr"], ["lf", "crlf"], ["crlf", "lf"], ["crlf", "cr"], ["cr", "crlf"]]);
    let runs = [(0, words[0]), (1 + random.below(3) as u64, words[1])];
    let run = |(from_record, word): (u64, &str)| TerminatorRun { from_record, terminator: word.to_owned() };
    let terminators = runs.map(run).into_iter().filter(|_| layout.terminator == Terminator::Mixed).collect();
    let chosen = |random: &mut Random, presence| match presence {
        Presence::Required => true,
        Presence::Optional => random.one_in(2),
        Presence::Absent => false,
    };
    let optional_names =
        matches!(&layout.shape, Shape::Delimited(shape) if shape.column_names_rule == ColumnNames::Optional);
    let mut end_padding = Vec::new();
    for padding in &layout.padding_at_end {
        end_padding.push(PaddingRun { byte: padding.byte(), count: 1 + random.below(4) as u64 });
    }
    FileFrame {
        byte_order_mark: chosen(random, layout.byte_order_mark),
        final_terminator: lines_behind || chosen(random, layout.final_terminator),
        terminators,
        column_names: None,
        without_column_names: optional_names && random.one_in(2),
        kept_lines,
        end_padding: if random.one_in(2) { end_padding } else { Vec::new() },
    }
}
