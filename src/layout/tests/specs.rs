//! Layouts for the tests, as somebody would state them.

use super::*;

/// A type and what it is told.
pub(super) type Kind = (&'static str, Settings);

pub(super) fn field(name: &str, (word, settings): Kind) -> FieldSpec {
    FieldSpec { settings, ..FieldSpec::new(name, word) }
}

pub(super) fn optional(name: &str, kind: Kind) -> FieldSpec {
    FieldSpec { optional: true, ..field(name, kind) }
}

pub(super) fn at(start: usize, width: usize, spec: FieldSpec) -> FieldSpec {
    FieldSpec { start: Some(start), width: Some(width), ..spec }
}

pub(super) fn constant(value: &str) -> FieldSpec {
    field("record_type", constantly(value))
}

pub(super) fn kind<const N: usize>(word: &'static str, settings: [(&str, Setting); N]) -> Kind {
    (word, settings.map(|(key, setting)| (key.to_owned(), setting)).into())
}

pub(super) fn text() -> Kind {
    kind("text", [])
}

pub(super) fn integer() -> Kind {
    kind("integer", [])
}

pub(super) fn constantly(value: &str) -> Kind {
    kind("constant", [("value", value.into())])
}

pub(super) fn date(format: &str) -> Kind {
    kind("date", [("format", format.into())])
}

pub(super) fn decimal(scale: u64) -> Kind {
    kind("decimal", [("scale", scale.into())])
}

pub(super) fn implied(scale: u64) -> Kind {
    kind("decimal", [("scale", scale.into()), ("implied", true.into())])
}

pub(super) fn record(name: &str, role: Role, mark: Option<&str>, fields: Vec<FieldSpec>) -> RecordSpec {
    RecordSpec {
        name: name.to_owned(),
        role,
        matches: mark.map(str::to_owned),
        parent: None,
        min: 0,
        max: None,
        fields,
    }
}

fn control(total: TotalSpec, field: &str) -> ControlSpec {
    ControlSpec { total, equals: ("trailer".to_owned(), field.to_owned()) }
}

pub(super) fn sum(record: &str, field: &str) -> TotalSpec {
    TotalSpec::Sum { fields: vec![(record.to_owned(), field.to_owned())], only: None, negative: None }
}

fn controls() -> Vec<ControlSpec> {
    vec![control(TotalSpec::Count(vec!["bid".to_owned()]), "bids"), control(sum("bid", "amount"), "total")]
}

fn spec(kind: KindSpec, records: Vec<RecordSpec>) -> LayoutSpec {
    LayoutSpec {
        name: "test".to_owned(),
        version: 1,
        kind,
        encoding: Encoding::Utf8,
        terminator: Terminator::Lf,
        final_terminator: Presence::Optional,
        byte_order_mark: Presence::Absent,
        max_record_bytes: 200,
        lines: LinesSpec::default(),
        padding_at_end: Vec::new(),
        discriminator: None,
        records,
        controls: Vec::new(),
    }
}

/// `H|20260131`, `B|number|text|amount`, `T|bids|total`.
pub(super) fn delimited() -> LayoutSpec {
    let kind = KindSpec::Delimited(DelimitedSpec { delimiter: "|".to_owned(), ..DelimitedSpec::default() });
    let records = vec![
        record("header", Role::Header, Some("H"), vec![constant("H"), field("run_date", date("YYYYMMDD"))]),
        record(
            "bid",
            Role::Detail,
            Some("B"),
            vec![constant("B"), field("number", integer()), field("text", text()), optional("amount", decimal(2))],
        ),
        record(
            "trailer",
            Role::Trailer,
            Some("T"),
            vec![constant("T"), field("bids", integer()), field("total", decimal(2))],
        ),
    ];
    LayoutSpec { discriminator: Some(DiscriminatorSpec::Column(1)), controls: controls(), ..spec(kind, records) }
}

/// Type in byte 1, records of 24 bytes, a filler before the amount of a bid.
pub(super) fn fixed_width() -> LayoutSpec {
    let records = vec![
        record(
            "header",
            Role::Header,
            Some("H"),
            vec![at(1, 1, constant("H")), at(2, 6, field("run_date", date("YYMMDD")))],
        ),
        record(
            "bid",
            Role::Detail,
            Some("B"),
            vec![
                at(1, 1, constant("B")),
                at(2, 4, field("number", integer())),
                at(6, 8, field("text", text())),
                at(16, 7, optional("amount", implied(2))),
            ],
        ),
        record(
            "trailer",
            Role::Trailer,
            Some("T"),
            vec![at(1, 1, constant("T")), at(2, 4, field("bids", integer())), at(6, 9, field("total", implied(2)))],
        ),
    ];
    LayoutSpec {
        discriminator: Some(DiscriminatorSpec::Bytes { start: 1, width: 1 }),
        controls: controls(),
        encoding: Encoding::Latin1,
        ..spec(KindSpec::FixedWidth(FixedWidthSpec { record_bytes: Some(24), ..FixedWidthSpec::default() }), records)
    }
}

/// `id,name`, after a line that says so; commas, CR LF, an optional byte order mark.
pub(super) fn table() -> LayoutSpec {
    let kind = KindSpec::Delimited(DelimitedSpec { column_names: ColumnNames::Exact, ..DelimitedSpec::default() });
    let fields = vec![field("id", integer()), optional("full name", text())];
    LayoutSpec {
        terminator: Terminator::CrLf,
        byte_order_mark: Presence::Optional,
        ..spec(kind, vec![record("row", Role::Detail, None, fields)])
    }
}

/// Records of one field, and no header or trailer.
pub(super) fn single(kind: Kind) -> LayoutSpec {
    spec(
        KindSpec::Delimited(DelimitedSpec::default()),
        vec![record("row", Role::Detail, None, vec![field("value", kind)])],
    )
}

/// Records of these fields between delimiters; `kind` is changed first.
pub(super) fn rows_of(fields: Vec<FieldSpec>, change: impl FnOnce(&mut DelimitedSpec)) -> LayoutSpec {
    let mut kind = DelimitedSpec::default();
    change(&mut kind);
    spec(KindSpec::Delimited(kind), vec![record("row", Role::Detail, None, fields)])
}

/// Records of these fields, which have their places; `kind` is changed first.
pub(super) fn wide_rows_of(fields: Vec<FieldSpec>, change: impl FnOnce(&mut FixedWidthSpec)) -> LayoutSpec {
    let mut kind = FixedWidthSpec::default();
    change(&mut kind);
    spec(KindSpec::FixedWidth(kind), vec![record("row", Role::Detail, None, fields)])
}

pub(super) fn compiled(spec: LayoutSpec) -> Layout {
    Layout::compile(spec).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Records of one text.
pub(in crate::layout) fn single_text() -> LayoutSpec {
    single(text())
}

/// A changed copy.
pub(super) fn with(mut spec: LayoutSpec, change: impl FnOnce(&mut LayoutSpec)) -> LayoutSpec {
    change(&mut spec);
    spec
}
