//! Events that are gone through once and again, while dates change hands.

use std::collections::BTreeMap;

use super::{command, day, gates, good, now};
use crate::cutover::{Authority, CutoverJournal, Direction, Evidence, Forwarding, Passage, decide};
use crate::window::Mark;

/// Departments whose dates change hands, and one partition of candidate events that is gone through meanwhile.
struct Stream {
    journals: BTreeMap<&'static str, CutoverJournal>,
    /// The newest date of which something was published.
    newest: BTreeMap<&'static str, i32>,
    events: Vec<(&'static str, i32)>,
    forwarded: Vec<u32>,
    forwarding: Forwarding,
}

impl Stream {
    fn new() -> Self {
        let departments = ["parks", "roads"];
        Self {
            journals: departments.map(|name| (name, CutoverJournal::new(name))).into(),
            newest: departments.map(|name| (name, 0)).into(),
            events: Vec::new(),
            forwarded: Vec::new(),
            forwarding: Forwarding::default(),
        }
    }

    /// Judges the next event; whether there was one.
    fn pass(&mut self) -> bool {
        let offset = self.forwarding.position("bids", 0).unwrap_or(0);
        let index = usize::try_from(offset).unwrap();
        let Some((department, date)) = self.events.get(index).copied() else { return false };
        let journal = self.journals.get(department);
        if self.forwarding.passage(journal, day(date), ("bids", 0, offset)) == Passage::Forward {
            self.forwarded[index] += 1;
            let newest = self.newest.get_mut(department).unwrap();
            *newest = date.max(*newest);
        }
        self.forwarding.reach("bids", 0, offset + 1);
        true
    }

    /// Moves a department from the first date that is free, once what was begun is over.
    fn switch(&mut self, department: &'static str, direction: Direction) {
        while self.forwarding.is_catching_up() {
            assert!(self.pass(), "what was reached before is there");
        }
        let journal = self.journals.get_mut(department).unwrap();
        let evidence = Evidence { newest_date: Some(day(self.newest[department])), ..good() };
        let Ok(transition) = decide(journal, &gates(), &evidence, &command(direction), now()) else { return };
        let gives =
            transition.from.authority() == Authority::Legacy && transition.to.authority() == Authority::Candidate;
        journal.transitions.push(transition);
        if gives {
            let beginning = Mark { topic: "bids".to_owned(), partition: 0, to: 0 };
            self.forwarding.begin_again(journal, &[beginning]);
        }
    }
}

/// Events of dates that were and will be switched, in random order, before and behind the switches: each goes once if its
/// date is the candidate's in the end, and never if it is not.
#[test]
fn each_event_of_the_candidates_dates_is_forwarded_once_whenever_it_came() {
    let seed = std::env::var("DROPBRIDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos())
    });
    eprintln!("DROPBRIDGE_TEST_SEED={seed}");
    let mut state = seed;
    // Knuth's MMIX generator: its high bits are good enough to choose by.
    let mut below = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let (mut went, mut stayed, mut again) = (0, 0, 0);
    for _ in 0..300 {
        let mut stream = Stream::new();
        for _ in 0..200 {
            let department = if below(2) == 0 { "parks" } else { "roads" };
            match below(10) {
                0 => stream.switch(department, Direction::Advance),
                1 => stream.switch(department, Direction::Rollback),
                2..=5 => {
                    let date = stream.newest[department] + i32::try_from(below(6)).unwrap() - 2;
                    stream.events.push((department, date));
                    stream.forwarded.push(0);
                }
                6 => {
                    // A legacy file, where the next date is the legacy side's.
                    let next = stream.newest[department] + 1;
                    if stream.journals[department].authority_on(day(next)) == Authority::Legacy {
                        stream.newest.insert(department, next);
                    }
                }
                _ => drop(stream.pass()),
            }
        }
        while stream.pass() {}
        again += u32::from(stream.forwarding.catch_up.is_some());
        for ((department, date), count) in stream.events.iter().zip(&stream.forwarded) {
            let goes = stream.journals[department].authority_on(day(*date)) == Authority::Candidate;
            assert_eq!(*count, u32::from(goes), "{department} {date}: {:?}", stream.journals[department]);
            *(if goes { &mut went } else { &mut stayed }) += 1;
        }
    }
    assert!(went > 1000 && stayed > 1000 && again > 100, "{went} went, {stayed} stayed, {again} gone through again");
}
