//! Mirrors: what was published comes back as files in an outbox, each once, whole and in order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::{FeedOptions, LogKind, Site, logs, order_name, orders, wait_for};

/// A rendering of the feed `orders`, with these further lines.
fn options(lines: &str) -> FeedOptions {
    let options = FeedOptions::default();
    FeedOptions { after: format!("{}\n{lines}", RENDERING), ..options }
}

const RENDERING: &str =
    "[[rendering]]\nid = \"orders.mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"desk\"";

fn site(log: LogKind, lines: &str) -> Site {
    let site = Site::uninitialised(log, &options(lines));
    fs::create_dir_all(desk(&site)).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site
}

fn desk(site: &Site) -> PathBuf {
    site.path("share/desk")
}

/// The files that a consumer sees, by name.
fn seen(site: &Site) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(desk(site))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".dropbridge")
        .collect();
    names.sort();
    names
}

fn staged(site: &Site) -> Vec<PathBuf> {
    let directory = desk(site).join(".dropbridge");
    fs::read_dir(directory).map_or_else(|_| Vec::new(), |found| found.map(|entry| entry.unwrap().path()).collect())
}

fn deliveries(site: &Site) -> Vec<Value> {
    let text = String::from_utf8(site.output(&["--json", "deliveries", "list", "--limit", "100000"]).stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn state(site: &Site) -> String {
    let deliveries = deliveries(site);
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    deliveries[0]["state"].as_str().unwrap().to_owned()
}

fn drop_orders(site: &Site, file: u32, count: u32) -> Vec<u8> {
    let (_, bytes) = orders(file, count);
    site.drop_file(&order_name(file), &bytes);
    bytes
}

#[test]
fn a_file_comes_back_with_its_sidecar_and_marker() {
    for log in logs() {
        let site = site(log, "marker = \"{name}.done\"\nchecksum = \"{name}.sha256\"\nfile_mode = \"0640\"");
        let bytes = drop_orders(&site, 1, 20);
        let run = site.run_until_idle(0);
        assert_eq!(run["renderings"][0]["delivered"], 1, "{log:?}: {run}");
        let name = order_name(1);
        let all = [name.clone(), format!("{name}.done"), format!("{name}.sha256")];
        assert_eq!(seen(&site), all, "{log:?}");
        assert_eq!(fs::read(desk(&site).join(&name)).unwrap(), bytes);
        let hash = dropbridge::domain::ContentHash::of(&bytes);
        let sidecar = fs::read_to_string(desk(&site).join(&all[2])).unwrap();
        assert_eq!(sidecar, format!("{hash}  {name}\n"));
        assert_eq!(staged(&site), Vec::<PathBuf>::new(), "{log:?}");
        for name in &all {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(desk(&site).join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o640, "{name}");
        }
        // Taken by its consumer, it does not come again.
        all.iter().for_each(|name| fs::remove_file(desk(&site).join(name)).unwrap());
        let run = site.run_until_idle(0);
        assert_eq!(run["renderings"][0]["delivered"], 0, "{log:?}: {run}");
        assert_eq!(seen(&site), Vec::<String>::new());
        assert_eq!(state(&site), "delivered");
    }
}

#[test]
fn a_new_rendering_begins_with_the_next_file_or_with_the_first() {
    for (begin, expected) in [("now", vec![order_name(2)]), ("beginning", vec![order_name(1), order_name(2)])] {
        let site = Site::new(LogKind::Embedded, &FeedOptions::default());
        drop_orders(&site, 1, 3);
        site.run_until_idle(0);
        site.configure(&options(&format!("begin = \"{begin}\"")));
        fs::create_dir_all(desk(&site)).unwrap();
        drop_orders(&site, 2, 3);
        site.run_until_idle(0);
        assert_eq!(seen(&site), expected, "{begin}");
    }
}

#[test]
fn an_existing_target_is_waited_for_and_never_replaced() {
    for log in logs() {
        let site = site(log, "");
        let name = order_name(1);
        fs::write(desk(&site).join(&name), b"the consumer has not collected this yet").unwrap();
        let bytes = drop_orders(&site, 1, 3);
        let behind = drop_orders(&site, 2, 3);
        let run = site.run_until_idle(1);
        let waiting = run["renderings"][0]["waiting"].as_str().unwrap();
        assert!(waiting.contains(&name) && waiting.contains("collected"), "{waiting}");
        assert_eq!(fs::read(desk(&site).join(&name)).unwrap(), b"the consumer has not collected this yet");
        assert_eq!(seen(&site), [order_name(1)], "{log:?}: the one behind it waits too");
        fs::remove_file(desk(&site).join(&name)).unwrap();
        site.run_until_idle(0);
        assert_eq!(fs::read(desk(&site).join(&name)).unwrap(), bytes);
        assert_eq!(fs::read(desk(&site).join(order_name(2))).unwrap(), behind);
    }
}

#[test]
fn an_existing_target_is_held_and_released() {
    let site = site(LogKind::Embedded, "target_exists = \"hold\"");
    let name = order_name(1);
    fs::write(desk(&site).join(&name), b"in the way").unwrap();
    let bytes = drop_orders(&site, 1, 3);
    site.run_until_idle(1);
    let id = format!("orders.mirror/{}/1", deliveries(&site)[0]["key"].as_str().unwrap());
    let listed = site.exits(&["--json", "deliveries", "list", "--state", "held"], 1);
    assert!(listed.contains("is not replaced"), "{listed}");
    fs::remove_file(desk(&site).join(&name)).unwrap();
    site.ok(&["deliveries", "release", &id, "--as", "deliver", "--reason", "it was an old one"]);
    site.run_until_idle(0);
    assert_eq!(fs::read(desk(&site).join(&name)).unwrap(), bytes);
    // What is over is not released, and what is delivered can be delivered again, with a reason.
    site.exits(&["deliveries", "release", &id, "--as", "skip", "--reason", "x"], 2);
    fs::remove_file(desk(&site).join(&name)).unwrap();
    site.ok(&["deliveries", "redeliver", &id, "--reason", "the desk has lost it"]);
    site.run_until_idle(0);
    assert_eq!(fs::read(desk(&site).join(&name)).unwrap(), bytes);
    assert_eq!(deliveries(&site)[0]["attempt"], 2);
    let shown = site.ok(&["deliveries", "show", &name]);
    assert!(shown.contains("3 events") && shown.contains("legacy file") && shown.contains("partition"), "{shown}");
}

#[test]
fn a_rendering_is_held_and_released_beside_a_running_bridge() {
    for log in logs() {
        let site = site(log, "");
        let mut bridge = site.spawn(&["run"], None);
        wait_for("the bridge to hold the slot", || bridge.log().contains("holding the slot"));
        site.ok(&["deliveries", "hold", "orders.mirror", "--reason", "the desk moves house"]);
        let bytes = drop_orders(&site, 1, 3);
        wait_for("the file to be published", || site.numbers().len() == 3);
        wait_for("the rendering to say so", || bridge.log().contains("held by a person: the desk moves house"));
        assert_eq!(seen(&site), Vec::<String>::new());
        site.exits(&["deliveries", "list"], 1);
        site.ok(&["deliveries", "release", "orders.mirror"]);
        wait_for("the delivery", || seen(&site) == [order_name(1)]);
        assert_eq!(fs::read(desk(&site).join(order_name(1))).unwrap(), bytes);
        bridge.signal(rustix::process::Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    }
}

#[test]
fn an_outbox_that_went_away_is_waited_for_and_another_one_is_not_taken_for_it() {
    let site = site(LogKind::Embedded, "");
    drop_orders(&site, 1, 3);
    site.run_until_idle(0);
    assert!(site.ok(&["check"]).contains("gets the files of orders"));
    // As an unmounted share looks: the mount point is there, and empty.
    let away = site.path("share/elsewhere");
    fs::rename(desk(&site), &away).unwrap();
    let bytes = drop_orders(&site, 2, 3);
    let run = site.run_until_idle(1);
    assert!(run["renderings"][0]["waiting"].as_str().unwrap().contains("desk"), "{run}");
    site.exits(&["check"], 1);
    fs::create_dir(desk(&site)).unwrap();
    let run = site.run_until_idle(1);
    let waiting = run["renderings"][0]["waiting"].as_str().unwrap();
    assert!(waiting.contains("another directory or file system"), "{waiting}");
    assert_eq!(seen(&site), Vec::<String>::new());
    fs::remove_dir(desk(&site)).unwrap();
    fs::rename(&away, desk(&site)).unwrap();
    site.run_until_idle(0);
    assert_eq!(fs::read(desk(&site).join(order_name(2))).unwrap(), bytes);
    // Somebody says that the new one is right.
    fs::create_dir_all(&away).unwrap();
    fs::remove_dir_all(desk(&site)).unwrap();
    fs::rename(&away, desk(&site)).unwrap();
    drop_orders(&site, 3, 3);
    site.run_until_idle(1);
    site.ok(&["deliveries", "release", "orders.mirror", "--new-outbox"]);
    site.run_until_idle(0);
    assert_eq!(seen(&site), [order_name(3)]);
}

#[test]
fn a_wiped_staging_directory_after_the_intent_is_held() {
    for log in logs() {
        let site = site(log, "");
        let bytes = drop_orders(&site, 1, 3);
        let mut victim = site.spawn(&["run", "--until-idle"], Some("intent_answered=kill"));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&victim.wait()), Some(9), "{}", victim.log());
        assert!(!staged(&site).is_empty());
        fs::remove_dir_all(desk(&site).join(".dropbridge")).unwrap();
        let run = site.run_until_idle(1);
        assert!(run["renderings"][0]["waiting"].as_str().unwrap().contains("nobody can tell"), "{run}");
        assert_eq!(state(&site), "held");
        // It stays so, and those behind it wait, until a person decides.
        drop_orders(&site, 2, 3);
        site.run_until_idle(1);
        assert_eq!(seen(&site), Vec::<String>::new(), "{log:?}");
        let id = deliveries(&site)[0]["id"].as_str().unwrap().to_owned();
        site.ok(&["deliveries", "release", &id, "--as", "deliver", "--reason", "the desk has not got it"]);
        site.run_until_idle(0);
        assert_eq!(seen(&site), [order_name(1), order_name(2)], "{log:?}");
        assert_eq!(fs::read(desk(&site).join(order_name(1))).unwrap(), bytes);
    }
}

/// A feed of another department polls the outbox of a mirror: what we deliver there is no legacy drop, today or after a
/// restart. What its own producer drops there is one.
#[test]
fn a_delivery_that_comes_back_in_an_inbox_makes_no_event() {
    for log in logs() {
        let mut options = options("");
        options.after.push_str(
            "\n[[feed]]\nid = \"desk\"\nshare = \"nas\"\ninbox = \"desk\"\nlayout = \"orders\"\nrecursive = true\n\
             include = [\"*.dat\"]\nrepeat = \"new\"\npoll_ms = 50\n[feed.ready]\nquiet_ms = 50\n\
             [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n\
             business_date = \"order.day\"\n\
             [feed.event.data]\nnumber = \"order.number\"\namount = \"order.amount\"\n",
        );
        options.layout = options
            .layout
            .replace("field = [ ", "field = [ { name = \"day\", type = \"date\", format = \"YYYYMMDD\" }, ");
        let site = Site::uninitialised(log, &options);
        fs::create_dir_all(desk(&site)).unwrap();
        site.ok(&["init", "--baseline", "take"]);
        let line = |number: &str| format!("20260101|{number}|12.50\n");
        site.drop_file(&order_name(1), line("ours").as_bytes());
        site.run_until_idle(0);
        assert_eq!(seen(&site), [order_name(1)], "{log:?}");
        // Runs that see it in the inbox: with an index that has known it all along, and one that was read at start.
        let mut bridge = site.spawn(&["run"], None);
        wait_for("the echo", || site.states().len() == 2);
        site.drop_file(&order_name(2), line("ours too").as_bytes());
        wait_for("the next echo", || site.states().len() == 4);
        fs::write(desk(&site).join("theirs.dat"), line("theirs")).unwrap();
        wait_for("the legacy drop", || site.states().len() == 5);
        bridge.signal(rustix::process::Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        site.run_until_idle(0);
        let mut states = site.states();
        states.sort();
        let state = |name: &str, state: &str| (name.to_owned(), state.to_owned());
        let (one, two) = (order_name(1), order_name(2));
        let expected = [
            state(&one, "echo"),
            state(&one, "published"),
            state(&two, "echo"),
            state(&two, "published"),
            state("theirs.dat", "published"),
        ];
        assert_eq!(states, expected, "{log:?}");
        assert_eq!(site.numbers(), ["ours", "ours too", "theirs"], "{log:?}");
        let echo = site.ledger().into_iter().find(|entry| entry["state"] == "echo").unwrap();
        assert!(echo["delivery"].as_str().unwrap().starts_with("orders.mirror/2026-01-0"), "{echo}");
        assert_eq!(echo["format"], 2);
    }
}

/// The legacy producer writes the same file again, in its own inbox: that is no echo, and it is counted.
#[test]
fn the_producers_own_equal_file_is_counted_as_parity() {
    for log in logs() {
        let site = site(log, "");
        let bytes = drop_orders(&site, 1, 3);
        site.run_until_idle(0);
        fs::remove_file(site.inbox().join(order_name(1))).unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(5));
        site.drop_file(&order_name(1), &bytes);
        let run = site.run_until_idle(0);
        assert_eq!(run["tally"]["equal_to_delivery"], 1, "{log:?}: {run}");
        assert_eq!(run["tally"]["echoes"], 0);
        assert_eq!(site.ledger()[0]["repeats"], 1);
        assert_eq!(site.numbers().len(), 3);
        assert_eq!(run["renderings"][0]["delivered"], 0, "the consumer has it: {run}");
    }
}

#[test]
fn what_events_do_not_give_back_is_delivered_from_the_store_and_leaves_nothing_staged() {
    let site = site(LogKind::Embedded, "");
    // The layout writes no sign, and there are too many of them for exceptions.
    let bytes: String = (0..40).map(|number| format!("{number:06}|+{number}.00\n")).collect();
    site.drop_file(&order_name(1), bytes.as_bytes());
    site.run_until_idle(0);
    assert_eq!(site.ledger()[0]["verdict"], "replay_only");
    assert_eq!(fs::read_to_string(desk(&site).join(order_name(1))).unwrap(), bytes);
    assert_eq!(staged(&site), Vec::<PathBuf>::new());
}

#[test]
fn what_retention_removed_is_delivered_from_the_store_and_leaves_nothing_staged() {
    if !logs().contains(&LogKind::Kafka) {
        return;
    }
    let mut options = options("");
    options.feed.push_str("\nkeep_captures = \"all\"");
    let site = Site::uninitialised(LogKind::Kafka, &options);
    fs::create_dir_all(desk(&site)).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site.ok(&["deliveries", "hold", "orders.mirror", "--reason", "published first"]);
    let bytes = drop_orders(&site, 1, 20);
    site.run_until_idle(1);
    let topic = format!("{}OrderTaken", site.prefix);
    (0..3).for_each(|partition| support::tampering::remove_kafka_records(&site.brokers, &topic, partition));
    site.ok(&["deliveries", "release", "orders.mirror"]);
    site.run_until_idle(0);
    assert_eq!(fs::read(desk(&site).join(order_name(1))).unwrap(), bytes);
    assert_eq!(staged(&site), Vec::<PathBuf>::new());
}

#[test]
fn what_retention_removed_before_it_was_delivered_is_held() {
    if !logs().contains(&LogKind::Kafka) {
        return;
    }
    let site = site(LogKind::Kafka, "");
    site.ok(&["deliveries", "hold", "orders.mirror", "--reason", "published first"]);
    drop_orders(&site, 1, 20);
    site.run_until_idle(1);
    let topic = format!("{}OrderTaken", site.prefix);
    (0..3).for_each(|partition| support::tampering::remove_kafka_records(&site.brokers, &topic, partition));
    drop_orders(&site, 2, 3);
    site.ok(&["deliveries", "release", "orders.mirror"]);
    let run = site.run_until_idle(1);
    assert!(run["renderings"][0]["waiting"].as_str().unwrap().contains("expired: "), "{run}");
    assert_eq!(seen(&site), Vec::<String>::new(), "never a hole");
    let id = format!("orders.mirror/{}/1", deliveries(&site)[0]["key"].as_str().unwrap());
    site.ok(&["deliveries", "release", &id, "--as", "skip", "--reason", "the desk can do without"]);
    site.run_until_idle(0);
    assert_eq!(seen(&site), [order_name(2)]);
}
