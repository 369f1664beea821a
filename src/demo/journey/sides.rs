//! Both sides of a department: its batch job, which writes a file each night, and the new service, which emits an event
//! for each bid; and the facts that both of them know.

use std::fs;

use anyhow::Context as _;
use dropbridge_port::{OutgoingRecord, Writer};
use serde_json::json;

use super::clock::date_of;
use super::estate::DEPARTMENTS;
use crate::demo::estate::Estate;
use crate::ledger::Topics;
use crate::wiring::Bridge;

/// Bids of a department and day.
const BIDS: u32 = 5;

/// One fact: a bid that was decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bid {
    pub(super) number: String,
    pub(super) vendor: String,
    pub(super) cents: u32,
}

impl Bid {
    fn total(&self) -> String {
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }

    /// As a row of a file.
    pub(super) fn row(&self) -> String {
        format!("B|{}|{}|{}", self.number, self.vendor, self.total())
    }
}

/// The facts of a department and day.
pub(super) fn bids(department: &str, day: u32) -> Vec<Bid> {
    let place = DEPARTMENTS.iter().position(|name| *name == department).unwrap_or_default();
    let place = u32::try_from(place).unwrap_or_default();
    (1..=BIDS)
        .map(|count| Bid {
            number: format!("{}-{day:02}{count:02}", department.to_uppercase()),
            vendor: format!("V{:03}", (day * 7 + count * 13 + place * 29) % 400),
            cents: 10_000 * count + 731 * day + 57 * place + 13 * count * count,
        })
        .collect()
}

/// The bytes of a day's file.
pub(super) fn file(bids: &[Bid], day: u32) -> String {
    let date = date_of(day).to_string().replace('-', "");
    let rows: String = bids.iter().map(|bid| bid.row() + "\n").collect();
    let cents: u32 = bids.iter().map(|bid| bid.cents).sum();
    format!("H|{date}\n{rows}T|{}|{}.{:02}\n", bids.len(), cents / 100, cents % 100)
}

/// The name of a day's file.
pub(super) fn name(day: u32) -> String {
    format!("BIDS_{}.dat", date_of(day).to_string().replace('-', ""))
}

/// The batch job of a department drops its file.
///
/// # Errors
/// Of the file system.
pub(super) fn dump(estate: &Estate, department: &str, day: u32) -> anyhow::Result<()> {
    let inbox = estate.share().join(department).join("in");
    let (part, target) = (inbox.join("BIDS.tmp"), inbox.join(name(day)));
    fs::write(&part, file(&bids(department, day), day)).with_context(|| format!("write {}", part.display()))?;
    fs::rename(&part, &target).with_context(|| format!("rename {}", target.display()))
}

/// The new service of a department.
pub(super) struct Service {
    writer: Box<dyn Writer>,
    topic: String,
    department: &'static str,
    /// It rounds totals to whole amounts: that is its defect.
    pub(super) rounds: bool,
}

impl Service {
    /// Starts it.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn start(bridge: &Bridge, department: &'static str) -> anyhow::Result<Self> {
        let writer = bridge.context.log.writer("journey-bid-processor")?;
        let topic = bridge.context.topics.event("BidProcessed").unwrap_or_default();
        Ok(Self { writer, topic: Topics::candidate(topic), department, rounds: true })
    }

    /// Emits some of a day's bids, in one transaction.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn emit(&mut self, day: u32, which: impl Fn(usize) -> bool) -> anyhow::Result<()> {
        self.writer.begin()?;
        for (index, bid) in bids(self.department, day).into_iter().enumerate().filter(|(index, _)| which(*index)) {
            let total = if self.rounds && index == 2 { format!("{}.00", bid.cents / 100) } else { bid.total() };
            let event = json!({
                "specversion": "1.0", "id": bid.number, "source": "/bid-processor", "type": "BidProcessed",
                "subject": bid.number, "department": self.department, "businessdate": date_of(day).to_string(),
                "provenance": "native", "data": { "bid_number": bid.number, "vendor": bid.vendor, "total": total },
            });
            let value = serde_json::to_vec(&event)?;
            let key = Some(bid.number.as_bytes());
            let record =
                OutgoingRecord { topic: &self.topic, partition: None, key, value: Some(&value), headers: &[], tag: 0 };
            self.writer.send(record)?;
        }
        Ok(self.writer.commit()?)
    }
}
