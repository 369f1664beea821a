//! A ledger of ten million drops: reading it from the topic, starting from its cache, memory, questions and records; and
//! a pass over a directory of 100,000 files against a bare listing. `cargo xtask bench ledger`.
//!
//! `DROPBRIDGE_BENCH_DROPS` asks for another number of drops, `DROPBRIDGE_BENCH_DIRECTORY` names where the data lies.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge::config;
use dropbridge::domain::{ContentHash, EntryFacts, LogicalKey, Moment};
use dropbridge::inbound::baseline::BaselinePolicy;
use dropbridge::inbound::prepare::HoldLimits;
use dropbridge::inbound::scan::Scanner;
use dropbridge::layout::Verdict;
use dropbridge::ledger::control::Genesis;
use dropbridge::ledger::entry::EventRange;
use dropbridge::ledger::replay::read_control;
use dropbridge::ledger::{DropState, LedgerEntry, LedgerIndex, LedgerSource};
use dropbridge::runner;
use dropbridge::wiring::Bridge;
use dropbridge_port::{CacheUse, OutgoingRecord};

/// The step that a process of its own does, so that its memory is its own.
const STEP: &str = "DROPBRIDGE_BENCH_STEP";

const RECORDS_PER_TRANSACTION: u64 = 20_000;
const FILES: usize = 100_000;
const ROUNDS: usize = 15;
const QUESTIONS: u64 = 100_000;

fn main() {
    let directory = std::env::var_os("DROPBRIDGE_BENCH_DIRECTORY")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-ledger"), PathBuf::from);
    if let Ok(step) = std::env::var(STEP) {
        return measure_step(&directory, &step);
    }
    let drops: u64 = std::env::var("DROPBRIDGE_BENCH_DROPS").map_or(10_000_000, |text| text.parse().unwrap());
    let _old = fs::remove_dir_all(&directory);
    make_site(&directory);
    let bridge = open(&directory);
    runner::set_up(&bridge).unwrap();
    println!("filling a ledger of {drops} drops in {}", bridge.context.log.address());
    let begun = Instant::now();
    fill(&bridge, drops);
    println!("  written in {:.1} s, {:.2} GB", seconds(begun), gigabytes(&directory.join("state")));
    drop(bridge);
    println!("start (a process of its own each):");
    step(&directory, "open", "from the topic, into a new cache");
    println!("    cache {:.2} GB", gigabytes(&directory.join("state/ledger-cache")));
    for _ in 0..3 {
        step(&directory, "open", "from the cache");
    }
    step(&directory, "look", "a command that looks into it");
    step(&directory, "ask", "questions and records");
    println!("a pass over {FILES} files that are known (a process of its own):");
    step(&directory, "tick", "");
    fs::remove_dir_all(&directory).unwrap();
}

fn step(directory: &Path, step: &str, what: &str) {
    let own = std::env::current_exe().unwrap();
    if !what.is_empty() {
        println!("  {what}");
    }
    let status = Command::new(own).env(STEP, step).env("DROPBRIDGE_BENCH_DIRECTORY", directory).status().unwrap();
    assert!(status.success());
}

fn measure_step(directory: &Path, step: &str) {
    let bridge = open(directory);
    if step == "tick" {
        return tick(&bridge);
    }
    let genesis = read_control(&*bridge.context.log, &bridge.context.topics).unwrap().genesis.unwrap();
    let before = memory_mib("VmRSS:");
    let begun = Instant::now();
    let mut index = open_ledger(&bridge, &genesis, if step == "look" { CacheUse::Look } else { CacheUse::Keep });
    println!(
        "    {:.2} s, {} drops, memory {before:.0} MiB before, {:.0} MiB after, {:.0} MiB at most",
        seconds(begun),
        index.count_all(),
        memory_mib("VmRSS:"),
        memory_mib("VmHWM:")
    );
    if step == "ask" {
        ask(&mut index);
    }
}

fn open_ledger(bridge: &Bridge, genesis: &Genesis, intended: CacheUse) -> LedgerIndex {
    let context = &bridge.context;
    let source =
        LedgerSource { log: &*context.log, topics: &context.topics, slot: 0, genesis, caches: &*context.caches };
    source.open(intended).unwrap()
}

/// What a publisher asks and says for each file.
fn ask(index: &mut LedgerIndex) {
    let all = index.count_all();
    let each = |begun: Instant| begun.elapsed().as_secs_f64() * 1e6 / QUESTIONS as f64;
    let mut number = 1_u64;
    let mut any = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005_u64).wrapping_add(1_442_695_040_888_963_407)
            & (u64::MAX >> 1);
        number % all
    };
    let begun = Instant::now();
    for _ in 0..QUESTIONS {
        assert_eq!(black_box(index.drops("orders", &key(any())).unwrap()).len(), 1);
    }
    println!("    a known key          {:6.1} us", each(begun));
    let begun = Instant::now();
    for number in 0..QUESTIONS {
        assert!(black_box(index.drops("orders", &key(all + number)).unwrap()).is_empty());
    }
    println!("    a new key            {:6.1} us", each(begun));
    let begun = Instant::now();
    for _ in 0..QUESTIONS {
        assert!(black_box(index.arrival("orders", &path(any())).unwrap()).is_some());
    }
    println!("    a name               {:6.1} us", each(begun));
    let begun = Instant::now();
    let position = index.position();
    for number in 0..QUESTIONS {
        index.put(position + number as i64, serde_json::to_vec(&entry(all + number)).unwrap()).unwrap();
        index.save_if_much().unwrap();
    }
    index.save().unwrap();
    println!("    a record taken in    {:6.1} us, with its write to the cache", each(begun));
    println!("    memory {:.0} MiB, {:.0} MiB at most", memory_mib("VmRSS:"), memory_mib("VmHWM:"));
}

/// A pass and a bare listing in turn.
fn tick(bridge: &Bridge) {
    let plan = Arc::clone(&bridge.feeds[0]);
    let share = bridge.share(&plan.settings).unwrap();
    let inbox = PathBuf::from(share.address());
    for number in 0..FILES {
        fs::write(inbox.join(format!("ORD_20300101_{number:06}.dat")), b"ORD-1|1.00\n").unwrap();
    }
    let begun = Instant::now();
    let feeds = [Arc::clone(&plan)];
    runner::give_baselines(bridge, &feeds, BaselinePolicy::Skip, &mut |_, outcome| outcome.map(|_| ())).unwrap();
    println!("    baseline recorded in {:.2} s", seconds(begun));
    let limits = HoldLimits { events: 1000, bytes: 1 << 20 };
    let store = bridge.store().unwrap();
    let mut scanner = Scanner::new(plan, share, store, bridge.context.clone(), 1 << 20, limits);
    let mut pass = || {
        let begun = Instant::now();
        let passed = scanner.pass(&|| true, &mut |_| panic!("every file is known")).unwrap();
        assert!(passed.is_idle() && passed.waiting.is_empty());
        begun.elapsed()
    };
    println!("    the first pass, which asks the ledger for each name: {:.3} s", pass().as_secs_f64());
    let (mut passes, mut bare) = (Vec::new(), Vec::new());
    let used = cpu_time();
    let mut used_by_bare = Duration::ZERO;
    for _ in 0..ROUNDS {
        let before = cpu_time();
        bare.push(list(&inbox));
        used_by_bare += cpu_time() - before;
        passes.push(pass());
    }
    let used = (cpu_time() - used - used_by_bare) / ROUNDS as u32;
    let used_by_bare = used_by_bare / ROUNDS as u32;
    let (pass, bare_median) = (median(&mut passes), median(&mut bare));
    let range = |all: &[Duration]| format!("{:.1} to {:.1}", millis(all[0]), millis(all[all.len() - 1]));
    println!("    bare read_dir and metadata  {:6.1} ms ({})", millis(bare_median), range(&bare));
    println!("    a pass                      {:6.1} ms ({})", millis(pass), range(&passes));
    println!(
        "    ratio {:.2}; processor time of a pass {:.1} ms, of the bare listing {:.1} ms",
        pass.as_secs_f64() / bare_median.as_secs_f64(),
        millis(used),
        millis(used_by_bare)
    );
    println!("    memory {:.0} MiB, {:.0} MiB at most", memory_mib("VmRSS:"), memory_mib("VmHWM:"));
}

/// What any program that looks at the directory has to do.
fn list(inbox: &Path) -> Duration {
    let begun = Instant::now();
    let mut found = Vec::with_capacity(FILES);
    for entry in fs::read_dir(inbox).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        found.push((entry.file_name(), metadata.len(), metadata.modified().unwrap()));
    }
    assert_eq!(found.len(), FILES);
    begun.elapsed()
}

fn fill(bridge: &Bridge, drops: u64) {
    let topic = bridge.context.topics.ledger.clone();
    let mut writer = bridge.context.log.writer("bench").unwrap();
    for first in (0..drops).step_by(RECORDS_PER_TRANSACTION as usize) {
        writer.begin().unwrap();
        for number in first..drops.min(first + RECORDS_PER_TRANSACTION) {
            let entry = entry(number);
            let (key, value) = (entry.record_key(), serde_json::to_vec(&entry).unwrap());
            let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
            let headers: &[(&str, &[u8])] = &[("content-type", b"application/json")];
            writer.send(OutgoingRecord { topic: &topic, partition: Some(0), key, value, headers, tag: 0 }).unwrap();
        }
        writer.commit().unwrap();
    }
}

fn key(number: u64) -> LogicalKey {
    LogicalKey::from_text(&format!("2026-01-{:02}/{number:08}", 1 + number % 28))
}

fn path(number: u64) -> String {
    format!("ORD_202601{:02}_{number:08}.dat", 1 + number % 28)
}

/// A published file of an ordinary kind.
fn entry(number: u64) -> LedgerEntry {
    let range = |partition: u32| EventRange {
        topic: "work.BidProcessed".to_owned(),
        partition,
        from: number as i64 * 5,
        to: number as i64 * 5 + 5,
        count: 5,
        log: None,
    };
    LedgerEntry {
        format: 1,
        feed: "orders".to_owned(),
        department: "sales".to_owned(),
        key: key(number),
        sha256: Some(ContentHash::of(&number.to_be_bytes())),
        entry: EntryFacts {
            path: path(number),
            size: 1400 + number % 100,
            modified_ns: 1_769_850_000_000_000_000 + number as i64,
            version: number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        },
        business_date: None,
        sequence: Some(format!("{number:08}")),
        generation: 0,
        state: DropState::Published {
            records: 10,
            events: 10,
            withheld: 0,
            verdict: Some(Verdict::Exact),
            rejects: 0,
            revision: 1,
            supersedes: None,
            ranges: vec![range(0), range(1)],
        },
        repeats: 0,
        recorded_at: Moment::from_unix_ns(1_769_850_000_000_000_000 + number as i64 * 1_000_000),
    }
}

fn open(directory: &Path) -> Bridge {
    Bridge::open(config::load(&directory.join("config/bridge.toml")).unwrap()).unwrap()
}

/// A bridge with one feed and an empty inbox.
fn make_site(directory: &Path) {
    for below in ["config/departments", "config/layouts", "config/schemas", "share/orders"] {
        fs::create_dir_all(directory.join(below)).unwrap();
    }
    let write = |file: &str, text: &str| fs::write(directory.join("config").join(file), text).unwrap();
    write(
        "bridge.toml",
        "departments = \"departments/*.toml\"\nlayouts = \"layouts/*.toml\"\n[bridge]\nname = \"bench\"\n\
         state = \"../state\"\n[store]\npath = \"../store\"\n[log]\nkind = \"embedded\"\n[topics]\nprefix = \"bench.\"\n\
         [share.nas]\naddress = \"../share\"\n[event.OrderTaken]\nschema = \"schemas/OrderTaken.schema.json\"\n",
    );
    write(
        "departments/sales.toml",
        "department = \"sales\"\n[[feed]]\nid = \"orders\"\nshare = \"nas\"\ninbox = \"orders\"\nlayout = \"orders\"\n\
         include = [\"ORD_{business_date:YYYYMMDD}_{sequence:6}.dat\"]\n[feed.ready]\nquiet_ms = 50\n\
         [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n\
         [feed.event.data]\nnumber = \"order.number\"\namount = \"order.amount\"\n",
    );
    write(
        "layouts/orders.toml",
        "name = \"orders\"\nversion = 1\nkind = \"delimited\"\nencoding = \"utf-8\"\nterminator = \"lf\"\n[delimited]\n\
         delimiter = \"|\"\nquote = \"\"\nquoting = \"none\"\n[[record]]\nname = \"order\"\n\
         field = [ { name = \"number\", type = \"text\" }, { name = \"amount\", type = \"decimal\", scale = 2 } ]\n",
    );
    write(
        "schemas/OrderTaken.schema.json",
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://dropbridge.dev/bench/OrderTaken/1",
           "type":"object","required":["number","amount"],"additionalProperties":false,
           "properties":{"number":{"type":"string"},"amount":{"type":"string"}}}"#,
    );
}

fn seconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn gigabytes(directory: &Path) -> f64 {
    let mut bytes = 0;
    let mut places = vec![directory.to_owned()];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { places.push(entry.path()) } else { bytes += metadata.len() }
        }
    }
    bytes as f64 / 1e9
}

/// A line of `/proc/self/status`, in MiB.
fn memory_mib(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kib: f64 =
        status.lines().find_map(|own| own.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    kib / 1024.0
}

/// Processor time of the process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
