//! Each service is killed at random moments, again and again.

use crate::processes::{Process, Random, wait_until};
use crate::site::{Site, TYPES, awarded, bid_number, bids, is_awarded};

const BIDS: usize = 150;
const KILLS: usize = 4;

#[test]
fn services_that_are_killed_at_random_moments_lose_nothing_and_double_nothing() {
    let Some(site) = Site::new(3) else { return };
    let mut random = Random::for_test("services_that_are_killed");
    site.broker.write(&site.bids(), &bids(0..BIDS));
    let mut input = (site.bids(), BIDS);
    for (service, event_type) in ["bid-processor", "work-order-service", "completion-desk"].into_iter().zip(TYPES) {
        let (topic, events) = &input;
        let progress = site.broker.progress(&site.group(service), topic);
        kill_again_and_again(&site, service, *events, &mut random, || progress.records());
        site.forward(event_type);
        // With what was sent twice.
        input = (site.topic(event_type), site.broker.read(&site.topic(event_type)).len());
    }
    let (topic, events) = &input;
    let progress = site.broker.progress(&site.group("invoicer"), topic);
    kill_again_and_again(&site, "invoicer", *events, &mut random, || progress.records());
    assert_each_once(&site);

    let everything: usize = TYPES
        .iter()
        .flat_map(|event_type| [site.topic(event_type), site.candidates(event_type)])
        .map(|topic| site.broker.read(&topic).len())
        .sum();
    let read = || {
        let sum = site.number("monitor", "SELECT coalesce(sum(next_offset), 0) FROM positions");
        usize::try_from(sum).unwrap()
    };
    kill_again_and_again(&site, "monitor", everything, &mut random, read);
    let (report, _) = site.monitor(&[]);
    for topic in report["topics"].as_array().unwrap() {
        let (name, events) = (topic["topic"].as_str().unwrap(), topic["events"].as_u64().unwrap());
        assert_eq!(usize::try_from(events).unwrap(), site.events(name).len(), "{name}");
    }
    assert_eq!(report["work_orders"]["completed"].as_u64(), u64::try_from(awarded(BIDS)).ok());
}

/// Kills a service when it has done a random part of its work, again and again; then lets it do the rest.
fn kill_again_and_again(site: &Site, service: &str, events: usize, random: &mut Random, done: impl Fn() -> usize) {
    let mut moments: Vec<usize> = (0..KILLS).map(|_| random.below(events * 2 / 3)).collect();
    moments.sort_unstable();
    let mut unfinished = 0;
    for moment in moments {
        let mut process = Process::start(site.command(service, service).args(["--batch", "2"]));
        wait_until(&format!("{service} does its work"), || done() >= moment);
        // Somewhere in a round of read, write, send and commit.
        let microseconds = u64::try_from(random.below(20_000)).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(microseconds));
        process.kill();
        unfinished += usize::from(done() < events);
    }
    assert!(unfinished > 0, "{service} was never killed amid its work");
    site.run_until_idle(service);
    assert_eq!(done(), events, "{service}");
}

/// Every bid is one fact at each station, and every awarded one is invoiced.
fn assert_each_once(site: &Site) {
    let awarded_bids = || (0..BIDS).filter(|index| is_awarded(*index)).map(bid_number).collect();
    assert_eq!(site.data_of(&site.topic("BidProcessed"), "bid_number"), (0..BIDS).map(bid_number).collect());
    assert_eq!(site.data_of(&site.topic("WorkOrderCreated"), "bid_number"), awarded_bids());
    assert_eq!(site.data_of(&site.topic("WorkOrderCompleted"), "bid_number"), awarded_bids());
    let effects = [
        ("bid-processor", "SELECT count(*) FROM bids", BIDS),
        ("work-order-service", "SELECT count(*) FROM work_orders", awarded(BIDS)),
        ("completion-desk", "SELECT count(*) FROM completions", awarded(BIDS)),
        ("invoicer", "SELECT count(DISTINCT work_order_number) FROM invoices", awarded(BIDS)),
        ("invoicer", "SELECT count(*) FROM invoices", awarded(BIDS)),
    ];
    for (state, sql, expected) in effects {
        assert_eq!(usize::try_from(site.number(state, sql)).unwrap(), expected, "{state}: {sql}");
        assert_eq!(site.number(state, "SELECT count(*) FROM outbox"), 0, "{state}");
        assert_eq!(site.number(state, "SELECT count(*) FROM set_aside"), 0, "{state}");
    }
}
