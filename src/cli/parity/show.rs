//! A report for an operator, and for programs.

use std::path::Path;

use serde::Serialize;

use super::super::Output;
use super::super::output::{counted, size};
use crate::domain::ContentHash;
use crate::parity::{Compared, Expected, FileReport, Finding, Outcome, Report, Seen, Verdict};

/// A report as programs get it.
#[derive(Serialize)]
struct Object<'r> {
    #[serde(flatten)]
    report: &'r Report,
    parity: bool,
    id: ContentHash,
}

pub(super) fn report(report: &Report, page: Option<&Path>, output: Output) -> anyhow::Result<()> {
    output.object(&Object { report, parity: report.is_parity(), id: report.id() })?;
    for file in &report.files {
        self::file(file, output)?;
    }
    for note in &report.notes {
        output.paragraph("note: ", note)?;
    }
    if let Some(page) = page {
        output.line(format!("the page for the owner of {}: {}", report.department, page.display()))?;
    }
    Ok(())
}

/// What a verdict means, in a line.
pub(super) fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical => "the same bytes",
        Verdict::Expected => "only differences that the feed's rules expect",
        Verdict::Different => "not the same, beyond what the rules expect",
        Verdict::Unreadable => "a file is not what the layout says",
        Verdict::Late => "the same, but after it was due",
        Verdict::Missing => "no candidate",
        Verdict::Extra => "no legacy file",
        Verdict::Pending => "not all is there yet",
        Verdict::Undecided => "what belongs to it cannot be told",
    }
}

fn file(file: &FileReport, output: Output) -> anyhow::Result<()> {
    let date = file.business_date.map(|date| format!(" {date}")).unwrap_or_default();
    let sequence = file.sequence.as_ref().map(|sequence| format!("/{sequence}")).unwrap_or_default();
    output.line(format!("{}{date}{sequence}: {}: {}", file.feed, file.verdict, meaning(file.verdict)))?;
    if let Some(why) = &file.why {
        output.paragraph("  ", why)?;
    }
    let Some(outcome) = &file.outcome else { return Ok(()) };
    let from = file.candidate_from.map(|from| format!(" ({from})")).unwrap_or_default();
    for (what, name, from, compared) in [
        ("legacy   ", &file.legacy_file, "", &outcome.legacy),
        ("candidate", &file.candidate_file, from.as_str(), &outcome.candidate),
    ] {
        output.line(format!("  {what} {}{from}", name.as_deref().unwrap_or("-")))?;
        output.line(format!("            {}", described(compared)))?;
        for reject in compared.reject.iter().chain(&compared.first_bad) {
            output.paragraph("            ", reject)?;
        }
    }
    if outcome.verdict == Verdict::Identical {
        return Ok(());
    }
    output.line(format!("  {}", summary(outcome)))?;
    expected(&outcome.expected, output)?;
    findings(file, output)
}

fn described(compared: &Compared) -> String {
    let records = compared.records.map_or_else(|| "no records".to_owned(), |records| counted(records, "record"));
    let bad = match compared.bad_records {
        0 => String::new(),
        bad => format!(" ({} passed over)", counted(bad, "bad one")),
    };
    format!("{}, {records}{bad}, sha256 {}", size(compared.bytes), compared.sha256.short())
}

fn summary(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let mut parts = vec![format!("{} compared, {} equal", counted(tally.compared, "record"), tally.equal)];
    parts.push(format!("{} not expected", counted(tally.differences(), "difference")));
    parts.push(format!("{} expected", outcome.expected_differences()));
    if tally.repeated_keys > 0 {
        parts.push(format!("{} that came before", counted(tally.repeated_keys, "key")));
    }
    parts.join(", ")
}

fn expected(expected: &[Expected], output: Output) -> anyhow::Result<()> {
    if expected.is_empty() {
        return Ok(());
    }
    let row = |one: &Expected| {
        let value = |seen: &Option<Seen>| seen.as_ref().map_or_else(|| "-".to_owned(), value);
        vec![
            format!("  {}", one.rule),
            one.subject.clone(),
            one.count.to_string(),
            value(&one.example.legacy),
            value(&one.example.candidate),
        ]
    };
    let header = ["  expected by", "of", "times", "legacy, the first", "candidate"];
    output.table(&header, expected.iter().map(row).collect())
}

fn findings(file: &FileReport, output: Output) -> anyhow::Result<()> {
    if file.findings.is_empty() {
        return Ok(());
    }
    let header = ["  difference", "of", "key", "legacy", "candidate"];
    output.table(&header, file.findings.iter().map(row).collect())?;
    if file.findings_left_out > 0 {
        output.line(format!("  and {} more (--show)", counted(file.findings_left_out, "difference")))?;
    }
    Ok(())
}

fn row(finding: &Finding) -> Vec<String> {
    let seen = |seen: &Option<Seen>| match seen {
        Some(seen) => format!("{} @{}", value(seen), seen.byte),
        None => "-".to_owned(),
    };
    vec![
        format!("  {}", finding.kind.words()),
        finding.subject(),
        finding.key.clone().unwrap_or_default(),
        seen(&finding.legacy),
        seen(&finding.candidate),
    ]
}

fn value(seen: &Seen) -> String {
    match (&seen.value, seen.record) {
        (Some(value), _) => format!("`{value}`"),
        (None, Some(record)) => format!("record {record}"),
        (None, None) => "-".to_owned(),
    }
}
