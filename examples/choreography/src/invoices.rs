//! The invoicer: keeps an invoice for each completion. The end of the chain: it emits nothing.

use rusqlite::{Transaction, params};
use serde::Deserialize;

use crate::bids::Money;
use crate::event::{Draft, Event, derived_number};
use crate::service::Service;

/// What a completion says, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Completion {
    work_order_number: String,
    outcome: String,
    total: Money,
}

/// Writes invoices.
#[derive(Clone, Copy, Debug)]
pub struct Invoicer;

/// An invoice.
#[derive(Debug)]
pub struct Invoice {
    number: String,
    work_order_number: String,
    total: Money,
}

impl Service for Invoicer {
    const NAME: &'static str = "invoicer";
    const INPUT: &'static str = "WorkOrderCompleted";
    const OUTPUT: Option<&'static str> = None;
    // A work order that is completed in parts has several invoices.
    const TABLES: &'static str = "
        CREATE TABLE IF NOT EXISTS invoices (
            number TEXT PRIMARY KEY, department TEXT NOT NULL, work_order_number TEXT NOT NULL,
            total TEXT NOT NULL, currency TEXT NOT NULL, business_date TEXT NOT NULL, event_id TEXT NOT NULL UNIQUE
        ) STRICT";
    type Fact = Invoice;

    fn decide(&self, event: &Event) -> Result<Option<Invoice>, String> {
        let completion: Completion = event.data_as()?;
        if completion.outcome == "not_accepted" {
            return Ok(None);
        }
        let number = derived_number("INV", &event.id, "Invoice");
        Ok(Some(Invoice { number, work_order_number: completion.work_order_number, total: completion.total }))
    }

    fn record(&self, store: &Transaction<'_>, event: &Event, fact: &Invoice) -> rusqlite::Result<bool> {
        // Not `ON CONFLICT DO NOTHING`: the id is known to be new, so a conflict is an error that must be seen.
        let sql = "INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?, ?)";
        let date = event.business_date.to_string();
        let (value, currency) = (&fact.total.value, &fact.total.currency);
        let row = params![fact.number, event.department, fact.work_order_number, value, currency, date, event.id];
        Ok(store.execute(sql, row)? == 1)
    }

    fn announce(&self, _: &Invoice) -> Option<Draft> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::bids::tests::event;

    #[test]
    fn work_that_was_not_accepted_is_not_invoiced() {
        for (outcome, invoiced) in [("completed", true), ("partial", true), ("not_accepted", false)] {
            let data = json!({
                "work_order_number": "WO-1", "outcome": outcome, "total": {"value": "12.50", "currency": "EUR"},
            });
            let invoice = Invoicer.decide(&event("WorkOrderCompleted", &data)).unwrap();
            assert_eq!(invoice.is_some(), invoiced, "{outcome}");
        }
    }
}
