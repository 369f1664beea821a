//! `dropbridge cutover handover`: what a legacy producer has to know before it speaks again.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::output::counted;
use crate::cli::{Answer, Output, check_known};
use crate::cutover::{Authority, CutoverJournal};
use crate::domain::BusinessDate;
use crate::ledger::replay::ControlState;
use crate::ledger::{Delivery, DeliveryIndex, DropState};
use crate::outbound::plan::PlanSource;
use crate::wiring::Bridge;

/// What went on while the new service spoke.
#[derive(Debug, Serialize)]
struct Handover<'a> {
    department: &'a str,
    /// The first date for which it spoke.
    from: BusinessDate,
    /// The first date behind; absent while it still speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<BusinessDate>,
    files: Vec<HandedFile>,
    /// By rendering: the number that the next file has.
    next_numbers: BTreeMap<String, u64>,
    /// Events in files of dates of which the legacy side has written none.
    events_without_legacy_file: u64,
}

/// A file that consumers got of the new service.
#[derive(Debug, Serialize)]
struct HandedFile {
    rendering: String,
    business_date: BusinessDate,
    file: String,
    sequence: u64,
    events: u64,
    /// The legacy producer has written its own of that date, which was withheld.
    has_legacy_file: bool,
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) fn run(bridge: &Bridge, control: &ControlState, department: &str, output: Output) -> anyhow::Result<Answer> {
    check_known("department", Some(department), super::departments(bridge, control).into_iter())?;
    let live = control.cutovers.get(department).and_then(live_dates);
    let Some((from, until)) = live else {
        output.line(format!("{department} was never live: there is nothing to hand over"))?;
        return Ok(Answer::Fine);
    };
    let is_meant = |date: BusinessDate| date >= from && until.is_none_or(|until| date < until);
    let withheld = withheld_dates(bridge, control, department)?;
    let index = DeliveryIndex::read(&*bridge.context.log, &bridge.context.topics.deliveries)?;
    let mut files: Vec<HandedFile> = index
        .all()
        .filter(|delivery| delivery.department == department)
        .filter_map(|delivery| handed(delivery, &withheld))
        .filter(|file| is_meant(file.business_date))
        .collect();
    files.sort_by_key(|file| (file.business_date, file.sequence));
    let lonely = files.iter().filter(|file| !file.has_legacy_file).map(|file| file.events).sum();
    let next_numbers = next_numbers(bridge, &index, department);
    show(&Handover { department, from, until, files, next_numbers, events_without_legacy_file: lonely }, output)
}

/// The last dates for which the new service spoke: the first of them, and the first behind them.
fn live_dates(journal: &CutoverJournal) -> Option<(BusinessDate, Option<BusinessDate>)> {
    let turns = journal.transitions.iter().filter(|one| one.from.authority() != one.to.authority());
    let mut last = None;
    for turn in turns {
        last = match (turn.to.authority(), last) {
            (Authority::Candidate, _) => Some((turn.effective, None)),
            // Called off before it took effect: it never spoke.
            (Authority::Legacy, Some((from, _))) if turn.effective <= from => None,
            (Authority::Legacy, Some((from, _))) => Some((from, Some(turn.effective))),
            (Authority::Legacy, None) => None,
        };
    }
    last
}

fn withheld_dates(bridge: &Bridge, control: &ControlState, department: &str) -> anyhow::Result<Vec<BusinessDate>> {
    let mut dates = Vec::new();
    let Some(genesis) = &control.genesis else { return Ok(dates) };
    bridge.context.look_into_ledger(0, genesis)?.each(&mut |entry| {
        if entry.department == department
            && matches!(entry.state, DropState::Withheld { .. } | DropState::Published { withheld: 1.., .. })
        {
            dates.extend(entry.business_date);
        }
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(dates)
}

fn handed(delivery: &Delivery, withheld: &[BusinessDate]) -> Option<HandedFile> {
    let planned = delivery.window.as_ref()?.file.as_ref()?;
    Some(HandedFile {
        rendering: delivery.rendering.clone(),
        business_date: planned.date,
        file: planned.name.clone(),
        sequence: planned.sequence,
        events: delivery.events,
        has_legacy_file: withheld.contains(&planned.date),
    })
}

/// Where numbers go on from day to day, the legacy producer has to go on from ours.
fn next_numbers(bridge: &Bridge, index: &DeliveryIndex, department: &str) -> BTreeMap<String, u64> {
    let of_window = |rendering: String| {
        let plan = bridge.renderings.iter().find(|plan| plan.id() == rendering)?;
        let PlanSource::Window(window) = &plan.source else { return None };
        let next = index.window(&rendering)?.next_number(&window.settings.rules)?;
        Some((rendering, next))
    };
    bridge.windows_of(department).into_iter().filter_map(of_window).collect()
}

fn show(handover: &Handover<'_>, output: Output) -> anyhow::Result<Answer> {
    output.object(handover)?;
    let Handover { department, from, until, files, next_numbers, events_without_legacy_file } = handover;
    let until = until.map_or_else(|| "on".to_owned(), |until| format!("to the day before {until}"));
    output.line(format!("{department}: the new service spoke from {from} {until}"))?;
    let row = |file: &HandedFile| {
        vec![
            file.business_date.to_string(),
            file.file.clone(),
            file.sequence.to_string(),
            file.events.to_string(),
            if file.has_legacy_file { "withheld, see parity" } else { "none" }.to_owned(),
        ]
    };
    if files.is_empty() {
        output.line("no file was made of its events")?;
    } else {
        output.table(&["date", "our file", "number", "events", "legacy file"], files.iter().map(row).collect())?;
    }
    for (rendering, next) in next_numbers {
        output.line(format!("numbers of {rendering} go on: the legacy producer's next one is {next}"))?;
    }
    let lonely = counted(*events_without_legacy_file, "event");
    output.line(format!("{lonely} of dates of which the legacy side has written no file"))?;
    if let Some(file) = files.iter().find(|file| !file.has_legacy_file) {
        output.line("to have them as files that it can load, for each date:")?;
        output.line(format!(
            "  dropbridge render --rendering {} --date {} --to DIRECTORY",
            file.rendering, file.business_date
        ))?;
    }
    Ok(Answer::Fine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cutover::{Evidence, Stage, Transition};
    use crate::domain::Moment;

    fn day(text: &str) -> BusinessDate {
        BusinessDate::parse(text).unwrap()
    }

    /// Stages with their dates; the first date that is handed over, and the first behind.
    type Case = (&'static [(Stage, &'static str)], Option<(&'static str, Option<&'static str>)>);

    #[test]
    fn the_last_dates_for_which_the_new_service_spoke() {
        use Stage::{Live, Shadow};
        let cases: [Case; 5] = [
            (&[(Shadow, "2026-02-01")], None),
            (&[(Live, "2026-02-03")], Some(("2026-02-03", None))),
            (&[(Live, "2026-02-03"), (Shadow, "2026-02-07")], Some(("2026-02-03", Some("2026-02-07")))),
            (&[(Live, "2026-02-03"), (Shadow, "2026-02-03")], None),
            (&[(Live, "2026-02-03"), (Shadow, "2026-02-07"), (Live, "2026-02-10")], Some(("2026-02-10", None))),
        ];
        for (moves, expected) in cases {
            let mut journal = CutoverJournal::new("parks");
            for (to, effective) in moves {
                journal.transitions.push(Transition {
                    from: journal.last_stage(),
                    to: *to,
                    effective: day(effective),
                    decided_at: Moment::from_unix_ns(0),
                    by: String::new(),
                    approved_by: None,
                    reason: None,
                    forced: Vec::new(),
                    evidence: Evidence::default(),
                });
            }
            let expected = expected.map(|(from, until)| (day(from), until.map(day)));
            assert_eq!(live_dates(&journal), expected, "{moves:?}");
        }
    }
}
