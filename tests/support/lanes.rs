//! Scenarios side by side: most of their time they wait, for programs that start, for a disk, for a broker.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// So many at a time. Each is a program or two, most of which wait.
const LANES: usize = 4;

/// Plays every scenario, some at a time. One that fails fails the test, when all are over.
pub fn side_by_side<S: Send>(scenarios: impl IntoIterator<Item = S, IntoIter: Send>, play: impl Fn(S) + Sync) {
    let left = Mutex::new(scenarios.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let lane = || {
            while let Some(scenario) = next() {
                play(scenario);
            }
        };
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let failures: Vec<_> = lanes.into_iter().filter_map(|lane| lane.join().err()).collect();
        if let Some(failure) = failures.into_iter().next() {
            resume_unwind(failure);
        }
    });
}

/// A list in as many parts as there are lanes, for scenarios that need a site and are many.
pub fn shares<S: Clone>(scenarios: &[S]) -> Vec<Vec<S>> {
    let mut shares = vec![Vec::new(); LANES.min(scenarios.len())];
    for (index, scenario) in scenarios.iter().enumerate() {
        shares[index % LANES].push(scenario.clone());
    }
    shares
}
