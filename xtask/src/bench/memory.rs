//! Memory: the most that was resident, for files of several sizes.

use std::fs;

use anyhow::Result;

use super::contender::{Contender, interleave};
use super::figures::{Spread, cost, grouped};
use super::forward::ForwardOptions;
use super::measure::Sample;
use super::report::{Section, table};
use super::site::{Site, write_rows};
use super::test_bed::TestBed;

const MIB: f64 = 1024.0 * 1024.0;

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
    let small = bed.directory.join("memory-small.csv");
    let row = write_rows(&small, 0, 1000)? as f64 / 1000.0;
    let (hundred, thousand) = (rows_of(options.memory_mb / 10, row), rows_of(options.memory_mb, row));
    let mut sides = [
        Contender::new("an empty inbox", |round| take(bed, round, 0)),
        Contender::new("a file of a tenth", |round| take(bed, round, hundred)),
        Contender::new("a file", |round| take(bed, round, thousand)),
    ];
    interleave(options.memory_rounds, &mut sides)?;
    let peak = |side: &Contender<'_>| Spread::of(side.samples.iter().map(|sample| sample.peak_bytes / MIB));
    let idle = peak(&sides[0]).median;
    let names = ["an empty inbox".to_owned(), megabytes(options.memory_mb / 10), megabytes(options.memory_mb)];
    let lines: Vec<Vec<String>> = sides
        .iter()
        .zip(names)
        .map(|(side, name)| {
            let peak = peak(side);
            vec![name, peak.show(|value| cost(value, 1)), cost(peak.median - idle, 1)]
        })
        .collect();
    let mut text = format!(
        "Whole runs; the most memory that was resident (`ru_maxrss`). {} rounds; medians, ranges in brackets.\n\n",
        options.memory_rounds
    );
    text += &table(&["", "MiB", "above idle, MiB"], &lines);
    fs::remove_file(&small)?;
    Ok(Section { id: "memory", text })
}

fn megabytes(size: u64) -> String {
    format!("one file of {} MB", grouped(size as f64, 0))
}

fn rows_of(megabytes: u64, row_bytes: f64) -> u64 {
    (megabytes as f64 * 1e6 / row_bytes) as u64
}

fn take(bed: &TestBed, round: usize, rows: u64) -> Result<Sample> {
    let site = Site::new(bed, &format!("memory-{round}-{rows}"))?;
    if rows > 0 {
        write_rows(&site.inbox().join("rows_1.csv"), 0, rows)?;
    }
    bed.settle();
    let sample = site.take(rows)?;
    site.remove()?;
    Ok(sample)
}
