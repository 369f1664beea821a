//! SIGTERM while the broker does not answer: the process leaves within its bound, and nothing is lost or doubled.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::account::Account;
use support::private_broker::PrivateBroker;
use support::{FeedOptions, Running, Site, wait_for, wait_for_or};

/// What is promised, 8 s, and as much again for a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(16);

/// SIGTERM; the time that it takes is measured because it is promised.
fn leaves_in_time(mut bridge: Running, moment: &str) {
    let asked = Instant::now();
    bridge.signal(Signal::TERM);
    bridge.signal(Signal::CONT);
    assert_eq!(bridge.wait().code(), Some(0), "{moment}: {}", bridge.log());
    let took = asked.elapsed();
    eprintln!("{moment}: left after {} ms", took.as_millis());
    assert!(took < BOUND, "{moment}: it took {took:?}: {}", bridge.log());
}

fn nothing_is_lost(site: &Site, account: &Account, moment: &str) {
    // A broker that stood still may answer before it can be worked with; commands give up on it after ten seconds.
    wait_for("the broker to be of use again", || site.output(&["ledger", "verdicts"]).status.code() != Some(2));
    let output = site.output(&["run", "--until-idle"]);
    let bad = i32::from(account.bad_count() > 0);
    assert_eq!(output.status.code(), Some(bad), "{moment}: {}", String::from_utf8_lossy(&output.stderr));
    account.check(site, moment);
}

fn idle(broker: &PrivateBroker) {
    let (site, mut account) = (broker.site(&FeedOptions::default()), Account::default());
    account.drop_orders(&site, 3);
    let bridge = site.spawn(&["run"], None);
    wait_for("the file", || site.numbers().len() == 3);
    broker.stop();
    leaves_in_time(bridge, "idle");
    broker.go_on();
    nothing_is_lost(&site, &account, "idle");
}

fn in_a_chunked_file(broker: &PrivateBroker) {
    let options = FeedOptions { transaction: "chunk_records = 20".to_owned(), ..FeedOptions::default() };
    let (site, mut account) = (broker.site(&options), Account::default());
    account.drop_orders(&site, 95);
    // Half of the third chunk is with the producer.
    let mut bridge = site.spawn(&["run"], Some("half_produced:3=stop"));
    bridge.wait_until_stopped();
    assert_eq!(site.numbers().len(), 40);
    broker.stop();
    leaves_in_time(bridge, "in a chunked file");
    broker.go_on();
    nothing_is_lost(&site, &account, "in a chunked file");
}

fn with_a_full_channel(broker: &PrivateBroker) {
    let (site, mut account) = (broker.site(&FeedOptions::default()), Account::default());
    let bridge = site.spawn(&["run"], None);
    wait_for("the bridge", || bridge.log().contains("holding the slot"));
    broker.stop();
    // More than the channel, a batch, and what may be held open.
    for _ in 0..2000 {
        account.drop_orders(&site, 1);
    }
    account.drop_bad(&site);
    // By then the feed has filled the channel, and waits.
    wait_for_or("the bridge to meet the silence", || bridge.log(), || bridge.log().contains("trying again"));
    leaves_in_time(bridge, "with a full channel");
    broker.go_on();
    nothing_is_lost(&site, &account, "with a full channel");
}

/// One broker for all, since each start takes seconds.
#[test]
fn asked_to_leave_while_the_broker_is_silent_it_leaves_in_time() {
    if let Some(broker) = PrivateBroker::start("leaving") {
        idle(&broker);
        in_a_chunked_file(&broker);
        with_a_full_channel(&broker);
    }
}
