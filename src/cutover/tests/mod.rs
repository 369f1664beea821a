//! The decision as tables, and over every sequence of commands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod forwarding;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::calendar::{Holiday, Holidays, Weekdays};
use crate::domain::{BusinessDate, Calendar, Moment};
use crate::window::{FileDays, WindowDays};

fn day(number: i32) -> BusinessDate {
    BusinessDate::parse("2026-02-01").unwrap().days_later(number)
}

fn now() -> Moment {
    Moment::from_unix_ns(1_770_000_000_000_000_000)
}

/// Evidence that stands against nothing.
fn good() -> Evidence {
    Evidence {
        feeds: vec!["parks.bids".to_owned()],
        parity_days: 10,
        candidate_lag_ms: Some(500),
        newest_date: Some(day(0)),
        legacy_runs: true,
        forwards: true,
        ..Evidence::default()
    }
}

fn gates() -> Gates {
    Gates {
        most_candidate_lag: Some(Duration::from_secs(1)),
        approvers: vec!["owner-of-parks".to_owned()],
        ..Gates::default()
    }
}

fn command(direction: Direction) -> Command {
    Command {
        direction,
        effective: None,
        by: "op@host".to_owned(),
        approved_by: Some("owner-of-parks".to_owned()),
        reason: None,
        force: false,
    }
}

fn forced(command: Command) -> Command {
    Command { force: true, reason: Some("the union asked for it".to_owned()), ..command }
}

/// The journal of a department that came to a stage step by step, each a day behind the one before.
fn at(stage: Stage) -> CutoverJournal {
    let mut journal = CutoverJournal::new("parks");
    let mut evidence = Evidence { newest_date: Some(day(-5)), ..good() };
    while journal.last_stage() != stage {
        let transition = decide(&journal, &gates(), &evidence, &command(Direction::Advance), now()).unwrap();
        evidence.newest_date = Some(transition.effective);
        journal.transitions.push(transition);
    }
    journal
}

#[test]
fn a_department_goes_all_the_way_and_back() {
    use Stage::{Live, Observe, Retired, Shadow};
    let journal = at(Retired);
    let stages: Vec<Stage> = (-6..3).map(|number| journal.stage_on(day(number))).collect();
    assert_eq!(stages, [Observe, Observe, Shadow, Live, Retired, Retired, Retired, Retired, Retired]);
    let mut journal = journal;
    for (stage, authority) in [(Live, Authority::Candidate), (Shadow, Authority::Legacy), (Observe, Authority::Legacy)]
    {
        let evidence = Evidence { newest_date: Some(day(journal.transitions.len() as i32)), ..good() };
        let rollback = command(Direction::Rollback);
        let transition = decide(&journal, &gates(), &evidence, &rollback, now()).unwrap();
        assert_eq!((transition.to, transition.effective), (stage, evidence.newest_date.unwrap().days_later(1)));
        assert_eq!(transition.evidence, evidence, "it is kept with the transition");
        journal.transitions.push(transition);
        assert_eq!(journal.authority_on(day(30)), authority);
    }
    assert_eq!(journal.authority_on(day(-3)), Authority::Candidate, "what was true of a date stays true");
    let refused = decide(&journal, &gates(), &good(), &command(Direction::Rollback), now()).unwrap_err();
    assert!(refused.contains(&Block::NoStage { stage: Observe }), "{refused:?}");
}

#[test]
fn what_stands_against_it_and_whether_it_can_be_overruled() {
    let feeds = || vec!["parks.bids".to_owned()];
    let approvers = || vec!["owner-of-parks".to_owned()];
    let advance = || command(Direction::Advance);
    let cases: Vec<(Stage, Evidence, Command, Block, bool)> = vec![
        (
            Stage::Observe,
            Evidence { unproven: feeds(), ..good() },
            advance(),
            Block::Unproven { feeds: feeds() },
            false,
        ),
        (Stage::Shadow, Evidence { unproven: feeds(), ..good() }, advance(), Block::Unproven { feeds: feeds() }, false),
        (Stage::Shadow, Evidence { taps: feeds(), ..good() }, advance(), Block::Tap { feeds: feeds() }, false),
        (Stage::Live, Evidence { taps: feeds(), ..good() }, advance(), Block::Tap { feeds: feeds() }, false),
        (Stage::Shadow, Evidence { undated: feeds(), ..good() }, advance(), Block::Undated { feeds: feeds() }, false),
        (Stage::Shadow, Evidence { forwards: false, ..good() }, advance(), Block::NoForwarding, false),
        (Stage::Observe, Evidence { feeds: vec![], ..good() }, advance(), Block::NoFeed, false),
        (Stage::Observe, Evidence { newest_date: None, ..good() }, advance(), Block::NoDate, false),
        (
            Stage::Observe,
            good(),
            Command { effective: Some(day(0)), ..advance() },
            Block::DateIsTaken { effective: day(0), newest: day(0) },
            false,
        ),
        (
            Stage::Shadow,
            Evidence { newest_date: Some(day(-9)), ..good() },
            Command { effective: Some(day(-4)), ..advance() },
            Block::DateIsPlanned { effective: day(-4), planned: day(-4) },
            false,
        ),
        (
            Stage::Shadow,
            Evidence { newest_date: Some(day(-2)), file_days: business_days(&[]), ..good() },
            Command { effective: Some(day(1)), ..advance() },
            Block::SharedFile { effective: day(1), first: day(-1), instead: vec![day(-1), day(2)] },
            false,
        ),
        (Stage::Retired, good(), advance(), Block::NoStage { stage: Stage::Retired }, false),
        (
            Stage::Shadow,
            Evidence { parity_days: 9, ..good() },
            advance(),
            Block::ParityDays { days: 9, needed: 10 },
            true,
        ),
        (Stage::Observe, Evidence { open_drops: 1, ..good() }, advance(), Block::OpenDrops { drops: 1, most: 0 }, true),
        (
            Stage::Shadow,
            Evidence { candidate_lag_ms: Some(1001), ..good() },
            advance(),
            Block::CandidateLag { lag_ms: Some(1001), most_ms: 1000 },
            true,
        ),
        (
            Stage::Shadow,
            Evidence { candidate_lag_ms: None, ..good() },
            advance(),
            Block::CandidateLag { lag_ms: None, most_ms: 1000 },
            true,
        ),
        (
            Stage::Shadow,
            good(),
            Command { approved_by: None, ..advance() },
            Block::NotApproved { named: None, approvers: approvers() },
            true,
        ),
        (
            Stage::Live,
            good(),
            Command { approved_by: Some("somebody".to_owned()), ..advance() },
            Block::NotApproved { named: Some("somebody".to_owned()), approvers: approvers() },
            true,
        ),
        (
            Stage::Live,
            Evidence { legacy_runs: false, ..good() },
            command(Direction::Rollback),
            Block::LegacyIsSilent,
            true,
        ),
    ];
    for (stage, evidence, command, block, can_be_forced) in cases {
        let journal = at(stage);
        let said = decide(&journal, &gates(), &evidence, &command, now()).unwrap_err();
        assert_eq!(said, std::slice::from_ref(&block), "{stage}: alone");
        assert!(block.to_string().len() > 10 && !block.to_string().contains("Block"), "{block}");
        let outcome = decide(&journal, &gates(), &evidence, &forced(command.clone()), now());
        assert_eq!(outcome.is_ok(), can_be_forced, "{stage}: {block:?}");
        if let Ok(transition) = outcome {
            assert_eq!(transition.forced, std::slice::from_ref(&block), "it is marked");
        }
        let without_reason = Command { force: true, reason: Some("  ".to_owned()), ..command };
        let said = decide(&journal, &gates(), &evidence, &without_reason, now()).unwrap_err();
        assert!(said.contains(&Block::NoReason), "{said:?}");
    }
}

/// Monday to Friday but for these; what is dated between two of them is in the file of the later one.
fn business_days(holidays: &[&str]) -> Vec<FileDays> {
    let holidays: Vec<Holiday> = holidays.iter().map(|text| Holiday::parse(text).unwrap()).collect();
    let calendar = Calendar::new(TimeZone::UTC, Weekdays::WORKING, Holidays::of(&holidays));
    vec![FileDays::new(Arc::new(calendar), WindowDays::Business)]
}

fn every_day() -> Vec<FileDays> {
    let calendar = Calendar::new(TimeZone::UTC, Weekdays::WORKING, Holidays::default());
    vec![FileDays::new(Arc::new(calendar), WindowDays::Every)]
}

#[test]
fn one_side_speaks_for_all_of_a_file() {
    use Direction::{Advance, Rollback};
    use Stage::{Live, Observe, Shadow};
    let business = || business_days(&[]);
    let holiday = || business_days(&["2026-02-02"]);
    // What it is about, the stage, the direction, the days of files, the newest date, the date that is stated; the date
    // that it comes to, or those that are named instead. -2 is a Friday, 1 the Monday behind it.
    type Case = (&'static str, Stage, Direction, Vec<FileDays>, i32, Option<i32>, Result<i32, Vec<i32>>);
    let cases: Vec<Case> = vec![
        ("Saturday begins Monday's file", Shadow, Advance, business(), -2, None, Ok(-1)),
        ("and may be stated", Shadow, Advance, business(), -2, Some(-1), Ok(-1)),
        ("Sunday does not", Shadow, Advance, business(), -2, Some(0), Err(vec![-1, 2])),
        ("nor does Monday", Shadow, Advance, business(), -2, Some(1), Err(vec![-1, 2])),
        ("Saturday is taken", Shadow, Advance, business(), -1, Some(1), Err(vec![2])),
        ("and the default is the next that can be", Shadow, Advance, business(), -1, None, Ok(2)),
        ("within the week", Shadow, Advance, business(), 1, None, Ok(2)),
        ("over a holiday", Shadow, Advance, holiday(), -2, Some(2), Err(vec![-1, 3])),
        ("the default over one", Shadow, Advance, holiday(), -1, None, Ok(3)),
        ("each day has a file", Shadow, Advance, every_day(), -2, Some(1), Ok(1)),
        ("of two windows both", Shadow, Advance, [every_day(), business()].concat(), -2, Some(0), Err(vec![-1, 2])),
        ("without windows", Shadow, Advance, Vec::new(), -2, Some(1), Ok(1)),
        ("back", Live, Rollback, business(), -2, Some(0), Err(vec![-1, 2])),
        ("back by default", Live, Rollback, business(), -1, None, Ok(2)),
        ("in shadow the same side speaks", Observe, Advance, business(), -2, Some(1), Ok(1)),
        ("and in retirement", Live, Advance, business(), -2, Some(1), Ok(1)),
    ];
    for (what, stage, direction, file_days, newest, stated, expected) in cases {
        let evidence = Evidence { newest_date: Some(day(newest)), file_days, ..good() };
        let command = Command { effective: stated.map(day), ..command(direction) };
        let found = decide(&at(stage), &gates(), &evidence, &command, now()).map(|moved| moved.effective);
        let found = found.map_err(|blocks| match &blocks[..] {
            [Block::SharedFile { instead, .. }] => instead.clone(),
            _ => panic!("{what}: {blocks:?}"),
        });
        let dates = |numbers: Vec<i32>| numbers.into_iter().map(day).collect::<Vec<_>>();
        assert_eq!(found, expected.map(day).map_err(dates), "{what}");
    }
    let block = Block::SharedFile { effective: day(1), first: day(-1), instead: vec![day(-1), day(2)] };
    let said = "2026-02-02 shares a file with 2026-01-31, and one side speaks for all of a file: \
                say --from 2026-01-31 or --from 2026-02-03";
    assert_eq!(block.to_string(), said);
}

#[test]
fn what_is_planned_in_the_middle_of_a_file_can_be_called_off() {
    let mut journal = at(Stage::Shadow);
    // A Monday, decided when nobody looked at files.
    let advance = Command { effective: Some(day(8)), ..command(Direction::Advance) };
    journal.transitions.push(decide(&journal, &gates(), &good(), &advance, now()).unwrap());
    let evidence = Evidence { file_days: business_days(&[]), ..good() };
    let off = decide(&journal, &gates(), &evidence, &command(Direction::Rollback), now()).unwrap();
    assert_eq!(off.effective, day(8), "the same side speaks for the weekend before it");
}

#[test]
fn force_that_overrules_nothing_is_not_marked() {
    let transition =
        decide(&at(Stage::Shadow), &gates(), &good(), &forced(command(Direction::Advance)), now()).unwrap();
    assert_eq!((transition.to, transition.forced.len()), (Stage::Live, 0));
}

#[test]
fn what_is_planned_can_be_called_off_before_it_takes_effect() {
    let mut journal = at(Stage::Shadow);
    let evidence = Evidence { newest_date: Some(day(3)), ..good() };
    let advance = Command { effective: Some(day(10)), ..command(Direction::Advance) };
    journal.transitions.push(decide(&journal, &gates(), &evidence, &advance, now()).unwrap());
    assert_eq!([9, 10].map(|number| journal.stage_on(day(number))), [Stage::Shadow, Stage::Live]);
    let off = decide(&journal, &gates(), &evidence, &command(Direction::Rollback), now()).unwrap();
    assert_eq!((off.to, off.effective), (Stage::Shadow, day(10)), "from the same date on");
    journal.transitions.push(off);
    assert!((4..30).all(|number| journal.stage_on(day(number)) == Stage::Shadow));
    let again = decide(&journal, &gates(), &evidence, &command(Direction::Advance), now()).unwrap();
    assert_eq!((again.to, again.effective), (Stage::Live, day(11)));
}

#[test]
fn a_journal_reads_back() {
    let mut journal = at(Stage::Live);
    journal.transitions[1].forced = vec![Block::ParityDays { days: 1, needed: 10 }, Block::LegacyIsSilent];
    let json = serde_json::to_string(&journal).unwrap();
    assert_eq!(serde_json::from_str::<CutoverJournal>(&json).unwrap(), journal, "{json}");
    assert!(json.contains(r#""block":"parity_days""#) && json.contains(r#""from":"observe","to":"shadow""#), "{json}");
    assert_eq!(CutoverJournal::record_key("parks"), "cutover/parks");
}

/// A department as a sequence of commands has left it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    /// Stages and their dates, as numbers of days.
    transitions: Vec<(Stage, Stage, i32)>,
    /// The newest date that was published.
    newest: i32,
    /// Who spoke for each date, at the time.
    spoken: BTreeMap<i32, bool>,
}

fn number(date: BusinessDate) -> i32 {
    (-400..400).find(|number| day(*number) == date).unwrap()
}

impl World {
    fn journal(&self) -> CutoverJournal {
        let transition = |(from, to, effective): &(Stage, Stage, i32)| Transition {
            from: *from,
            to: *to,
            effective: day(*effective),
            decided_at: now(),
            by: String::new(),
            approved_by: None,
            reason: None,
            forced: Vec::new(),
            evidence: Evidence::default(),
        };
        CutoverJournal {
            transitions: self.transitions.iter().map(transition).collect(),
            ..CutoverJournal::new("parks")
        }
    }

    /// Which systems speak for a date, as the table of stages has it: from the files, and by forwarding.
    fn speakers(&self, date: i32) -> (bool, bool) {
        let mut stage = Stage::Observe;
        // As they were decided, each from its date on.
        for (_, to, effective) in &self.transitions {
            if date >= *effective {
                stage = *to;
            }
        }
        (matches!(stage, Stage::Observe | Stage::Shadow), matches!(stage, Stage::Live | Stage::Retired))
    }

    /// One speaks for every date, whatever was and will be; and for what is past the one that spoke.
    fn check(&self) {
        let journal = self.journal();
        for date in -20..40 {
            let (legacy, candidate) = self.speakers(date);
            assert!(legacy != candidate, "{date}: {self:?}");
            assert_eq!(journal.authority_on(day(date)) == Authority::Legacy, legacy, "{date}: {self:?}");
            if let Some(spoke) = self.spoken.get(&date) {
                assert_eq!(*spoke, legacy, "{date} changed hands after it was published: {self:?}");
            }
        }
    }
}

/// Every kind of evidence: what is stated of feeds and what is known of the candidate, each as it should be and not.
fn every_evidence(newest: i32) -> Vec<Evidence> {
    let feeds = |wrong: bool| if wrong { vec!["parks.bids".to_owned()] } else { Vec::new() };
    (0..64_u32)
        .map(|bits| {
            let wrong = |bit: u32| bits & (1 << bit) != 0;
            Evidence {
                taps: feeds(wrong(0)),
                unproven: feeds(wrong(1)),
                forwards: !wrong(2),
                // These come together: each alone is in the table above.
                parity_days: if wrong(3) { 0 } else { 10 },
                open_drops: u64::from(wrong(3)),
                candidate_lag_ms: (!wrong(4)).then_some(1),
                legacy_runs: !wrong(5),
                newest_date: Some(day(newest)),
                ..good()
            }
        })
        .collect()
}

/// What a sequence of six does depends on nothing but the world that five have left; so worlds are followed, and not
/// each of the many sequences that lead to one.
#[test]
fn whatever_is_commanded_one_speaks_for_each_date_and_what_was_said_stays() {
    let mut worlds: BTreeSet<World> = [World { transitions: Vec::new(), newest: 0, spoken: [(0, true)].into() }].into();
    let (mut decided, mut refused, mut stages) = (0_u64, 0_u64, BTreeSet::new());
    for _ in 0..6 {
        let mut next = BTreeSet::new();
        for world in &worlds {
            let mut later = world.clone();
            later.newest += 1;
            later.spoken.insert(later.newest, world.speakers(later.newest).0);
            next.insert(later);
            let journal = world.journal();
            for (evidence, command) in commands(world) {
                match decide(&journal, &gates(), &evidence, &command, now()) {
                    Ok(transition) => {
                        decided += 1;
                        lawful(&transition, &command);
                        stages.insert(transition.to);
                        let mut moved = world.clone();
                        moved.transitions.push((transition.from, transition.to, number(transition.effective)));
                        next.insert(moved);
                    }
                    Err(blocks) => {
                        refused += 1;
                        assert!(!blocks.is_empty(), "a refusal says why");
                    }
                }
            }
        }
        next.iter().for_each(World::check);
        worlds = next;
    }
    println!("{} worlds, {decided} transitions, {refused} refusals", worlds.len());
    assert_eq!(stages.len(), 4, "every stage was reached: {stages:?}");
    assert!(worlds.len() > 300 && decided > 1000 && refused > 1000);
}

fn commands(world: &World) -> Vec<(Evidence, Command)> {
    let mut all = Vec::new();
    for evidence in every_evidence(world.newest) {
        for direction in [Direction::Advance, Direction::Rollback] {
            for effective in [None, Some(day(world.newest)), Some(day(world.newest + 3))] {
                let plain = Command { effective, ..command(direction) };
                all.push((evidence.clone(), forced(plain.clone())));
                all.push((evidence.clone(), plain));
            }
        }
    }
    all
}

/// What holds of every transition.
fn lawful(transition: &Transition, command: &Command) {
    let Transition { from, to, evidence, forced, .. } = transition;
    let expected = match command.direction {
        Direction::Advance => from.next(),
        Direction::Rollback => from.previous(),
    };
    assert_eq!(Some(*to), expected, "one stage at a time");
    assert!(transition.effective > evidence.newest_date.unwrap(), "from a date that is still free");
    assert!(forced.is_empty() || (command.force && transition.reason.is_some()), "marked, and with a reason");
    if command.direction == Direction::Advance {
        assert!(evidence.unproven.is_empty(), "what cannot be written again stays observed");
        assert!(*to == Stage::Shadow || (evidence.taps.is_empty() && evidence.forwards), "no tap is live");
        assert!(*to != Stage::Live || evidence.parity_days >= 10 || !forced.is_empty());
    }
}
