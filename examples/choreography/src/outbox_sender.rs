//! Sends what is in the outbox, in order, and takes out what Kafka has.

use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::event::CONTENT_TYPE;
use crate::kafka;
use crate::store::{Outgoing, Store};

/// The most records under way at once.
const MOST: usize = 1000;

/// How long a program that was told to end waits for brokers that do not answer.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(5);

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A producer for one service's outbox.
pub struct OutboxSender {
    producer: BaseProducer<Deliveries>,
}

impl OutboxSender {
    /// Connects, and sees that the topic is there.
    ///
    /// # Errors
    /// When no broker answers, or the topic is not there.
    pub fn connect(config: ClientConfig, topic: &str) -> Result<Self> {
        let config = kafka::producer(config);
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default()).context("set up the Kafka producer")?;
        kafka::partitions(producer.client(), topic)?;
        Ok(Self { producer })
    }

    /// Sends everything. Brokers that are away are waited for; told to `stop` meanwhile, it leaves the rest in the
    /// outbox, from where it is sent at the next start. `false`: that is so.
    ///
    /// # Errors
    /// When Kafka refuses a record. It stays in the outbox, with those behind it that Kafka has not taken.
    pub fn send_all(&self, store: &mut Store, stop: &AtomicBool) -> Result<bool> {
        loop {
            let batch = store.outbox(MOST)?;
            if batch.is_empty() {
                return Ok(true);
            }
            for outgoing in &batch {
                self.enqueue(outgoing)?;
            }
            let all_answered = self.wait_for_answers(stop);
            let Answers { delivered, refused } = self.producer.context().take();
            store.sent(&delivered)?;
            if let Some(error) = refused {
                let (path, waiting) = (store.path().display(), store.waiting()?);
                return Err(anyhow!(
                    "send to `{}`: {error}. {waiting} events wait in the outbox of {path}, and are sent at the next start",
                    batch[0].topic
                ));
            }
            if !all_answered {
                return Ok(false);
            }
        }
    }

    fn enqueue(&self, outgoing: &Outgoing) -> Result<()> {
        let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some(CONTENT_TYPE) });
        let mut record = BaseRecord::with_opaque_to(&outgoing.topic, Box::new(outgoing.number))
            .key(&outgoing.key)
            .payload(&outgoing.value)
            .headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    record = returned;
                    self.producer.poll(LOOK_AGAIN);
                }
                Err((error, _)) => return Err(anyhow!("send to `{}`: {error}", outgoing.topic)),
            }
        }
    }

    fn wait_for_answers(&self, stop: &AtomicBool) -> bool {
        let mut stopped_at = None;
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(LOOK_AGAIN);
            if stop.load(Ordering::Relaxed) {
                let since = stopped_at.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE_AT_THE_END {
                    return false;
                }
            }
        }
        true
    }
}

/// What became of records: their numbers in the outbox.
#[derive(Debug, Default)]
struct Answers {
    delivered: Vec<i64>,
    refused: Option<KafkaError>,
}

/// Collects Kafka's answers, while the producer is polled.
#[derive(Default)]
struct Deliveries {
    answers: Mutex<Answers>,
}

impl Deliveries {
    fn take(&self) -> Answers {
        take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<i64>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => answers.delivered.push(*number),
            Err((error, _)) => answers.refused = Some(error.clone()),
        }
    }
}
