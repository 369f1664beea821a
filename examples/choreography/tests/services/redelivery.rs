//! What comes twice has one effect.

use choreography::event::derived_id;

use crate::broker::Record;
use crate::site::{Site, TYPES, awarded, bid_number, bids};

const BIDS: usize = 40;

#[test]
fn input_that_is_written_twice_has_one_effect() {
    let Some(site) = Site::new(3) else { return };
    let twice = |records: &[Record]| [records, records].concat();
    site.broker.write(&site.bids(), &twice(&bids(0..BIDS)));
    for (service, event_type) in ["bid-processor", "work-order-service", "completion-desk"].into_iter().zip(TYPES) {
        site.run_until_idle(service);
        let candidates = site.broker.read(&site.candidates(event_type));
        let expected = if service == "bid-processor" { BIDS } else { awarded(BIDS) };
        assert_eq!(candidates.len(), expected, "{service}");
        // Apart, too: the second half comes when the first was read long ago.
        site.broker.write(&site.topic(event_type), &twice(&candidates));
        site.broker.write(&site.topic(event_type), &candidates);
    }
    site.run_until_idle("invoicer");
    assert_eq!(site.number("invoicer", "SELECT count(*) FROM invoices"), i64::try_from(awarded(BIDS)).unwrap());
    let received = "SELECT count(*) FROM received";
    assert_eq!(site.number("invoicer", received), i64::try_from(awarded(BIDS)).unwrap());
    let (report, _) = site.monitor(&[]);
    for topic in report["topics"].as_array().unwrap() {
        let is_candidate = topic["topic"].as_str().unwrap().ends_with(".candidate");
        let (events, repeats) = (topic["events"].as_u64().unwrap(), topic["repeats"].as_u64().unwrap());
        assert_eq!(repeats, if is_candidate { 0 } else { 2 * events }, "{topic}");
    }
}

#[test]
fn an_event_that_was_sent_but_not_noted_is_sent_again_as_it_was() {
    let Some(site) = Site::new(1) else { return };
    site.broker.write(&site.bids(), &bids(0..3));
    site.run_until_idle("bid-processor");
    let sent = site.broker.read(&site.candidates("BidProcessed"));
    // As if the process had been killed after Kafka's answer, before it took the event out of its outbox.
    let state = rusqlite::Connection::open(site.path("bid-processor")).unwrap();
    let again = rusqlite::params![site.candidates("BidProcessed"), sent[0].key, sent[0].value];
    state.execute("INSERT INTO outbox (topic, key, value) VALUES (?, ?, ?)", again).unwrap();
    drop(state);
    site.broker.write(&site.bids(), &bids(3..4));
    site.run_until_idle("bid-processor");
    let records = site.broker.read(&site.candidates("BidProcessed"));
    let keys: Vec<_> = records.iter().map(|record| record.key.clone()).collect();
    // What waited comes before what is new.
    assert_eq!(keys, [0, 1, 2, 0, 3].map(bid_number));
    assert_eq!(records[3], sent[0]);
    site.forward("BidProcessed");
    site.run_until_idle("work-order-service");
    assert_eq!(site.broker.read(&site.candidates("WorkOrderCreated")).len(), awarded(4));
}

#[test]
fn a_bid_that_another_process_has_handled_already_makes_the_same_event() {
    let Some(site) = Site::new(1) else { return };
    site.broker.write(&site.bids(), &bids(1..2));
    for (state, group) in [("one", "group-1"), ("two", "group-2")] {
        let mut command = site.command_at(&site.broker.address, &site.group(group), "bid-processor", state);
        let output = command.arg("--until-idle").output().unwrap();
        crate::site::assert_success(&output);
    }
    let records = site.broker.read(&site.candidates("BidProcessed"));
    // To the byte: the bridge refuses what has a known id and says something else.
    assert_eq!(records[..], [records[0].clone(), records[0].clone()]);
    let ids: Vec<String> = site.events(&site.candidates("BidProcessed")).into_keys().collect();
    assert_eq!(ids, [derived_id("bid-1", "BidProcessed")]);
}
