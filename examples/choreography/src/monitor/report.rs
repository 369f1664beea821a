//! What the monitor shows.

use std::io::Write;

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::json;

use super::flow::Overdue;
use super::tally::{TopicFlow, WorkOrders};

/// The widest table.
const COLUMNS: u16 = 100;

/// The most work orders that are shown by number on a terminal.
const MOST_SHOWN: usize = 20;

/// Clears the terminal, and begins at its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// How everything stands at a moment.
pub(super) struct Report {
    /// The moment.
    pub(super) at: Timestamp,
    /// What flowed.
    pub(super) topics: Vec<TopicFlow>,
    /// How many work orders there are.
    pub(super) work_orders: WorkOrders,
    /// Those that are open for too long, the oldest first.
    pub(super) overdue: Vec<Overdue>,
    /// How many were completed too late.
    pub(super) late: u64,
}

impl Report {
    /// One line.
    pub(super) fn print_json(&self) -> Result<()> {
        let overdue: Vec<_> = self
            .overdue
            .iter()
            .map(|Overdue { order, since }| {
                json!({
                    "department": order.department, "work_order_number": order.number,
                    "created": order.created, "due": since,
                })
            })
            .collect();
        let WorkOrders { created, completed } = self.work_orders;
        let line = json!({
            "at": self.at, "topics": self.topics,
            "work_orders": {
                "created": created, "completed": completed, "open": created - completed, "late": self.late,
                "overdue": overdue,
            },
        });
        let mut output = std::io::stdout().lock();
        writeln!(output, "{line}")?;
        Ok(output.flush()?)
    }

    /// As a table, instead of the one before.
    pub(super) fn print_over_the_last(&self) -> Result<()> {
        let mut output = std::io::stdout().lock();
        write!(output, "{CLEAR}{}", self.text())?;
        Ok(output.flush()?)
    }

    /// As a table.
    pub(super) fn print_table(&self) -> Result<()> {
        Ok(write!(std::io::stdout(), "{}", self.text())?)
    }

    fn text(&self) -> String {
        let WorkOrders { created, completed } = self.work_orders;
        let mut text = format!("{}\n", flow_table(&self.topics));
        text += &format!(
            "\nwork orders: {created} created, {completed} completed, {} open; {} overdue, {} completed too late\n",
            created - completed,
            self.overdue.len(),
            self.late
        );
        for overdue in self.overdue.iter().take(MOST_SHOWN) {
            text += &overdue.text();
        }
        if self.overdue.len() > MOST_SHOWN {
            text += &format!("… and {} more\n", self.overdue.len() - MOST_SHOWN);
        }
        text
    }
}

impl Overdue {
    /// As a line.
    pub(super) fn print(&self) -> Result<()> {
        let mut output = std::io::stdout().lock();
        write!(output, "{}", self.text())?;
        Ok(output.flush()?)
    }

    fn text(&self) -> String {
        let (order, created, due) = (&self.order, seconds(self.order.created), seconds(self.since));
        format!("overdue: {} of {}, created {created}, due {due}\n", order.number, order.department)
    }
}

fn flow_table(topics: &[TopicFlow]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS)
        .set_header(["topic", "events", "repeats", "1 min", "10 min", "newest"]);
    for flow in topics {
        table.add_row([
            flow.topic.clone(),
            flow.events.to_string(),
            flow.repeats.to_string(),
            flow.last_minute.to_string(),
            flow.last_ten_minutes.to_string(),
            flow.newest.map_or_else(String::new, seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// To the second.
fn seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::flow::WorkOrder;
    use super::*;

    #[test]
    fn the_report_fits_a_terminal_and_names_what_is_overdue() {
        let at: Timestamp = "2026-02-01T08:00:00.123Z".parse().unwrap();
        let topic = |name: &str| TopicFlow {
            topic: name.to_owned(),
            events: 123_456_789,
            repeats: 12_345,
            last_minute: 60_000,
            last_ten_minutes: 600_000,
            newest: Some(at),
        };
        let order = |number: usize| WorkOrder {
            department: "public_works".to_owned(),
            number: format!("WO-{number:016}"),
            created: at,
            completed: None,
        };
        let overdue = (0..25).map(|number| Overdue { order: order(number), since: at }).collect();
        let topics = vec![
            topic("a.long.prefix.of.a.company.WorkOrderCompleted.candidate"),
            topic("dropbridge.WorkOrderCompleted.candidate"),
        ];
        let report = Report { at, topics, work_orders: WorkOrders { created: 30, completed: 5 }, overdue, late: 2 };
        let text = report.text();
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(COLUMNS), "{line}");
        }
        assert!(text.contains("30 created, 5 completed, 25 open; 25 overdue, 2 completed too late"), "{text}");
        assert!(text.contains("WO-0000000000000019 of public_works") && text.contains("… and 5 more"), "{text}");
        assert!(!text.contains("WO-0000000000000020"), "{text}");
        assert!(text.contains(" dropbridge.WorkOrderCompleted.candidate "), "a usual name is not broken: {text}");
        assert!(text.contains("123456789") && text.contains("2026-02-01T08:00:00Z"), "{text}");
    }
}
