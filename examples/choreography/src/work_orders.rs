//! The work order service: orders the work of each awarded bid.
//!
//! It reads what is authoritative, so that it acts on bids of the batch job as on those of the bid processor, and need
//! not know which of them speaks for a department today.

use jiff::ToSpan;
use rusqlite::{Transaction, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::{Draft, Event, derived_number};
use crate::service::Service;

const OUTPUT: &str = "WorkOrderCreated";

/// Days until the work has to be done.
const DUE_DAYS: i64 = 30;

/// What a bid that was decided on says, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Bid {
    bid_number: String,
    project: Value,
    vendor: Value,
    status: String,
    total: Value,
    lines: Value,
}

/// Orders work.
#[derive(Clone, Copy, Debug)]
pub struct WorkOrderService;

/// Work that was ordered.
#[derive(Debug)]
pub struct Ordered {
    work_order_number: String,
    bid_number: String,
    data: Value,
}

impl Service for WorkOrderService {
    const NAME: &'static str = "work-order-service";
    const INPUT: &'static str = "BidProcessed";
    const OUTPUT: Option<&'static str> = Some(OUTPUT);
    // One work order for a bid, though legacy files repeat yesterday's bids: those are other events, with other ids.
    const TABLES: &'static str = "
        CREATE TABLE IF NOT EXISTS work_orders (
            department TEXT NOT NULL, bid_number TEXT NOT NULL, work_order_number TEXT NOT NULL, event_id TEXT NOT NULL,
            PRIMARY KEY (department, bid_number)
        ) STRICT";
    type Fact = Ordered;

    fn decide(&self, event: &Event) -> Result<Option<Ordered>, String> {
        let bid: Bid = event.data_as()?;
        if bid.status != "awarded" {
            return Ok(None);
        }
        let due_on = event
            .business_date
            .checked_add(DUE_DAYS.days())
            .map_err(|error| format!("{DUE_DAYS} days after {}: {error}", event.business_date))?;
        let work_order_number = derived_number("WO", &event.id, OUTPUT);
        let data = json!({
            "work_order_number": work_order_number, "bid_number": bid.bid_number, "project": bid.project,
            "vendor": bid.vendor, "priority": "routine", "ordered_on": event.business_date.to_string(),
            "due_on": due_on.to_string(), "total": bid.total, "lines": bid.lines,
        });
        Ok(Some(Ordered { work_order_number, bid_number: bid.bid_number, data }))
    }

    fn record(&self, store: &Transaction<'_>, event: &Event, fact: &Ordered) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO work_orders VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let row = params![event.department, fact.bid_number, fact.work_order_number, event.id];
        Ok(store.execute(sql, row)? == 1)
    }

    fn announce(&self, fact: &Ordered) -> Option<Draft> {
        Some(Draft { event_type: OUTPUT, key: fact.work_order_number.clone(), data: fact.data.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::bids::tests::event;
    use crate::contracts::Contract;

    #[test]
    fn only_awarded_bids_are_ordered() {
        let mut data = json!({
            "bid_number": "B-1", "project": {"number": "P-1"}, "vendor": {"id": "00000001"}, "status": "awarded",
            "submitted_on": "2026-01-20", "awarded_on": "2026-01-31", "total": {"value": "12.50", "currency": "EUR"},
            "lines": [{"number": 1, "description": "benches"}],
        });
        let ordered = WorkOrderService.decide(&event("BidProcessed", &data)).unwrap().unwrap();
        assert_eq!(Contract::of(OUTPUT).unwrap().check(&ordered.data), Ok(()));
        assert_eq!(
            (&ordered.data["ordered_on"], &ordered.data["due_on"]),
            (&json!("2026-01-31"), &json!("2026-03-02"))
        );
        for status in ["rejected", "withdrawn"] {
            data["status"] = json!(status);
            assert!(WorkOrderService.decide(&event("BidProcessed", &data)).unwrap().is_none());
        }
    }
}
