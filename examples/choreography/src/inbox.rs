//! Lets events have their effect: each once, however often it comes.

use std::fmt;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rusqlite::Transaction;

use crate::contracts::Contract;
use crate::event::{Draft, Event};
use crate::group_reader::Received;
use crate::service::Service;
use crate::store::{self, Store};

/// Where events go, and what they must fit.
pub struct Output {
    /// The topic.
    pub topic: String,
    /// Their contract.
    pub contract: Contract,
}

/// What became of the events that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That had an effect.
    pub new: u64,
    /// That nothing follows from.
    pub passed_over: u64,
    /// Whose id was known.
    pub repeated: u64,
    /// That cannot be used.
    pub set_aside: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { new, passed_over, repeated, set_aside } = self;
        write!(formatter, "{new} new, {passed_over} passed over, {repeated} repeated, {set_aside} set aside")
    }
}

/// Lets a batch have its effect: ids, effects and outgoing events in one transaction of the database.
///
/// # Errors
/// When the database cannot be written; nothing of the batch is then in it.
pub fn apply<S: Service>(
    service: &S,
    output: Option<&Output>,
    store: &mut Store,
    batch: &[Received],
    now: Timestamp,
    counts: &mut Counts,
) -> Result<()> {
    let transaction = store.transaction()?;
    for received in batch {
        match usable(service, output, received) {
            Ok((event, decision)) => {
                if !store::note_received(&transaction, &event.id, &received.place, now)? {
                    counts.repeated += 1;
                } else if take_effect(service, output, &transaction, &event, decision)? {
                    counts.new += 1;
                } else {
                    counts.passed_over += 1;
                }
            }
            Err(reason) => {
                store::set_aside(&transaction, &received.place, &reason, received.value.as_deref(), now)?;
                eprintln!("{}: set aside {}: {reason}", S::NAME, received.place);
                counts.set_aside += 1;
            }
        }
    }
    transaction.commit().context("write the state")
}

/// What follows from an event: the fact, and the event that tells of it.
type Decision<F> = Option<(F, Option<Draft>)>;

/// The event and what follows from it, or why it cannot be used.
fn usable<S: Service>(
    service: &S,
    output: Option<&Output>,
    received: &Received,
) -> Result<(Event, Decision<S::Fact>), String> {
    let value = received.value.as_deref().ok_or("the record has no value")?;
    let event = Event::parse(value, S::INPUT)?;
    if event.revision > 1 {
        // What the first revision started may be under way. What to do about it is not for a program to guess.
        return Err(format!(
            "event {} is a correction (revision {}): a person has to decide",
            event.id, event.revision
        ));
    }
    let Some(fact) = service.decide(&event)? else { return Ok((event, None)) };
    let draft = service.announce(&fact);
    if let (Some(draft), Some(output)) = (&draft, output) {
        let check = output.contract.check(&draft.data);
        check.map_err(|error| format!("what follows from event {} does not fit its schema: {error}", event.id))?;
    }
    Ok((event, Some((fact, draft))))
}

/// Writes down what follows from an event; `false` when nothing does.
fn take_effect<S: Service>(
    service: &S,
    output: Option<&Output>,
    transaction: &Transaction<'_>,
    event: &Event,
    decision: Decision<S::Fact>,
) -> Result<bool> {
    let Some((fact, draft)) = decision else { return Ok(false) };
    if !service.record(transaction, event, &fact)? {
        return Ok(false);
    }
    if let (Some(draft), Some(output)) = (draft, output) {
        let value = draft.envelope(event, S::NAME, output.contract.id());
        store::put_in_outbox(transaction, &output.topic, &draft.key, &value)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::work_orders::WorkOrderService;

    fn received(offset: i64, id: &str, bid: &str, change: impl FnOnce(&mut Value)) -> Received {
        let mut event = json!({
            "specversion": "1.0", "id": id, "type": "BidProcessed", "source": "/x", "department": "parks",
            "businessdate": "2026-01-31",
            "data": {
                "bid_number": bid, "project": {"number": "P-1"}, "vendor": {"id": "00000001"}, "status": "awarded",
                "submitted_on": "2026-01-20", "awarded_on": "2026-01-31",
                "total": {"value": "12.50", "currency": "EUR"}, "lines": [{"number": 1, "description": "benches"}],
            },
        });
        change(&mut event);
        let place = format!("t partition 0 offset {offset}");
        Received { offset: Some((0, offset)), place, value: Some(event.to_string().into_bytes()) }
    }

    fn outcome(batches: &[Vec<Received>]) -> (Counts, Vec<Value>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&directory.path().join("state"), WorkOrderService::TABLES).unwrap();
        let output = Output { topic: "out".to_owned(), contract: Contract::of("WorkOrderCreated").unwrap() };
        let mut counts = Counts::default();
        for batch in batches {
            apply(&WorkOrderService, Some(&output), &mut store, batch, Timestamp::UNIX_EPOCH, &mut counts).unwrap();
        }
        let sent = store.outbox(99).unwrap().iter().map(|sent| serde_json::from_slice(&sent.value).unwrap()).collect();
        let mut reasons = store.connection().prepare("SELECT reason FROM set_aside ORDER BY place").unwrap();
        let reasons = reasons.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        (counts, sent, reasons)
    }

    #[test]
    fn an_event_that_comes_again_has_no_second_effect() {
        let event = |offset| received(offset, "a", "B-1", |_| ());
        let (counts, sent, _) = outcome(&[vec![event(0), event(1)], vec![event(0), received(2, "b", "B-2", |_| ())]]);
        assert_eq!(counts, Counts { new: 2, repeated: 2, ..Counts::default() });
        assert_eq!(sent.iter().map(|event| &event["data"]["bid_number"]).collect::<Vec<_>>(), ["B-1", "B-2"]);
    }

    #[test]
    fn a_fact_that_comes_as_another_event_is_passed_over() {
        let (counts, sent, _) = outcome(&[vec![
            received(0, "a", "B-1", |_| ()),
            received(1, "b", "B-1", |_| ()),
            // The same number in another department is another bid.
            received(2, "c", "B-1", |event| event["department"] = json!("facilities")),
        ]]);
        assert_eq!((counts.new, counts.passed_over, sent.len()), (2, 1, 2));
    }

    #[test]
    fn what_cannot_be_used_is_set_aside_and_stops_nothing() {
        let empty = Received { value: None, ..received(0, "x", "B-9", |_| ()) };
        let (counts, sent, reasons) = outcome(&[vec![
            empty,
            received(1, "a", "B-1", |event| event["revision"] = json!(2)),
            received(2, "b", "B-2", |event| event["data"]["total"]["value"] = json!("12.5")),
            received(3, "c", "B-3", |event| event["data"]["bid_number"] = json!(3)),
            received(4, "d", "B-4", |_| ()),
            // Mended, under its id, it has its effect.
            received(5, "b", "B-2", |_| ()),
        ]]);
        assert_eq!((counts.set_aside, counts.new), (4, 2));
        assert_eq!(sent.len(), 2);
        for (reason, told) in reasons.iter().zip(["no value", "revision 2", "/total/value", "bid_number"]) {
            // The place of what is wrong in the data is told, where a parser does not tell it.
            assert!(reason.contains(told) || told == "bid_number" && reason.contains("event c"), "{reason}");
        }
        assert_eq!(reasons.len(), 4);
    }
}
