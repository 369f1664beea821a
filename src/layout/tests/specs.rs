//! Layouts for the tests, as somebody would state them.

use super::*;

pub(super) fn field(name: &str, kind: FieldKind) -> FieldSpec {
    FieldSpec { name: name.to_owned(), kind, optional: false, start: None, width: None, pad: None, align: None }
}

pub(super) fn optional(name: &str, kind: FieldKind) -> FieldSpec {
    FieldSpec { optional: true, ..field(name, kind) }
}

pub(super) fn at(start: usize, width: usize, spec: FieldSpec) -> FieldSpec {
    FieldSpec { start: Some(start), width: Some(width), ..spec }
}

pub(super) fn constant(value: &str) -> FieldSpec {
    field("record_type", FieldKind::Constant { value: value.to_owned() })
}

pub(super) fn date(format: &str) -> FieldKind {
    FieldKind::Date { format: format.to_owned(), pivot: 70 }
}

pub(super) const fn decimal(scale: u32) -> FieldKind {
    FieldKind::Decimal { scale, implied: false, point: b'.' }
}

pub(super) const fn implied(scale: u32) -> FieldKind {
    FieldKind::Decimal { scale, implied: true, point: b'.' }
}

pub(super) fn record(name: &str, role: Role, mark: Option<&str>, fields: Vec<FieldSpec>) -> RecordSpec {
    RecordSpec { name: name.to_owned(), role, matches: mark.map(str::to_owned), fields }
}

fn control(total: TotalSpec, field: &str) -> ControlSpec {
    ControlSpec { total, equals: ("trailer".to_owned(), field.to_owned()) }
}

fn controls() -> Vec<ControlSpec> {
    vec![
        control(TotalSpec::Count(vec!["bid".to_owned()]), "bids"),
        control(TotalSpec::Sum("bid".to_owned(), "amount".to_owned()), "total"),
    ]
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
        discriminator: None,
        records,
        controls: Vec::new(),
    }
}

/// `H|20260131`, `B|number|text|amount`, `T|bids|total`.
pub(super) fn delimited() -> LayoutSpec {
    let kind =
        KindSpec::Delimited { delimiter: b'|', quote: Some(b'"'), quoting: Quoting::Minimal, column_names: false };
    let records = vec![
        record("header", Role::Header, Some("H"), vec![constant("H"), field("run_date", date("YYYYMMDD"))]),
        record(
            "bid",
            Role::Detail,
            Some("B"),
            vec![
                constant("B"),
                field("number", FieldKind::Integer),
                field("text", FieldKind::Text),
                optional("amount", decimal(2)),
            ],
        ),
        record(
            "trailer",
            Role::Trailer,
            Some("T"),
            vec![constant("T"), field("bids", FieldKind::Integer), field("total", decimal(2))],
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
                at(2, 4, field("number", FieldKind::Integer)),
                at(6, 8, field("text", FieldKind::Text)),
                at(16, 7, optional("amount", implied(2))),
            ],
        ),
        record(
            "trailer",
            Role::Trailer,
            Some("T"),
            vec![
                at(1, 1, constant("T")),
                at(2, 4, field("bids", FieldKind::Integer)),
                at(6, 9, field("total", implied(2))),
            ],
        ),
    ];
    LayoutSpec {
        discriminator: Some(DiscriminatorSpec::Bytes { start: 1, width: 1 }),
        controls: controls(),
        encoding: Encoding::Latin1,
        ..spec(KindSpec::FixedWidth { record_bytes: Some(24) }, records)
    }
}

/// `id,name`, after a line that says so; commas, CR LF, an optional byte order mark.
pub(super) fn table() -> LayoutSpec {
    let kind =
        KindSpec::Delimited { delimiter: b',', quote: Some(b'"'), quoting: Quoting::Minimal, column_names: true };
    let fields = vec![field("id", FieldKind::Integer), optional("full name", FieldKind::Text)];
    LayoutSpec {
        terminator: Terminator::CrLf,
        byte_order_mark: Presence::Optional,
        ..spec(kind, vec![record("row", Role::Detail, None, fields)])
    }
}

/// Records of one field, and no header or trailer.
pub(super) fn single(kind: FieldKind) -> LayoutSpec {
    let delimited =
        KindSpec::Delimited { delimiter: b',', quote: Some(b'"'), quoting: Quoting::Minimal, column_names: false };
    spec(delimited, vec![record("row", Role::Detail, None, vec![field("value", kind)])])
}

pub(super) fn compiled(spec: LayoutSpec) -> Layout {
    Layout::compile(spec).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A changed copy.
pub(super) fn with(mut spec: LayoutSpec, change: impl FnOnce(&mut LayoutSpec)) -> LayoutSpec {
    change(&mut spec);
    spec
}
