//! The events of one large file, delivered, against kcat writing their raw values to a file.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::contender::{Contender, interleave};
use super::figures::{Spread, cost, cut, grouped};
use super::measure::{self, Sample};
use super::profile as profiles;
use super::report::{Section, at_least, at_most, table};
use super::reverse::ReverseOptions;
use super::site::{Begin, Site, write_rows};
use super::test_bed::{PARTITIONS, TestBed, count_lines, succeed};

const MIB: f64 = 1024.0 * 1024.0;
const FILE: &str = "rows_1.csv";

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ReverseOptions) -> Result<Section> {
    let events = options.events;
    let site = published(bed, "reverse", events)?;
    let (file, topic) = (site.inbox().join(FILE), site.topic());
    let bytes = fs::metadata(&file)?.len();
    let dumped = bed.directory.join("values.txt");
    let mut sides = [
        Contender::new("dropbridge", |round| deliver(bed, &site, &format!("mirror-{round}"))),
        Contender::new("`kcat -C -o beginning -e`", |_| dump(bed, &topic, &dumped, events)),
        Contender::new("dropbridge, no file", |round| {
            site.mirror(&format!("idle-{round}"), Begin::Now)?;
            bed.settle();
            site.deliver(0)
        }),
    ];
    interleave(options.rounds, &mut sides)?;
    let [bridge, kcat, idle] = &sides;
    let value_bytes = fs::metadata(&dumped)?.len();
    let section = Section { id: "reverse-file", text: text(options, bytes, value_bytes, bridge, kcat, idle) };
    drop(sides);
    fs::remove_file(&dumped)?;
    site.remove()?;
    Ok(section)
}

fn text(
    options: &ReverseOptions,
    bytes: u64,
    value_bytes: u64,
    bridge: &Contender<'_>,
    kcat: &Contender<'_>,
    idle: &Contender<'_>,
) -> String {
    let events = options.events;
    let memory = |side: &Contender<'_>| Spread::of(side.samples.iter().map(|sample| sample.peak_bytes / MIB));
    let mut text = format!(
        "{} events of {} bytes, value only, become one delivered file of {} bytes a row. {} rounds; medians, ranges in \
         brackets. The bridge is `dropbridge run --until-idle` with one mirror that begins at the beginning: it takes \
         the slot, reads the {PARTITIONS} partitions, merges them, renders, hashes, syncs, journals and renames; each \
         file is compared with the one that was dropped. kcat writes the raw values of the same topic into a file, \
         which nobody syncs. Queues: the bridge has one reader for each partition, each with 2 MiB (`queued.max.messages.kbytes`) \
         and answers of 256 KiB (`fetch.message.max.bytes`); kcat has librdkafka's defaults, 64 and 1 MiB. Speed and cost: \
         dropbridge's rate and its processor time as multiples of those of the line, round by round. Memory: the most \
         that was resident.\n\n",
        grouped(events as f64, 0),
        cut(value_bytes as f64 / events as f64 - 1.0, 1),
        cut(bytes as f64 / events as f64, 1),
        options.rounds
    );
    let line = |side: &Contender<'_>| {
        vec![
            side.name.to_owned(),
            side.rate(events).show(|rate| cut(rate, 0)),
            side.cpu().show(|seconds| cost(seconds, 2)),
            bridge.speed_against(side).show(|ratio| cut(ratio, 2)),
            bridge.cpu_against(side).show(|ratio| cost(ratio, 2)),
            memory(side).show(|value| cost(value, 1)),
        ]
    };
    text += &table(&["", "events/s", "processor, s", "speed", "cost", "MiB"], &[line(bridge), line(kcat)]);
    text += &format!(
        "\nNothing is subtracted. Start and end of dropbridge alone, with nothing to deliver, take {} s, {} s of \
         processor, and {} MiB.\n\n",
        idle.wall().show(|seconds| cost(seconds, 3)),
        idle.cpu().show(|seconds| cost(seconds, 3)),
        memory(idle).show(|value| cost(value, 1)),
    );
    text += &at_least("throughput against kcat", 0.5, bridge.speed_against(kcat).median, "");
    text + &at_most("memory above idle", 128.0, memory(bridge).most - memory(idle).least, " MiB")
}

/// Where the processor time of one delivery goes.
pub(crate) fn profile(bed: &TestBed, options: &ReverseOptions) -> Result<Section> {
    let site = published(bed, "reverse-profile", options.events)?;
    let outbox = site.mirror("mirror", Begin::Beginning)?;
    let what = format!("the delivery of the large file ({} events)", grouped(options.events as f64, 0));
    let section = profiles::of(bed, "reverse-profile", &what, &site.command(&["run", "--until-idle"]))?;
    compare(&site.inbox().join(FILE), &outbox.join(FILE))?;
    site.remove()?;
    Ok(section)
}

/// A bridge that has published one file, and delivers nothing yet.
fn published<'b>(bed: &'b TestBed, name: &str, events: u64) -> Result<Site<'b>> {
    let site = Site::new(bed, name)?;
    write_rows(&site.inbox().join(FILE), 0, events)?;
    site.take(events)?;
    Ok(site)
}

fn deliver(bed: &TestBed, site: &Site<'_>, id: &str) -> Result<Sample> {
    let outbox = site.mirror(id, Begin::Beginning)?;
    bed.settle();
    let sample = site.deliver(1)?;
    compare(&site.inbox().join(FILE), &outbox.join(FILE))?;
    fs::remove_dir_all(&outbox)?;
    Ok(sample)
}

fn compare(dropped: &Path, delivered: &Path) -> Result<()> {
    succeed(Command::new("cmp").args([dropped, delivered]))
}

fn dump(bed: &TestBed, topic: &str, into: &Path, events: u64) -> Result<Sample> {
    let file = File::create(into)?;
    bed.settle();
    let sample = measure::run(bed.kcat_consumer(topic).stdout(file))?;
    let lines = count_lines(into)?;
    ensure!(lines == events, "kcat has written {lines} of {events} values");
    Ok(sample)
}
