#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A clock that goes when it is told to.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_unix_ns(i64::try_from(self.elapsed().as_nanos()).unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn health() -> (Arc<Hand>, Arc<Health>) {
    let clock = Arc::new(Hand::default());
    let health = Health::new(Arc::clone(&clock) as Arc<dyn Clock>, Metrics::new(), Duration::from_secs(30));
    (clock, health)
}

fn pass(clock: &Hand, seconds: u64) {
    clock.0.fetch_add(seconds, Ordering::Relaxed);
}

#[test]
fn ready_is_who_holds_the_slot_or_stands_by_and_hears_the_log() {
    let (clock, health) = health();
    assert!(health.unready().unwrap().contains("starting"));
    health.log_failed("transient", "connect to broker: refused", true);
    assert!(health.unready().unwrap().contains("connect to broker: refused"));
    health.log_answered();
    assert!(health.unready().unwrap().contains("starting"));
    health.set_slot(SlotStanding::Held);
    assert_eq!(health.unready(), None);
    pass(&clock, 30);
    assert_eq!(health.unready(), None);
    pass(&clock, 1);
    assert_eq!(health.unready().unwrap(), "the log has not answered for 31 s");
    health.log_answered();
    health.set_slot(SlotStanding::StandingBy { holder: "other".to_owned() });
    assert_eq!(health.unready(), None);
    assert_eq!(health.report("b").slot.holder.as_deref(), Some("other"));
    health.log_failed("transient", "gone", true);
    assert!(health.unready().is_some());
    health.log_answered();
    health.set_slot(SlotStanding::Ended);
    assert!(health.unready().unwrap().contains("ends"));
}

#[test]
fn a_publisher_that_does_not_beat_is_stuck_until_it_ends() {
    let (clock, health) = health();
    let (feed, publisher) = (health.feed_pulse("bids"), health.pulse("publisher"));
    pass(&clock, 599);
    assert!(health.stuck().is_empty());
    pass(&clock, 1);
    assert_eq!(health.stuck(), ["thread `publisher` has been at one thing for 600 s"]);
    publisher.beat();
    assert!(health.stuck().is_empty());
    pass(&clock, 10_000);
    publisher.beat();
    assert!(health.stuck().is_empty(), "a feed may hang on its share");
    feed.beat();
    pass(&clock, 600);
    drop((feed, publisher));
    assert!(health.stuck().is_empty(), "a thread that has ended owes nothing");
}

#[test]
fn a_thread_that_panics_is_noticed_at_once() {
    let (_, health) = health();
    let pulse = health.feed_pulse("bids");
    std::thread::spawn(move || {
        let _pulse = pulse;
        // No message on standard error: it would look like a failed test.
        std::panic::resume_unwind(Box::new(()));
    })
    .join()
    .unwrap_err();
    assert_eq!(health.stuck(), ["thread `feed bids` has panicked: this is a bug"]);
}

#[test]
fn feeds_are_reported_as_they_said() {
    let (clock, health) = health();
    health.declare_feed("bids", "parks");
    pass(&clock, 5);
    health.set_feed("bids", FeedState::Paused, Some("no such directory"));
    pass(&clock, 5);
    health.set_feed("bids", FeedState::Paused, Some("permission denied"));
    let waiting = (0..30).map(|number| (format!("{number}.dat"), "its marker file")).collect();
    health.set_files("bids", FeedFiles { waiting, settling: 2, in_flight: 1, oldest: Some(Duration::from_secs(3)) });
    health.set_feed("nobody", FeedState::Ok, None);
    let report = health.report("b");
    let [feed] = report.feeds.as_slice() else { panic!("{report:?}") };
    assert_eq!((feed.state.as_str(), feed.reason.as_deref()), ("paused", Some("permission denied")));
    assert_eq!(feed.since, Moment::from_unix_ns(5_000_000_000), "it has been paused since then, whatever for");
    assert_eq!((feed.waiting.len(), feed.waiting_files, feed.settling_files, feed.in_flight_files), (20, 30, 2, 1));
    assert_eq!(feed.oldest_waiting_s, Some(7.0));
    health.refresh_metrics();
    let text = health.metrics.text();
    for line in [
        "dropbridge_feed_state{feed=\"bids\",state=\"paused\"} 1",
        "dropbridge_feed_state{feed=\"bids\",state=\"ok\"} 0",
        "dropbridge_waiting_files{feed=\"bids\"} 32",
        "dropbridge_oldest_waiting_seconds{feed=\"bids\"} 7.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
