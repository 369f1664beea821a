//! The broker dies between the request to commit and its answer, or is away while files come in.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;

use rustix::process::Signal;
use support::account::Account;
use support::memory::{assert_bounded, idle_peak_kib};
use support::private_broker::PrivateBroker;
use support::{FeedOptions, Running, Site, wait_for, wait_for_or};

/// The slot's claim is committed first; this is the commit of the first events.
const EVENTS_COMMIT_BEGUN: &str = "commit_begun:2=stop;commit_sent:2=stop";
const EVENTS_COMMIT_SENT: &str = "commit_sent:2=stop";

fn go_on(bridge: &Running) {
    bridge.signal(Signal::CONT);
}

/// Waits until every record is there, ends the bridge, and holds everything against the account.
fn finish(mut bridge: Running, site: &Site, account: &Account) {
    let log = bridge.log.clone();
    wait_for_or(
        "all events",
        || fs::read_to_string(&log).unwrap(),
        || {
            assert!(bridge.child.try_wait().unwrap().is_none(), "it ended: {}", bridge.log());
            site.numbers().len() >= account.numbers().len()
        },
    );
    bridge.signal(Signal::TERM);
    let status = bridge.wait();
    assert_eq!(status.code(), Some(0), "{}", bridge.log());
    account.check(site, "after the outage");
}

/// The broker is stopped when all records are with it, gets the request to commit into its socket, and is killed
/// before it reads it.
fn never_processed(broker: &PrivateBroker) {
    let (site, mut account) = (broker.site(&FeedOptions::default()), Account::default());
    account.drop_orders(&site, 20);
    let mut bridge = site.spawn(&["run"], Some(EVENTS_COMMIT_BEGUN));
    bridge.wait_until_stopped();
    broker.stop();
    go_on(&bridge);
    bridge.wait_until_stopped();
    broker.kill();
    broker.restart();
    assert_eq!(site.numbers().len(), 0, "the request was not processed");
    go_on(&bridge);
    finish(bridge, &site, &account);
}

/// The broker commits, and is killed before the bridge reads its answer.
fn answer_lost(broker: &PrivateBroker) {
    let (site, mut account) = (broker.site(&FeedOptions::default()), Account::default());
    account.drop_orders(&site, 20);
    let mut bridge = site.spawn(&["run"], Some(EVENTS_COMMIT_SENT));
    bridge.wait_until_stopped();
    wait_for("the broker to commit", || site.numbers().len() == 20);
    broker.kill();
    broker.restart();
    assert_eq!(site.numbers().len(), 20, "the commit is durable");
    go_on(&bridge);
    finish(bridge, &site, &account);
}

/// Files of all kinds come while the broker is away.
fn away(broker: &PrivateBroker) {
    let options = FeedOptions { transaction: "chunk_records = 20".to_owned(), ..FeedOptions::default() };
    let (site, mut account) = (broker.site(&options), Account::default());
    account.drop_orders(&site, 5);
    let bridge = site.spawn(&["run"], None);
    wait_for("the first file", || site.numbers().len() == 5);
    broker.kill();
    for count in [5, 50, 7] {
        account.drop_orders(&site, count);
        account.drop_bad(&site);
    }
    wait_for("the bridge to say that something is wrong", || bridge.log().contains("trying again"));
    broker.restart();
    finish(bridge, &site, &account);
}

/// Thousands of files come while the broker is away for long: they wait, in bounded memory.
fn away_for_long(broker: &PrivateBroker) {
    let options = FeedOptions { transaction: "chunk_records = 200".to_owned(), ..FeedOptions::default() };
    let (site, mut account) = (broker.site(&options), Account::default());
    let bridge = site.spawn(&["--log", "dropbridge=trace", "run"], None);
    let idle_kib = idle_peak_kib(&bridge);
    account.drop_orders(&site, 5);
    wait_for("the first file", || site.numbers().len() == 5);
    broker.kill();
    for number in 0..6000 {
        account.drop_orders(&site, if number % 500 == 0 { 1000 } else { 3 });
    }
    account.drop_bad(&site);
    // The feed fills the channel, and waits. How long an attempt takes is the client's to say: one has failed.
    let has_failed = || bridge.log().contains("asking again") || bridge.log().contains("trying again");
    wait_for_or("an attempt to fail", || bridge.log(), has_failed);
    broker.restart();
    wait_for_or("all events", || bridge.log(), || site.numbers().len() >= account.numbers().len());
    assert_bounded("a broker that is away, 6000 files", &bridge, idle_kib);
    finish(bridge, &site, &account);
}

/// One broker for all, since each start takes seconds.
#[test]
fn a_broker_that_is_killed_loses_nothing_and_doubles_nothing() {
    if let Some(broker) = PrivateBroker::start("outage") {
        never_processed(&broker);
        answer_lost(&broker);
        away(&broker);
        away_for_long(&broker);
    }
}
