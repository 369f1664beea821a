//! `[cutover]` of a department: what is demanded before it advances.

use std::collections::BTreeMap;

use crate::cutover::Gates;

use super::problems::{Gathered, Place};
use super::section::Section;

/// Nobody runs two systems for longer.
const MOST_PARITY_DAYS: u64 = 1000;

/// Gates as a department states them.
pub(super) struct StatedGates {
    pub(super) department: String,
    pub(super) place: Place,
    pub(super) gates: Gates,
}

/// Reads `[cutover]`.
pub(super) fn read(section: Section<'_>, department: Option<&str>) -> Option<StatedGates> {
    let default = Gates::default();
    let place = section.place();
    let days = section.number("parity_days", 0..=MOST_PARITY_DAYS).and_then(|days| u32::try_from(days).ok());
    let most_open_drops = section.number("max_open_drops", 0..=u64::MAX / 2).unwrap_or(default.most_open_drops);
    let most_candidate_lag = section.find("max_candidate_lag").and_then(|given| given.time());
    let approvers = section.find("approvers").map(|given| {
        let names = given.texts();
        if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
            given.problem("needs names: without the key anybody who is named may approve");
        }
        names
    });
    section.end();
    let gates = Gates {
        parity_days: days.unwrap_or(default.parity_days),
        most_open_drops,
        most_candidate_lag,
        approvers: approvers.unwrap_or_default(),
    };
    Some(StatedGates { department: department?.to_owned(), place, gates })
}

/// The gates of each department that states some; once is enough.
pub(super) fn by_department(stated: Vec<StatedGates>, gathered: &Gathered) -> BTreeMap<String, Gates> {
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    let mut gates = BTreeMap::new();
    for one in stated {
        if let Some(first) = places.get(&one.department) {
            gathered.add(&one.place, format!("stated for `{}` at {first} already", one.department), None);
            continue;
        }
        places.insert(one.department.clone(), one.place);
        gates.insert(one.department, one.gates);
    }
    gates
}
