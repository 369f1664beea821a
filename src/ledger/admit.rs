//! What to do with a capture: a pure decision from what the ledger knows of its key.
//!
//! | known under the key | same bytes | other bytes |
//! |---|---|---|
//! | nothing | – | publish |
//! | published, baseline with hash, discarded | same arrival: nothing; new arrival: a repeat | hold, or publish as a correction |
//! | publishing (chunks) | go on from the last chunk | hold |
//! | quarantined, held | same arrival: nothing; new arrival: try again | publish, if nothing else speaks for the key |
//! | baseline without hash | hold: nobody can compare | hold |
//! | abandoned | hold | hold |
//! | vanished | publish | publish |
//! | echo | the same arrival: nothing; a new one: a repeat | publish |
//!
//! What would be published or held and is a delivery of ours, at the place where we have put it, is an echo.

use super::entry::{DropState, LedgerEntry};
use crate::domain::policy::Corrections;
use crate::domain::{ContentHash, EntryFacts};

/// A capture that asks to be published.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Hash of its bytes.
    pub hash: ContentHash,
    /// The entry it was taken from.
    pub entry: &'a EntryFacts,
    /// A person asked for it (a retry): an arrival already known counts as new.
    pub by_request: bool,
    /// Our delivery that it is, if it is one.
    pub echo_of: Option<&'a str>,
}

/// What to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Publish it.
    Publish {
        /// 1, or more for a correction.
        revision: u32,
        /// The hash that it corrects.
        supersedes: Option<ContentHash>,
    },
    /// Some of its chunks are committed: go on behind them.
    Resume {
        /// Ordinal of the last committed event.
        through: u64,
    },
    /// This very arrival is known: nothing to do.
    Known,
    /// The same bytes came again: record it.
    Repeat,
    /// It is a delivery of ours.
    Echo {
        /// The delivery.
        delivery: String,
    },
    /// A person has to decide.
    Hold {
        /// Why.
        reason: String,
    },
}

/// Decides. `known` is everything the ledger has under the candidate's key.
#[must_use]
pub fn admit(known: &[&LedgerEntry], candidate: Candidate<'_>, corrections: Corrections) -> Admission {
    let same = known.iter().find(|entry| entry.sha256 == Some(candidate.hash));
    if let Some(entry) = same {
        let arrived_again = !entry.entry.same_arrival(candidate.entry);
        match &entry.state {
            DropState::Publishing { through, .. } => return Admission::Resume { through: *through },
            DropState::Published { .. }
            | DropState::Withheld { .. }
            | DropState::Baseline
            | DropState::Discarded { .. }
            | DropState::Echo { .. } => {
                return if arrived_again { Admission::Repeat } else { Admission::Known };
            }
            DropState::Abandoned { .. } => {
                let reason = "some events of these bytes are published and the rest was abandoned".to_owned();
                return if arrived_again { Admission::Hold { reason } } else { Admission::Known };
            }
            DropState::Quarantined { .. } | DropState::Held { .. } if !arrived_again && !candidate.by_request => {
                return Admission::Known;
            }
            DropState::Quarantined { .. } | DropState::Held { .. } | DropState::Vanished => {}
        }
    }
    match candidate.echo_of {
        Some(delivery) if !candidate.by_request => Admission::Echo { delivery: delivery.to_owned() },
        _ => among_others(known, candidate, corrections),
    }
}

fn among_others(known: &[&LedgerEntry], candidate: Candidate<'_>, corrections: Corrections) -> Admission {
    let others: Vec<&&LedgerEntry> =
        known.iter().filter(|entry| entry.sha256 != Some(candidate.hash) && entry.state.speaks()).collect();
    if others.is_empty() {
        return Admission::Publish { revision: 1, supersedes: None };
    }
    if let Some(entry) = others.iter().find(|entry| entry.sha256.is_none()) {
        return if entry.entry.same_arrival(candidate.entry) {
            Admission::Known
        } else if candidate.by_request && corrections == Corrections::Publish {
            Admission::Publish { revision: 2, supersedes: None }
        } else {
            Admission::Hold {
                reason: format!(
                    "the baseline has this key as `{}` ({} bytes) without a hash, so nobody can tell whether these are other bytes",
                    entry.entry.path, entry.entry.size
                ),
            }
        };
    }
    let newest = others.iter().filter_map(|entry| Some((revision_of(&entry.state)?, entry.sha256?))).max();
    match (
        newest,
        corrections,
        others.iter().all(|entry| {
            matches!(entry.state, DropState::Published { .. } | DropState::Withheld { .. } | DropState::Baseline)
        }),
    ) {
        (Some((revision, hash)), Corrections::Publish, true) => {
            Admission::Publish { revision: revision + 1, supersedes: Some(hash) }
        }
        (Some((_, hash)), ..) => {
            Admission::Hold { reason: format!("other bytes under a known key: {} was there first", hash.short()) }
        }
        (None, ..) => Admission::Hold { reason: "another file with this key is not finished".to_owned() },
    }
}

const fn revision_of(state: &DropState) -> Option<u32> {
    match state {
        DropState::Published { revision, .. }
        | DropState::Publishing { revision, .. }
        | DropState::Withheld { revision, .. } => Some(*revision),
        DropState::Baseline => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LogicalKey, Moment};
    use crate::layout::{Reject, RejectCode};

    fn facts(modified_ns: i64) -> EntryFacts {
        EntryFacts { path: "a.dat".to_owned(), size: 3, modified_ns, version: 0 }
    }

    fn entry(bytes: Option<&[u8]>, state: DropState) -> LedgerEntry {
        LedgerEntry {
            format: 1,
            feed: "f".to_owned(),
            department: "d".to_owned(),
            key: LogicalKey::from_text("k"),
            sha256: bytes.map(ContentHash::of),
            entry: facts(1),
            business_date: None,
            sequence: None,
            generation: 0,
            state,
            repeats: 0,
            recorded_at: Moment::from_unix_ns(0),
        }
    }

    fn published(revision: u32) -> DropState {
        DropState::Published {
            records: 1,
            events: 1,
            withheld: 0,
            verdict: None,
            rejects: 0,
            revision,
            supersedes: None,
            ranges: Vec::new(),
        }
    }

    fn quarantined() -> DropState {
        let reject = Reject {
            code: RejectCode::Control,
            reason: String::new(),
            byte: 0,
            line: 1,
            record: 1,
            record_type: None,
            field: None,
        };
        DropState::Quarantined { reject, attempts: 1 }
    }

    fn publishing() -> DropState {
        let events_digest = String::new();
        DropState::Publishing { through: 7, events_digest, revision: 1, supersedes: None, ranges: Vec::new() }
    }

    #[test]
    fn the_table_of_the_module() {
        use Corrections::{Hold, Publish};
        let first = Admission::Publish { revision: 1, supersedes: None };
        let correction = Admission::Publish { revision: 3, supersedes: Some(ContentHash::of(b"x")) };
        let held = Admission::Hold { reason: String::new() };
        let abandoned = || DropState::Abandoned { through: 1, reason: String::new(), ranges: Vec::new(), closed: None };
        let discarded = || DropState::Discarded { reason: String::new() };
        let (same, other) = (Some(b"abc".as_slice()), Some(b"x".as_slice()));
        let cases: Vec<(&str, Vec<LedgerEntry>, i64, Corrections, Admission)> = vec![
            ("nothing known", vec![], 1, Hold, first.clone()),
            ("same arrival", vec![entry(same, published(1))], 1, Hold, Admission::Known),
            ("dropped again", vec![entry(same, published(1))], 2, Hold, Admission::Repeat),
            ("discarded stays so", vec![entry(same, discarded())], 2, Hold, Admission::Repeat),
            ("other bytes", vec![entry(other, published(2))], 1, Hold, held.clone()),
            ("correction", vec![entry(other, published(2))], 1, Publish, correction),
            ("chunks", vec![entry(same, publishing())], 1, Hold, Admission::Resume { through: 7 }),
            ("chunks of other bytes", vec![entry(other, publishing())], 1, Publish, held.clone()),
            ("bad file still there", vec![entry(same, quarantined())], 1, Hold, Admission::Known),
            ("bad file again", vec![entry(same, quarantined())], 2, Hold, first.clone()),
            ("good file after bad", vec![entry(other, quarantined())], 1, Hold, first.clone()),
            (
                "bad file after good",
                vec![entry(other, published(1)), entry(same, quarantined())],
                2,
                Hold,
                held.clone(),
            ),
            ("baseline untouched", vec![entry(None, DropState::Baseline)], 1, Hold, Admission::Known),
            ("baseline touched", vec![entry(None, DropState::Baseline)], 2, Publish, held.clone()),
            ("baseline with hash", vec![entry(same, DropState::Baseline)], 2, Hold, Admission::Repeat),
            ("abandoned", vec![entry(same, abandoned())], 2, Hold, held.clone()),
            ("abandoned, other bytes", vec![entry(other, abandoned())], 2, Publish, held),
            ("vanished", vec![entry(None, DropState::Vanished)], 2, Hold, first),
        ];
        for (name, known, modified_ns, corrections, expected) in cases {
            let known: Vec<&LedgerEntry> = known.iter().collect();
            let arrival = facts(modified_ns);
            let candidate =
                Candidate { hash: ContentHash::of(b"abc"), entry: &arrival, by_request: false, echo_of: None };
            let admission = match admit(&known, candidate, corrections) {
                Admission::Hold { .. } => Admission::Hold { reason: String::new() },
                admission => admission,
            };
            assert_eq!(admission, expected, "{name}");
        }
    }

    #[test]
    fn a_delivery_of_ours_is_an_echo_whatever_else_is_known() {
        let arrival = facts(2);
        let candidate =
            Candidate { hash: ContentHash::of(b"abc"), entry: &arrival, by_request: false, echo_of: Some("d") };
        let echo = Admission::Echo { delivery: "d".to_owned() };
        let state = || DropState::Echo { delivery: "d".to_owned() };
        let other = entry(Some(b"x"), published(1));
        assert_eq!(admit(&[], candidate, Corrections::Hold), echo);
        assert_eq!(admit(&[&other], candidate, Corrections::Publish), echo);
        assert_eq!(admit(&[&entry(Some(b"abc"), quarantined())], candidate, Corrections::Hold), echo);
        assert_eq!(admit(&[&entry(Some(b"abc"), state())], candidate, Corrections::Hold), Admission::Repeat);
        // An echo says nothing for its key: other bytes there are a drop of their own.
        let foreign = Candidate { hash: ContentHash::of(b"y"), echo_of: None, ..candidate };
        let first = Admission::Publish { revision: 1, supersedes: None };
        assert_eq!(admit(&[&entry(Some(b"abc"), state())], foreign, Corrections::Hold), first);
    }

    #[test]
    fn a_retry_by_request_is_a_new_arrival() {
        let known = entry(Some(b"abc"), quarantined());
        let arrival = facts(1);
        let candidate =
            Candidate { hash: ContentHash::of(b"abc"), entry: &arrival, by_request: true, echo_of: Some("d") };
        let expected = Admission::Publish { revision: 1, supersedes: None };
        assert_eq!(admit(&[&known], candidate, Corrections::Hold), expected);
    }
}
