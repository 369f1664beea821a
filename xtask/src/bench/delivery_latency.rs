//! From a file's events being readable to the file under its name in the outbox, against a bare transaction of as many
//! records.
//!
//! Files and transactions take turns, one at a time. One reader waits for the events of both, so that both sides have its
//! delay; the kernel tells of the file.

use std::fs;
use std::io::Write;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::inotify;
use rustix::process::Signal;

use super::latency::{bare_records, times_line};
use super::report::{Section, at_most, table};
use super::reverse::ReverseOptions;
use super::running::{Running, now_ns, wait_for};
use super::site::{Begin, Site, write_rows};
use super::test_bed::TestBed;

/// Rows of a file.
const ROWS: u64 = 100;
const BARE_TOPIC: &str = "bench-reverse-latency";
/// Between two turns: what the one before has left to do is no part of the next.
const APART: Duration = Duration::from_millis(30);

/// Runs it.
pub(crate) fn run(bed: &TestBed, options: &ReverseOptions) -> Result<Section> {
    let count = options.latency_files;
    let site = Site::new(bed, "reverse-latency")?;
    let outbox = site.mirror("mirror", Begin::Now)?;
    bed.create_topic(BARE_TOPIC)?;
    let records = bare_records(bed, (count + 1) * ROWS)?;
    let (sender, seen) = channel();
    let mut watch = bed.bare("watch");
    let watcher = Running::start(watch.arg(BARE_TOPIC).arg(site.topic()), &sender)?;
    wait_for(&seen, |line| line == "ready")?;
    let (answer, answers) = channel();
    let bare = Running::start(bed.bare("serve").arg(BARE_TOPIC).arg(&records).arg(ROWS.to_string()), &answer)?;
    let (arrived, delivered) = channel();
    tell_arrivals(&outbox, arrived)?;
    let bridge = Running::start(&mut site.command(&["run"]), &channel().0)?;
    let mut turns = Turns { site, bare, seen, answers, delivered };
    // The first of each wait for connections and for the slot.
    turns.file(count)?;
    turns.transaction()?;
    let mut times = Times::default();
    for number in 0..count {
        thread::sleep(APART);
        let (committed, whole) = turns.file(number)?;
        times.committed.push(committed);
        times.whole.push(whole);
        thread::sleep(APART);
        times.transactions.push(turns.transaction()?);
    }
    let Turns { site, bare, .. } = turns;
    bare.stop(Signal::TERM)?;
    bridge.stop(Signal::TERM)?;
    watcher.stop(Signal::TERM)?;
    site.remove()?;
    bed.delete_topics(&[BARE_TOPIC])?;
    Ok(times.section())
}

/// Milliseconds, of each turn.
#[derive(Default)]
struct Times {
    committed: Vec<f64>,
    whole: Vec<f64>,
    transactions: Vec<f64>,
}

impl Times {
    fn section(mut self) -> Section {
        let count = self.committed.len();
        let (delivered, median) =
            times_line("committed → delivered: its last event read → its name", &mut self.committed);
        let (whole, _) = times_line("the whole way: the legacy file's close → the delivery's name", &mut self.whole);
        let (bare, bare_median) =
            times_line("a bare transaction: begin → its last record read", &mut self.transactions);
        let mut text = format!(
            "{count} files of {ROWS} rows, one at a time, through a feed and its mirror; in turn with as many bare \
             transactions of {ROWS} records. One `read_committed` consumer reads the events of both; the kernel tells of \
             the file's name. Milliseconds.\n\n"
        );
        text += &table(&["", "least", "p50", "p99", "most"], &[delivered, whole, bare]);
        text.push('\n');
        text += &at_most("p50 above that of a bare transaction", 50.0, median - bare_median, " ms");
        Section { id: "reverse-latency", text }
    }
}

struct Turns<'b> {
    site: Site<'b>,
    bare: Running,
    seen: Receiver<String>,
    answers: Receiver<String>,
    delivered: Receiver<String>,
}

impl Turns<'_> {
    /// Drops a file; milliseconds from its last event read until it is delivered, and from its close.
    fn file(&self, number: u64) -> Result<(f64, f64)> {
        let inbox = self.site.inbox();
        let (part, name) = (inbox.join("next.part"), format!("rows_{number}.csv"));
        write_rows(&part, number * ROWS, ROWS)?;
        let closed = now_ns()?;
        fs::rename(&part, inbox.join(&name))?;
        let read = self.last_read(&self.site.topic())?;
        let line = wait_for(&self.delivered, |line| line.ends_with(&format!(" {name}")))?;
        let delivered: u128 = line.split(' ').next().unwrap_or_default().parse()?;
        Ok((delivered.saturating_sub(read) as f64 / 1e6, delivered.saturating_sub(closed) as f64 / 1e6))
    }

    /// Milliseconds from before a transaction begins until its last record is read.
    fn transaction(&mut self) -> Result<f64> {
        self.bare.input()?.write_all(b"\n")?;
        let begun = wait_for(&self.answers, |_| true)?;
        let begun: u128 = begun.parse().with_context(|| format!("bare serve answers {begun}"))?;
        Ok(self.last_read(BARE_TOPIC)?.saturating_sub(begun) as f64 / 1e6)
    }

    /// When the last of a file's or a transaction's records was read.
    fn last_read(&self, topic: &str) -> Result<u128> {
        let mut last = 0;
        for _ in 0..ROWS {
            let line = wait_for(&self.seen, |_| true)?;
            let (time, read) = line.split_once(' ').with_context(|| format!("bare watch says {line}"))?;
            ensure!(read == topic, "a record of {read}, and one of {topic} was waited for");
            last = time.parse()?;
        }
        Ok(last)
    }
}

/// Says a line `TIME NAME` for each file that gets its name in a directory, as the kernel tells of it.
fn tell_arrivals(directory: &Path, arrived: Sender<String>) -> Result<()> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, directory, inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CREATE)?;
    thread::spawn(move || {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(watch, &mut buffer);
        while let Ok(event) = reader.next() {
            let Ok(now) = now_ns() else { break };
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if arrived.send(format!("{now} {name}")).is_err() {
                break;
            }
        }
    });
    Ok(())
}
