//! Many small files, against transactions of one producer that carry the same records.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::contender::{Contender, interleave};
use super::figures::{cost, cut, grouped};
use super::forward::ForwardOptions;
use super::measure::{self, Sample};
use super::report::{Section, at_least, table};
use super::site::{Site, write_rows};
use super::test_bed::TestBed;

/// Rows of a file.
pub(crate) const ROWS: u64 = 10;
/// Files that share a transaction: dropbridge's own `max_files`.
const TOGETHER: u64 = 200;

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
    let files = options.files;
    let (directory, records) = (bed.directory.join("small"), bed.directory.join("small.tsv"));
    make(&directory, files)?;
    let warm_up = Site::new(bed, "files-dump")?;
    link_all(&directory, &warm_up.inbox())?;
    warm_up.take(files * ROWS)?;
    let dumped = bed.dump(&warm_up.topic(), &records)?;
    ensure!(dumped == files * ROWS, "{} rows became {dumped} events", files * ROWS);
    warm_up.remove()?;
    let mut sides = [
        Contender::new("dropbridge", |round| take(bed, round, &directory, files)),
        Contender::new("bare transactions of 200 files", |_| send(bed, &records, files, TOGETHER)),
        Contender::new("bare transactions of one file", |_| send(bed, &records, files, 1)),
    ];
    interleave(options.rounds, &mut sides)?;
    let [bridge, shared, single] = &sides;
    let line = |side: &Contender<'_>| {
        vec![
            side.name.to_owned(),
            side.rate(files).show(|rate| cut(rate, 0)),
            side.cpu().show(|seconds| cost(seconds, 2)),
            bridge.speed_against(side).show(|ratio| cut(ratio, 2)),
        ]
    };
    let mut text = format!(
        "{} files of {ROWS} rows, all there at the start. For each, dropbridge also writes a manifest and a ledger \
         entry; the bare producer, the example `bare` of the Kafka adapter, sends the same events and nothing else. \
         Whole runs, start and end in them. Speed: dropbridge's rate as a multiple of the line's. {} rounds; medians, ranges in brackets.\n\n",
        grouped(files as f64, 0),
        options.rounds
    );
    let head = ["", "files/s", "processor, s", "speed"];
    text += &table(&head, &[line(bridge), line(shared), line(single)]);
    text.push('\n');
    text += &at_least("rate against bare shared transactions", 0.5, bridge.speed_against(shared).median, "");
    fs::remove_dir_all(&directory)?;
    fs::remove_file(&records)?;
    Ok(Section { id: "files", text })
}

/// Makes the files: `rows_N.csv`.
fn make(directory: &Path, files: u64) -> Result<()> {
    fs::create_dir_all(directory)?;
    for file in 0..files {
        write_rows(&directory.join(format!("rows_{file}.csv")), file * ROWS, ROWS)?;
    }
    Ok(())
}

fn link_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::hard_link(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn take(bed: &TestBed, round: usize, directory: &Path, files: u64) -> Result<Sample> {
    let site = Site::new(bed, &format!("files-{round}"))?;
    link_all(directory, &site.inbox())?;
    bed.settle();
    let sample = site.take(files * ROWS)?;
    site.remove()?;
    Ok(sample)
}

fn send(bed: &TestBed, records: &Path, files: u64, together: u64) -> Result<Sample> {
    const TOPIC: &str = "bench-bare";
    bed.create_topic(TOPIC)?;
    bed.settle();
    let sample = measure::run(bed.bare("transactions").arg(TOPIC).arg(records).arg((together * ROWS).to_string()))?;
    let sent = bed.ends(TOPIC)?;
    // Each transaction leaves a marker in each partition that it wrote to.
    ensure!(sent > files * ROWS, "the bare producer sent {sent} of {} records", files * ROWS);
    bed.delete_topics(&[TOPIC])?;
    Ok(sample)
}
