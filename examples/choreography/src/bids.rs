//! The bid processor: decides on bids.
//!
//! As many of them as there are partitions may run side by side, with one `--group` and a `--state` each. Nothing has to
//! be changed for it: Kafka gives each bid to one of them, all bids of one number to the same, and where a bid moves to
//! another (one was killed, one was added) the ids of its events are the same.

use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::{Draft, Event};
use crate::service::Service;

/// The type of the events that bids come in as. It is between the vendors' portal and this service; the bridge knows
/// nothing of it.
pub const BID_SUBMITTED: &str = "BidSubmitted";

/// An amount of money.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Money {
    /// Decimal with two digits after the point.
    pub value: String,
    /// ISO 4217.
    pub currency: String,
}

/// What a bid says.
#[derive(Debug, Deserialize)]
struct Bid {
    bid_number: String,
    project: Value,
    vendor: Value,
    submitted_on: String,
    total: Money,
    lines: Value,
}

/// Awards bids up to an amount, and rejects others: a stand-in for what a department really goes by.
#[derive(Clone, Copy, Debug)]
pub struct BidProcessor {
    /// The highest sum that is awarded, in hundredths of the bid's currency.
    pub award_up_to: i64,
}

/// A bid that was decided on.
#[derive(Debug)]
pub struct Decided {
    bid_number: String,
    status: &'static str,
    data: Value,
}

impl Service for BidProcessor {
    const NAME: &'static str = "bid-processor";
    const INPUT: &'static str = BID_SUBMITTED;
    const OUTPUT: Option<&'static str> = Some("BidProcessed");
    const TABLES: &'static str = "
        CREATE TABLE IF NOT EXISTS bids (
            department TEXT NOT NULL, bid_number TEXT NOT NULL, status TEXT NOT NULL, event_id TEXT NOT NULL,
            PRIMARY KEY (department, bid_number)
        ) STRICT";
    type Fact = Decided;

    fn decide(&self, event: &Event) -> Result<Option<Decided>, String> {
        let bid: Bid = event.data_as()?;
        let total = hundredths(&bid.total.value)
            .ok_or_else(|| format!("total `{}` is no amount with two digits after the point", bid.total.value))?;
        let status = if total <= self.award_up_to { "awarded" } else { "rejected" };
        let mut data = json!({
            "bid_number": bid.bid_number, "project": bid.project, "vendor": bid.vendor, "status": status,
            "submitted_on": bid.submitted_on, "total": bid.total, "lines": bid.lines,
        });
        // The day comes from the event and no clock, so that a bid that comes again is decided on alike.
        let day = event.business_date.to_string();
        if status == "awarded" {
            data["awarded_on"] = json!(day);
        } else {
            data["closed_on"] = json!(day);
            data["reason"] = json!("above what may be awarded without the council");
        }
        Ok(Some(Decided { bid_number: bid.bid_number, status, data }))
    }

    fn record(&self, store: &Transaction<'_>, event: &Event, fact: &Decided) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO bids VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let added = store.execute(sql, params![event.department, fact.bid_number, fact.status, event.id])?;
        Ok(added == 1)
    }

    fn announce(&self, fact: &Decided) -> Option<Draft> {
        Some(Draft { event_type: "BidProcessed", key: fact.bid_number.clone(), data: fact.data.clone() })
    }
}

/// An amount with two digits after the point, in hundredths. `None` for anything else, and for what is too large.
#[must_use]
pub fn hundredths(text: &str) -> Option<i64> {
    let (units, parts) = text.split_once('.')?;
    let digits = units.strip_prefix('-').unwrap_or(units);
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(digits) || !plain(parts) || parts.len() != 2 {
        return None;
    }
    format!("{units}{parts}").parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::contracts::Contract;

    pub(crate) fn event(event_type: &str, data: &Value) -> Event {
        let text = json!({
            "specversion": "1.0", "id": "e-1", "type": event_type, "source": "/portal", "department": "parks",
            "businessdate": "2026-01-31", "data": data,
        });
        Event::parse(text.to_string().as_bytes(), event_type).unwrap()
    }

    fn bid(total: &str) -> Event {
        event(
            BID_SUBMITTED,
            &json!({
                "bid_number": "B-1", "project": {"number": "P-1"}, "vendor": {"id": "00000001"},
                "submitted_on": "2026-01-20", "total": {"value": total, "currency": "EUR"},
                "lines": [{"number": 1, "description": "benches"}],
            }),
        )
    }

    #[test]
    fn bids_up_to_the_amount_are_awarded_and_fit_the_contract() {
        let (processor, contract) = (BidProcessor { award_up_to: 100_000 }, Contract::of("BidProcessed").unwrap());
        for (total, status) in
            [("1000.00", "awarded"), ("1000.01", "rejected"), ("-5.00", "awarded"), ("0.00", "awarded")]
        {
            let decided = processor.decide(&bid(total)).unwrap().unwrap();
            assert_eq!(decided.data["status"], status, "{total}");
            let draft = processor.announce(&decided).unwrap();
            assert_eq!((contract.check(&draft.data), draft.key.as_str()), (Ok(()), "B-1"));
        }
        for total in ["1000", "1000.0", "1,000.00", "1e3.00", "+1.00", "", "--1.00", "99999999999999999999.00"] {
            assert!(processor.decide(&bid(total)).is_err(), "{total}");
        }
        assert!(processor.decide(&event(BID_SUBMITTED, &json!({"bid_number": "B-1"}))).is_err());
    }

    #[test]
    fn the_sample_of_bids_can_be_used() {
        let (processor, contract) = (BidProcessor { award_up_to: 5_000_000 }, Contract::of("BidProcessed").unwrap());
        let mut awarded = 0;
        for line in include_str!("../bids.jsonl").lines() {
            let decided = processor.decide(&Event::parse(line.as_bytes(), BID_SUBMITTED).unwrap()).unwrap().unwrap();
            assert_eq!(contract.check(&decided.data), Ok(()), "{line}");
            awarded += usize::from(decided.status == "awarded");
        }
        assert_eq!(awarded, 5);
    }

    #[test]
    fn hundredths_are_counted_exactly() {
        for (text, amount) in
            [("0.01", 1), ("-0.01", -1), ("12.50", 1250), ("9007199254740993.01", 900_719_925_474_099_301)]
        {
            assert_eq!(hundredths(text), Some(amount), "{text}");
        }
    }
}
