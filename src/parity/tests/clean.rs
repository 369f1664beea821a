//! Days on which both producers wrote the same.

use super::day::Day;
use super::*;

#[test]
fn a_hundred_clean_days_have_no_difference() {
    let mut random = Random::seeded();
    let layout = layout();
    for _ in 0..100 {
        let bids = random.below(30);
        let legacy = Day::generated(&mut random, bids);
        let (outcome, found) = compared(&layout, &rules_spec(), &legacy.bytes(), &legacy.bytes(), 3000);
        assert_eq!((outcome.verdict, found.len(), outcome.first_difference), (Verdict::Identical, 0, None));
        let records = legacy.rows.len() as u64;
        assert_eq!((outcome.legacy.records, outcome.candidate.records), (Some(records), Some(records)));
        assert_eq!((outcome.tally.compared, outcome.tally.equal), (records, records));
        assert_eq!(outcome.legacy.sha256, outcome.candidate.sha256);

        // With another name of the system, which does not matter, all records are looked at.
        let mut candidate = legacy.clone();
        candidate.rows[0].fields[2] = "BIDS2".to_owned();
        let ignored = [("header".to_owned(), "system".to_owned())].into();
        let spec = RulesSpec { ignored_fields: ignored, ..rules_spec() };
        let (outcome, found) = compared(&layout, &spec, &legacy.bytes(), &candidate.bytes(), 3000);
        assert_eq!((outcome.verdict, found.len()), (Verdict::Expected, 0), "{found:?}");
        assert_eq!((outcome.tally.compared, outcome.tally.equal), (records, records - 1));
        let [expected] = &outcome.expected[..] else { panic!("{:?}", outcome.expected) };
        assert_eq!((expected.rule.as_str(), expected.subject.as_str(), expected.count), ("ignore", "header.system", 1));
    }
}

#[test]
fn bytes_that_are_equal_are_parity_though_no_layout_reads_them() {
    let (outcome, found) = compared(&layout(), &rules_spec(), b"H|x\n", b"H|x\n", 1000);
    assert_eq!((outcome.verdict, found.len(), outcome.legacy.records), (Verdict::Identical, 0, None));
    assert!(outcome.legacy.reject.is_some(), "and it says that it does not");
}

#[test]
fn a_file_that_changes_while_it_is_compared_is_an_error() {
    let (layout, opened) = (layout(), Cell::new(0));
    let rules = Rules::compile(&rules_spec(), &layout).unwrap();
    let scratch = InMemory::default();
    let comparison =
        Comparison { layout: &layout, rules: &rules, rejects: None, scratch: &scratch, memory_bytes: 1 << 20 };
    let legacy = b"H|20260131|A\nB|1||1.00|\nT|1|1.00\n";
    let grown = b"H|20260131|A\nB|1||1.00|\nB|2||1.00|\nT|2|2.00\n";
    let candidate = b"H|20260131|B\nB|1||1.00|\nT|1|1.00\n";
    let open = || {
        opened.set(opened.get() + 1);
        Ok(Box::new(if opened.get() == 1 { &legacy[..] } else { &grown[..] }) as Box<dyn Read>)
    };
    let outcome = comparison.compare(&open, &|| Ok(Box::new(&candidate[..])), &mut |_| {});
    assert!(matches!(outcome, Err(CompareError::Changed(Side::Legacy))), "{outcome:?}");
}
