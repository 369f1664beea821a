//! Files that were published are written again by `render`, from nothing but the log: the same bytes, hash by hash.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use dropbridge::config;
use dropbridge::domain::ContentHash;
use dropbridge::layout::{Layout, Verdict};
use serde_json::Value;
use support::fixtures::Case;
use support::{FeedOptions, LogKind, Random, Site, logs, order_name, orders, tree};

/// What `render --json` said of each file, by the name of the file.
fn render(site: &Site, feed: &str, code: i32) -> BTreeMap<String, Value> {
    let to = site.path(&format!("rendered-{feed}"));
    let text = site.exits(&["--json", "render", "--feed", feed, "--all", "--to", to.to_str().unwrap()], code);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["file"].as_str().unwrap().to_owned(), line)).collect()
}

fn rendered(site: &Site, feed: &str, name: &str) -> Option<Vec<u8>> {
    fs::read(site.path(&format!("rendered-{feed}")).join(name)).ok()
}

/// Cases that stand alone in their feed: as many rounds as the feed with most cases has.
fn rounds() -> Vec<Vec<Case>> {
    let mut rounds: Vec<Vec<Case>> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for case in Case::all().into_iter().filter(Case::is_good) {
        let round = seen.entry(case.feed_id()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(case);
        *round += 1;
    }
    rounds
}

#[test]
fn every_good_case_is_written_again_from_the_embedded_log() {
    write_cases_again(LogKind::Embedded);
}

#[test]
fn every_good_case_is_written_again_from_kafka() {
    if logs().contains(&LogKind::Kafka) {
        write_cases_again(LogKind::Kafka);
    }
}

fn write_cases_again(log: LogKind) {
    let written: usize = thread::scope(|scope| {
        let rounds = rounds();
        let running: Vec<_> = rounds.into_iter().map(|cases| scope.spawn(move || write_round(log, &cases))).collect();
        running.into_iter().map(|round| round.join().unwrap()).sum()
    });
    let good = Case::all().iter().filter(|case| case.is_good()).count();
    assert!(good >= 30, "cases got lost: {good}");
    assert_eq!(written, good);
}

fn write_round(log: LogKind, cases: &[Case]) -> usize {
    let site = Site::estate(log);
    cases.iter().for_each(|case| site.drop_case(case));
    site.run_until_idle(0);
    for case in cases {
        let said = render(&site, &case.feed_id(), 0);
        let counts = case.counts();
        let line = said.get(&counts.file).unwrap_or_else(|| panic!("{}: not rendered: {said:?}", case.path()));
        assert_eq!(line["from"], "events", "{}", case.path());
        assert_eq!(line["sha256"], counts.sha256, "{}", case.path());
        let bytes = rendered(&site, &case.feed_id(), counts.file.rsplit('/').next().unwrap()).unwrap();
        assert_eq!(bytes, case.bytes(), "{}", case.path());
    }
    cases.len()
}

/// How many files with edited bytes have to come back.
const EDITED: usize = 2000;

#[test]
fn files_with_edited_bytes_are_written_again_from_the_embedded_log() {
    write_edited_again(LogKind::Embedded);
}

#[test]
fn files_with_edited_bytes_are_written_again_from_kafka() {
    if logs().contains(&LogKind::Kafka) {
        write_edited_again(LogKind::Kafka);
    }
}

/// The name of the n-th file of a feed of the estate.
fn edited_name(feed: &str, number: usize) -> String {
    let (day, rest) = (1 + number / 900, number % 900);
    match feed {
        "facilities.work_orders" => format!("fm_wo_202603{day:02}_{rest:06}.psv"),
        "facilities.completions" => format!("FMC202603{day:02}.{rest:03}"),
        "public_works.bids" => format!("BID_202603{day:02}_{rest:04}.dat"),
        other => panic!("{other}"),
    }
}

fn write_edited_again(log: LogKind) {
    let mut random = Random::new(&format!("edited bytes on {log:?}"));
    let site = Site::estate(log);
    let settings = config::load(&tree().join("config/bridge.toml")).unwrap();
    let feeds = ["facilities.work_orders", "facilities.completions", "public_works.bids"];
    let mut dropped: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    for feed in feeds {
        let layout = &settings.feeds.iter().find(|known| known.id == feed).unwrap().layout;
        let bases: Vec<(Case, Vec<u8>)> = Case::all()
            .into_iter()
            .filter(|case| case.is_good() && case.feed_id() == feed)
            .map(|case| (case.clone(), case.bytes()))
            .filter(|(_, bytes)| !bytes.is_empty() && bytes.len() < 20_000)
            .collect();
        for number in 0..=5 * EDITED / (4 * feeds.len()) {
            let (case, base) = &bases[random.below(bases.len() as u64) as usize];
            let bytes = edited(&mut random, layout, base);
            let name = edited_name(feed, number);
            fs::write(site.estate_inbox(case).join(&name), &bytes).unwrap();
            dropped.insert((feed.to_owned(), name), bytes);
        }
    }
    let run = site.output(&["run", "--until-idle"]);
    // 1: a mapping or a schema refuses what the layout takes.
    assert!(matches!(run.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&run.stderr));
    let (mut back, mut with_exceptions) = (0, 0);
    let ledger = site.ledger();
    for feed in feeds {
        render(&site, feed, 0);
        for entry in ledger.iter().filter(|entry| entry["feed"] == feed && entry["state"] == "published") {
            let name = entry["entry"]["path"].as_str().unwrap();
            let bytes = &dropped[&(feed.to_owned(), name.to_owned())];
            let again = rendered(&site, feed, name).unwrap_or_else(|| panic!("{feed} {name}: not rendered"));
            assert_eq!(ContentHash::of(&again), ContentHash::of(bytes), "{feed} {name}");
            back += 1;
            with_exceptions += usize::from(entry["verdict"] == "exact_with_exceptions");
        }
    }
    eprintln!("{log:?}: {back} files with edited bytes came back, {with_exceptions} of them with exceptions");
    assert!(back >= EDITED, "{back}");
}

/// The base with one to three bytes changed, such that the layout takes it and its records are enough.
fn edited(random: &mut Random, layout: &Layout, base: &[u8]) -> Vec<u8> {
    const LIKELY: &[u8] = b" 0019aZ.,;|-+\"'\xe4";
    loop {
        let mut bytes = base.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = match random.below(3) {
                0 => random.below(256) as u8,
                1 => bytes[at] ^ 1,
                _ => LIKELY[random.below(LIKELY.len() as u64) as usize],
            };
        }
        let proven = layout.prove(bytes.as_slice());
        if bytes != base && proven.is_ok_and(|(proof, _)| proof.verdict != Verdict::ReplayOnly) {
            return bytes;
        }
    }
}

/// A file in several chunks and partitions, others between them: merged in its own order.
#[test]
fn a_file_in_chunks_among_others_is_written_again() {
    for log in logs() {
        let options = FeedOptions { transaction: "chunk_records = 10".to_owned(), ..FeedOptions::default() };
        let site = Site::new(log, &options);
        let files: Vec<(String, Vec<u8>)> =
            (1..=6).map(|file| (order_name(file), orders(file, if file % 2 == 0 { 95 } else { 3 }).1)).collect();
        files.iter().for_each(|(name, bytes)| site.drop_file(name, bytes));
        site.run_until_idle(0);
        render(&site, "orders", 0);
        for (name, bytes) in &files {
            assert_eq!(rendered(&site, "orders", name).as_ref(), Some(bytes), "{log:?}: {name}");
        }
        // Nothing is replaced, and that is an answer of its own.
        let again = render(&site, "orders", 1);
        assert!(again.values().all(|line| line["error"].as_str().unwrap().contains("is not replaced")), "{again:?}");
        let left: Vec<_> = fs::read_dir(site.path("rendered-orders")).unwrap().collect();
        assert_eq!(left.len(), files.len(), "{log:?}: {left:?}");
    }
}

/// The mapping is not what it was when the file was read: other bytes come out, and that is said, with the place.
#[test]
fn other_bytes_are_refused_with_the_place() {
    let log = LogKind::Embedded;
    let options = FeedOptions::default();
    let keeping = FeedOptions { feed: format!("{}\nkeep_captures = \"all\"", options.feed), ..options };
    let site = Site::new(log, &keeping);
    let (_, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    site.run_until_idle(0);
    // 12.50 is written as 12.5 by this layout.
    let layout =
        keeping.layout.replace("scale = 2", "scale = \"any\"").replace("terminator = \"lf\"", "terminator = \"crlf\"");
    site.configure(&FeedOptions { layout, ..keeping });
    let said = render(&site, "orders", 1);
    let error = said[&order_name(1)]["error"].as_str().unwrap();
    assert!(error.contains("other bytes") && error.contains("changed since"), "{error}");
    assert!(error.contains(&format!("from byte {}", "ORD-00001-000000|12.50".len())), "{error}");
    assert!(rendered(&site, "orders", &order_name(1)).is_none());
}

/// The log has lost events: the store serves where it keeps the file, and a hole is never rendered.
#[test]
fn a_missing_event_is_no_hole_in_a_file() {
    for kept in [false, true] {
        let options = FeedOptions::default();
        let keep = if kept { "all" } else { "none" };
        let feed = format!("{}\nkeep_captures = \"{keep}\"", options.feed);
        let site = Site::new(LogKind::Embedded, &FeedOptions { feed, ..options });
        let (_, bytes) = orders(1, 20);
        site.drop_file(&order_name(1), &bytes);
        site.run_until_idle(0);
        support::tampering::remove_embedded_record(
            &site.path("state/events.sqlite"),
            &format!("{}OrderTaken", site.prefix),
        );
        let said = render(&site, "orders", 1);
        let error = said[&order_name(1)]["error"].as_str().unwrap();
        assert!(error.contains("is not in the ranges"), "{error}");
        assert!(rendered(&site, "orders", &order_name(1)).is_none());
    }
}

#[test]
fn what_retention_removed_is_expired_and_served_from_the_store() {
    if !logs().contains(&LogKind::Kafka) {
        return;
    }
    for kept in [false, true] {
        let options = FeedOptions::default();
        let keep = if kept { "all" } else { "none" };
        let feed = format!("{}\nkeep_captures = \"{keep}\"", options.feed);
        let site = Site::new(LogKind::Kafka, &FeedOptions { feed, ..options });
        let (_, bytes) = orders(1, 20);
        site.drop_file(&order_name(1), &bytes);
        site.run_until_idle(0);
        let topic = format!("{}OrderTaken", site.prefix);
        (0..3).for_each(|partition| support::tampering::remove_kafka_records(&site.brokers, &topic, partition));
        let said = render(&site, "orders", i32::from(!kept));
        let line = &said[&order_name(1)];
        if kept {
            assert_eq!(line["from"], "store", "{line}");
            assert_eq!(rendered(&site, "orders", &order_name(1)).unwrap(), bytes);
        } else {
            assert!(line["error"].as_str().unwrap().starts_with("expired: "), "{line}");
        }
    }
}
