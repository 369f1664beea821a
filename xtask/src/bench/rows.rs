//! One large file, against kcat sending the same keys and values, and against kcat sending the bare rows.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::contender::{Contender, interleave};
use super::figures::{cost, cut, grouped};
use super::forward::ForwardOptions;
use super::measure::{self, Sample};
use super::report::{Section, at_least, at_most, table};
use super::site::{Site, write_rows};
use super::test_bed::TestBed;

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
    let rows = options.rows;
    let (file, records) = (bed.directory.join("rows.csv"), bed.directory.join("rows.tsv"));
    let bytes = write_rows(&file, 0, rows)?;
    let warm_up = Site::new(bed, "rows-dump")?;
    fs::hard_link(&file, warm_up.inbox().join("rows_1.csv"))?;
    warm_up.take(rows)?;
    let dumped = bed.dump(&warm_up.topic(), &records)?;
    ensure!(dumped == rows, "{rows} rows became {dumped} events");
    warm_up.remove()?;
    let event_bytes = fs::metadata(&records)?.len();
    let mut sides = [
        Contender::new("dropbridge", |round| take(bed, round, Some(&file), rows)),
        Contender::new("`kcat -P -K`, the same events", |_| send(bed, &["-K", "\t", "-l"], &records, rows)),
        Contender::new("`kcat -P -K -z lz4`", |_| send(bed, &["-z", "lz4", "-K", "\t", "-l"], &records, rows)),
        Contender::new("`kcat -P -l`, the rows", |_| send(bed, &["-l"], &file, rows)),
        Contender::new("dropbridge, no file", |round| take(bed, round, None, 0)),
    ];
    interleave(options.rounds, &mut sides)?;
    let [bridge, kcat, compressed, raw, idle] = &sides;
    let mut lines = Vec::new();
    for side in [bridge, kcat, compressed, raw] {
        lines.push(vec![
            side.name.to_owned(),
            side.rate(rows).show(|rate| cut(rate, 0)),
            side.cpu().show(|seconds| cost(seconds, 2)),
            bridge.speed_against(side).show(|ratio| cut(ratio, 2)),
            bridge.cpu_against(side).show(|ratio| cost(ratio, 2)),
        ]);
    }
    let mut text = format!(
        "{} rows of {} bytes as one file; the events that they become have {} bytes, key and value. {} rounds; \
         medians, ranges in brackets. The bridge is `dropbridge run --until-idle`, which compresses with LZ4; kcat does \
         not unless it is told to. Speed and cost: dropbridge's rate and its processor time as multiples of those of \
         the line, round by round.\n\n",
        grouped(rows as f64, 0),
        cut(bytes as f64 / rows as f64, 1),
        cut(event_bytes as f64 / rows as f64 - 2.0, 1),
        options.rounds
    );
    let head = ["", "rows/s", "processor, s", "speed", "cost"];
    text += &table(&head, &lines);
    text += &format!(
        "\nNothing is subtracted. Start and end of dropbridge alone, with an empty inbox, take {} s, and {} s of \
         processor.\n\n",
        idle.wall().show(|seconds| cost(seconds, 3)),
        idle.cpu().show(|seconds| cost(seconds, 3)),
    );
    text += &at_least("throughput against `kcat -P -K`", 0.6, bridge.speed_against(kcat).median, "");
    text += &at_most("processor against `kcat -P -K`", 2.5, bridge.cpu_against(kcat).median, "");
    fs::remove_file(&file)?;
    fs::remove_file(&records)?;
    Ok(Section { id: "rows", text })
}

fn take(bed: &TestBed, round: usize, file: Option<&Path>, events: u64) -> Result<Sample> {
    let site = Site::new(bed, &format!("rows-{round}-{events}"))?;
    if let Some(file) = file {
        fs::hard_link(file, site.inbox().join("rows_1.csv"))?;
    }
    bed.settle();
    let sample = site.take(events)?;
    site.remove()?;
    Ok(sample)
}

fn send(bed: &TestBed, arguments: &[&str], file: &Path, records: u64) -> Result<Sample> {
    const TOPIC: &str = "bench-kcat";
    bed.create_topic(TOPIC)?;
    bed.settle();
    let sample = measure::run(bed.kcat_producer(TOPIC).args(arguments).arg(file))?;
    let sent = bed.ends(TOPIC)?;
    ensure!(sent == records, "kcat sent {sent} of {records} records");
    bed.delete_topics(&[TOPIC])?;
    Ok(sample)
}
