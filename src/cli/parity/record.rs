//! `parity --record`: what was compared of a business date becomes evidence for a cutover.

use std::collections::BTreeMap;

use anyhow::bail;

use super::super::output::counted;
use super::super::{Output, person, requests};
use crate::cutover::{ComparedDay, ComparedFile};
use crate::domain::{BusinessDate, Moment};
use crate::outbound::plan::PlanSource;
use crate::parity::{FileReport, Outcome, Report, Verdict};
use crate::wiring::Bridge;

/// Journals each date of a report of all feeds of a department. A date of which something is not there yet is left for
/// later; one that is over and of which neither side has a file is journaled as that.
///
/// # Errors
/// Where files cannot be told by date; of the log.
pub(super) fn keep(bridge: &Bridge, report: &Report, only: Option<BusinessDate>, output: Output) -> anyhow::Result<()> {
    let mut by_date: BTreeMap<BusinessDate, Vec<&FileReport>> = BTreeMap::new();
    for file in &report.files {
        let Some(date) = file.business_date else {
            bail!("nothing is recorded: {} has files whose names carry no business date", file.feed)
        };
        by_date.entry(date).or_default().push(file);
    }
    for date in without_files(bridge, report, &by_date, only) {
        by_date.entry(date).or_default();
    }
    let (by, id) = (person(), report.id());
    let (mut records, mut in_parity, mut waiting) = (Vec::new(), 0, Vec::new());
    for (date, files) in by_date {
        if files.iter().any(|file| file.verdict == Verdict::Pending) {
            waiting.push(date.to_string());
            continue;
        }
        let files = files.into_iter().map(compared).collect();
        let day = ComparedDay::new(&report.department, date, (&by, report.created_at), id, files);
        in_parity += u64::from(day.is_parity());
        records.push((day.record_key(), serde_json::to_vec(&day)?));
    }
    if !records.is_empty() {
        requests::state(bridge, &records)?;
    }
    let recorded = counted(records.len() as u64, "business date");
    output.line(format!("recorded as evidence: {recorded}, {in_parity} in parity"))?;
    if !waiting.is_empty() {
        output.paragraph("not recorded, since not all is there yet: ", waiting.join(", "))?;
    }
    Ok(())
}

/// Dates that are over and of which there is nothing to compare: from the first of the report on, or the one that is meant.
fn without_files(
    bridge: &Bridge,
    report: &Report,
    by_date: &BTreeMap<BusinessDate, Vec<&FileReport>>,
    only: Option<BusinessDate>,
) -> Vec<BusinessDate> {
    let Some(first) = only.or_else(|| by_date.keys().next().copied()) else { return Vec::new() };
    let today = BusinessDate::from(report.created_at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date());
    let last = only.unwrap_or_else(|| today.max(by_date.keys().next_back().copied().unwrap_or(today)));
    let days = i32::try_from(first.days_until(last)).unwrap_or(0);
    let dates = (0..=days).map(|day| first.days_later(day));
    dates
        .filter(|date| !by_date.contains_key(date) && is_over(bridge, &report.department, *date, report.created_at))
        .collect()
}

/// Some window of the department has a file of the date, and all that have are cut off.
fn is_over(bridge: &Bridge, department: &str, date: BusinessDate, now: Moment) -> bool {
    let feeds = bridge.feeds.iter().filter(|plan| plan.settings.department == department);
    let closes = feeds.filter_map(|plan| {
        let window = bridge.renderings.iter().find_map(|rendering| match &rendering.source {
            PlanSource::Window(window) if window.settings.feed == plan.id() => Some(window),
            _ => None,
        })?;
        let rules = &window.settings.rules;
        rules.has_file(date).then(|| rules.closes(date))
    });
    closes.max().is_some_and(|closes| closes < now)
}

fn compared(file: &FileReport) -> ComparedFile {
    let outcome = file.outcome.as_ref();
    let rules = outcome.map(|outcome| &outcome.expected[..]).unwrap_or_default();
    ComparedFile {
        feed: file.feed.clone(),
        sequence: file.sequence.clone(),
        verdict: file.verdict.as_str().to_owned(),
        is_parity: file.verdict.is_parity(),
        legacy_sha256: outcome.map(|outcome| outcome.legacy.sha256),
        candidate_sha256: outcome.map(|outcome| outcome.candidate.sha256),
        records: outcome.map_or(0, |outcome| outcome.tally.compared),
        differences: outcome.map_or(0, |outcome| outcome.tally.differences()),
        expected: outcome.map_or(0, Outcome::expected_differences),
        rules: rules.iter().map(|expected| format!("{} {}", expected.rule, expected.subject)).collect(),
    }
}
