//! `dropbridge events`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use dropbridge_port::{Isolation, Polled, StartAt};
use serde_json::Value;

use super::{Answer, Output, check_known};
use crate::wiring::Bridge;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(200);

/// Arguments of `events`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dropbridge events --type BidProcessed --department parks\n  \
    dropbridge events --json | jq .data.bid_number\n  dropbridge events --follow")]
pub(super) struct EventsArguments {
    /// Only this event type; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only this department.
    #[arg(long)]
    department: Option<String>,
    /// Go on as new events come.
    #[arg(long, short)]
    follow: bool,
    /// Only events from now on; with --follow.
    #[arg(long, requires = "follow")]
    new: bool,
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) fn run(bridge: &Bridge, arguments: &EventsArguments, output: Output) -> anyhow::Result<Answer> {
    let topics = &bridge.context.topics;
    let wanted: Vec<(&str, &str)> = topics
        .events()
        .filter(|(name, _)| arguments.types.is_empty() || arguments.types.iter().any(|wanted| wanted == name))
        .collect();
    for name in &arguments.types {
        check_known("event type", Some(name), topics.events().map(|(name, _)| name))?;
    }
    let departments = bridge.feeds.iter().map(|plan| plan.settings.department.as_str());
    check_known("department", arguments.department.as_deref(), departments)?;
    let start = if arguments.new { StartAt::End } else { StartAt::Beginning };
    let mut from: Vec<(&str, StartAt)> = wanted.iter().map(|(_, topic)| (*topic, start)).collect();
    from.sort_unstable_by_key(|(topic, _)| *topic);
    from.dedup_by_key(|(topic, _)| *topic);
    let mut open = 0;
    for (topic, _) in &from {
        open += bridge.context.log.watermarks(topic)?.len();
    }
    let mut reader = bridge.context.log.reader(Isolation::ReadCommitted, &from)?;
    let mut out = std::io::stdout().lock();
    while open > 0 || arguments.follow {
        match reader.poll(POLL)? {
            Polled::Record(record) => {
                let Some(value) = &record.value else { continue };
                let event: Value = serde_json::from_slice(value).unwrap_or(Value::Null);
                let fits =
                    |wanted: &Option<String>, at: &str| wanted.as_deref().is_none_or(|wanted| event[at] == wanted);
                let of_type =
                    arguments.types.is_empty() || arguments.types.iter().any(|wanted| event["type"] == *wanted);
                if !of_type || !fits(&arguments.department, "department") {
                    continue;
                }
                if output.json {
                    out.write_all(value)?;
                    out.write_all(b"\n")?;
                } else {
                    print(&mut out, &event)?;
                }
            }
            Polled::End { .. } => {
                open = open.saturating_sub(1);
                out.flush()?;
            }
            Polled::Idle => out.flush()?,
        }
    }
    out.flush()?;
    Ok(Answer::Fine)
}

fn print(out: &mut impl Write, event: &Value) -> std::io::Result<()> {
    let text = |at: &str| event[at].as_str().unwrap_or("-").to_owned();
    writeln!(
        out,
        "{}  {:<18}  {:<14}  {:<16}  {}  {}",
        text("businessdate"),
        text("type"),
        text("department"),
        text("subject"),
        text("logicalkey"),
        event["data"]
    )
}
