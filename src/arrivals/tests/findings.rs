//! What is said of single files, and how.

use super::*;

fn read(records: u64, bytes: u64) -> Arrival {
    Arrival {
        what: What::Read { records, is_empty: records <= 2 },
        bytes,
        ..came("2026-06-02", Some(1), "2026-06-02T08:00:00Z")
    }
}

const NOW: &str = "2026-06-02T08:00:00Z";

#[test]
fn sizes() {
    let bounds = Sizes {
        min_records: Some(10),
        max_records: Some(20),
        min_bytes: Some(100),
        max_bytes: Some(2000),
        usual_percent: None,
    };
    for (records, bytes, said) in [
        (0, 0, Some("empty")),
        (2, 500, Some("empty")),
        (9, 500, Some("small: at least 10 records are usual")),
        (10, 100, None),
        (20, 2000, None),
        (15, 99, Some("small: at least 100 bytes are usual")),
        (21, 500, Some("large: at most 20 records are usual")),
        (15, 2001, Some("large: at most 2000 bytes are usual")),
    ] {
        let mut feed = Feed::new(Expectation { sizes: bounds, ..Expectation::default() });
        feed.arrival(&read(records, bytes), NOW);
        assert_eq!(feed.said(), Vec::from_iter(said.map(str::to_owned)), "{records} records, {bytes} bytes");
    }
    let mut feed = Feed::new(Expectation { empty_is_fine: true, sizes: bounds, ..Expectation::default() });
    feed.arrival(&read(0, 0), NOW);
    assert_eq!(feed.said(), Vec::<String>::new(), "an empty file is as it should be here");
}

#[test]
fn the_latest_files_say_what_is_usual() {
    let sizes = Sizes { usual_percent: Some(50), ..Sizes::default() };
    let mut feed = Feed::new(Expectation { sizes, ..Expectation::default() });
    for records in [100, 3, 110, 90, 95] {
        feed.arrival(&read(records, 10), NOW);
    }
    assert_eq!(feed.said(), Vec::<String>::new(), "five files say what is usual, fewer nothing");
    for (records, said) in [
        (142, vec![]),
        (160, vec!["large: at most 150 records, by the latest files, are usual"]),
        (40, vec!["small: at least 50 records, by the latest files, are usual"]),
    ] {
        feed.arrival(&read(records, 10), NOW);
        assert_eq!(feed.said(), said, "{records}");
    }
    // A new level is the usual one before long.
    for _ in 0..20 {
        feed.arrival(&read(1000, 10), NOW);
    }
    feed.said();
    feed.arrival(&read(1000, 10), NOW);
    assert_eq!(feed.said(), Vec::<String>::new());
    assert_eq!(feed.journal.records.len(), 20);
}

#[test]
fn repeated_and_vanished() {
    let mut feed = Feed::new(Expectation::default());
    let file = came("2026-06-02", Some(1), NOW);
    feed.arrival(&Arrival { what: What::Repeated { times: 1 }, ..file.clone() }, NOW);
    feed.arrival(&Arrival { what: What::Repeated { times: 2 }, ..file.clone() }, NOW);
    feed.arrival(&Arrival { what: What::Vanished, sha256: None, ..file }, NOW);
    assert_eq!(feed.said(), ["repeated 1", "repeated 2", "vanished"]);
    assert_ne!(feed.ids[0], feed.ids[1]);
}

#[test]
fn the_event_is_a_function_of_what_it_says() {
    let origin = Origin { bridge: "city", feed: "orders", department: "sales" };
    let mut watch = Watch::new(EXPECTATION.get_or_init(|| by("06:30", &[])), Journal::new("orders"));
    watch.looked(&empty_look("2026-06-02T00:00:00Z"), at("2026-06-02T00:00:00Z"));
    watch.looked(&empty_look("2026-06-02T05:00:00Z"), at("2026-06-02T05:00:00Z"));
    let (_, findings) = watch.finish();
    let event = findings[0].event(origin);
    let json = serde_json::to_value(&event).unwrap();
    let message = json["data"]["message"].as_str().unwrap();
    assert!(message.starts_with("no file came until 2026-06-02") && message.ends_with("(business date 2026-06-02)"));
    assert_eq!(
        json,
        serde_json::json!({
            "specversion": "1.0",
            "id": findings[0].id("orders"),
            "source": "/dropbridge/city/orders",
            "type": "dev.dropbridge.arrival.missing",
            "subject": "2026-06-02",
            "time": "2026-06-02T04:30:00Z",
            "datacontenttype": "application/json",
            "department": "sales",
            "businessdate": "2026-06-02",
            "data": {
                "format": 1, "feed": "orders", "kind": "missing", "due": "2026-06-02T04:30:00Z",
                "expected": 1, "arrived": 0, "business_date": "2026-06-02", "since": "2026-06-02T04:30:00Z",
                "message": message,
            },
        })
    );
    assert_eq!(serde_json::from_value::<FindingEvent>(json).unwrap(), event);
    assert_eq!(event.id, findings[0].clone().event(origin).id);
    assert_ne!(event.id, findings[0].id("bids"));
}

static EXPECTATION: std::sync::OnceLock<Expectation> = std::sync::OnceLock::new();
