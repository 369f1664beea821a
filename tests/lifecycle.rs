//! What an operator does to a bridge that runs: a new configuration, a feed switched off and on, and the request to
//! leave. No file on its way is lost or doubled by any of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;

use rustix::process::Signal;
use support::account::Account;
use support::{FeedOptions, LogKind, Random, Running, Site, logs, orders, wait_for, wait_for_or};

fn hang_up(bridge: &Running) {
    bridge.signal(Signal::HUP);
}

fn wait_for_line(bridge: &Running, line: &str) {
    wait_for_or(line, || bridge.log(), || bridge.log().contains(line));
}

fn wait_for_lines(bridge: &Running, line: &str, count: usize) {
    wait_for_or(line, || bridge.log(), || bridge.log().matches(line).count() >= count);
}

fn wait_for_events(site: &Site, account: &Account, bridge: &Running) {
    wait_for_or("all events", || bridge.log(), || site.numbers().len() >= account.numbers().len());
}

fn leave(mut bridge: Running) -> String {
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    bridge.log()
}

/// The default feed, looked at every so many milliseconds.
fn polled(poll_ms: u32, more: &str) -> FeedOptions {
    let include = "include = [\"ORD_{business_date:YYYYMMDD}_{sequence:4}.dat\"]";
    FeedOptions { feed: format!("{include}\npoll_ms = {poll_ms}\n{more}"), ..FeedOptions::default() }
}

/// A second feed, `returns`, with an inbox of its own.
fn add_returns(site: &Site) {
    let orders = fs::read_to_string(site.path("config/departments/sales.toml")).unwrap();
    let returns = orders
        .replace("id = \"orders\"", "id = \"returns\"")
        .replace("inbox = \"orders\"", "inbox = \"returns\"")
        .replace("department = \"sales\"", "department = \"stores\"");
    fs::write(site.path("config/departments/stores.toml"), returns).unwrap();
    fs::create_dir_all(site.path("share/returns")).unwrap();
}

fn remove_returns(site: &Site) {
    fs::remove_file(site.path("config/departments/stores.toml")).unwrap();
}

/// Drops a file of `returns` with one order of this number.
fn drop_return(site: &Site, file: u32) -> String {
    let (numbers, bytes) = orders(90_000 + file, 1);
    let part = site.path("arriving-return");
    fs::write(&part, bytes).unwrap();
    fs::rename(&part, site.path("share/returns").join(support::order_name(file))).unwrap();
    numbers[0].clone()
}

#[test]
fn a_wrong_configuration_is_refused_whole_and_the_old_one_goes_on() {
    for log in logs() {
        let (site, mut account) = (Site::new(log, &FeedOptions::default()), Account::default());
        let bridge = site.spawn(&["run"], None);
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &bridge);
        // Two things are wrong with it, and a feed in it is right.
        add_returns(&site);
        let department = site.path("config/departments/sales.toml");
        let right = fs::read_to_string(&department).unwrap();
        fs::write(&department, right.replace("quiet_ms", "quite_ms").replace("poll_ms = 50", "poll_ms = 1")).unwrap();
        hang_up(&bridge);
        wait_for_line(&bridge, "is refused, the one before goes on");
        let told = bridge.log();
        for part in ["sales.toml:", "feed[1].ready.quite_ms", "did you mean `quiet_ms`", "feed[1].poll_ms"] {
            assert!(told.contains(part), "`{part}` is not in: {told}");
        }
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &bridge);

        // Right in itself, and nothing that can change while it runs.
        fs::write(&department, &right).unwrap();
        let main = site.path("config/bridge.toml");
        let before = fs::read_to_string(&main).unwrap();
        let name = site.prefix.trim_end_matches('.').to_owned();
        fs::write(&main, before.replace(&format!("name = \"{name}\""), "name = \"other\"")).unwrap();
        hang_up(&bridge);
        wait_for_line(&bridge, &format!("bridge.name: is `{name}`, would become `other`"));
        fs::write(&main, before.replace("state = \"../state\"", "state = \"../elsewhere\"")).unwrap();
        hang_up(&bridge);
        wait_for_line(&bridge, "bridge.state: is");
        fs::write(&main, before).unwrap();
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &bridge);
        let log = leave(bridge);
        assert!(!log.contains("returns"), "nothing of a refused configuration is taken: {log}");
        remove_returns(&site);
        account.check(&site, "after refused configurations");
    }
}

#[test]
fn feeds_come_and_go_with_the_configuration() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let bridge = site.spawn(&["run"], None);
        wait_for_line(&bridge, "holding the slot");
        hang_up(&bridge);
        wait_for_line(&bridge, "nothing has changed");

        // New: it waits for its baseline, which `init` has the bridge give, without taking the slot.
        add_returns(&site);
        let old = drop_return(&site, 1);
        hang_up(&bridge);
        wait_for_line(&bridge, "new: returns");
        wait_for_line(&bridge, "it has no baseline");
        let told = site.ok(&["init", "--baseline", "skip"]);
        assert!(told.contains("returns"), "{told}");
        let second = drop_return(&site, 2);
        wait_for_or("the new feed", || bridge.log(), || site.numbers() == [second.clone()]);

        // Gone: what comes now stays where it is, until the feed is back.
        remove_returns(&site);
        hang_up(&bridge);
        wait_for_line(&bridge, "gone: returns");
        wait_for_lines(&bridge, "the configuration was read again", 3);
        let third = drop_return(&site, 3);
        let mut account = Account::default();
        account.drop_orders(&site, 1);
        wait_for("the feed that stayed", || site.numbers().len() >= 2);
        assert!(!site.numbers().contains(&third), "a feed that is gone is not looked at");
        add_returns(&site);
        hang_up(&bridge);
        wait_for_or("the feed to be back", || bridge.log(), || site.numbers().contains(&third));
        let log = leave(bridge);
        assert!(!log.contains("gave the slot up") && log.matches("holding the slot").count() == 1, "{log}");
        assert!(!site.numbers().contains(&old), "the baseline is not published");
        assert_eq!(site.numbers().len(), 3);
    }
}

#[test]
fn a_changed_layout_keeps_the_history_and_stands_in_each_manifest() {
    for log in logs() {
        let (site, mut account) = (Site::new(log, &FeedOptions::default()), Account::default());
        let bridge = site.spawn(&["run"], None);
        account.drop_orders(&site, 2);
        account.drop_bad(&site);
        wait_for_events(&site, &account, &bridge);
        let layout = fs::read_to_string(site.path("config/layouts/orders.toml")).unwrap();
        let next = layout.replace("version = 1", "version = 2").replace("scale = 2", "scale = 2, optional = true");
        fs::write(site.path("config/layouts/orders.toml"), next).unwrap();
        hang_up(&bridge);
        wait_for_line(&bridge, "changed: orders");
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &bridge);
        leave(bridge);
        account.check(&site, "under two layouts");
        let manifests = site.committed("manifests");
        let versions: Vec<u64> = manifests.iter().map(|one| one["file"]["layout_version"].as_u64().unwrap()).collect();
        assert_eq!(versions, [1, 2]);
        let digests: Vec<&str> = manifests.iter().map(|one| one["file"]["plan_digest"].as_str().unwrap()).collect();
        assert!(digests[0] != digests[1] && digests[0].len() == 64, "{digests:?}");
    }
}

/// Its id is what a feed is known by: department file, inbox and share may be called otherwise from now on.
#[test]
fn a_feed_that_moved_keeps_its_history() {
    for log in logs() {
        let (site, mut account) = (Site::new(log, &FeedOptions::default()), Account::default());
        account.drop_orders(&site, 2);
        account.drop_orders(&site, 3);
        let bridge = site.spawn(&["run"], None);
        wait_for_events(&site, &account, &bridge);
        fs::rename(site.inbox(), site.path("share/orders_of_2027")).unwrap();
        fs::create_dir(site.inbox()).unwrap();
        let (old, new) = (site.path("config/departments/sales.toml"), site.path("config/departments/trade.toml"));
        let text = fs::read_to_string(&old).unwrap().replace("share = \"nas\"", "share = \"filer\"");
        fs::write(new, text.replace("inbox = \"orders\"", "inbox = \"orders_of_2027\"")).unwrap();
        fs::remove_file(old).unwrap();
        let main = fs::read_to_string(site.path("config/bridge.toml")).unwrap();
        fs::write(site.path("config/bridge.toml"), main.replace("[share.nas]", "[share.filer]")).unwrap();
        hang_up(&bridge);
        wait_for_line(&bridge, "changed: orders");
        let (name, bytes) = account.next_orders(4);
        fs::write(site.path("arriving"), bytes).unwrap();
        fs::rename(site.path("arriving"), site.path("share/orders_of_2027").join(name)).unwrap();
        wait_for_events(&site, &account, &bridge);
        leave(bridge);
        account.check(&site, "after the move");
    }
}

/// Were settling begun anew each time, the file would never settle.
#[test]
fn a_new_configuration_does_not_begin_settling_anew() {
    let ready = FeedOptions { ready: "quiet_ms = 3000".to_owned(), ..polled(50, "") };
    let (site, mut account) = (Site::new(LogKind::Embedded, &ready), Account::default());
    let bridge = site.spawn(&["run"], None);
    wait_for_line(&bridge, "holding the slot");
    account.drop_orders(&site, 2);
    let mut poll_ms = 50;
    wait_for_or(
        "the file",
        || bridge.log(),
        || {
            poll_ms = 50 + (poll_ms + 1) % 50;
            site.configure(&FeedOptions { ready: ready.ready.clone(), ..polled(poll_ms, "") });
            hang_up(&bridge);
            std::thread::sleep(std::time::Duration::from_millis(300));
            site.numbers().len() == 2
        },
    );
    let log = leave(bridge);
    assert!(log.matches("changed: orders").count() >= 3, "{log}");
    account.check(&site, "after many configurations");
}

/// Right, wrong and unchanged ones, while files come: small, in chunks, and bad.
#[test]
fn under_load_many_configurations_lose_nothing_and_double_nothing() {
    for log in logs() {
        let mut random = Random::new("many configurations");
        let options =
            |poll_ms, transaction: &str| FeedOptions { transaction: transaction.to_owned(), ..polled(poll_ms, "") };
        let (site, mut account) = (Site::new(log, &options(50, "chunk_records = 20")), Account::default());
        let bridge = site.spawn(&["run"], None);
        wait_for_line(&bridge, "holding the slot");
        let mut valid = 0;
        for _ in 0..120 {
            match random.below(10) {
                0 => account.drop_bad(&site),
                1 => account.drop_orders(&site, 75),
                _ => account.drop_orders(&site, 1 + random.below(9) as u32),
            }
            match random.below(8) {
                0 => fs::write(site.path("config/bridge.toml"), "nonsense").unwrap(),
                1..3 => {
                    valid += 1;
                    site.configure(&options(50 + valid, "chunk_records = 20"));
                }
                3 => {
                    valid += 1;
                    site.configure(&options(50 + valid, "chunk_records = 30\nmax_files = 7"));
                }
                4 => site.configure(&options(50 + valid, "chunk_records = 20")),
                _ => continue,
            }
            hang_up(&bridge);
        }
        site.configure(&options(50, "chunk_records = 20"));
        hang_up(&bridge);
        wait_for_events(&site, &account, &bridge);
        let log = leave(bridge);
        assert!(log.contains("changed: orders") || log.contains("no feed is concerned"), "{log}");
        account.check(&site, "after many configurations under load");
    }
}

#[test]
fn a_paused_feed_takes_nothing_through_restart_and_takeover() {
    for log in logs() {
        let options = FeedOptions { takeover_after_ms: 3000, ..FeedOptions::default() };
        let (site, mut account) = (Site::uninitialised(log, &options), Account::default());
        add_returns(&site);
        site.ok(&["init", "--baseline", "take"]);
        let bridge = site.spawn(&["run"], None);
        wait_for_line(&bridge, "holding the slot");
        let told = site.ok(&["feed", "pause", "returns", "--reason", "their job runs twice"]);
        assert_eq!(told, "returns is paused\n");
        // When the command is back, the bridge has heard it.
        assert!(bridge.log().contains("paused by a person: their job runs twice"), "{}", bridge.log());
        let late = drop_return(&site, 1);
        let mut passes = |bridge: &Running, moment: &str| {
            account.drop_orders(&site, 2);
            wait_for_or("the other feed", || bridge.log(), || site.numbers().len() >= account.numbers().len());
            account.check_events(&site, moment);
        };
        passes(&bridge, "beside a paused feed");
        let list = site.ok(&["--json", "feed", "list"]);
        assert!(list.contains("\"paused\":true") && list.contains("their job runs twice"), "{list}");
        leave(bridge);

        let mut second = site.spawn(&["run"], None);
        passes(&second, "after a restart");
        let third = site.spawn(&["run", "--standby"], None);
        wait_for_line(&third, "standing by");
        second.kill();
        passes(&third, "after a takeover");

        let wrong = site.output(&["feed", "resume", "retruns"]);
        let errors = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(wrong.status.code() == Some(2) && errors.contains("did you mean `returns`"), "{errors}");
        site.ok(&["feed", "resume", "returns", "--reason", "mended"]);
        wait_for_or("the resumed feed", || third.log(), || site.numbers().contains(&late));
        assert!(leave(third).contains("resumed by a person: mended"));
        assert_eq!(site.numbers().len(), account.numbers().len() + 1);
    }
}

#[test]
fn a_feed_is_paused_without_a_bridge_too() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let told = site.ok(&["feed", "pause", "orders"]);
        assert!(told.contains("no bridge runs"), "{told}");
        let mut account = Account::default();
        account.drop_orders(&site, 2);
        let told = site.exits(&["run", "--until-idle"], 1);
        assert!(told.contains("orders: paused by"), "{told}");
        assert_eq!(site.numbers().len(), 0);
        let told = site.ok(&["feed", "resume", "orders"]);
        assert!(told.contains("no bridge runs"), "{told}");
        site.run_until_idle(0);
        account.check(&site, "after all");
    }
}

#[test]
fn a_half_published_file_of_which_the_store_has_other_bytes_is_taken_from_the_inbox_again() {
    for log in logs() {
        let options = FeedOptions { transaction: "chunk_records = 20".to_owned(), ..FeedOptions::default() };
        let (site, mut account) = (Site::new(log, &options), Account::default());
        account.drop_orders(&site, 95);
        let mut bridge = site.spawn(&["run"], Some("between_chunks:2=kill"));
        assert_eq!(bridge.wait().code(), None, "it is killed");
        for object in site.objects() {
            let mut bytes = fs::read(&object).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&object, bytes).unwrap();
        }
        account.drop_orders(&site, 3);
        let bridge = site.spawn(&["run"], None);
        wait_for_events(&site, &account, &bridge);
        let told = leave(bridge);
        assert!(told.contains("damaged its bytes: removing them, and looking for it in the inbox"), "{told}");
        account.check(&site, "after the damage");
    }
}

/// A file of which 40 orders of 95 are published, and of which the store has nothing any more.
fn half_published(log: LogKind) -> (Site, Account) {
    let options = FeedOptions { transaction: "chunk_records = 20".to_owned(), ..FeedOptions::default() };
    let (site, mut account) = (Site::new(log, &options), Account::default());
    account.drop_orders(&site, 95);
    let mut bridge = site.spawn(&["run"], Some("between_chunks:2=kill"));
    assert_eq!(bridge.wait().code(), None, "it is killed");
    for object in site.objects() {
        fs::remove_file(object).unwrap();
    }
    (site, account)
}

/// What was published of it stays, and is told; nothing waits for a person any more.
#[test]
fn what_was_abandoned_is_closed_with_a_reason() {
    for log in logs() {
        let (site, _) = half_published(log);
        let name = support::order_name(1);
        fs::remove_file(site.inbox().join(&name)).unwrap();
        site.run_until_idle(1);
        assert_eq!(site.states(), [(name.clone(), "abandoned".to_owned())]);
        site.exits(&["quarantine", "list"], 1);
        site.ok(&["quarantine", "discard", &name, "--reason", "the consumers were told"]);
        site.ok(&["quarantine", "list"]);
        let ledger = site.ledger();
        assert_eq!((&ledger[0]["state"], &ledger[0]["through"]), (&"abandoned".into(), &40.into()), "{ledger:?}");
        assert_eq!(ledger[0]["closed"], "the consumers were told");
        assert!(ledger[0]["ranges"].as_array().is_some_and(|ranges| !ranges.is_empty()), "{ledger:?}");
        assert_eq!(site.numbers().len(), 40);
        site.exits(&["quarantine", "discard", &name, "--reason", "again"], 2);
    }
}

/// What ails one share is its own feed's trouble.
#[test]
fn a_baseline_over_a_server_that_is_away_is_refused_and_the_other_feeds_go_on() {
    let (site, mut account) = (Site::new(LogKind::Embedded, &polled(50, "")), Account::default());
    let mut bridge = site.spawn(&["run"], None);
    wait_for_line(&bridge, "holding the slot");
    add_returns(&site);
    let returns = site.path("config/departments/stores.toml");
    let text = fs::read_to_string(&returns).unwrap();
    fs::write(&returns, text.replace("share = \"nas\"", "share = \"away\"")).unwrap();
    let configuration = site.path("config/bridge.toml");
    fs::write(site.path("config/password"), "secret").unwrap();
    let away = "[share.away]\naddress = \"sftp://user@127.0.0.1:1/drops\"\npassword_file = \"password\"\n\
                host_key = \"SHA256:jqqYoB/y3jO1aT2mJ4y8CYF3rB8Y3wXJX1yP4nP0w9k\"\n";
    fs::write(&configuration, fs::read_to_string(&configuration).unwrap() + away).unwrap();
    hang_up(&bridge);
    wait_for_line(&bridge, "the configuration was read again: ");
    let output = site.output(&["init", "--baseline", "take"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("the bridge that runs could not"), "{said}");
    assert!(bridge.log().contains("returns: connect sftp://user@127.0.0.1:1"), "{}", bridge.log());
    account.drop_orders(&site, 3);
    wait_for_events(&site, &account, &bridge);
    bridge.signal(Signal::TERM);
    // The feed without a baseline is an error of its own.
    assert_eq!(bridge.wait().code(), Some(2), "{}", bridge.log());
    assert!(!bridge.log().contains("the log is away"), "{}", bridge.log());
    account.check(&site, "beside a server that is away");
}

/// An inbox that does not say whether it has a file may have it.
#[test]
fn what_is_half_published_is_not_given_up_while_its_inbox_is_away() {
    for log in logs() {
        let (site, account) = half_published(log);
        let away = site.path("away");
        fs::rename(site.inbox(), &away).unwrap();
        assert!(!site.output(&["run", "--until-idle"]).status.success());
        assert_eq!(site.states(), [(support::order_name(1), "publishing".to_owned())]);
        fs::rename(away, site.inbox()).unwrap();
        site.run_until_idle(0);
        account.check(&site, "after its inbox came back");
    }
}
