//! Reading a partition from one offset to another, all of it or nothing.

use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, Isolation, Polled, PortError, StartAt};

use crate::ledger::entry::EventRange;
use crate::outbound::mirror::AssemblyError;
use crate::window::Mark;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(200);

/// How long nothing may come before the transaction that is in the way is called so.
const PATIENCE: Duration = Duration::from_secs(10);

/// A part of a partition, half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Slice {
    /// Where events were found before.
    pub(super) fn of(range: &EventRange) -> Self {
        let EventRange { topic, partition, from, to, .. } = range;
        Self { topic: topic.clone(), partition: *partition, from: *from, to: *to }
    }

    /// Hands over every committed record, in order.
    ///
    /// # Errors
    /// `Expired` where the log has removed what a person has not given up; `Transient` where a transaction that is open
    /// hides the rest; of the log and of `each`.
    pub(super) fn read(
        &self,
        log: &dyn EventLog,
        given_up: &[Mark],
        each: &mut dyn FnMut(&FetchedRecord) -> Result<(), AssemblyError>,
    ) -> Result<(), AssemblyError> {
        if self.from >= self.to {
            return Ok(());
        }
        let low = self.check_is_there(log, given_up)?;
        let start = StartAt::Offset { partition: self.partition, offset: self.from.max(low) };
        let mut reader = log.reader_to_end(Isolation::ReadCommitted, &[(&self.topic, start)])?;
        let mut until = Instant::now() + PATIENCE;
        loop {
            match reader.poll(POLL)? {
                Polled::Record(record) if record.offset >= self.to => break,
                Polled::Record(record) => {
                    each(&record)?;
                    until = Instant::now() + PATIENCE;
                }
                Polled::End { offset, .. } if offset >= self.to => break,
                Polled::End { .. } | Polled::Idle if Instant::now() >= until => return Err(self.out_of_sight().into()),
                Polled::End { .. } | Polled::Idle => {}
            }
        }
        // Removed while it was read: nobody can tell whether it was read before.
        self.check_is_there(log, given_up)?;
        Ok(())
    }

    /// Where the log begins, if it has everything from the beginning on.
    fn check_is_there(&self, log: &dyn EventLog, given_up: &[Mark]) -> Result<i64, AssemblyError> {
        let Self { topic, partition, from, .. } = self;
        let watermarks = log.watermarks(topic)?;
        let ends = watermarks.iter().find(|ends| ends.partition == *partition);
        let ends = ends.ok_or_else(|| AssemblyError::Refused(format!("topic {topic} has no partition {partition}")))?;
        if ends.high < self.to {
            let message = format!(
                "topic {topic}, partition {partition} ends at offset {}, and had come to {}: it was made anew",
                ends.high, self.to
            );
            return Err(AssemblyError::Refused(message));
        }
        let low = ends.low;
        if low > *from && low > Mark::of(given_up, topic, *partition) {
            return Err(AssemblyError::Expired { topic: topic.clone(), partition: *partition, from: *from, low });
        }
        Ok(low)
    }

    fn out_of_sight(&self) -> PortError {
        let subject = format!("{}, partition {}, up to offset {}", self.topic, self.partition, self.to);
        PortError::new(ErrorKind::Transient, "read events", subject, "not all of them show yet")
            .with_hint("a transaction that another producer left open hides them: it ends by its timeout")
    }
}
