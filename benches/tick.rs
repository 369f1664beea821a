//! A tick over a large directory, against the bare listing of the same directory with the metadata of each entry. Both
//! run in turn; the tables have medians.
//!
//! `cargo xtask bench forward --only directory` runs it. Entries: `DROPBRIDGE_BENCH_ENTRIES` (100,000), rounds:
//! `DROPBRIDGE_BENCH_ROUNDS` (15).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use dropbridge::config;
use dropbridge::inbound::baseline::BaselinePolicy;
use dropbridge::inbound::prepare::HoldLimits;
use dropbridge::inbound::scan::Scanner;
use dropbridge::inbound::slot::Slot;
use dropbridge::runner::{give_baselines, read_witness, set_up};
use dropbridge::wiring::Bridge;
use rustix::time::{ClockId, clock_gettime};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo test --benches` asks for a run that only shows that it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let number =
        |name: &str, usual: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let entries = number("DROPBRIDGE_BENCH_ENTRIES", if is_test { 100 } else { 100_000 });
    let rounds = number("DROPBRIDGE_BENCH_ROUNDS", if is_test { 1 } else { 15 });
    let directory = tempfile::tempdir().unwrap();
    let inbox = directory.path().join("share/inbox");
    fs::create_dir_all(&inbox).unwrap();
    for entry in 0..entries {
        fs::write(inbox.join(format!("ORD_{entry:08}.dat")), "O-1;12.50\n").unwrap();
    }
    let bridge = bridge(directory.path());
    let mut known = scanner(&bridge, BaselineOf::Everything);
    let mut waiting = scanner(&bridge, BaselineOf::Nothing);
    let sides: [(&str, &mut dyn FnMut() -> usize); 3] = [
        ("bare listing: `read_dir`, metadata of each", &mut || list(&inbox)),
        ("tick, every entry in the ledger: an idle tick", &mut || pass(&mut known)),
        ("tick, every entry waiting for its marker", &mut || pass(&mut waiting)),
    ];
    let mut times = vec![Vec::new(); sides.len()];
    let mut sides = sides;
    for round in 0..=rounds {
        for ((_, side), times) in sides.iter_mut().zip(&mut times) {
            let (begun, processor) = (Instant::now(), processor_s());
            black_box(side());
            // The first is the one that sees everything for the first time.
            if round > 0 || is_test {
                times.push((begun.elapsed().as_secs_f64() * 1e3, (processor_s() - processor) * 1e3));
            }
        }
    }
    report(entries, rounds, &sides.map(|(name, _)| name), &times);
}

fn report(entries: usize, rounds: usize, names: &[&str], times: &[Vec<(f64, f64)>]) {
    println!("{entries} entries in one directory, {rounds} rounds after the first; medians, ranges in brackets.\n");
    println!("| {:<46} | {:<30} | {:<14} | {:<18} |", "", "ms", "processor, ms", "against the listing");
    println!("| {:-<46} | {:-<30} | {:-<14} | {:-<18} |", "", "", "", "");
    let ratio = |side: usize| {
        let ratios = times[side].iter().zip(&times[0]).map(|(own, bare)| own.0 / bare.0);
        median(ratios.collect())
    };
    for (side, name) in names.iter().enumerate() {
        let wall: Vec<f64> = times[side].iter().map(|(wall, _)| *wall).collect();
        let (least, most) =
            wall.iter().fold((f64::MAX, 0_f64), |(least, most), time| (least.min(*time), most.max(*time)));
        let processor = median(times[side].iter().map(|(_, processor)| *processor).collect());
        let text = format!("{:.1} ({:.1}–{:.1})", up(median(wall)), up(least), up(most));
        println!(
            "| {name:<46} | {text:<30} | {:<14.1} | {:<18.2} |",
            up(processor),
            (ratio(side) * 100.0).ceil() / 100.0
        );
    }
    println!("\nratio: {}", ratio(1));
}

/// A cost, to a tenth, never rounded down.
fn up(value: f64) -> f64 {
    (value * 10.0).ceil() / 10.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn list(inbox: &Path) -> usize {
    let entries = fs::read_dir(inbox).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name(), entry.metadata().unwrap()))
        .filter(|(_, metadata)| metadata.is_file())
        .count()
}

fn pass(scanner: &mut Scanner) -> usize {
    scanner
        .pass(&|| true, &mut |prepared| panic!("nothing was to be taken, and {prepared:?} was"))
        .unwrap()
        .waiting
        .len()
}

fn processor_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[derive(Clone, Copy)]
enum BaselineOf {
    Everything,
    Nothing,
}

/// A scanner over the inbox, of the first feed or the second.
fn scanner(bridge: &Bridge, baseline: BaselineOf) -> Scanner {
    let (plan, policy) = match baseline {
        BaselineOf::Everything => (&bridge.feeds[0], BaselinePolicy::Skip),
        BaselineOf::Nothing => (&bridge.feeds[1], BaselinePolicy::Take),
    };
    give_baselines(bridge, &[Arc::clone(plan)], policy, &mut |_, outcome| outcome.map(|_| ())).unwrap();
    let witness = read_witness(&bridge.settings.state).unwrap();
    let (slot, _) = Slot::take(bridge.context.clone(), 0, witness.as_deref()).unwrap();
    slot.release().unwrap();
    let limits = HoldLimits { events: 1000, bytes: 1 << 20 };
    let (share, store) = (bridge.share(&plan.settings).unwrap(), bridge.store().unwrap());
    Scanner::new(Arc::clone(plan), share, store, bridge.context.clone(), 1 << 20, limits)
}

/// Two feeds that never take anything of the same directory: all is known to one, all waits in the other.
fn bridge(directory: &Path) -> Bridge {
    let root = directory.join("config");
    for below in ["departments", "layouts", "schemas"] {
        fs::create_dir_all(root.join(below)).unwrap();
    }
    let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    write(
        "bridge.toml",
        "departments = \"departments/*.toml\"\nlayouts = \"layouts/*.toml\"\n[bridge]\nname = \"bench\"\n\
         state = \"../state\"\n[store]\npath = \"../store\"\n[log]\nkind = \"embedded\"\n\
         [share.nas]\naddress = \"../share\"\n\
         [event.OrderTaken]\nschema = \"schemas/OrderTaken.json\"\n",
    );
    let feed = |id: &str, pattern: &str| {
        format!(
            "[[feed]]\nid = \"{id}\"\nshare = \"nas\"\ninbox = \"inbox\"\nlayout = \"orders\"\n\
             include = [\"{pattern}\"]\n[feed.ready]\nmarker = \"{{name}}.done\"\n\
             [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n\
             business_date = \"order.date\"\n[feed.event.data]\nnumber = \"order.number\"\n"
        )
    };
    let feeds = feed("known", "ORD_{sequence}.dat") + &feed("waiting", "ORD_{sequence:8}.dat");
    write("departments/sales.toml", &format!("department = \"sales\"\n{feeds}"));
    write(
        "layouts/orders.toml",
        "name = \"orders\"\nversion = 1\nkind = \"delimited\"\nencoding = \"utf-8\"\nterminator = \"lf\"\n\
         [delimited]\ndelimiter = \";\"\n[[record]]\nname = \"order\"\n\
         field = [{ name = \"number\", type = \"text\" }, { name = \"date\", type = \"date\", format = \"YYYYMMDD\" }]\n",
    );
    write(
        "schemas/OrderTaken.json",
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/schemas/OrderTaken/1",
            "type":"object"}"#,
    );
    let settings = config::load(&root.join("bridge.toml")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let bridge = Bridge::open(settings).unwrap();
    set_up(&bridge).unwrap();
    bridge
}
