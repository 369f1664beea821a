//! The monitor's database: what flowed, which work orders are open, and how far each partition was read.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::Value;

use super::flow::WorkOrder;
use super::topic_reader::Seen;
use crate::event::Event;
use crate::store::{self, Store};

/// The event that opens a work order.
pub(super) const CREATED: &str = "WorkOrderCreated";
/// The event that ends one.
pub(super) const COMPLETED: &str = "WorkOrderCompleted";

/// Events are counted by the ten seconds in which they were written.
const SLOT_MS: i64 = 10_000;

/// Slots of ten minutes: no rate goes further back.
const SLOTS_KEPT: i64 = 60;

/// Moments are milliseconds of the Unix epoch.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS positions (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS seen (
        topic TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (topic, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS topics (
        topic TEXT PRIMARY KEY, step INTEGER NOT NULL, events INTEGER NOT NULL, repeats INTEGER NOT NULL,
        newest_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS slots (
        topic TEXT NOT NULL, slot INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (topic, slot)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS work_orders (
        department TEXT NOT NULL, number TEXT NOT NULL, created_ms INTEGER, completed_ms INTEGER,
        PRIMARY KEY (department, number)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS open_work_orders ON work_orders (created_ms) WHERE completed_ms IS NULL;";

/// The database.
pub(super) struct Tally {
    store: Store,
}

/// What flowed through a topic.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TopicFlow {
    /// Its name.
    pub(super) topic: String,
    /// Events with different ids.
    pub(super) events: i64,
    /// Records with an id that was there before.
    pub(super) repeats: i64,
    /// Events of the last minute.
    pub(super) last_minute: i64,
    /// Events of the last ten minutes.
    pub(super) last_ten_minutes: i64,
    /// When the newest was written.
    pub(super) newest: Option<Timestamp>,
}

/// How many work orders there are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct WorkOrders {
    /// Created.
    pub(super) created: i64,
    /// Created and completed.
    pub(super) completed: i64,
}

impl Tally {
    /// Opens or makes it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self { store: Store::open(path, TABLES)? })
    }

    /// Where to read on.
    pub(super) fn next_offset(&self, topic: &str, partition: i32) -> Result<Option<i64>> {
        let sql = "SELECT next_offset FROM positions WHERE topic = ? AND partition = ?";
        Ok(self.store.connection().query_row(sql, params![topic, partition], |row| row.get(0)).optional()?)
    }

    /// Counts what was read of a topic, and notes how far that is.
    pub(super) fn count(&mut self, event_type: &str, topic: &str, batch: &[Seen]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let step = (0..).zip(super::TYPES).find(|(_, known)| *known == event_type).map_or(0, |(step, _)| step);
        let authoritative = topic.ends_with(event_type);
        let transaction = self.store.transaction()?;
        for seen in batch {
            count_one(&transaction, event_type, topic, step, authoritative, seen)?;
        }
        forget_old_slots(&transaction, topic)?;
        transaction.commit().context("write the state")
    }

    /// What flowed, in the order of the work, as of a moment.
    pub(super) fn topics(&self, now: Timestamp) -> Result<Vec<TopicFlow>> {
        let sql = "SELECT topic, events, repeats, newest_ms,
              (SELECT coalesce(sum(events), 0) FROM slots WHERE slots.topic = topics.topic AND slot BETWEEN ?1 - 5 AND ?1),
              (SELECT coalesce(sum(events), 0) FROM slots WHERE slots.topic = topics.topic AND slot BETWEEN ?1 - 59 AND ?1)
            FROM topics ORDER BY step, topic DESC";
        let mut statement = self.store.connection().prepare_cached(sql)?;
        let rows = statement.query_map([now.as_millisecond().div_euclid(SLOT_MS)], |row| {
            Ok(TopicFlow {
                topic: row.get(0)?,
                events: row.get(1)?,
                repeats: row.get(2)?,
                newest: Timestamp::from_millisecond(row.get(3)?).ok(),
                last_minute: row.get(4)?,
                last_ten_minutes: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many work orders there are.
    pub(super) fn work_orders(&self) -> Result<WorkOrders> {
        let sql = "SELECT count(created_ms), count(created_ms + completed_ms) FROM work_orders";
        let row = |row: &rusqlite::Row<'_>| Ok(WorkOrders { created: row.get(0)?, completed: row.get(1)? });
        Ok(self.store.connection().query_row(sql, [], row)?)
    }

    /// Work orders that may not be in time, the oldest first: those that took longer, and those that are open for longer.
    pub(super) fn slow(&self, now: Timestamp, within: SignedDuration) -> Result<Vec<WorkOrder>> {
        let sql = "SELECT department, number, created_ms, completed_ms FROM work_orders
            WHERE created_ms IS NOT NULL AND coalesce(completed_ms, ?1) - created_ms > ?2
            ORDER BY created_ms, department, number";
        let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let mut statement = self.store.connection().prepare_cached(sql)?;
        let rows = statement.query_map([now.as_millisecond(), within_ms], |row| {
            let completed: Option<i64> = row.get(3)?;
            let moment = |at: i64| Timestamp::from_millisecond(at).unwrap_or_default();
            let (created, completed) = (moment(row.get(2)?), completed.map(moment));
            Ok(WorkOrder { department: row.get(0)?, number: row.get(1)?, created, completed })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn count_one(
    transaction: &Transaction<'_>,
    event_type: &str,
    topic: &str,
    step: i64,
    authoritative: bool,
    seen: &Seen,
) -> Result<()> {
    let Seen { partition, offset, written_ms, value } = seen;
    let sql = "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset";
    transaction.prepare_cached(sql)?.execute(params![topic, partition, offset + 1])?;
    let event = match Event::parse(value.as_deref().unwrap_or_default(), event_type) {
        Ok(event) => event,
        Err(reason) => {
            let place = format!("{topic} partition {partition} offset {offset}");
            store::set_aside(transaction, &place, &reason, value.as_deref(), Timestamp::now())?;
            return Ok(());
        }
    };
    let sql = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING";
    let is_new = transaction.prepare_cached(sql)?.execute([topic, &event.id])? == 1;
    let sql = "INSERT INTO topics VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
        events = events + ?3, repeats = repeats + ?4, newest_ms = max(newest_ms, ?5)";
    transaction.prepare_cached(sql)?.execute(params![topic, step, is_new, !is_new, written_ms])?;
    if is_new {
        let sql = "INSERT INTO slots VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET events = events + 1";
        transaction.prepare_cached(sql)?.execute(params![topic, written_ms.div_euclid(SLOT_MS)])?;
        if authoritative {
            follow_work_order(transaction, &event, *written_ms)?;
        }
    }
    Ok(())
}

/// Creation and completion are in two topics: either may be read first.
fn follow_work_order(transaction: &Transaction<'_>, event: &Event, written_ms: i64) -> rusqlite::Result<()> {
    let Some(number) = event.data.get("work_order_number").and_then(Value::as_str) else { return Ok(()) };
    let said_ms = event.time.map_or(written_ms, Timestamp::as_millisecond);
    let sql = match event.event_type.as_str() {
        CREATED => {
            "INSERT INTO work_orders VALUES (?1, ?2, ?3, NULL) ON CONFLICT DO UPDATE SET
            created_ms = min(coalesce(created_ms, ?3), ?3)"
        }
        COMPLETED if event.data.get("outcome").and_then(Value::as_str) == Some("completed") => {
            "INSERT INTO work_orders VALUES (?1, ?2, NULL, ?3) ON CONFLICT DO UPDATE SET
            completed_ms = min(coalesce(completed_ms, ?3), ?3)"
        }
        // In part, or not accepted: it is still open.
        _ => return Ok(()),
    };
    transaction.prepare_cached(sql)?.execute(params![event.department, number, said_ms])?;
    Ok(())
}

fn forget_old_slots(transaction: &Transaction<'_>, topic: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM slots WHERE topic = ?1 AND slot < (SELECT max(slot) FROM slots WHERE topic = ?1) - ?2";
    transaction.prepare_cached(sql)?.execute(params![topic, SLOTS_KEPT])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn seen(offset: i64, event_type: &str, id: &str, said: &str, data: &Value) -> Seen {
        let event = json!({
            "specversion": "1.0", "id": id, "type": event_type, "source": "/x", "department": "parks",
            "businessdate": "2026-01-31", "time": said, "data": data,
        });
        let written_ms = said.parse::<Timestamp>().unwrap().as_millisecond();
        Seen { partition: 0, offset, written_ms, value: Some(event.to_string().into_bytes()) }
    }

    fn tally() -> (tempfile::TempDir, Tally) {
        let directory = tempfile::tempdir().unwrap();
        let tally = Tally::open(&directory.path().join("state")).unwrap();
        (directory, tally)
    }

    #[test]
    fn a_topic_is_counted_by_id_and_by_when_it_was_written() {
        let (_directory, mut tally) = tally();
        let bid = |offset, id, said| seen(offset, "BidProcessed", id, said, &json!({}));
        let batch = [
            bid(0, "a", "2026-01-31T08:00:00Z"),
            bid(1, "b", "2026-01-31T08:09:30Z"),
            bid(2, "c", "2026-01-31T08:09:59Z"),
            bid(3, "c", "2026-01-31T08:09:59Z"),
            Seen { value: Some(b"no event".to_vec()), ..bid(4, "d", "2026-01-31T08:09:59Z") },
        ];
        tally.count("BidProcessed", "p.BidProcessed", &batch).unwrap();
        let flow = &tally.topics("2026-01-31T08:09:59Z".parse().unwrap()).unwrap()[0];
        assert_eq!((flow.events, flow.repeats, flow.last_minute, flow.last_ten_minutes), (3, 1, 2, 3));
        assert_eq!(flow.newest.unwrap().to_string(), "2026-01-31T08:09:59Z");
        assert_eq!(tally.next_offset("p.BidProcessed", 0).unwrap(), Some(5));
        assert_eq!(tally.next_offset("p.BidProcessed", 1).unwrap(), None);
        let later = &tally.topics("2026-01-31T08:12:00Z".parse().unwrap()).unwrap()[0];
        assert_eq!((later.last_minute, later.last_ten_minutes), (0, 2));
    }

    #[test]
    fn work_orders_are_followed_in_whatever_order_their_events_are_read() {
        let (_directory, mut tally) = tally();
        let order = |number: &str| json!({"work_order_number": number});
        let end = |number: &str, outcome: &str| json!({"work_order_number": number, "outcome": outcome});
        let completions = [
            seen(0, COMPLETED, "1", "2026-01-31T09:00:00Z", &end("quick", "completed")),
            seen(1, COMPLETED, "2", "2026-02-02T09:00:00Z", &end("slow", "completed")),
            seen(2, COMPLETED, "3", "2026-01-31T09:00:00Z", &end("half", "partial")),
            seen(3, COMPLETED, "4", "2026-01-31T09:00:00Z", &end("never ordered", "completed")),
        ];
        tally.count(COMPLETED, "p.WorkOrderCompleted", &completions).unwrap();
        let orders: Vec<_> = ["quick", "slow", "half", "lost"].iter().zip(0..).collect();
        let orders: Vec<_> = orders
            .into_iter()
            .map(|(number, offset)| seen(offset, CREATED, number, "2026-01-31T08:00:00Z", &order(number)))
            .collect();
        tally.count(CREATED, "p.WorkOrderCreated", &orders).unwrap();
        // A candidate is nobody's work order yet.
        let candidate = seen(0, CREATED, "c", "2026-01-31T08:00:00Z", &order("candidate"));
        tally.count(CREATED, "p.WorkOrderCreated.candidate", &[candidate]).unwrap();
        let counts = tally.work_orders().unwrap();
        assert_eq!((counts.created, counts.completed), (4, 2));
        let now = "2026-02-01T08:00:01Z".parse().unwrap();
        let slow = tally.slow(now, SignedDuration::from_hours(24)).unwrap();
        assert_eq!(slow.iter().map(|order| order.number.as_str()).collect::<Vec<_>>(), ["half", "lost", "slow"]);
        assert!(tally.slow(now, SignedDuration::MAX).unwrap().is_empty());
    }
}
