//! What a running bridge says of itself over HTTP equals what happened.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::Value;
use support::http::{address, get, metrics, try_get};
use support::private_broker::PrivateBroker;
use support::{FeedOptions, LogKind, Running, Site, logs, order_name, orders, relayed, wait_for, wait_for_or};

const SERVING: [&str; 3] = ["run", "--http", "127.0.0.1:0"];

fn ready(bridge: &Running, address: &str) {
    wait_for_or("the bridge to be ready", || bridge.log(), || get(address, "/readyz").0 == 200);
}

fn end(mut bridge: Running) {
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}

#[test]
fn numbers_equal_what_happened() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let bridge = site.spawn(&SERVING, None);
        let address = address(&bridge);
        ready(&bridge, &address);
        let before = metrics(&address);
        assert_eq!(before["dropbridge_files_total{feed=\"orders\",outcome=\"published\"}"], 0.0, "{log:?}");

        let mut bytes = 0;
        for (file, count) in [(1, 3), (2, 5), (3, 1)] {
            let content = orders(file, count).1;
            bytes += content.len();
            site.drop_file(&order_name(file), &content);
        }
        site.drop_file(&order_name(4), b"ORD-1|12.50\nORD-2|no amount\n");
        let count = |name: &str, label: &str, value: &str| {
            metrics(&address).get(&format!("dropbridge_{name}{{feed=\"orders\",{label}=\"{value}\"}}")).copied()
        };
        let files = |outcome: &str| count("files_total", "outcome", outcome);
        let wait = |outcome: &str, number: f64| {
            let said = || format!("{outcome}: {}\n{}", get(&address, "/metrics").1, bridge.log());
            wait_for_or("files to be counted", said, || files(outcome) == Some(number));
        };
        wait("published", 3.0);
        wait("quarantined", 1.0);
        // The same bytes again, then other bytes under the same key.
        site.drop_file(&order_name(1), &orders(1, 3).1);
        wait("repeated", 1.0);
        site.drop_file(&order_name(2), &orders(9, 2).1);
        wait("held", 1.0);

        let now = metrics(&address);
        let of = |name: &str| now[&format!("dropbridge_{name}{{feed=\"orders\"}}")];
        assert_eq!((of("records_total"), of("events_total")), (9.0, 9.0), "{log:?}");
        assert_eq!(of("published_bytes_total"), bytes as f64, "{log:?}");
        assert_eq!(of("seen_to_committed_seconds_count"), 6.0, "{log:?}: each of the six was on its way once");
        assert!(of("seen_to_committed_seconds_sum") >= 6.0 * 0.05, "{log:?}: each settled for its quiet time");
        assert_eq!(count("verdicts_total", "verdict", "exact"), Some(3.0), "{log:?}");
        assert_eq!(count("open_drops", "state", "quarantined"), Some(1.0), "{log:?}");
        assert_eq!(count("open_drops", "state", "held"), Some(1.0), "{log:?}");
        assert_eq!(count("feed_state", "state", "ok"), Some(1.0), "{log:?}");
        let rejects = now.iter().find(|(name, _)| name.starts_with("dropbridge_rejects_total"));
        let (reject, number) = rejects.expect("the bad file's reject");
        assert!(reject.contains("code=\"decimal\"") && reject.contains("scope=\"file\""), "{reject}");
        assert_eq!(*number, 1.0);
        for stage in ["settle", "take", "examine", "queue", "commit"] {
            assert_eq!(now[&format!("dropbridge_stage_seconds_count{{stage=\"{stage}\"}}")], 6.0, "{log:?}: {stage}");
        }
        assert_eq!((now["dropbridge_slot_held"], now["dropbridge_slot_standby"]), (1.0, 0.0), "{log:?}");
        assert!(now["dropbridge_transaction_seconds_count"] >= 4.0, "{log:?}");
        assert!(now["dropbridge_in_flight_limit_bytes"] > 0.0, "{log:?}");
        assert!(now.keys().any(|name| name.starts_with("dropbridge_build_info{version=")), "{log:?}");
        assert!(now["dropbridge_resident_memory_bytes"] > 1e6 && now["dropbridge_cpu_seconds_total"] > 0.0, "{log:?}");

        // Their going down again is seen too.
        site.ok(&["quarantine", "discard", &order_name(4), "--reason", "sent by mistake"]);
        wait("discarded", 1.0);
        assert_eq!(count("open_drops", "state", "quarantined"), Some(0.0), "{log:?}");

        let (status, text) = get(&address, "/status");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &report["slot"]["state"]), (200, &"held".into()), "{report}");
        let drops = &report["feeds"][0]["drops"];
        assert_eq!((&drops["states"]["published"], &drops["states"]["held"]), (&3.into(), &1.into()), "{report}");
        assert_eq!(site.events().len(), 9, "{log:?}: and this is what consumers see");
        end(bridge);
    }
}

#[test]
fn an_inbox_that_is_away_shows() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let bridge = site.spawn(&SERVING, None);
    let address = address(&bridge);
    ready(&bridge, &address);
    let state = |state: &str| metrics(&address)[&format!("dropbridge_feed_state{{feed=\"orders\",state=\"{state}\"}}")];
    fs::rename(site.inbox(), site.path("share/elsewhere")).unwrap();
    wait_for("the feed to pause", || state("paused") == 1.0 && state("ok") == 0.0);
    let report: Value = serde_json::from_str(&get(&address, "/status").1).unwrap();
    assert!(report["feeds"][0]["reason"].as_str().unwrap().contains("orders"), "{report}");
    assert_eq!(get(&address, "/readyz").0, 200, "other feeds go on: the bridge itself is ready");
    fs::rename(site.path("share/elsewhere"), site.inbox()).unwrap();
    wait_for("the feed to go on", || state("ok") == 1.0 && state("paused") == 0.0);
    end(bridge);
}

#[test]
fn a_file_that_waits_for_its_marker_shows_with_its_age() {
    let site =
        Site::new(LogKind::Embedded, &FeedOptions { ready: "marker = \"{name}.ok\"".into(), ..FeedOptions::default() });
    let bridge = site.spawn(&SERVING, None);
    let address = address(&bridge);
    ready(&bridge, &address);
    site.drop_file(&order_name(1), &orders(1, 2).1);
    let of = |name: &str| metrics(&address)[&format!("dropbridge_{name}{{feed=\"orders\"}}")];
    wait_for("the file to be seen", || of("waiting_files") == 1.0 && of("oldest_waiting_seconds") > 0.0);
    let report: Value = serde_json::from_str(&get(&address, "/status").1).unwrap();
    let waiting = &report["feeds"][0]["waiting"][0];
    assert_eq!((&waiting["path"], &waiting["for"]), (&order_name(1).into(), &"its marker file".into()), "{report}");
    let age = of("oldest_waiting_seconds");
    wait_for("time to pass", || of("oldest_waiting_seconds") > age);
    site.drop_file(&format!("{}.ok", order_name(1)), b"");
    wait_for("the file to be published", || of("events_total") == 2.0);
    wait_for("nothing to wait", || of("waiting_files") == 0.0 && of("oldest_waiting_seconds") == 0.0);
    end(bridge);
}

#[test]
fn a_standby_is_ready_and_says_who_holds_the_slot() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let holder = site.spawn(&SERVING, None);
        ready(&holder, &address(&holder));
        let standby = site.spawn(&["run", "--standby", "--http", "127.0.0.1:0"], None);
        let at = address(&standby);
        ready(&standby, &at);
        let now = metrics(&at);
        assert_eq!((now["dropbridge_slot_held"], now["dropbridge_slot_standby"]), (0.0, 1.0), "{log:?}");
        let report: Value = serde_json::from_str(&get(&at, "/status").1).unwrap();
        let pid = holder.child.id().to_string();
        assert!(report["slot"]["holder"].as_str().unwrap().contains(&pid), "{log:?}: {report}");
        end(holder);
        wait_for("the standby to take over", || metrics(&at)["dropbridge_slot_held"] == 1.0);
        end(standby);
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_of_configuration() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = site.path("config/bridge.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[http]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
    let output = site.output(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let line = text.lines().count() + 2;
    let place = format!("bridge.toml:{line}: http.listen");
    assert!(said.contains(&place) && said.contains("the port is taken"), "{place}: {said}");
    // What is there is taken whether or not somebody could look at it meanwhile.
    site.drop_file(&order_name(1), &orders(1, 2).1);
    assert_eq!(site.run_until_idle(0)["tally"]["events"], 2);
}

#[test]
fn what_is_not_there_is_not_answered() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let bridge = site.spawn(&SERVING, None);
    let address = address(&bridge);
    ready(&bridge, &address);
    assert_eq!(get(&address, "/").0, 200);
    let (status, text) = get(&address, "/quarantine");
    assert!(status == 404 && text.contains("/readyz"), "{status}: {text}");
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    end(bridge);
    assert_eq!(try_get(&address, "/healthz"), None, "nobody answers when it has ended");
}

/// One broker for all, since each start takes seconds.
#[test]
fn readiness_follows_the_broker() {
    let Some(broker) = PrivateBroker::start("seeing") else { return };
    let site = broker.site(&FeedOptions { takeover_after_ms: 2000, ..FeedOptions::default() });
    let bridge = site.spawn(&SERVING, None);
    let at = address(&bridge);
    ready(&bridge, &at);
    broker.kill();
    wait_for_or("the bridge to be unready", || bridge.log(), || get(&at, "/readyz").0 == 503);
    let reason = get(&at, "/readyz").1;
    assert!(reason.contains("the log"), "{reason}");
    assert_eq!(get(&at, "/healthz").0, 200, "it waits, and lives");
    assert!(metrics(&at)["dropbridge_log_silence_seconds"] > 0.0);
    // One that is started now says what it waits for.
    let early = site.spawn(&["run", "--standby", "--http", "127.0.0.1:0"], None);
    let early_at = address(&early);
    wait_for_or("the reason", || early.log(), || get(&early_at, "/readyz").1.contains("the log is away"));
    drop(early);
    // A broker that comes back before a call's patience is over is no error.
    let errors = || metrics(&at).into_iter().find(|(name, _)| name.starts_with("dropbridge_log_errors_total{"));
    wait_for_or("the error to count", || bridge.log(), || errors().is_some_and(|(_, number)| number > 0.0));
    broker.restart();
    ready(&bridge, &at);
    end(bridge);
}

/// The same from the log alone, and with what the running bridge adds.
#[test]
fn status_says_how_things_stand_with_and_without_a_bridge() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        assert!(site.ok(&["status"]).contains("free"), "{log:?}: init gave the slot up");
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.run_until_idle(0);
        let quiet = site.ok(&["status"]);
        assert!(quiet.contains(&order_name(1)) && quiet.contains("not running"), "{log:?}: {quiet}");
        site.drop_file(&order_name(2), b"ORD-1|no amount\n");
        site.run_until_idle(1);
        let said: Value = serde_json::from_str(&site.exits(&["--json", "status"], 1)).unwrap();
        let feed = &said["feeds"][0];
        let states = &feed["drops"]["states"];
        assert_eq!((&states["published"], &states["quarantined"]), (&1.into(), &1.into()), "{log:?}: {said}");
        assert_eq!(feed["drops"]["last"]["path"], order_name(2), "{log:?}: {said}");
        assert!(said["findings"][0].as_str().unwrap().contains("1 quarantined"), "{log:?}: {said}");
        assert_eq!((&said["slot"]["state"], &said["live"]), (&"free".into(), &"not_asked".into()), "{log:?}");

        // Beside a bridge: its port is in the configuration, so that it can be asked.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = site.path("config/bridge.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}[http]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
        let bridge = site.spawn(&["run"], None);
        ready(&bridge, &address(&bridge));
        site.drop_file(&order_name(3), &orders(3, 2).1);
        let published = |said: &Value| said["feeds"][0]["drops"]["states"]["published"] == 2;
        wait_for("the file to show", || {
            published(&serde_json::from_str(&site.exits(&["--json", "status"], 1)).unwrap())
        });
        let text = site.exits(&["status"], 1);
        assert!(text.contains("held by") && text.contains("ready, slot held"), "{log:?}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100 || line.starts_with("- ")), "{text}");
        fs::rename(site.inbox(), site.path("share/elsewhere")).unwrap();
        wait_for("the paused feed to need a person", || site.exits(&["status"], 1).contains("orders: paused since"));
        fs::rename(site.path("share/elsewhere"), site.inbox()).unwrap();
        let mut bridge = bridge;
        bridge.kill();
        let said: Value = serde_json::from_str(&site.exits(&["--json", "status"], 1)).unwrap();
        assert!(said["live"]["silent"].as_str().unwrap().contains("nobody answers"), "{log:?}: {said}");
        assert!(published(&said), "{log:?}: the log still says it");
    }
}

#[test]
fn status_goes_on_looking() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut watch = site.spawn(&["--json", "status", "--watch"], None);
    wait_for("a second look", || watch.log().lines().count() >= 2);
    assert!(watch.log().lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", watch.log());
    watch.kill();
}

#[test]
fn each_file_is_told_in_one_line_with_its_stages() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    site.drop_file(&order_name(1), &orders(1, 3).1);
    let output = site.output(&["--json", "run", "--until-idle"]);
    let log = String::from_utf8(output.stderr).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<Value> = lines.filter(|line| line["path"] == order_name(1)).collect();
    let [line] = told.as_slice() else { panic!("one line: {log}") };
    assert_eq!(line["message"], "published", "{line}");
    assert_eq!(
        (&line["records"], &line["events"], &line["verdict"]),
        (&3.into(), &3.into(), &"exact".into()),
        "{line}"
    );
    assert_eq!(line["sha256"].as_str().unwrap(), site.ledger()[0]["sha256"].as_str().unwrap(), "whole in JSON");
    let stages = ["settle_s", "take_s", "examine_s", "queue_s", "commit_s"];
    let sum: f64 = stages.iter().map(|stage| line[*stage].as_f64().unwrap_or_else(|| panic!("{stage}: {line}"))).sum();
    let total = line["total_s"].as_f64().unwrap();
    assert!((sum - total).abs() < 0.005 && total >= 0.05, "{line}: the stages add up to {sum}");

    site.drop_file(&order_name(2), &orders(2, 3).1);
    let output = site.output(&["run", "--until-idle"]);
    let log = String::from_utf8(output.stderr).unwrap();
    let line = log.lines().find(|line| line.contains("published")).unwrap();
    let hash = line.split("sha256=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(hash.len() == 16 && site.ledger()[1]["sha256"].as_str().unwrap().starts_with(hash), "{line}");
}

/// An interposed feed and its mirror, whose outboxes are two directories; what is in the way holds a delivery, and lets
/// the relay wait. The bridge answers over HTTP, and `status` knows where.
fn interposed_and_mirrored() -> Site {
    let options = FeedOptions {
        after: "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\n\
                outbox = \"desk\"\ntarget_exists = \"hold\""
            .to_owned(),
        ..relayed::options("", "temporary = [\"*.part\"]")
    };
    let site = Site::uninitialised(LogKind::Embedded, &options);
    fs::create_dir_all(relayed::outbox(&site)).unwrap();
    fs::create_dir_all(site.path("share/desk")).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = site.path("config/bridge.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[http]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
    site
}

/// Waits until a number has a value.
fn wait_for_number(bridge: &Running, at: &str, name: &str, value: f64) {
    let number = || metrics(at).get(&format!("dropbridge_{name}")).copied();
    let detail = || format!("it is {:?}\n{}", number(), bridge.log());
    wait_for_or(&format!("{name} to be {value}"), detail, || number() == Some(value));
}

fn report(at: &str) -> Value {
    serde_json::from_str(&get(at, "/status").1).unwrap()
}

#[test]
fn relays_and_renderings_are_seen_while_they_work_wait_and_need_a_person() {
    let site = interposed_and_mirrored();
    assert!(site.ok(&["status"]).contains("not running"));
    let bridge = site.spawn(&["run"], None);
    let at = address(&bridge);
    let number = |name: &str, value| wait_for_number(&bridge, &at, name, value);
    number("rendering_state{rendering=\"mirror\",state=\"ok\"}", 1.0);
    number("held_deliveries{rendering=\"mirror\"}", 0.0);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    number("relayed_files_total{feed=\"orders\"}", 1.0);
    number("delivered_files_total{rendering=\"mirror\"}", 1.0);
    number("relay_state{feed=\"orders\",state=\"ok\"}", 1.0);
    let said = report(&at);
    assert_eq!((&said["relays"][0]["files"], &said["renderings"][0]["delivered"]), (&1.into(), &1.into()), "{said}");
    assert!(said["relays"][0].get("stuck_s").is_none(), "{said}");

    // Somebody else's files are in both outboxes under the next name.
    let in_the_way = [relayed::outbox(&site), site.path("share/desk")].map(|place| place.join(order_name(2)));
    in_the_way.iter().for_each(|path| fs::write(path, "not ours").unwrap());
    site.drop_file(&order_name(2), &orders(2, 3).1);
    number("held_deliveries{rendering=\"mirror\"}", 1.0);
    number("rendering_state{rendering=\"mirror\",state=\"stopped\"}", 1.0);
    number("relay_waiting_files{feed=\"orders\"}", 1.0);
    wait_for_or(
        "the relay to be stuck",
        || bridge.log(),
        || metrics(&at)["dropbridge_relay_stuck_seconds{feed=\"orders\"}"] > 0.0,
    );
    let said = report(&at);
    assert!(said["relays"][0]["blocked"].as_str().unwrap().contains("the consumer to collect"), "{said}");
    assert_eq!(said["renderings"][0]["state"], "stopped", "{said}");
    let text = site.exits(&["status"], 1);
    assert!(text.contains("mirror: 1 delivery is held: `dropbridge deliveries list` says why"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100 || line.starts_with("- ")), "{text}");

    in_the_way.iter().for_each(|path| fs::remove_file(path).unwrap());
    let id = "mirror/2026-01-01/0002/1";
    site.ok(&["deliveries", "release", id, "--as", "deliver", "--reason", "it was somebody's mistake"]);
    number("delivered_files_total{rendering=\"mirror\"}", 2.0);
    number("rendering_state{rendering=\"mirror\",state=\"ok\"}", 1.0);
    number("held_deliveries{rendering=\"mirror\"}", 0.0);
    number("relayed_files_total{feed=\"orders\"}", 2.0);
    number("relay_stuck_seconds{feed=\"orders\"}", 0.0);
    site.ok(&["status"]);

    // A person may hold all of it: that shows, and is nobody's trouble.
    site.ok(&["deliveries", "hold", "mirror", "--reason", "the desk moves house"]);
    number("rendering_state{rendering=\"mirror\",state=\"paused\"}", 1.0);
    assert!(site.exits(&["status"], 1).contains("mirror: held by a person: the desk moves house"));
    drop(bridge);
    let said: Value = serde_json::from_str(&site.exits(&["--json", "status"], 1)).unwrap();
    let (relay, rendering) = (&said["relays"][0], &said["renderings"][0]);
    assert_eq!((&relay["files"], &rendering["delivered"]), (&2.into(), &2.into()), "{said}");
    assert_eq!(rendering["last"]["file"], order_name(2), "{said}");
}
