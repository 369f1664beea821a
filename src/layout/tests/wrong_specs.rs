//! Layouts that cannot work are refused, with every problem at once.

use super::specs::*;
use super::*;

type Change = fn(&mut LayoutSpec);

fn keys(spec: LayoutSpec) -> Vec<String> {
    let problems = Layout::compile(spec).expect_err("this layout cannot work");
    assert!(problems.iter().all(|problem| !problem.message.is_empty()));
    problems.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn each_problem_names_its_key() {
    let delimited_changes: &[(Change, &str)] = &[
        (|spec| spec.name.clear(), "name"),
        (|spec| spec.max_record_bytes = 0, "max_record_bytes"),
        (|spec| spec.max_record_bytes = 1 << 31, "max_record_bytes"),
        (|spec| spec.discriminator = None, "record[1].match"),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Column(0)), "discriminator.column"),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Column(3)), "record[1].field"),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Bytes { start: 1, width: 1 }), "discriminator.start"),
        (|spec| (spec.records[1].matches, spec.records[2].matches) = (None, None), "record[3].match"),
        (|spec| spec.records[1].matches = Some("H".to_owned()), "record[2].match"),
        (|spec| spec.records[1].name = "header".to_owned(), "record[1].name"),
        (|spec| spec.records[0].name = "file".to_owned(), "record[1].name"),
        (|spec| spec.records[0].name = "a.b".to_owned(), "record[1].name"),
        (|spec| spec.records[1].role = Role::Header, "record[2].role"),
        (|spec| spec.records[1].fields.clear(), "record[2].field"),
        (|spec| spec.records[1].fields[2].name = "number".to_owned(), "record[2].field[3].name"),
        (|spec| spec.records[1].fields[2].start = Some(1), "record[2].field[3].start"),
        (|spec| spec.records[1].fields[2].pad = Some(b' '), "record[2].field[3].pad"),
        (|spec| spec.records[1].fields[1].align = Some(Align::Left), "record[2].field[2].align"),
        (
            |spec| {
                spec.records[1].fields[2].width = Some(5);
                spec.records[1].fields[2].pad = Some(b'|');
            },
            "record[2].field[3].pad",
        ),
        (|spec| spec.records[0].fields[1] = field("day", date("YYYYMM")), "record[1].field[2].format"),
        (|spec| spec.records[0].fields[1].width = Some(9), "record[1].field[2].width"),
        (|spec| spec.records[1].fields[3] = field("amount", decimal(39)), "record[2].field[4].scale"),
        (|spec| spec.controls[0].equals.1 = "nothing".to_owned(), "control[1].equals"),
        (|spec| spec.controls[0].equals = ("bid".to_owned(), "number".to_owned()), "control[1].equals"),
        (|spec| spec.controls[1].equals.1 = "bids".to_owned(), "control[2].equals"),
        (|spec| spec.records[2].fields[1].optional = true, "control[1].equals"),
        (|spec| spec.controls[0].total = TotalSpec::Count(vec!["nothing".to_owned()]), "control[1].count"),
        (|spec| spec.controls[0].total = TotalSpec::Count(Vec::new()), "control[1].count"),
        (|spec| spec.controls[0].total = sum("bid", "text"), "control[1].sum"),
    ];
    let fixed_changes: &[(Change, &str)] = &[
        (|spec| spec.byte_order_mark = Presence::Optional, "byte_order_mark"),
        (|spec| spec.max_record_bytes = 24, "max_record_bytes"),
        (
            |spec| spec.kind = KindSpec::FixedWidth(FixedWidthSpec { record_bytes: Some(20), ..Default::default() }),
            "record[2].field[4].width",
        ),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Column(1)), "discriminator.column"),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Bytes { start: 0, width: 1 }), "discriminator.start"),
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Bytes { start: 15, width: 1 }), "record[2].field"),
        (|spec| spec.records[1].matches = Some("BB".to_owned()), "record[2].match"),
        (|spec| spec.records[1].matches = Some("\u{20ac}".to_owned()), "record[2].match"),
        (|spec| spec.records[1].fields[1].start = None, "record[2].field[2].start"),
        (|spec| spec.records[1].fields[1].start = Some(0), "record[2].field[2].start"),
        (|spec| spec.records[1].fields[1].width = None, "record[2].field[2].width"),
        (|spec| spec.records[1].fields[1].width = Some(0), "record[2].field[2].width"),
        (|spec| spec.records[1].fields[1].width = Some(usize::MAX), "record[2].field[2].width"),
        (|spec| spec.records[1].fields[1].start = Some(1), "record[2].field[2].start"),
        (|spec| spec.records[1].fields[1].pad = Some(b'1'), "record[2].field[2].pad"),
        (|spec| spec.records[1].fields[1].pad = Some(b'-'), "record[2].field[2].pad"),
        (|spec| spec.records[1].fields[1].align = Some(Align::Left), "record[2].field[2].pad"),
        (|spec| spec.records[1].fields[2].pad = Some(0), "record[2].field[3].pad"),
        (|spec| spec.records[1].fields[0] = at(1, 1, constant("long")), "record[2].field[1].value"),
    ];
    let table_changes: &[(Change, &str)] = &[
        (|spec| spec.discriminator = Some(DiscriminatorSpec::Column(1)), "delimited.column_names"),
        (|spec| spec.records[0].role = Role::Header, "record[1].role"),
        (|spec| spec.records.clear(), "record"),
        (|spec| spec.records[0].fields[0].name.insert(0, '\u{feff}'), "record[1].field[1].name"),
        (
            |spec| {
                spec.encoding = Encoding::Latin1;
                spec.records[0].fields[1].name = "\u{20ac}".to_owned();
            },
            "record[1].field[2].name",
        ),
    ];
    for (spec, changes) in [(delimited(), delimited_changes), (fixed_width(), fixed_changes), (table(), table_changes)]
    {
        for (index, (change, key)) in changes.iter().enumerate() {
            let found = keys(with(spec.clone(), change));
            assert!(found.iter().any(|found| found == key), "change {index}: {key} is not among {found:?}");
        }
    }
}

#[test]
fn delimiters_and_quotes_that_cannot_be() {
    let stated = |delimiter, quote, quoting| {
        let delimiter = String::from(delimiter);
        let kind = DelimitedSpec { delimiter, quote, quoting, ..DelimitedSpec::default() };
        with(delimited(), |spec| spec.kind = KindSpec::Delimited(kind))
    };
    assert_eq!(keys(stated('\n', None, Quoting::None)), ["delimited.delimiter"]);
    assert_eq!(keys(stated('\u{fc}', None, Quoting::None)), ["delimited.delimiter"]);
    assert_eq!(keys(stated('|', Some(b'|'), Quoting::Minimal)), ["delimited.quote"]);
    assert_eq!(keys(stated('|', None, Quoting::All)), ["delimited.quoting"]);
    compiled(stated('\u{1}', None, Quoting::Minimal));
}

#[test]
fn all_problems_come_at_once() {
    let spec = with(fixed_width(), |spec| {
        spec.name.clear();
        spec.records[0].fields[1].settings = date("MMDD").1;
        spec.records[1].fields[1].start = Some(0);
        spec.records[2].name = String::new();
    });
    let found = keys(spec);
    for key in ["name", "record[1].field[2].format", "record[2].field[2].start", "record[3].name"] {
        assert!(found.iter().any(|found| found == key), "{key} is not among {found:?}");
    }
}
