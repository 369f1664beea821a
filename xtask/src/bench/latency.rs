//! From a file's close to its last event read by a committed reader, against a bare transaction of as many records.
//!
//! Files and transactions take turns, one at a time, and one reader waits for both.

use std::fs;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::figures::{cost, quantile};
use super::files::ROWS;
use super::forward::ForwardOptions;
use super::report::{Section, at_most, table};
use super::running::{Running, now_ns, wait_for};
use super::site::{Site, write_rows};
use super::test_bed::TestBed;

const BARE_TOPIC: &str = "bench-latency";
/// Between two files: what the one before has left to do is no part of the next.
const APART: Duration = Duration::from_millis(30);

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
    let count = options.latency_files;
    let site = Site::new(bed, "latency")?;
    bed.create_topic(BARE_TOPIC)?;
    let records = bare_records(bed, (count + 1) * ROWS)?;
    let (sender, seen) = channel();
    let mut watch = bed.bare("watch");
    let watcher = Running::start(watch.arg(BARE_TOPIC).arg(site.topic()), &sender)?;
    wait_for(&seen, |line| line == "ready")?;
    let (answer, answers) = channel();
    let bare = Running::start(bed.bare("serve").arg(BARE_TOPIC).arg(&records).arg(ROWS.to_string()), &answer)?;
    let bridge = Running::start(&mut site.command(&["run"]), &channel().0)?;
    let mut turns = Turns { site, bare, seen, answers };
    // The first of each wait for connections and for the slot.
    turns.file(count)?;
    turns.transaction()?;
    let (mut files, mut transactions) = (Vec::new(), Vec::new());
    for number in 0..count {
        thread::sleep(APART);
        files.push(turns.file(number)?);
        thread::sleep(APART);
        transactions.push(turns.transaction()?);
    }
    let Turns { site, bare, .. } = turns;
    bare.stop(Signal::TERM)?;
    bridge.stop(Signal::TERM)?;
    watcher.stop(Signal::TERM)?;
    site.remove()?;
    bed.delete_topics(&[BARE_TOPIC])?;
    Ok(section(&mut files, &mut transactions))
}

fn section(files: &mut [f64], transactions: &mut [f64]) -> Section {
    let (file_line, file) = times_line("a file: close → its last event read", files);
    let (bare_line, bare) = times_line("a bare transaction: begin → its last record read", transactions);
    let mut text = format!(
        "{} files of {ROWS} rows, one at a time, written under another name and renamed after the close, with \
         notifications; in turn with as many bare transactions of {ROWS} records. One `read_committed` consumer reads \
         both. Milliseconds.\n\n",
        files.len()
    );
    text += &table(&["", "least", "p50", "p99", "most"], &[file_line, bare_line]);
    text.push('\n');
    text += &at_most("p50 above that of a bare transaction", 20.0, file - bare, " ms");
    Section { id: "latency", text }
}

/// So many records for bare transactions, each as long as an event of [`write_rows`].
pub(crate) fn bare_records(bed: &TestBed, count: u64) -> Result<std::path::PathBuf> {
    let path = bed.directory.join("latency.tsv");
    let value = "x".repeat(760);
    let lines: String = (0..count).map(|row| format!("RE{row:010}\t{value}\n")).collect();
    fs::write(&path, lines)?;
    Ok(path)
}

/// A line of a table: least, median, 99th hundredth, most, in milliseconds; and the median.
pub(crate) fn times_line(name: &str, times: &mut [f64]) -> (Vec<String>, f64) {
    times.sort_by(f64::total_cmp);
    let parts = [0.0, 0.5, 0.99, 1.0].map(|part| quantile(times, part));
    let mut cells = vec![name.to_owned()];
    cells.extend(parts.iter().map(|value| cost(*value, 1)));
    (cells, parts[1])
}

struct Turns<'b> {
    site: Site<'b>,
    bare: Running,
    seen: Receiver<String>,
    answers: Receiver<String>,
}

impl Turns<'_> {
    /// Drops a file; milliseconds from its close until its last event is read.
    fn file(&self, number: u64) -> Result<f64> {
        let inbox = self.site.inbox();
        let part = inbox.join("next.part");
        write_rows(&part, number * ROWS, ROWS)?;
        let closed = now_ns()?;
        fs::rename(&part, inbox.join(format!("rows_{number}.csv")))?;
        self.until_read(closed, &self.site.topic())
    }

    /// Milliseconds from before a transaction begins until its last record is read.
    fn transaction(&mut self) -> Result<f64> {
        self.bare.input()?.write_all(b"\n")?;
        let begun = wait_for(&self.answers, |_| true)?;
        self.until_read(begun.parse().with_context(|| format!("bare serve answers {begun}"))?, BARE_TOPIC)
    }

    fn until_read(&self, begun: u128, topic: &str) -> Result<f64> {
        let mut last = 0;
        for _ in 0..ROWS {
            let line = wait_for(&self.seen, |_| true)?;
            let (time, read) = line.split_once(' ').with_context(|| format!("bare watch says {line}"))?;
            ensure!(read == topic, "a record of {read}, and one of {topic} was waited for");
            last = time.parse()?;
        }
        Ok((last.max(begun) - begun) as f64 / 1e6)
    }
}
