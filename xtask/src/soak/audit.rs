//! What came of it, as `kcat` with `read_committed` sees it: a consumer that shares no code with the bridge.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::drops::{Account, Repeated, parse_row_number};
use super::estate::{Estate, FEEDS};

/// How many of a kind are named.
const NAMED: usize = 5;

/// A time for the log of the run.
pub(crate) fn minutes(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// Looks at what is published.
pub(crate) struct Audit<'a> {
    estate: &'a Estate,
    /// Files with a manifest or a reject: feed and name.
    done: HashSet<(String, String)>,
    /// Those of them that were looked at by [`Audit::clear_inboxes`].
    cleared: HashSet<(String, String)>,
    /// Next offsets of the topics that say so.
    offsets: BTreeMap<&'static str, i64>,
}

impl<'a> Audit<'a> {
    pub(crate) fn new(estate: &'a Estate) -> Self {
        let offsets = BTreeMap::from([("manifests", 0), ("rejects", 0)]);
        Self { estate, done: HashSet::new(), cleared: HashSet::new(), offsets }
    }

    /// Takes files away that are done, as legacy consumers do; not those that came again, which may be unread. A broker
    /// that is away is none of its business.
    pub(crate) fn clear_inboxes(&mut self, repeated: &Repeated) {
        if self.look().is_err() {
            return;
        }
        let repeated = repeated.lock();
        for (feed, name) in self.done.drain() {
            if !repeated.contains(&name) {
                let _gone = fs::remove_file(self.estate.inbox(&feed).join(&name));
            }
            self.cleared.insert((feed, name));
        }
    }

    /// Reads on in the topics that say what is done.
    fn look(&mut self) -> Result<()> {
        for (topic, offset) in &mut self.offsets {
            let from = offset.to_string();
            let done = &mut self.done;
            read(self.estate, topic, &["-p", "0", "-o", &from], &mut |record| {
                let of = |value: &Value| value.as_str().map(str::to_owned);
                if let (Some(feed), Some(path)) = (of(&record.value["feed"]), of(&record.value["entry"]["path"])) {
                    done.insert((feed, path));
                }
                *offset = record.offset + 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Waits until every file is done.
    pub(crate) fn wait_for(&mut self, dropped: &Account, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            let looked = self.look();
            let mut open = Vec::new();
            for file in &dropped.all {
                let own = (FEEDS[file.feed].to_owned(), file.name.clone());
                if !self.done.contains(&own) && !self.cleared.contains(&own) {
                    open.push(file.name.as_str());
                }
            }
            if looked.is_ok() && open.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let some = open[..open.len().min(NAMED)].join(", ");
                bail!("after {} s {} files are not dealt with: {some}", time.as_secs(), open.len());
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Holds everything that is published against what was dropped; answers what is wrong.
    pub(crate) fn compare(&self, dropped: &Account) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        self.compare_events(dropped, &mut wrong)?;
        let good = |index: usize| dropped.all[index].rows.is_some();
        self.compare_files(dropped, "manifests", good, &mut wrong)?;
        self.compare_files(dropped, "rejects", |index| !good(index), &mut wrong)?;
        self.compare_ledger(dropped, &mut wrong)?;
        Ok(wrong)
    }

    /// Each row of each good file is one event, and nothing else is one.
    fn compare_events(&self, dropped: &Account, wrong: &mut Vec<String>) -> Result<()> {
        let mut counts: Vec<Vec<u8>> = dropped.all.iter().map(|file| vec![0; file.rows.unwrap_or(0)]).collect();
        let (mut strange, mut all) = (Vec::new(), 0_u64);
        read(self.estate, "OrderTaken", &["-o", "beginning"], &mut |record| {
            all += 1;
            let number = record.value["data"]["number"].as_str().unwrap_or_default();
            let place = parse_row_number(number).and_then(|(file, row)| counts.get_mut(file)?.get_mut(row));
            match place {
                Some(count) => *count = count.saturating_add(1),
                None => strange.push(number.to_owned()),
            }
            Ok(())
        })?;
        let rows = |wanted: fn(u8) -> bool| -> usize {
            counts.iter().map(|rows| rows.iter().filter(|count| wanted(**count)).count()).sum()
        };
        let (missing, once, doubled) = (rows(|count| count == 0), rows(|count| count == 1), rows(|count| count > 1));
        println!(
            "events: {all} read, {} expected; {once} once, {missing} missing, {doubled} more than once, {} of no good file",
            dropped.events(),
            strange.len()
        );
        let files = |wanted: fn(u8) -> bool| -> String {
            let with = counts.iter().enumerate().filter(|(_, rows)| rows.iter().any(|count| wanted(*count)));
            with.take(NAMED).map(|(file, _)| dropped.all[file].name.clone()).collect::<Vec<_>>().join(", ")
        };
        if missing > 0 {
            wrong.push(format!("{missing} events are missing: {}", files(|count| count == 0)));
        }
        if doubled > 0 {
            wrong.push(format!("{doubled} events are there more than once: {}", files(|count| count > 1)));
        }
        if !strange.is_empty() {
            strange.truncate(NAMED);
            wrong.push(format!("events of no good file: {}", strange.join(", ")));
        }
        Ok(())
    }

    /// One record for each file that has to have one, and none for another.
    fn compare_files(
        &self,
        dropped: &Account,
        topic: &'static str,
        expected: impl Fn(usize) -> bool,
        wrong: &mut Vec<String>,
    ) -> Result<()> {
        let mut counts: HashMap<(String, String), usize> = HashMap::new();
        let mut incomplete = 0;
        read(self.estate, topic, &["-o", "beginning"], &mut |record| {
            let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            incomplete += usize::from(topic == "manifests" && record.value["status"] != "complete");
            *counts.entry((of(&record.value["feed"]), of(&record.value["entry"]["path"]))).or_default() += 1;
            Ok(())
        })?;
        let all: usize = counts.values().sum();
        let mut off = Vec::new();
        let mut wanted = 0;
        for (index, file) in dropped.all.iter().enumerate() {
            let count = counts.remove(&(FEEDS[file.feed].to_owned(), file.name.clone())).unwrap_or(0);
            wanted += usize::from(expected(index));
            if count != usize::from(expected(index)) {
                off.push(format!("{} ({count})", file.name));
            }
        }
        println!("{topic}: {all} read, {wanted} expected");
        off.extend(counts.into_keys().map(|(feed, path)| format!("{feed}/{path}, which was never dropped")));
        if !off.is_empty() {
            let count = off.len();
            off.truncate(NAMED);
            wrong.push(format!("{topic}: {count} files are not there as often as they have to be: {}", off.join(", ")));
        }
        if incomplete > 0 {
            wrong.push(format!("{incomplete} manifests are not complete"));
        }
        Ok(())
    }

    /// Every drop is published or quarantined, as it has to be.
    fn compare_ledger(&self, dropped: &Account, wrong: &mut Vec<String>) -> Result<()> {
        let text = self.estate.command(&["--json", "ledger", "list", "--limit", "100000000"])?;
        let (mut states, mut repeats) = (BTreeMap::<String, usize>::new(), 0);
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).context("a line of `ledger list`")?;
            *states.entry(entry["state"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
            repeats += entry["repeats"].as_u64().unwrap_or(0);
        }
        println!("ledger: {states:?}; repeats: {repeats} recorded of {} dropped", dropped.repeats);
        let mut expected =
            BTreeMap::from([("published".to_owned(), dropped.good()), ("quarantined".to_owned(), dropped.bad())]);
        expected.retain(|_, count| *count > 0);
        if states != expected {
            wrong.push(format!("the ledger has {states:?}, expected is {expected:?}"));
        }
        Ok(())
    }
}

/// A record as kcat prints it.
struct Record {
    offset: i64,
    value: Value,
}

/// Reads committed records of a topic to its end.
fn read(estate: &Estate, topic: &str, from: &[&str], each: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    let mut child = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", estate.brokers(), "-t", &estate.topic(topic)])
        .args(from)
        .args(["-X", "isolation.level=read_committed", "-X", "fetch.wait.max.ms=10", "-f", "%o %s\\n"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("run kcat")?;
    let output = BufReader::new(child.stdout.take().context("kcat has no output")?);
    let mut answer = Ok(());
    for line in output.lines() {
        let line = line?;
        if answer.is_ok() {
            answer = parse(&line).and_then(&mut *each);
        }
    }
    let status = child.wait()?;
    answer?;
    ensure!(status.success(), "kcat: {status}");
    Ok(())
}

fn parse(line: &str) -> Result<Record> {
    let (offset, value) = line.split_once(' ').context("kcat prints an offset and a value")?;
    Ok(Record { offset: offset.parse()?, value: serde_json::from_str(value)? })
}
