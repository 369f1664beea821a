//! A transactional producer.
//!
//! The transactional calls wait in C for their answers and serve delivery reports meanwhile; each may be called again
//! after a timeout and then goes on waiting ("resumable", `rdkafka.h`).

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{PartitionOffset, WrittenRange};
use rdkafka_sys::bindings::{self as c, rd_kafka_headers_t, rd_kafka_vtype_t as V};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use super::client::{Client, check, number_as_pointer};
use super::group::Offsets;
use super::raw;
use super::topic::Topic;
use crate::deliveries::{Refusal, TopicNumber};
use crate::errors::Failure;

/// `RD_KAFKA_PARTITION_UA`: the key decides.
const UNASSIGNED: i32 = -1;

/// Why a record was not queued.
pub(crate) enum ProduceError {
    /// The queue is full: serve the client, then try again.
    QueueFull,
    /// It cannot be sent.
    Failed(Failure),
}

/// What a call that waits came to when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// It is done.
    Done,
    /// The time is over; it may be called again.
    Over,
}

/// A record, and the number of its topic.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: TopicNumber,
    pub(crate) partition: Option<u32>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
    pub(crate) tag: u32,
}

/// A producer and the topics it writes to.
pub(crate) struct Producer {
    client: Arc<Client>,
    topics: Vec<Topic>,
}

impl Producer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client: Arc::new(client), topics: Vec::new() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The topic of this name, and whether it is new here.
    pub(crate) fn topic(&mut self, name: &str) -> Result<(TopicNumber, bool), Failure> {
        if let Some(number) = self.topics.iter().position(|topic| topic.name() == name) {
            return Ok((number, false));
        }
        let number = self.topics.len();
        self.topics.push(Topic::new(Arc::clone(&self.client), name, number)?);
        Ok((number, true))
    }

    /// The topic of a number that [`Producer::topic`] gave.
    pub(crate) fn topic_by_number(&self, number: TopicNumber) -> Option<&Topic> {
        self.topics.get(number)
    }

    pub(crate) fn init_transactions(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: the client is alive.
        check(&self.client, unsafe { c::rd_kafka_init_transactions(self.client.handle(), raw::milliseconds(timeout)) })
    }

    pub(crate) fn begin(&self) -> Result<(), Failure> {
        self.client.shared().deliveries().clear();
        // SAFETY: the client is alive.
        check(&self.client, unsafe { c::rd_kafka_begin_transaction(self.client.handle()) })
    }

    /// Queues a record. Its bytes are copied.
    pub(crate) fn produce(&self, record: &Outgoing<'_>) -> Result<(), ProduceError> {
        let Some(topic) = self.topics.get(record.topic) else {
            return Err(ProduceError::Failed(self.client.failure(Code::UnknownTopic as i32)));
        };
        let headers = Headers::new(record.headers).map_err(ProduceError::Failed)?;
        let (key, key_size) = bytes(record.key);
        let (value, value_size) = bytes(record.value);
        let partition = record.partition.map_or(UNASSIGNED, u32::cast_signed);
        // A tag has 32 bits, an address has at least as many.
        let tag = number_as_pointer(record.tag as usize);
        // SAFETY: each value follows the tag of its type, as `rd_kafka_vtype_t` documents; pointers are alive during
        // the call, and with `F_COPY` the bytes are copied. Headers are taken over when, and only when, it succeeds.
        let code = unsafe {
            raw::rd_kafka_producev(
                self.client.handle(),
                V::RD_KAFKA_VTYPE_RKT,
                topic.handle(),
                V::RD_KAFKA_VTYPE_PARTITION,
                partition,
                V::RD_KAFKA_VTYPE_MSGFLAGS,
                c::RD_KAFKA_MSG_F_COPY,
                V::RD_KAFKA_VTYPE_VALUE,
                value,
                value_size,
                V::RD_KAFKA_VTYPE_KEY,
                key,
                key_size,
                V::RD_KAFKA_VTYPE_OPAQUE,
                tag,
                V::RD_KAFKA_VTYPE_HEADERS,
                headers.0,
                V::RD_KAFKA_VTYPE_END,
            )
        };
        if code == 0 {
            std::mem::forget(headers);
            Ok(())
        } else if code == Code::QueueFull as i32 {
            Err(ProduceError::QueueFull)
        } else {
            Err(ProduceError::Failed(self.client.failure(code)))
        }
    }

    /// Sends what is queued, at once, and waits for its delivery reports.
    pub(crate) fn flush(&self, timeout: Duration) -> Timeout {
        // SAFETY: the client is alive. The only failure there is, is a timeout.
        let code = unsafe { raw::rd_kafka_flush(self.client.handle(), raw::milliseconds(timeout)) };
        if code == 0 { Timeout::Done } else { Timeout::Over }
    }

    /// How many records have no delivery report yet.
    pub(crate) fn outstanding(&self) -> i32 {
        // SAFETY: the client is alive.
        unsafe { c::rd_kafka_outq_len(self.client.handle()) }
    }

    /// Where the records of the transaction went, so far.
    pub(crate) fn written(&self) -> Vec<WrittenRange> {
        let name = |number| self.topic_by_number(number).map_or_else(String::new, |topic| topic.name().to_owned());
        self.client.shared().deliveries().written(name)
    }

    /// The first record of the transaction that was refused.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.client.shared().deliveries().refusal().cloned()
    }

    pub(crate) fn send_offsets(
        &self,
        group: &str,
        offsets: &[PartitionOffset],
        timeout: Duration,
    ) -> Result<(), Failure> {
        let invalid = |_| self.client.failure(Code::InvalidArgument as i32);
        let group = CString::new(group).map_err(invalid)?;
        let mut list = Offsets::new();
        for offset in offsets {
            list.add(&offset.topic, offset.partition, offset.offset)?;
        }
        // SAFETY: client, list and group are alive. A group's metadata without a member is for writers that are no
        // member of the group (KIP-447); it is ours to destroy.
        unsafe {
            let metadata = c::rd_kafka_consumer_group_metadata_new(group.as_ptr());
            let error = c::rd_kafka_send_offsets_to_transaction(
                self.client.handle(),
                list.pointer(),
                metadata,
                raw::milliseconds(timeout),
            );
            c::rd_kafka_consumer_group_metadata_destroy(metadata);
            check(&self.client, error)
        }
    }

    pub(crate) fn commit(&self, timeout: Duration) -> Result<(), Failure> {
        #[cfg(feature = "failpoints")]
        {
            // What is not taken in time is the commit's to complain about.
            let _answer = self.flush(timeout);
            super::commit_sent::arm(&self.client)?;
        }
        // SAFETY: the client is alive.
        let error = unsafe { c::rd_kafka_commit_transaction(self.client.handle(), raw::milliseconds(timeout)) };
        check(&self.client, error)
    }

    pub(crate) fn abort(&self, timeout: Duration) -> Result<(), Failure> {
        #[cfg(feature = "failpoints")]
        self.client.shared().committing.store(false, std::sync::atomic::Ordering::SeqCst);
        // SAFETY: the client is alive.
        let error = unsafe { c::rd_kafka_abort_transaction(self.client.handle(), raw::milliseconds(timeout)) };
        check(&self.client, error)
    }
}

/// Pointer and length; null for none, which is not the same as empty.
fn bytes(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

/// Headers that nobody has taken over yet; null for none.
struct Headers(*mut rd_kafka_headers_t);

impl Headers {
    fn new(headers: &[(&str, &[u8])]) -> Result<Self, Failure> {
        if headers.is_empty() {
            return Ok(Self(ptr::null_mut()));
        }
        // SAFETY: no conditions.
        let list = Self(unsafe { c::rd_kafka_headers_new(headers.len()) });
        for (name, value) in headers {
            // SAFETY: name and value are alive and as long as told; both are copied. It fails only on a list that is
            // read-only, and ours is not.
            unsafe {
                c::rd_kafka_header_add(
                    list.0,
                    name.as_ptr().cast(),
                    name.len().cast_signed(),
                    value.as_ptr().cast(),
                    value.len().cast_signed(),
                );
            }
        }
        Ok(list)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: nobody took them over: then this would not be dropped.
            unsafe { c::rd_kafka_headers_destroy(self.0) };
        }
    }
}
