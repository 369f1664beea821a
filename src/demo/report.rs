//! How it ended: a table of feeds, whether the counts agree, and what to try next.

use std::path::Path;

use serde_json::json;

use super::audit::Findings;
use super::consumers::{CONSUMERS, Received};
use super::estate::Estate;
use super::script::JOBS;
use crate::cli::Output;
use crate::ledger::{DropState, LedgerEntry};

/// Shows all of it.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show(
    estate: &Estate,
    ledger: &[LedgerEntry],
    received: &[Received],
    findings: &Findings,
    output: Output,
) -> anyhow::Result<()> {
    output.line("")?;
    let mut rows = Vec::new();
    for job in &JOBS {
        let sum = Sum::of(ledger.iter().filter(|entry| entry.feed == job.feed));
        output.object(&json!({
            "feed": job.feed, "files": sum.files, "records": sum.records, "events": sum.events, "old": sum.old,
            "repeats": sum.repeats, "held": sum.held,
        }))?;
        rows.push(sum.row(job.feed));
    }
    let header = ["feed", "files", "records", "events", "repeats", "old", "held back, and why"];
    output.table(&header, rows)?;
    show_received(received, output)?;
    show_findings(findings, output)?;
    show_next(estate, output)
}

/// What the legacy consumers got.
fn show_received(received: &[Received], output: Output) -> anyhow::Result<()> {
    output.line("")?;
    for consumer in &CONSUMERS {
        let files = received.iter().filter(|received| received.feed == consumer.feed).count();
        output.object(&json!({ "consumer": consumer.name, "from": consumer.feed, "received": files }))?;
        output.line(format!(
            "The {} got {files} files in {}, from events of {}.",
            consumer.name, consumer.outbox, consumer.feed
        ))?;
    }
    Ok(())
}

fn show_findings(findings: &Findings, output: Output) -> anyhow::Result<()> {
    let Findings { dropped, expected, found, problems } = findings;
    output.object(&json!({
        "check": { "dropped": dropped, "expected_events": expected, "events": found, "problems": problems },
    }))?;
    if problems.is_empty() {
        output.line(format!(
            "\n{dropped} drops. The jobs count {expected} events in files that are fine; the log has {found}, each once."
        ))?;
        return output
            .line("The file with the wrong trailer is held back and none of it is published, as it should be.");
    }
    output.line(format!("\nThe log does not agree with what the jobs dropped ({expected} events, found {found}):"))?;
    problems.iter().try_for_each(|problem| output.line(format!("  {problem}")))
}

/// What became of the files of a feed.
#[derive(Default)]
struct Sum {
    files: u64,
    records: u64,
    events: u64,
    repeats: u64,
    old: u64,
    held: Vec<String>,
}

impl Sum {
    fn of<'a>(entries: impl Iterator<Item = &'a LedgerEntry>) -> Self {
        let mut sum = Self::default();
        for entry in entries {
            sum.repeats += entry.repeats;
            match &entry.state {
                DropState::Baseline => sum.old += 1,
                DropState::Published { records, events, .. } => {
                    sum.files += 1;
                    sum.records += records;
                    sum.events += events;
                }
                DropState::Quarantined { reject, .. } => {
                    sum.files += 1;
                    sum.held.push(format!("{}, line {}: {}", entry.entry.path, reject.line, reject.reason));
                }
                state => {
                    sum.files += 1;
                    sum.held.push(format!("{}: {}", entry.entry.path, state.as_str()));
                }
            }
        }
        sum
    }

    fn row(&self, feed: &str) -> Vec<String> {
        let counts = [self.files, self.records, self.events, self.repeats, self.old].map(|count| count.to_string());
        let mut row = vec![feed.to_owned()];
        row.extend(counts);
        row.push(self.held.join("\n"));
        row
    }
}

/// Commands that work on the estate as it is now, in this order.
fn show_next(estate: &Estate, output: Output) -> anyhow::Result<()> {
    let program = std::env::args_os().next().unwrap_or_else(|| "dropbridge".into());
    let bridge = format!("{} --config {}", quoted(Path::new(&program)), quoted(&estate.config()));
    let (spare, inbox) = (quoted(&estate.spare()), quoted(&estate.share().join("public_works/bids")));
    let log = quoted(&estate.directory().join("var/state/events.sqlite"));
    let steps = [
        ("which bytes became which events", format!("{bridge} ledger show PWCMP.0732")),
        ("which files were made of events, and where they are", format!("{bridge} deliveries list")),
        ("the events of a department", format!("{bridge} events --type BidProcessed --department parks")),
        ("why the bad file is held", format!("{bridge} quarantine show BID_20260131_0046.dat")),
        (
            "try it again: the same bytes are as wrong as before",
            format!("{bridge} quarantine retry BID_20260131_0046.dat"),
        ),
        ("drop it again, right this time", format!("cp {spare} {inbox}/")),
        ("take what is there, and end", format!("{bridge} run --until-idle")),
        (
            "decide about the bad one",
            format!("{bridge} quarantine discard BID_20260131_0046.dat --reason 'came again, right'"),
        ),
        (
            "read the log with another program",
            format!("sqlite3 {log} 'SELECT topic, count(*) FROM committed_records GROUP BY topic'"),
        ),
    ];
    output.line("\nWhat to try next:")?;
    for (what, command) in steps {
        output.object(&json!({ "next": what, "command": command }))?;
        output.line(format!("\n  # {what}\n  {command}"))?;
    }
    Ok(())
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,=:@".contains(letter);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
