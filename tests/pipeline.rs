//! The main job on both event logs: a dropped file becomes events, once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::{FeedOptions, Site, logs, order_name, orders};

#[test]
fn a_dropped_file_becomes_events_once() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 100);
        site.drop_file(&order_name(1), &bytes);
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 100);
        assert_eq!(site.numbers(), numbers, "{log:?}");
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 0, "the same arrival is known");
        assert_eq!(site.numbers(), numbers, "{log:?}");
    }
}

#[test]
fn a_large_file_goes_in_chunks() {
    for log in logs() {
        let options = FeedOptions { transaction: "chunk_records = 100".to_owned(), ..FeedOptions::default() };
        let site = Site::new(log, &options);
        let (numbers, bytes) = orders(1, 1050);
        site.drop_file(&order_name(1), &bytes);
        site.run_until_idle(0);
        assert_eq!(site.numbers(), numbers, "{log:?}");
        let manifests = site.committed("manifests");
        assert_eq!(manifests.len(), 1);
        assert_eq!(manifests[0]["events"], 1050);
        assert_eq!(manifests[0]["status"], "complete");
    }
}

#[test]
fn a_bad_file_is_quarantined_and_retried() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        site.drop_file(&order_name(1), b"A|1.00\nB|x\n");
        let (numbers, bytes) = orders(2, 3);
        site.drop_file(&order_name(2), &bytes);
        let summary = site.run_until_idle(1);
        assert_eq!(summary["tally"]["quarantined"], 1);
        assert_eq!(site.numbers(), numbers, "the feed behind it goes on, and nothing of the bad file is published");
        let rejects = site.committed("rejects");
        assert_eq!(rejects.len(), 1);
        assert_eq!(
            (&rejects[0]["byte"], &rejects[0]["line"], &rejects[0]["field"]),
            (&9.into(), &2.into(), &"amount".into())
        );
        let shown = site.output(&["quarantine", "show", "2026-01-01/0001", "--bytes"]);
        assert_eq!(shown.stdout, b"A|1.00\nB|x\n");

        // The layout was wrong, not the file.
        let layout = support::ORDERS_LAYOUT.replace("type = \"decimal\", scale = 2", "type = \"text\"");
        site.configure(&FeedOptions { layout, ..FeedOptions::default() });
        site.exits(&["quarantine", "retry", "2026-01-01/0001"], 1);
        let schema = site.path("config/schemas/OrderTaken.schema.json");
        let looser = std::fs::read_to_string(&schema).unwrap().replace(r#","pattern":"^-?[0-9]+\\.[0-9]{2}$""#, "");
        std::fs::write(&schema, looser).unwrap();
        site.ok(&["quarantine", "retry", "2026-01-01/0001"]);
        assert_eq!(site.events().len(), 5);
        assert!(site.ok(&["quarantine", "list"]).contains("nothing is held"));
    }
}

#[test]
fn a_bridge_with_another_name_is_refused_on_the_same_topics() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let config = site.path("config/bridge.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replacen("name = \"", "name = \"other-", 1)).unwrap();
        let refused = site.output(&["run", "--until-idle"]);
        assert_eq!(refused.status.code(), Some(2), "{log:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("these topics belong to the bridge"), "{log:?}: {said}");
    }
}

#[test]
fn a_bad_file_that_finds_no_room_in_the_store_does_not_stop_the_others() {
    let site = Site::new(support::LogKind::Embedded, &FeedOptions::default());
    let mut running = site.spawn(&["run"], None);
    let (mut numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    support::wait_for("the bridge to work", || site.numbers() == numbers);
    // Nothing can be staged: the directory for it is a file.
    let incoming = site.path("store/incoming");
    std::fs::remove_dir(&incoming).unwrap();
    std::fs::write(&incoming, b"").unwrap();
    site.drop_file(&order_name(2), b"A|x\n");
    let (more, bytes) = orders(3, 3);
    site.drop_file(&order_name(3), &bytes);
    numbers.extend(more);
    support::wait_for("the good file", || site.numbers() == numbers);
    support::wait_for("the bad file to be said", || running.log().contains("tried again"));
    std::fs::remove_file(&incoming).unwrap();
    std::fs::create_dir(&incoming).unwrap();
    support::wait_for("the bad file to be put away", || {
        site.states().contains(&(order_name(2), "quarantined".to_owned()))
    });
    running.kill();
}
