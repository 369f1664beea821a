//! The one writer under a transactional id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, OutgoingRecord, PartitionOffset, PortError, Result, Writer, WrittenRange};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use crate::deliveries::Refusal;
use crate::errors::Failure;
use crate::native::{Client, Outgoing, ProduceError, Producer, Timeout, Topic};
use crate::settings::Checked;
use crate::waiting::{time_is_over, within};

/// How long a full queue is waited on before the deadline is looked at.
const QUEUE_WAIT: Duration = Duration::from_millis(20);
/// Delivery reports are served once for so many records, so that they do not pile up.
const SERVE_EVERY: u32 = 512;
/// How long a topic that was created a moment ago may be unknown to the broker that is asked.
const NEW_TOPIC_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No transaction is open.
    Idle,
    /// A transaction is open.
    Open,
    /// A commit was asked for, and its outcome is not known.
    InDoubt,
    /// Another writer came, or this one can never write again.
    Lost,
}

/// A transactional writer.
pub(crate) struct KafkaWriter {
    producer: Producer,
    id: String,
    state: State,
    timeout: Duration,
    sent_since_served: u32,
    /// Records of the open transaction were not answered in time: nobody knows whether the broker has them.
    unanswered: bool,
    /// Which topics, by number, are known to exist.
    existing: Vec<bool>,
}

impl KafkaWriter {
    /// Takes the id: its predecessor is fenced, and what that left open is aborted.
    pub(crate) fn take(checked: &Arc<Checked>, id: &str, timeout: Duration) -> Result<Self> {
        let client = Client::producer(&checked.writer_properties(id), checked.secrets.clone())
            .map_err(|failure| failure.into_port("open writer", id))?;
        let producer = Producer::new(client);
        within(timeout, producer.client(), "take transactional id", id, |slice| producer.init_transactions(slice))?;
        let id = id.to_owned();
        Ok(Self {
            producer,
            id,
            state: State::Idle,
            timeout,
            sent_since_served: 0,
            unanswered: false,
            existing: Vec::new(),
        })
    }

    /// What became of a call, for the bridge. Remembers when this writer is lost.
    fn fail(&mut self, operation: &'static str, subject: &str, failure: Failure) -> PortError {
        // What librdkafka says of a lost client is that the state is wrong; the cause is kept apart.
        let cause = self.producer.client().fatal_error().unwrap_or(failure);
        let error = cause.into_port(operation, subject);
        if error.kind == ErrorKind::Fenced {
            self.state = State::Lost;
        }
        error
    }

    fn bug(&self, operation: &'static str, message: &str) -> PortError {
        PortError::new(ErrorKind::Bug, operation, &self.id, message)
    }

    /// Checks that a transaction is open, and still worth something.
    fn require_open(&mut self, operation: &'static str) -> Result<()> {
        match self.state {
            State::Open => Ok(()),
            State::Lost => Err(self.lost(operation)),
            State::Idle => Err(self.bug(operation, "no transaction is open")),
            State::InDoubt => Err(self.bug(operation, "the outcome of the commit is not known yet: commit again")),
        }
    }

    fn lost(&self, operation: &'static str) -> PortError {
        let message =
            self.producer.client().fatal_error().map_or_else(|| self.why_lost().to_owned(), |failure| failure.text);
        PortError::new(ErrorKind::Fenced, operation, &self.id, message)
    }

    const fn why_lost(&self) -> &'static str {
        if self.unanswered {
            "records of an aborted transaction were never answered, so that a new writer has to count them anew"
        } else {
            "the broker has given up this writer's transaction"
        }
    }

    /// Fails when the broker refused a record of this transaction, or the writer was lost meanwhile.
    fn check_deliveries(&mut self, operation: &'static str) -> Result<()> {
        let Some(refusal) = self.producer.refusal() else { return Ok(()) };
        let topic = self.producer.topic_by_number(refusal.topic).map_or("?", Topic::name).to_owned();
        Err(self.fail(operation, &topic, refusal.failure))
    }

    /// The number of a topic that exists. Asks the cluster at the first use: librdkafka alone would hold the record
    /// back for a long time, in the hope that the topic comes.
    fn topic(&mut self, name: &str) -> Result<usize> {
        let (number, is_new) = self.producer.topic(name).map_err(|failure| failure.into_port("send record", name))?;
        if is_new {
            self.existing.push(false);
        }
        if self.existing.get(number).is_some_and(|exists| *exists) {
            return Ok(number);
        }
        let Some(topic) = self.producer.topic_by_number(number) else {
            return Err(self.bug("send record", "a topic without a handle"));
        };
        let wait_until = Instant::now() + NEW_TOPIC_WAIT;
        within(self.timeout, self.producer.client(), "send record", name, |slice| {
            topic.metadata(slice).map_err(|failure| {
                let may_come = failure.kind() == ErrorKind::NotFound && Instant::now() < wait_until;
                if may_come { Failure::new(Code::WaitCache as i32, failure.text) } else { failure }
            })
        })?;
        if let Some(exists) = self.existing.get_mut(number) {
            *exists = true;
        }
        Ok(number)
    }

    fn queue(&mut self, name: &str, record: &Outgoing<'_>) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.producer.produce(record) {
                Ok(()) => return Ok(()),
                Err(ProduceError::QueueFull) => {
                    self.producer.client().serve(QUEUE_WAIT);
                    self.check_deliveries("send record")?;
                    if Instant::now() > deadline {
                        return Err(self.not_taken("send record"));
                    }
                }
                Err(ProduceError::Failed(failure)) => {
                    // A transaction that failed meanwhile takes no more records; the cause is in a delivery report.
                    self.producer.client().serve(Duration::ZERO);
                    self.check_deliveries("send record")?;
                    let failure = match failure.is(Code::State) {
                        true => Failure { text: TRANSACTION_FAILED.to_owned(), code: Code::Retry as i32, ..failure },
                        false => failure,
                    };
                    return Err(self.fail("send record", name, failure));
                }
            }
        }
    }

    fn abort_open(&mut self) -> Result<()> {
        match self.producer.abort(self.timeout) {
            Ok(()) => {
                self.state = State::Idle;
                Ok(())
            }
            Err(failure) if failure.is_timeout() => {
                Err(time_is_over(self.producer.client(), ABORT, &self.id, &failure.text))
            }
            Err(failure) => {
                let id = self.id.clone();
                Err(self.fail(ABORT, &id, failure))
            }
        }
    }

    /// Makes the writer usable after the broker refused a record, and that transaction was aborted.
    ///
    /// librdkafka 2.12 goes on counting from the refused record, the broker from the one before, so that the next
    /// transaction to come there would fail ("skipped sequence numbers") and the one after it succeed, under a new
    /// epoch. A record that stands in for that next one fails in its place; its transaction is aborted whatever
    /// becomes of it.
    fn renew_sequence(&mut self, refusal: &Refusal) -> Result<()> {
        let id = self.id.clone();
        self.producer.begin().map_err(|failure| self.fail(ABORT, &id, failure))?;
        self.state = State::Open;
        let stand_in = Outgoing {
            topic: refusal.topic,
            partition: Some(refusal.partition.unsigned_abs()),
            key: Some(b"dropbridge"),
            value: None,
            headers: &[],
            tag: 0,
        };
        if self.producer.produce(&stand_in).is_ok() {
            self.producer.flush(self.timeout);
        }
        self.abort_open()
    }

    fn not_taken(&self, operation: &'static str) -> PortError {
        let message = format!(
            "the cluster has not taken {} records within {} ms",
            self.producer.outstanding(),
            self.timeout.as_millis()
        );
        time_is_over(self.producer.client(), operation, &self.id, &message)
    }
}

const ABORT: &str = "abort transaction";
const TRANSACTION_FAILED: &str = "the open transaction has failed: abort it";

impl Writer for KafkaWriter {
    fn begin(&mut self) -> Result<()> {
        const OPERATION: &str = "begin transaction";
        match self.state {
            State::Idle => {}
            State::Lost => return Err(self.lost(OPERATION)),
            State::Open | State::InDoubt => return Err(self.bug(OPERATION, "a transaction is open")),
        }
        // What happened while nothing was to do: connections that were closed, for one.
        self.producer.client().serve(Duration::ZERO);
        drop(self.producer.client().take_trouble());
        let id = self.id.clone();
        self.producer.begin().map_err(|failure| self.fail(OPERATION, &id, failure))?;
        self.state = State::Open;
        Ok(())
    }

    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<()> {
        self.require_open("send record")?;
        let topic = self.topic(record.topic)?;
        let OutgoingRecord { partition, key, value, headers, tag, .. } = record;
        self.queue(record.topic, &Outgoing { topic, partition, key, value, headers, tag })?;
        self.sent_since_served += 1;
        if self.sent_since_served >= SERVE_EVERY {
            self.sent_since_served = 0;
            self.producer.client().serve(Duration::ZERO);
            self.check_deliveries("send record")?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<Vec<WrittenRange>> {
        const OPERATION: &str = "settle transaction";
        self.require_open(OPERATION)?;
        let flushed = self.producer.flush(self.timeout);
        self.check_deliveries(OPERATION)?;
        match flushed {
            Timeout::Done => {
                self.unanswered = false;
                Ok(self.producer.written())
            }
            Timeout::Over => {
                self.unanswered = true;
                Err(self.not_taken(OPERATION))
            }
        }
    }

    fn send_offsets(&mut self, group: &str, offsets: &[PartitionOffset]) -> Result<()> {
        const OPERATION: &str = "send offsets";
        self.require_open(OPERATION)?;
        let sent = self.producer.send_offsets(group, offsets, self.timeout);
        sent.map_err(|failure| self.fail(OPERATION, group, failure))
    }

    fn commit(&mut self) -> Result<()> {
        const OPERATION: &str = "commit transaction";
        if self.state != State::InDoubt {
            self.require_open(OPERATION)?;
        }
        let Err(failure) = self.producer.commit(self.timeout) else {
            self.state = State::Idle;
            return Ok(());
        };
        if failure.is_timeout() && !failure.requires_abort && !failure.fatal {
            self.state = State::InDoubt;
            return Err(time_is_over(self.producer.client(), OPERATION, &self.id, &failure.text));
        }
        // The cause may be a record: refused, or given up while the broker was away for longer than it may take.
        self.state = State::Open;
        let id = self.id.clone();
        let error = match self.check_deliveries(OPERATION) {
            Err(of_record) => of_record,
            Ok(()) => self.fail(OPERATION, &id, failure),
        };
        if error.kind == ErrorKind::Transient {
            // "Transient" would say: commit again. This transaction is gone, and a new writer clears it up.
            self.state = State::Lost;
            return Err(PortError { kind: ErrorKind::Fenced, ..error });
        }
        Err(error)
    }

    fn abort(&mut self) -> Result<()> {
        match self.state {
            State::Idle => return Ok(()),
            State::Lost => return Err(self.lost(ABORT)),
            State::InDoubt => return self.require_open(ABORT),
            State::Open => {}
        }
        let refusal = self.producer.refusal();
        self.abort_open()?;
        match refusal {
            // Codes of the broker's are above zero.
            Some(refusal) if refusal.failure.code > 0 && !self.unanswered => self.renew_sequence(&refusal),
            // A record that was given up may be with the broker all the same. The next one could be counted as that
            // one is, and a broker drops what it has counted already: acknowledged, and lost. A new writer counts anew.
            refusal => {
                self.unanswered |= refusal.is_some();
                if self.unanswered {
                    self.state = State::Lost;
                }
                Ok(())
            }
        }
    }
}
