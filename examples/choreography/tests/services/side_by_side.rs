//! Six bid processors share the work.

use crate::processes::{Process, Random, wait_until};
use crate::site::{Site, bid_number, bids};

const PROCESSORS: usize = 6;
const BIDS: usize = 600;

#[test]
fn six_bid_processors_side_by_side_emit_each_candidate_once() {
    let Some(site) = Site::new(6) else { return };
    let mut random = Random::for_test("six_bid_processors");
    let state = |number: usize| format!("bid-processor-{number}");
    let start = |number: usize| Process::start(site.command("bid-processor", &state(number)).args(["--batch", "10"]));
    let group = site.group("bid-processor");
    let progress = site.broker.progress(&group, &site.bids());
    let emitted = || progress.records();
    // Three, and three more while bids flow: partitions move from one to another.
    let mut running: Vec<Process> = (0..PROCESSORS / 2).map(&start).collect();
    site.broker.write(&site.bids(), &bids(0..BIDS / 3));
    let some = 1 + random.below(BIDS / 3 - 1);
    wait_until("some bids are processed", || emitted() >= some);
    running.extend((PROCESSORS / 2..PROCESSORS).map(&start));
    wait_until("all six share the work", || site.broker.stable_members(&group) == PROCESSORS);
    site.broker.write(&site.bids(), &bids(BIDS / 3..BIDS));
    let some = BIDS / 3 + random.below(2 * BIDS / 3);
    wait_until("more bids are processed", || emitted() >= some);
    let killed = random.below(PROCESSORS);
    running[killed].kill();
    running[killed] = start(killed);
    wait_until("all bids are processed", || emitted() == BIDS);
    for process in &mut running {
        assert!(process.terminate().success());
    }
    assert_eq!(site.data_of(&site.candidates("BidProcessed"), "bid_number"), (0..BIDS).map(bid_number).collect());
    let shares: Vec<i64> =
        (0..PROCESSORS).map(|number| site.number(&state(number), "SELECT count(*) FROM received")).collect();
    assert!(shares.iter().all(|share| *share > 0), "not all had work: {shares:?}");
}
