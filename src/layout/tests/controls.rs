//! Each control, and what it says where it does not hold.

use super::groups::orders;
use super::specs::*;
use super::*;

fn name(record: &str, field: &str) -> FieldName {
    (record.to_owned(), field.to_owned())
}

fn stated(total: TotalSpec, record: &str, field: &str) -> ControlSpec {
    ControlSpec { total, equals: name(record, field) }
}

/// Header, bids and trailer; one control about `trailer.bids`.
fn file_control(total: TotalSpec) -> LayoutSpec {
    with(delimited(), |spec| spec.controls = vec![stated(total, "trailer", "bids")])
}

#[test]
fn counts_and_sums() {
    let file = |bids: &str, total: &str| format!("H|20260131\nB|1|x|2.50\nB|2|y|-1.25\nT|{bids}|{total}\n");
    assert_files(&delimited(), &[(&file("2", "1.25"), "H|2026-01-31 / B|1|x|2.50 / B|2|y|-1.25 / T|2|1.25", &[])]);
    assert_refused(
        &delimited(),
        &[
            (&file("3", "1.25"), RejectCode::Control, 36, "count of bid = trailer.bids: the file says 3, it has 2"),
            (&file("2", "1.26"), RejectCode::Control, 38, "sum of bid.amount = trailer.total: the file says 1.26"),
        ],
    );
    let several = file_control(TotalSpec::Count(vec!["header".to_owned(), "bid".to_owned(), "trailer".to_owned()]));
    assert_files(&several, &[(&file("4", "0.00"), "H|2026-01-31 / B|1|x|2.50 / B|2|y|-1.25 / T|4|0.00", &[])]);
}

#[test]
fn sums_with_conditions() {
    let side = |is: &str| Some(Condition { field: "text".to_owned(), is: vec![is.to_owned()] });
    let fields = || vec![name("bid", "number")];
    let negative = file_control(TotalSpec::Sum { fields: fields(), only: None, negative: side("C") });
    let only = file_control(TotalSpec::Sum { fields: fields(), only: side("D"), negative: None });
    let file = |total: i32| format!("H|20260131\nB|7|D|\nB|5|C|\nB|1|D|\nT|{total}|0.00\n");
    for (spec, total) in [(negative, 3), (only, 8)] {
        assert!(parse(&compiled(spec.clone()), file(total).as_bytes()).is_ok());
        assert_refused(&spec, &[(&file(total + 1), RejectCode::Control, 34, &format!("it has {total}"))]);
    }
}

#[test]
fn hash_totals() {
    let spec = file_control(TotalSpec::Hash { fields: vec![name("bid", "text"), name("bid", "number")], digits: 3 });
    let file = |total: &str| format!("H|20260131\nB|7|DE89 3704|\nB|500|x600|\nT|{total}|0.00\n");
    // 893704 + 7 + 600 + 500, of which three digits.
    assert!(parse(&compiled(spec.clone()), file("811").as_bytes()).is_ok());
    assert_refused(&spec, &[(&file("812"), RejectCode::Control, 40, "hash total of bid.text, bid.number (3 digits)")]);
}

#[test]
fn values_that_are_the_same_everywhere() {
    let same = |record: &str, field: &str| {
        let total = TotalSpec::Same(name("bid", "number"));
        with(delimited(), |spec| {
            spec.records[0].fields.push(FieldSpec::new("batch", "integer"));
            spec.controls = vec![stated(total, record, field)];
        })
    };
    let file = |header: &str, bids: [&str; 2], trailer: &str| {
        format!("H|20260131|{header}\nB|{}|x|\nB|{}|y|\nT|{trailer}|0.00\n", bids[0], bids[1])
    };
    for (record, field, blamed, ok) in
        [("header", "batch", "\"9\" here, \"8\" there", 22), ("trailer", "bids", "here", 22)]
    {
        let spec = same(record, field);
        assert!(parse(&compiled(spec.clone()), file("8", ["8", "8"], "8").as_bytes()).is_ok());
        assert_refused(&spec, &[(&file("8", ["8", "9"], "8"), RejectCode::Control, ok, blamed)]);
    }
    let spec = same("trailer", "bids");
    assert_refused(&spec, &[(&file("8", ["8", "8"], "7"), RejectCode::Control, 29, "the file says 7, it has 8")]);
}

#[test]
fn controls_of_each_master() {
    let lines = || stated(TotalSpec::Count(vec!["line".to_owned()]), "order", "lines");
    let spec = with(orders(), |spec| spec.controls = vec![lines()]);
    assert_files(&spec, &[("O|2\nL|5\nX|1\nL|6\nO|1\nL|7\n", "O|2 / L|5 / X|1 / L|6 / O|1 / L|7", &[])]);
    assert_refused(
        &spec,
        &[
            ("O|2\nL|5\nO|1\nL|7\n", RejectCode::Control, 2, "count of line = order.lines: the file says 2, it has 1"),
            ("O|1\nL|5\nO|1\nL|7\nL|8\n", RejectCode::Control, 10, "it has 2"),
        ],
    );
    let deep = stated(sum("tax", "rate"), "order", "lines");
    let spec = with(orders(), |spec| spec.controls = vec![deep]);
    assert_refused(&spec, &[("O|8\nL|5\nX|3\nL|6\nX|4\nnote\n", RejectCode::Control, 2, "it has 7")]);
    // Nothing would ever settle a total of a record's own fields.
    let own = stated(sum("line", "amount"), "line", "amount");
    let problems = Layout::compile(with(orders(), |spec| spec.controls = vec![own])).unwrap_err();
    assert_eq!(problems[0].key, "control[1].equals", "{problems:?}");
}
