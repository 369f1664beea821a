//! `dropbridge arrivals`.

use std::collections::{BTreeMap, VecDeque};

use clap::Args;
use serde::Serialize;

use super::{Answer, Output, check_known};
use crate::arrivals::{Due, FindingEvent, Standing};
use crate::domain::BusinessDate;
use crate::ledger::replay::{read_control, read_partition};
use crate::wiring::Bridge;

/// Arguments of `arrivals`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dropbridge arrivals\n  dropbridge arrivals --feed parks.bids --date 2026-01-30\n\n\
    Exit code 1: something is overdue."
)]
pub(super) struct ArrivalsArguments {
    /// Only this feed.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Only this business date.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = business_date)]
    date: Option<BusinessDate>,
    /// At most this many of the findings, the newest.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

fn business_date(text: &str) -> Result<BusinessDate, String> {
    BusinessDate::parse(text).ok_or_else(|| format!("`{text}` is no date as YYYY-MM-DD"))
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) fn run(bridge: &Bridge, arguments: &ArrivalsArguments, output: Output) -> anyhow::Result<Answer> {
    check_known("feed", arguments.feed.as_deref(), bridge.feeds.iter().map(|plan| plan.id()))?;
    let context = &bridge.context;
    let now = context.clock.now();
    let journals = read_control(&*context.log, &context.topics)?.arrivals;
    let mut standings = context.arrivals.standings(&journals, now);
    standings.retain(|feed, _| arguments.feed.as_ref().is_none_or(|wanted| wanted == feed));
    if let Some(date) = arguments.date {
        for standing in standings.values_mut() {
            keep_date(standing, date);
        }
    }
    if standings.is_empty() {
        output.line("no feed expects files: [feed.expect] says when they are due")?;
    }
    show_standings(&standings, output)?;
    show_findings(bridge, arguments, output)?;
    Ok(if standings.values().any(Standing::is_overdue) { Answer::No } else { Answer::Fine })
}

fn keep_date(standing: &mut Standing, date: BusinessDate) {
    standing.overdue.retain(|overdue| overdue.date.business_date == date);
    standing.gaps.retain(|gap| gap.business_date == Some(date));
    standing.next = standing.next.take().filter(|next| next.business_date == date);
}

/// How a feed stands, for programs.
#[derive(Serialize)]
struct OfFeed<'a> {
    feed: &'a str,
    #[serde(flatten)]
    standing: &'a Standing,
}

fn show_standings(standings: &BTreeMap<String, Standing>, output: Output) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (feed, standing) in standings {
        output.object(&OfFeed { feed, standing })?;
        for overdue in &standing.overdue {
            let state = if overdue.said { "MISSING" } else { "OVERDUE: not looked at since, or on its way" };
            rows.push(row(feed, &overdue.date, state));
        }
        for gap in &standing.gaps {
            let date = gap.business_date.map(|date| date.to_string()).unwrap_or_default();
            let numbers = if gap.from == gap.to { gap.from.to_string() } else { format!("{}–{}", gap.from, gap.to) };
            rows.push(vec![feed.clone(), date, numbers, gap.since.local(), "GAP in the sequence".to_owned()]);
        }
        if let Some(next) = &standing.next {
            rows.push(row(feed, next, if next.arrived >= next.expected { "there" } else { "awaited" }));
        }
    }
    if rows.is_empty() { Ok(()) } else { output.table(&["feed", "business date", "files", "due", ""], rows) }
}

fn row(feed: &str, date: &Due, state: &str) -> Vec<String> {
    let files = format!("{} of {}", date.arrived, date.expected);
    vec![feed.to_owned(), date.business_date.to_string(), files, date.due.local(), state.to_owned()]
}

fn show_findings(bridge: &Bridge, arguments: &ArrivalsArguments, output: Output) -> anyhow::Result<()> {
    let mut latest: VecDeque<FindingEvent> = VecDeque::new();
    let topic = &bridge.context.topics.arrivals;
    read_partition(&*bridge.context.log, topic, 0, |record| {
        // What a newer build says and this one cannot read is not for this one.
        let event = record.value.as_deref().and_then(|value| serde_json::from_slice::<FindingEvent>(value).ok());
        latest.extend(event.filter(|event| is_wanted(event, arguments)));
        if latest.len() > arguments.limit {
            latest.pop_front();
        }
        Ok(())
    })?;
    let mut rows = Vec::new();
    for event in &latest {
        output.object(event)?;
        rows.push(vec![
            event.time.local(),
            event.data.feed.clone(),
            event.data.finding.kind.as_str().to_owned(),
            event.data.message.clone(),
        ]);
    }
    if rows.is_empty() { Ok(()) } else { output.table(&["time", "feed", "finding", ""], rows) }
}

fn is_wanted(event: &FindingEvent, arguments: &ArrivalsArguments) -> bool {
    let of_feed = arguments.feed.as_ref().is_none_or(|feed| *feed == event.data.feed);
    of_feed && arguments.date.is_none_or(|date| event.data.finding.business_date == Some(date))
}
