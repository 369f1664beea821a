//! Rules: what they cover is counted and shown, what they do not is found.

use super::day::Day;
use super::*;

fn name(record: &str, field: &str) -> FieldName {
    (record.to_owned(), field.to_owned())
}

/// What is expected of two files: rule, subject and count.
fn expected(spec: &RulesSpec, legacy: &str, candidate: &str) -> (Verdict, Vec<(String, String, u64)>, Vec<Finding>) {
    let file = |rows: &str| {
        let amounts = rows.lines().filter(|row| row.starts_with("B|"));
        let amounts = amounts.map(|row| row.split('|').nth(3).unwrap().replace('.', "").parse::<u64>().unwrap());
        let (count, total) = (amounts.clone().count(), amounts.sum::<u64>());
        format!("H|20260131|PWPROC\n{rows}T|{count}|{}.{:02}\n", total / 100, total % 100)
    };
    let (legacy, candidate) = (file(legacy), file(candidate));
    let (outcome, found) = compared(&layout(), spec, legacy.as_bytes(), candidate.as_bytes(), 4000);
    let expected = outcome.expected.into_iter();
    let expected = expected.map(|expected| {
        let example = &expected.example;
        assert!(example.legacy.is_some() || example.candidate.is_some(), "an example is shown with its place");
        (expected.rule, expected.subject, expected.count)
    });
    (outcome.verdict, expected.collect(), found)
}

fn is(rule: &str, subject: &str, count: u64) -> (String, String, u64) {
    (rule.to_owned(), subject.to_owned(), count)
}

#[test]
fn fields_that_are_ignored() {
    let spec = RulesSpec { ignored_fields: [name("bid", "vendor")].into(), ..rules_spec() };
    let (verdict, counted, _) = expected(&spec, "B|1|a|1.00|\nB|2||1.00|\n", "B|1|b|1.00|\nB|2|c|1.00|\n");
    assert_eq!((verdict, counted), (Verdict::Expected, vec![is("ignore", "bid.vendor", 2)]));
    let (verdict, counted, found) = expected(&spec, "B|1|a|1.00|\n", "B|1|b|1.00|20260102\n");
    assert_eq!((verdict, counted, found.len()), (Verdict::Different, vec![is("ignore", "bid.vendor", 1)], 1));
}

#[test]
fn records_that_are_ignored_may_stand_anywhere() {
    let spec = RulesSpec { ignored_records: ["note".to_owned()].into(), ..rules_spec() };
    for (legacy, candidate, count) in [
        ("N|x\nB|1||1.00|\nN|y\n", "B|1||1.00|\n", 2),
        ("N|x\nB|1||1.00|\n", "N|z\nB|1||1.00|\n", 1),
        ("N|x\nB|1||1.00|\nB|2||1.00|\n", "B|1||1.00|\nB|2||1.00|\nN|x\n", 1),
        ("B|1||1.00|\n", "B|1||1.00|\nN|x\nN|x\n", 2),
    ] {
        let (verdict, counted, found) = expected(&spec, legacy, candidate);
        assert_eq!((verdict, found.len()), (Verdict::Expected, 0), "{legacy:?} {candidate:?}: {found:?}");
        assert_eq!(counted, [is("ignore", "note", count)], "{legacy:?} {candidate:?}");
    }
}

#[test]
fn padding_and_case() {
    let spec = RulesSpec { padding: [name("bid", "vendor"), name("bid", "amount")].into(), ..rules_spec() };
    let (verdict, counted, found) =
        expected(&spec, "B|1|a |1.00|\nB|2||1.00|\nB|3|b|1.00|\n", "B|1|a|1.00|\nB|2|\"\"|1.00|\nB|3|b|01.00|\n");
    assert_eq!((verdict, found.len()), (Verdict::Expected, 0), "{found:?}");
    assert_eq!(counted, [is("padding", "bid.amount", 1), is("padding", "bid.vendor", 2)]);
    let (verdict, _, found) = expected(&spec, "B|1|a|1.00|\n", "B|1|A|1.00|\n");
    assert_eq!((verdict, found[0].kind), (Verdict::Different, Kind::Different));

    let spec = RulesSpec { case: [name("bid", "vendor")].into(), ..rules_spec() };
    let (verdict, counted, _) = expected(&spec, "B|1|MÜLLER|1.00|\n", "B|1|Müller|1.00|\n");
    assert_eq!((verdict, counted), (Verdict::Expected, vec![is("case", "bid.vendor", 1)]));
    let (verdict, _, _) = expected(&spec, "B|1|MÜLLER|1.00|\n", "B|1|Müller |1.00|\n");
    assert_eq!(verdict, Verdict::Different, "not with a blank");
    let spec = RulesSpec { padding: spec.case.clone(), ..spec };
    let (verdict, counted, _) = expected(&spec, "B|1|MÜLLER|1.00|\n", "B|1|Müller |1.00|\n");
    assert_eq!((verdict, counted), (Verdict::Expected, vec![is("case", "bid.vendor", 1)]));
}

#[test]
fn keys_of_other_case_or_padding_are_the_same_where_a_rule_says_so() {
    let spec =
        RulesSpec { case: [name("bid", "number")].into(), padding: [name("bid", "number")].into(), ..rules_spec() };
    let (legacy, candidate) = ("B|a1|v|1.00|\nL|1|x|1.00\n", "B|A1 |v|1.00|\nL|1|x|1.00\n");
    let (verdict, counted, found) = expected(&spec, legacy, candidate);
    assert_eq!((verdict, counted), (Verdict::Expected, vec![is("case", "bid.number", 1)]), "{found:?}");
    let (_, _, found) = expected(&rules_spec(), legacy, candidate);
    let kinds: Vec<Kind> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds.len(), 4, "otherwise they are others: {found:?}");
    assert!(kinds.iter().all(|kind| [Kind::Missing, Kind::Extra].contains(kind)));
}

#[test]
fn tolerances() {
    let tolerance = |text, of| Tolerance::parse(text, of).unwrap();
    let tolerances = [
        (name("line", "price"), tolerance("0.02", crate::layout::ValueType::Decimal(Some(2)))),
        (name("bid", "opened"), tolerance("1 day", crate::layout::ValueType::Date)),
    ];
    let spec = RulesSpec { tolerances: tolerances.into(), ..rules_spec() };
    let (legacy, candidate) = ("B|1||1.00|20260131\nL|1|x|1.00\n", "B|1||1.00|20260201\nL|1|x|0.98\n");
    let (verdict, counted, _) = expected(&spec, legacy, candidate);
    assert_eq!(verdict, Verdict::Expected);
    assert_eq!(counted, [is("tolerance", "bid.opened", 1), is("tolerance", "line.price", 1)]);
    let (_, _, found) = expected(&spec, legacy, &candidate.replace("0.98", "0.97").replace("0201", "0202"));
    assert_eq!(found.len(), 2, "a cent and a day more: {found:?}");
    let (_, _, found) = expected(&spec, legacy, &candidate.replace("20260201", ""));
    assert_eq!(found.len(), 1, "a date that is not there is no near one: {found:?}");
}

#[test]
fn an_order_that_does_not_matter() {
    let (legacy, candidate) = (
        "B|1||1.00|\nL|1|x|1.00\nL|2|y|1.00\nB|2||1.00|\nB|3||1.00|\n",
        "B|2||1.00|\nB|3||1.00|\nB|1||1.00|\nL|2|y|1.00\nL|1|x|1.00\n",
    );
    let any = RulesSpec { any_order: true, ..rules_spec() };
    let (verdict, counted, found) = expected(&any, legacy, candidate);
    assert_eq!((verdict, found.len()), (Verdict::Expected, 0), "{found:?}");
    assert_eq!(counted, [is("order", "bid", 1), is("order", "line", 1)]);

    let lines = RulesSpec { any_order_of: ["line".to_owned()].into(), ..rules_spec() };
    let (verdict, counted, found) = expected(&lines, legacy, candidate);
    assert_eq!((verdict, counted), (Verdict::Different, vec![is("order", "line", 1)]));
    assert_eq!((found.len(), found[0].kind, found[0].subject()), (1, Kind::OutOfOrder, "bid".to_owned()));
    let (_, _, found) = expected(&rules_spec(), legacy, candidate);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_stands_beside_records_where_that_does_not_matter() {
    let spec = RulesSpec { ignores_beside: true, ..rules_spec() };
    let (verdict, counted, _) = expected(&spec, "# 22:14\nB|1||1.00|\n", "# 23:01\nB|1||1.00|\n");
    assert_eq!((verdict, counted), (Verdict::Expected, vec![is("beside_records", "line beside the records", 1)]));
}

#[test]
fn lines_without_a_key_are_told_by_their_place() {
    let spec = RulesSpec { keys: [("bid".to_owned(), vec!["number".to_owned()])].into(), ..rules_spec() };
    let (_, _, found) = expected(&spec, "B|1||1.00|\nL|1|x|1.00\nL|2|y|1.00\n", "B|1||1.00|\nL|2|y|1.00\n");
    let told: Vec<_> = found.iter().map(|finding| (finding.kind, finding.key.as_deref().unwrap())).collect();
    let first = (Kind::Different, "1 / no. 1");
    assert_eq!(told, [first, first, (Kind::Missing, "1 / no. 2")]);
}

#[test]
fn masked_values_are_shown_nowhere() {
    let text = LAYOUT
        .replace("{ name = \"vendor\", type = \"text\",", "{ name = \"vendor\", masked = true, type = \"text\",")
        .replace("{ name = \"number\", type = \"text\" }", "{ name = \"number\", masked = true, type = \"text\" }");
    let layout = layout_from_text("day.toml", &text).unwrap();
    let legacy = "H|20260131|A\n# secret0\nB|secret1|secret2|1.00|\nL|1|x|1.00\nB|secret3|v|1.00|\nT|2|2.00\n";
    let candidate = "H|20260131|A\n# secret4\nB|secret1|\"secret2\"|1.00|\nL|1|y|1.00\nB|secret6|v|1.00|\nT|2|2.00\n";
    for spec in [rules_spec(), RulesSpec { ignored_fields: [name("bid", "vendor")].into(), ..rules_spec() }] {
        let (outcome, found) = compared(&layout, &spec, legacy.as_bytes(), candidate.as_bytes(), 4000);
        let all = serde_json::to_string(&(&outcome, &found)).unwrap();
        assert!(!all.contains("secret"), "{all}");
        assert!(all.contains("(masked) / 1"), "the rest is shown: {all}");
    }
}

#[test]
fn rules_that_name_nothing_or_contradict_themselves_are_refused() {
    let layout = layout();
    let wrong = |spec: RulesSpec| Rules::compile(&spec, &layout).unwrap_err();
    for (spec, said) in [
        (RulesSpec { any_order_of: ["lines".to_owned()].into(), ..rules_spec() }, "no record type `lines`"),
        (RulesSpec { case: [name("bid", "vender")].into(), ..rules_spec() }, "no field `vender`"),
        (RulesSpec { ignored_fields: [name("bid", "number")].into(), ..rules_spec() }, "`bid.number` tells records"),
        (
            RulesSpec {
                leads: [("line", "bid"), ("bid", "line")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
                ..rules_spec()
            },
            "belongs to itself",
        ),
    ] {
        let message = wrong(spec);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn random_days_that_differ_as_expected_are_parity_and_each_difference_is_counted() {
    let mut random = Random::seeded();
    let spec = RulesSpec {
        any_order: true,
        ignored_records: ["note".to_owned()].into(),
        padding: [name("bid", "vendor")].into(),
        ignored_fields: [name("line", "text")].into(),
        ..rules_spec()
    };
    for _ in 0..50 {
        let legacy = Day::generated(&mut random, 12);
        let mut candidate = legacy.clone();
        let (mut padded, mut texts) = (0, 0);
        for row in &mut candidate.rows {
            match row.mark() {
                "B" if random.below(3) == 0 && !row.fields[2].starts_with('"') => {
                    row.fields[2].push(' ');
                    padded += 1;
                }
                "L" if random.below(3) == 0 => {
                    row.fields[2].push('!');
                    texts += 1;
                }
                _ => {}
            }
        }
        let notes = random.below(3);
        for _ in 0..notes {
            let at = random.below(candidate.rows.len() - 1) + 1;
            candidate.push(at, &["N", "seen"]);
        }
        let mut wanted: Vec<_> =
            [is("ignore", "line.text", texts), is("ignore", "note", notes as u64), is("padding", "bid.vendor", padded)]
                .into_iter()
                .filter(|(_, _, count)| *count > 0)
                .collect();
        let (outcome, found) = compared(&layout(), &spec, &legacy.bytes(), &candidate.bytes(), 4000);
        assert_eq!(found, []);
        let verdict = if wanted.is_empty() { Verdict::Identical } else { Verdict::Expected };
        assert_eq!(outcome.verdict, verdict);
        wanted.sort();
        let counted: Vec<_> =
            outcome.expected.into_iter().map(|expected| (expected.rule, expected.subject, expected.count)).collect();
        assert_eq!(counted, wanted);
    }
}
