//! The completion desk: reports ordered work as done.

use rusqlite::{Transaction, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::{Draft, Event};
use crate::service::Service;

const OUTPUT: &str = "WorkOrderCompleted";

/// What a work order says, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct WorkOrder {
    work_order_number: String,
    bid_number: Option<String>,
    project: Value,
    vendor: Option<Value>,
    crew: Option<String>,
    ordered_on: String,
    total: Option<Value>,
    lines: Vec<Value>,
}

/// Completes each work order as soon as it hears of it: a stand-in for foremen and inspectors.
#[derive(Clone, Copy, Debug)]
pub struct CompletionDesk;

/// Work that was done.
#[derive(Debug)]
pub struct Completed {
    work_order_number: String,
    data: Value,
}

impl Service for CompletionDesk {
    const NAME: &'static str = "completion-desk";
    const INPUT: &'static str = "WorkOrderCreated";
    const OUTPUT: Option<&'static str> = Some(OUTPUT);
    const TABLES: &'static str = "
        CREATE TABLE IF NOT EXISTS completions (
            department TEXT NOT NULL, work_order_number TEXT NOT NULL, event_id TEXT NOT NULL,
            PRIMARY KEY (department, work_order_number)
        ) STRICT";
    type Fact = Completed;

    fn decide(&self, event: &Event) -> Result<Option<Completed>, String> {
        let order: WorkOrder = event.data_as()?;
        let total = order.total.ok_or("the work order states no total, and a completion must")?;
        let mut data = json!({
            "work_order_number": order.work_order_number, "project": order.project, "outcome": "completed",
            "completed_on": order.ordered_on, "hours": format!("{}.00", 8 * order.lines.len()), "total": total,
        });
        let optional = [
            ("bid_number", order.bid_number.map(Value::from)),
            ("vendor", order.vendor),
            ("crew", order.crew.map(Value::from)),
        ];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            data[name] = value;
        }
        Ok(Some(Completed { work_order_number: order.work_order_number, data }))
    }

    fn record(&self, store: &Transaction<'_>, event: &Event, fact: &Completed) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO completions VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
        Ok(store.execute(sql, params![event.department, fact.work_order_number, event.id])? == 1)
    }

    fn announce(&self, fact: &Completed) -> Option<Draft> {
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
    fn completions_fit_the_contract_with_and_without_what_is_optional() {
        let contract = Contract::of(OUTPUT).unwrap();
        let mut data = json!({
            "work_order_number": "WO-1", "project": {"number": "P-1"}, "priority": "routine",
            "ordered_on": "2026-01-31", "total": {"value": "12.50", "currency": "EUR"},
            "lines": [{"number": 1, "description": "benches"}, {"number": 2, "description": "bins"}],
        });
        let plain = CompletionDesk.decide(&event("WorkOrderCreated", &data)).unwrap().unwrap();
        assert_eq!((contract.check(&plain.data), &plain.data["hours"]), (Ok(()), &json!("16.00")));
        data["bid_number"] = json!("B-1");
        data["vendor"] = json!({"id": "00000001"});
        data["crew"] = json!("north");
        let whole = CompletionDesk.decide(&event("WorkOrderCreated", &data)).unwrap().unwrap();
        assert_eq!(contract.check(&whole.data), Ok(()));
        assert_eq!((&whole.data["bid_number"], &whole.data["crew"]), (&json!("B-1"), &json!("north")));
        data["total"].take();
        assert!(CompletionDesk.decide(&event("WorkOrderCreated", &data)).unwrap_err().contains("total"));
    }
}
