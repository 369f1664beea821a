//! Bad records that are passed over, and what can then not be vouched for.

use super::groups::orders;
use super::specs::*;
use super::*;

/// The good records, each reject that was passed over (code and record), and the one that ended the reading.
fn pass_over(layout: &Layout, file: &str) -> (String, Vec<(RejectCode, u64)>, Option<Reject>, FileFacts) {
    let (mut parser, mut record) = (Parser::new(layout, file.as_bytes()), Record::new());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let ended = loop {
        match parser.read(&mut record) {
            Ok(true) => good.push(String::from_utf8_lossy(record.content()).into_owned()),
            Ok(false) => break None,
            Err(ParseError::Reject(reject)) if parser.pass_over(&mut record) => bad.push((reject.code, reject.record)),
            Err(ParseError::Reject(reject)) => break Some(reject),
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
    };
    (good.join(" / "), bad, ended, parser.facts().clone())
}

/// Three texts between bars and no controls.
fn plain() -> LayoutSpec {
    with(delimited(), |spec| spec.controls.clear())
}

#[test]
fn reading_goes_on_behind_a_bad_record() {
    let layout = compiled(plain());
    let file = "H|20260131\nX|unknown\nB|x|bad|\nB|1|a\"b|\nB|1\nB|2|good|\nT|0|0.00\n";
    let (good, bad, ended, facts) = pass_over(&layout, file);
    assert_eq!(good, "H|20260131 / B|2|good| / T|0|0.00");
    use RejectCode::{FieldCount, Integer, QuoteMisplaced, UnknownRecordType};
    assert_eq!(bad, [(UnknownRecordType, 2), (Integer, 3), (QuoteMisplaced, 4), (FieldCount, 5)]);
    assert_eq!(ended, None);
    assert_eq!((facts.records, facts.passed_over, facts.records_by_type), (7, 4, vec![1, 1, 1]));
    assert_eq!(facts.bytes, file.len() as u64);
}

#[test]
fn what_is_about_more_than_the_record_is_final() {
    let layout = compiled(plain());
    for (file, code) in [
        ("H|20260131\nB|1|\"open|\n", RejectCode::UnterminatedQuote),
        ("H|20260131\nB|1|a|\r\n", RejectCode::Terminator),
        ("H|20260131\nH|20260131\n", RejectCode::Order),
        ("H|20260131\nB|1|a|\n", RejectCode::Order),
        ("B|1|a|\n", RejectCode::Order),
    ] {
        let (_, bad, ended, _) = pass_over(&layout, file);
        assert_eq!((bad.len(), ended.map(|reject| reject.code)), (0, Some(code)), "{file:?}");
    }
}

#[test]
fn a_bad_last_record_keeps_how_the_file_ends() {
    let layout = compiled(single(integer()));
    for (file, terminated) in [("1\nx", false), ("x\n", true)] {
        let (_, bad, ended, facts) = pass_over(&layout, file);
        assert_eq!((bad.len(), ended), (1, None));
        assert_eq!(facts.frame.final_terminator, terminated, "{file:?}");
    }
}

#[test]
fn members_of_a_bad_master_belong_to_nothing() {
    let layout = compiled(orders());
    let (good, bad, ended, _) = pass_over(&layout, "O|1\nL|1\nO|x\nL|2\nX|3\nO|4\nL|x\nL|5\n");
    assert_eq!(good, "O|1 / L|1 / O|4 / L|5");
    use RejectCode::{Integer, Order};
    assert_eq!(bad, [(Integer, 3), (Order, 4), (Order, 5), (Integer, 7)]);
    assert_eq!(ended, None);
}

#[test]
fn a_control_is_checked_as_far_as_it_can_be() {
    let layout = compiled(delimited());
    // The bad text is neither counted nor added, but its record is, and its amount.
    let (_, bad, ended, facts) = pass_over(&layout, "H|20260131\nB|1|a\u{7}|2.50\nT|1|2.50\n");
    assert_eq!((bad.len(), ended), (1, None));
    assert_eq!(facts.controls.len(), 2);
    // Of an amount that cannot be read nobody knows what it adds.
    let (_, _, ended, _) = pass_over(&layout, "H|20260131\nB|1|a|x\nT|1|2.50\n");
    let reject = ended.unwrap();
    assert_eq!((reject.code, reject.byte, reject.field.as_deref()), (RejectCode::Control, 23, Some("total")));
    assert!(reject.reason.contains("record 2, which is bad"), "{reject}");
    // Nor whether a record of unknown type counts.
    let (_, _, ended, _) = pass_over(&layout, "H|20260131\nX|1\nT|0|0.00\n");
    assert_eq!(ended.unwrap().field.as_deref(), Some("bids"));
}

#[test]
fn a_control_that_a_bad_record_states_fails() {
    let layout = compiled(delimited());
    let (_, bad, ended, _) = pass_over(&layout, "H|20260131\nB|1|a|2.50\nT|x|2.50\n");
    assert_eq!(bad, [(RejectCode::Integer, 3)]);
    let reject = ended.unwrap();
    assert_eq!(
        (reject.code, reject.record, reject.field.as_deref()),
        (RejectCode::Control, 3, Some("bids")),
        "{reject}"
    );
    // The total beside it can be checked all the same.
    let (_, _, ended, _) = pass_over(&layout, "H|20260131\nB|1|a|2.50\nT|1|2.5x\n");
    assert_eq!(ended.unwrap().field.as_deref(), Some("total"));
}

#[test]
fn a_group_with_an_unknown_record_in_it_cannot_be_checked() {
    let spec = with(orders(), |spec| {
        spec.records.truncate(3);
        let total = TotalSpec::Count(vec!["line".to_owned()]);
        spec.controls = vec![ControlSpec { total, equals: ("order".to_owned(), "lines".to_owned()) }];
    });
    let layout = compiled(spec);
    let (good, bad, ended, _) = pass_over(&layout, "O|1\nL|1\n?|1\nO|1\nL|1\n");
    assert_eq!((&good[..], &bad[..]), ("O|1 / L|1", &[(RejectCode::UnknownRecordType, 3)][..]));
    let reject = ended.unwrap();
    assert_eq!((reject.code, reject.byte, reject.record), (RejectCode::Control, 2, 1), "{reject}");
    // One that is bad in another field is counted.
    let (_, bad, ended, _) = pass_over(&layout, "O|2\nL|1\nL|x\nO|1\nL|1\n");
    assert_eq!((bad.len(), ended), (1, None));
}
