//! What is in which file, and what it is called.

use super::*;

const TUESDAY: &str = "2026-06-02";
const WEDNESDAY: &str = "2026-06-03";
const THURSDAY: &str = "2026-06-04";

#[test]
fn events_are_in_the_file_of_their_date_and_each_in_one() {
    let mut stage = Stage::new(rules("22:00", &[]), "2026-06-02T06:00:00Z");
    // One of Wednesday is early; one of Tuesday comes while its cut-off is journaled.
    stage.events(&[TUESDAY, WEDNESDAY, TUESDAY]);
    stage.cut("2026-06-02T20:00:00Z", &[TUESDAY, WEDNESDAY]);
    assert_eq!(stage.made(), [file("INV_20260602_0001.dat", &[0, 2])]);
    assert_eq!(stage.journal.read_from("done", 0), 1, "the early one is read again");
    stage.cut("2026-06-03T20:00:00Z", &[]);
    assert_eq!(stage.made()[1..], [file("INV_20260603_0001.dat", &[1, 3, 4])]);
    assert_eq!(stage.journal.read_from("done", 0), 5);
    assert!(stage.journal.cuts.is_empty(), "nothing that is read again lies below them: {:?}", stage.journal.cuts);
}

#[test]
fn nothing_is_cut_off_twice() {
    let mut stage = Stage::new(rules("22:00", &[]), "2026-06-02T06:00:00Z");
    stage.events(&[TUESDAY]);
    stage.cut("2026-06-02T20:00:00Z", &[]);
    stage.cut("2026-06-02T20:00:01Z", &[]);
    stage.cut("2026-06-03T19:59:59Z", &[]);
    assert_eq!(stage.made().len(), 1);
}

#[test]
fn two_dates_that_are_due_at_once_are_told_apart_by_the_dates_of_events() {
    let mut stage = Stage::new(rules("22:00", &[]), "2026-06-02T06:00:00Z");
    stage.events(&[TUESDAY, WEDNESDAY, TUESDAY, THURSDAY, WEDNESDAY]);
    stage.cut("2026-06-03T23:00:00Z", &[]);
    assert_eq!(stage.made(), [file("INV_20260602_0001.dat", &[0, 2]), file("INV_20260603_0001.dat", &[1, 4])]);
    let clocks: Vec<Moment> = stage.planned.iter().map(|file| file.clock).collect();
    assert_eq!(
        clocks,
        [at("2026-06-02T20:00:00Z"), at("2026-06-03T20:00:00Z")],
        "each by the clock of its own cut-off"
    );
    stage.cut("2026-06-04T20:00:00Z", &[]);
    assert_eq!(stage.made()[2..], [file("INV_20260604_0001.dat", &[3])]);
}

#[test]
fn a_late_event_is_in_the_next_file_or_in_a_correction() {
    let late = |late: LateEvent| {
        let mut stage = Stage::new(WindowRules { late, ..rules("22:00", &[]) }, "2026-06-02T06:00:00Z");
        stage.events(&[TUESDAY]);
        stage.cut("2026-06-02T20:00:00Z", &[]);
        stage.events(&[TUESDAY, WEDNESDAY]);
        stage.cut("2026-06-03T20:00:00Z", &[]);
        stage.events(&[TUESDAY, WEDNESDAY]);
        stage.cut("2026-06-04T20:00:00Z", &[]);
        stage.made()
    };
    assert_eq!(
        late(LateEvent::NextFile),
        [
            file("INV_20260602_0001.dat", &[0]),
            file("INV_20260603_0001.dat", &[1, 2]),
            file("INV_20260604_0001.dat", &[3, 4])
        ]
    );
    assert_eq!(
        late(LateEvent::Correction),
        [
            file("INV_20260602_0001.dat", &[0]),
            file("INV_20260603_0001.dat", &[2]),
            file("INV_20260602_0002.dat", &[1]),
            file("INV_20260604_0001.dat", &[]),
            file("INV_20260602_0003.dat", &[3]),
            file("INV_20260603_0002.dat", &[4])
        ]
    );
}

#[test]
fn what_is_dated_on_a_day_without_a_file_is_of_the_next_that_has_one() {
    let (saturday, whit_monday, next) = ("2026-05-23", "2026-05-25", "2026-05-26");
    let mut stage = Stage::new(rules("22:00", &["2026-05-25"]), "2026-05-22T21:00:00Z");
    stage.events(&[saturday, whit_monday, next]);
    stage.cut("2026-05-25T23:00:00Z", &[]);
    assert_eq!(stage.made(), []);
    stage.cut("2026-05-26T20:00:00Z", &[]);
    assert_eq!(stage.made(), [file("INV_20260526_0001.dat", &[0, 1, 2])]);
}

#[test]
fn an_empty_day_has_a_file_or_none() {
    let running = SequenceRules { reset: SequenceReset::Never, first: 1, next: None };
    for (empty, expected) in [
        (
            EmptyDay::EmptyFile,
            vec![
                file("INV_20260602_0001.dat", &[]),
                file("INV_20260603_0002.dat", &[0]),
                file("INV_20260604_0003.dat", &[]),
            ],
        ),
        (EmptyDay::NoFile, vec![file("INV_20260603_0001.dat", &[0])]),
    ] {
        let mut stage =
            Stage::new(WindowRules { empty, sequence: running, ..rules("22:00", &[]) }, "2026-06-02T06:00:00Z");
        stage.cut("2026-06-02T20:00:00Z", &[]);
        stage.events(&[WEDNESDAY]);
        stage.cut("2026-06-03T20:00:00Z", &[]);
        stage.cut("2026-06-04T20:00:00Z", &[]);
        assert_eq!(stage.made(), expected, "{empty:?}: a number is for a file");
    }
}

#[test]
fn numbers_go_on_begin_again_or_wrap() {
    let named = |reset, first, name: &str| WindowRules {
        sequence: SequenceRules { reset, first, next: None },
        name: FileNameForm::parse(name).unwrap(),
        ..rules("22:00", &[])
    };
    for (rules, expected) in [
        (
            named(SequenceReset::Daily, 1, "{business_date:YYMMDD}.{sequence:2}"),
            ["260602.01", "260603.01", "260604.01"],
        ),
        (named(SequenceReset::Never, 0, "INV.{sequence:3}"), ["INV.000", "INV.001", "INV.002"]),
        (named(SequenceReset::Never, 9, "INV{sequence}"), ["INV9", "INV10", "INV11"]),
        (named(SequenceReset::Wrap { last: 2 }, 1, "INV.{sequence:1}"), ["INV.1", "INV.2", "INV.1"]),
        (named(SequenceReset::Wrap { last: 1 }, 0, "INV.{sequence:1}"), ["INV.0", "INV.1", "INV.0"]),
    ] {
        let mut journal = WindowJournal::new("invoices", at("2026-06-02T06:00:00Z"));
        let mut names = Vec::new();
        for day in [TUESDAY, WEDNESDAY, THURSDAY] {
            let closes = rules.closes(date(day));
            journal.cut(&journal.due(&rules, closes), &[]);
            let planned = journal.plan(&rules, date(day), &BTreeMap::new(), Vec::new()).unwrap();
            names.extend(planned.into_iter().map(|file| file.name));
        }
        assert_eq!(names, expected, "{:?}", rules.sequence);
    }
}

#[test]
fn a_number_without_room_in_the_name_makes_nothing() {
    let never = SequenceRules { reset: SequenceReset::Never, first: 9, next: None };
    let rules =
        WindowRules { sequence: never, name: FileNameForm::parse("INV{sequence:1}").unwrap(), ..rules("22:00", &[]) };
    let mut journal = WindowJournal::new("invoices", at("2026-06-02T06:00:00Z"));
    journal.cut(&journal.due(&rules, at("2026-06-03T21:00:00Z")), &[]);
    assert_eq!(journal.plan(&rules, date(TUESDAY), &BTreeMap::new(), Vec::new()).unwrap()[0].name, "INV9");
    let before = journal.clone();
    let error = journal.plan(&rules, date(WEDNESDAY), &BTreeMap::new(), Vec::new()).unwrap_err();
    assert_eq!(error, "the number 10 has no room in 1 digits");
    assert_eq!(journal, before, "nothing is numbered");
    assert!(journal.plan(&rules, date(THURSDAY), &BTreeMap::new(), Vec::new()).is_err(), "it is not cut off");
}

#[test]
fn rules_that_cannot_work() {
    let named = |name: &str| WindowRules { name: FileNameForm::parse(name).unwrap(), ..rules("22:00", &[]) };
    let numbered =
        |rules: WindowRules, reset| WindowRules { sequence: SequenceRules { reset, first: 1, next: None }, ..rules };
    for (rules, problem) in [
        (named("INV.dat"), "every file would have the same name"),
        (named("INV_{sequence}.dat"), "need a name with {business_date}"),
        (
            WindowRules { late: LateEvent::Correction, ..named("INV_{business_date:YYYYMMDD}.dat") },
            "a correction would have the name",
        ),
        (numbered(named("I{sequence:2}"), SequenceReset::Wrap { last: 100 }), "the number 100 has no room in 2 digits"),
        (numbered(named("I{sequence:2}"), SequenceReset::Wrap { last: 0 }), "the last number, 0, is below the first"),
    ] {
        assert!(rules.problem().is_some_and(|found| found.contains(problem)), "{problem}: {:?}", rules.problem());
    }
    for text in
        ["", ".hidden", "a/b", "INV_{number}", "{sequence}{sequence}", "{sequence:0}", "{business_date:MM}", "{seq"]
    {
        assert!(FileNameForm::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_was_there_of_dates_before_the_beginning_is_in_no_file() {
    for (leaves_the_past, expected) in [(true, vec![1]), (false, vec![0, 1])] {
        let mut stage = Stage::new(rules("22:00", &[]), "2026-06-02T21:00:00Z");
        stage.events(&[TUESDAY, WEDNESDAY]);
        if leaves_the_past {
            let ends = [Mark { topic: "done".to_owned(), partition: 0, to: 2 }];
            stage.journal.leave_the_past(&stage.rules, &ends);
        }
        // What comes later is late, whatever its date.
        stage.events(&[TUESDAY]);
        stage.cut("2026-06-03T20:00:00Z", &[]);
        let expected: Vec<usize> = expected.into_iter().chain([2]).collect();
        assert_eq!(stage.made(), [file("INV_20260603_0001.dat", &expected)], "{leaves_the_past}");
    }
}

#[test]
fn numbers_go_on_from_another_producers() {
    let goes_on = |reset, next| {
        let sequence = SequenceRules { reset, first: 1, next: Some(next) };
        let mut stage = Stage::new(WindowRules { sequence, ..rules("22:00", &[]) }, "2026-06-02T06:00:00Z");
        stage.cut("2026-06-04T20:00:00Z", &[]);
        stage.planned.iter().map(|file| file.sequence).collect::<Vec<_>>()
    };
    assert_eq!(goes_on(SequenceReset::Never, 8124), [8124, 8125, 8126]);
    assert_eq!(goes_on(SequenceReset::Wrap { last: 9999 }, 9999), [9999, 1, 2]);
}

#[test]
fn a_planned_file_is_waited_for_before_what_it_is_made_of_is_passed() {
    let rules = rules("22:00", &[]);
    let mut journal = WindowJournal::new("invoices", at("2026-06-02T06:00:00Z"));
    let mark = |to| vec![Mark { topic: "done".to_owned(), partition: 0, to }];
    journal.cut(&journal.due(&rules, at("2026-06-03T21:00:00Z")), &mark(5));
    let [first, second] = [date(TUESDAY), date(WEDNESDAY)];
    let planned = journal.plan(&rules, first, &BTreeMap::from([(first, 3)]), mark(5)).unwrap();
    assert_eq!((journal.read_from("done", 0), journal.planned.len()), (0, 1));
    journal.finish(&planned[0]);
    assert_eq!((journal.read_from("done", 0), journal.unplanned().map(|cut| cut.date)), (5, Some(second)));
    // The second has nothing below its marks, and is not forgotten for that.
    let cut = journal.unplanned().unwrap().clone();
    assert_eq!(journal.before(&cut), None, "everything below it is passed");
    journal.give_up(&cut);
    assert_eq!((journal.unplanned(), Mark::of(&journal.given_up, "done", 0)), (None, 5));
}

#[test]
fn nothing_is_of_a_date_for_which_the_legacy_side_speaks() {
    let [monday, tuesday] = [date("2026-06-01"), date(TUESDAY)];
    for (members, said) in [
        (BTreeMap::new(), None),
        (BTreeMap::from([(tuesday, 0)]), None),
        (BTreeMap::from([(monday, 3)]), None),
        (BTreeMap::from([(tuesday, 1)]), Some("speaks for 2026-06-02: 1 event that")),
        (BTreeMap::from([(monday, 3), (tuesday, 1)]), Some("speaks for 2026-06-02: 4 events that")),
    ] {
        let found = beside_legacy(tuesday, &members);
        let is_right = found.as_deref().map_or(said.is_none(), |found| said.is_some_and(|said| found.contains(said)));
        assert!(is_right, "{members:?}: {found:?}");
    }
}
