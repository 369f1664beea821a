//! The short way back, held against the long one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;

use super::*;
use crate::layout::{
    DelimitedSpec, DiscriminatorSpec, Encoding, FieldSpec, KindSpec, LayoutSpec, LinesSpec, Presence, RecordSpec, Role,
    Terminator,
};
use crate::mapping::PayloadScan;
use crate::mapping::spec::{EventSpec, FieldRef, ValueSpec};

fn layout() -> Layout {
    let optional = |name: &str, word: &str| FieldSpec { optional: true, ..FieldSpec::new(name, word) };
    let record = |name: &str, mark: &str, mut fields: Vec<FieldSpec>| {
        let constant = FieldSpec::new("mark", "constant");
        fields.insert(0, FieldSpec { settings: [("value".to_owned(), mark.into())].into(), ..constant });
        RecordSpec {
            name: name.to_owned(),
            role: Role::Detail,
            matches: Some(mark.to_owned()),
            parent: None,
            min: 0,
            max: None,
            fields,
        }
    };
    let order = vec![
        optional("number", "text"),
        optional("status", "text"),
        optional("count", "integer"),
        optional("first", "text"),
        optional("second", "text"),
    ];
    let line = vec![optional("item", "text"), optional("quantity", "integer")];
    let spec = LayoutSpec {
        name: "orders".to_owned(),
        version: 1,
        kind: KindSpec::Delimited(DelimitedSpec::default()),
        encoding: Encoding::Utf8,
        terminator: Terminator::Lf,
        final_terminator: Presence::Optional,
        byte_order_mark: Presence::Absent,
        max_record_bytes: 200,
        lines: LinesSpec::default(),
        padding_at_end: Vec::new(),
        discriminator: Some(DiscriminatorSpec::Column(1)),
        records: vec![record("order", "O", order), record("line", "L", line)],
        controls: Vec::new(),
    };
    Layout::compile(spec).unwrap()
}

fn mapping(layout: &Layout) -> Mapping {
    let reference = |record: &str, field: &str| FieldRef { record: record.to_owned(), field: field.to_owned() };
    let field = |record: &str, name: &str| ValueSpec::Field(reference(record, name));
    let named = |members: Vec<(&str, ValueSpec)>| {
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()
    };
    let codes = [("O", "open"), ("C", "closed")].map(|(from, to)| (from.to_owned(), to.to_owned()));
    let status = ValueSpec::Codes { field: reference("order", "status"), codes: codes.into() };
    let lines = named(vec![("item", field("line", "item")), ("quantity", field("line", "quantity"))]);
    let data = named(vec![
        ("number", field("order", "number")),
        ("again", field("order", "number")),
        ("status", status),
        ("kind", ValueSpec::Constant(json!("order"))),
        ("version", ValueSpec::Constant(json!(2))),
        ("about", ValueSpec::Object(named(vec![("count", field("order", "count")), ("file", field("file", "name"))]))),
        ("pair", ValueSpec::Array(vec![field("order", "first"), field("order", "second")])),
        ("lines", ValueSpec::Each { record: "line".to_owned(), data: lines }),
    ]);
    let event = EventSpec {
        event_type: "Ordered".to_owned(),
        record: "order".to_owned(),
        when: None,
        key: reference("order", "number"),
        business_date: reference("file", "business_date"),
        data,
    };
    Mapping::compile(&[event], &[], layout).unwrap()
}

/// Pieces of payloads, each as a bridge would write it, or not quite.
const MEMBERS: &[&str] = &[
    r#""number":"A1""#,
    r#""number":"A\"1\\""#,
    r#""number":"\u0041""#,
    r#""number":7"#,
    r#""number":7.5"#,
    r#""number":true"#,
    r#""number":null"#,
    r#""number":["A1"]"#,
    r#""again":"A1""#,
    r#""again":"A2""#,
    r#""status":"open""#,
    r#""status":"lost""#,
    r#""status":null"#,
    r#""kind":"order""#,
    r#""kind":"other""#,
    r#""kind":null"#,
    r#""version":2"#,
    r#""version":3"#,
    r#""about":{"count":12,"file":"x.csv"}"#,
    r#""about":{"count":"12"}"#,
    r#""about":{"count":-0.5}"#,
    r#""about":{"count":{}}"#,
    r#""about":null"#,
    r#""about":"12""#,
    r#""pair":["a","b"]"#,
    r#""pair":["a"]"#,
    r#""pair":[null,"b"]"#,
    r#""pair":["a","b","c"]"#,
    r#""pair":{}"#,
    r#""lines":[{"item":"x","quantity":1},{"quantity":2,"item":"y"}]"#,
    r#""lines":[]"#,
    r#""lines":[null,{}]"#,
    r#""lines":[1]"#,
    r#""lines":null"#,
    r#""unknown":{"a":[1,2]}"#,
    r#""number" : "A1""#,
];

#[test]
fn both_ways_read_the_same() {
    let layout = layout();
    let mapping = mapping(&layout);
    let plan = &mapping.events()[0];
    let (mut shortly, mut at_length) = (0, 0);
    for first in MEMBERS {
        for second in MEMBERS {
            for third in ["", r#","lines":[{"item":"z"}]"#] {
                let payload = format!("{{{first},{second}{third}}}");
                let (mut short, mut long) = (CarriedRecords::default(), CarriedRecords::default());
                let mut scan = PayloadScan::default();
                let scanned = scan.payload(payload.as_bytes());
                let is_short = short.read_shortly(&layout, plan, scanned);
                let told = long.read_at_length(&layout, plan, payload.as_bytes());
                assert!(!is_short || told.is_ok(), "{payload}: {told:?}");
                if is_short {
                    assert_eq!(values(&short), values(&long), "{payload}");
                }
                shortly += usize::from(is_short);
                at_length += usize::from(told.is_ok());
                let read = CarriedRecords::default().read(&layout, plan, scanned);
                assert_eq!(read, told, "{payload}");
            }
        }
    }
    assert!(shortly * 2 > at_length, "the short way is hardly gone: {shortly} of {at_length}");
}

type Values = Vec<(usize, Vec<Option<String>>)>;

fn values(carried: &CarriedRecords) -> Values {
    let fields = |record: &Record| (0..record.len()).map(|field| record.get(field).map(str::to_owned)).collect();
    carried.records().iter().map(|record| (record.type_index(), fields(record))).collect()
}
