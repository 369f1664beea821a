//! A consumer of given partitions, without a group: nothing is joined, committed or asked of a coordinator, and so no
//! right on any group is needed.
//!
//! Source: the "simple consumer" of `rdkafka.h` (`rd_kafka_consume_start_queue`), all partitions in one queue.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::bindings::{self as c, rd_kafka_message_t, rd_kafka_queue_t, rd_kafka_timestamp_type_t};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use super::client::Client;
use super::raw;
use super::topic::{Topic, TopicMetadata};
use crate::errors::Failure;

/// What came.
pub(crate) enum Consumed<'a> {
    /// A record.
    Record(RecordView<'a>),
    /// A partition was read to its end.
    End {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The offset that is read next: behind markers of transactions too.
        offset: i64,
    },
    /// A partition failed.
    Failed {
        /// Topic; empty where it is not known.
        topic: String,
        /// Why.
        failure: Failure,
    },
}

/// A consumer and what it reads.
pub(crate) struct Consumer {
    queue: NonNull<rd_kafka_queue_t>,
    started: Vec<(usize, i32)>,
    topics: Vec<Topic>,
    client: Arc<Client>,
}

// SAFETY: a queue may be used from any thread, as its client.
unsafe impl Send for Consumer {}

impl Consumer {
    pub(crate) fn new(client: Client) -> Result<Self, Failure> {
        let client = Arc::new(client);
        // SAFETY: the client is alive.
        let queue = NonNull::new(unsafe { c::rd_kafka_queue_new(client.handle()) })
            .ok_or_else(|| client.failure(Code::Fail as i32))?;
        Ok(Self { queue, started: Vec::new(), topics: Vec::new(), client })
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// What the cluster says of a topic. To be asked before its partitions are started: a client that has not heard of
    /// a topic takes half a second longer to its first record.
    pub(crate) fn metadata(&mut self, topic: &str, timeout: Duration) -> Result<TopicMetadata, Failure> {
        let number = self.topic(topic)?;
        let topic = self.topics.get(number).ok_or_else(|| self.client.failure(Code::UnknownTopic as i32))?;
        topic.metadata(timeout)
    }

    fn topic(&mut self, name: &str) -> Result<usize, Failure> {
        if let Some(number) = self.topics.iter().position(|known| known.name() == name) {
            return Ok(number);
        }
        self.topics.push(Topic::new(Arc::clone(&self.client), name, self.topics.len())?);
        Ok(self.topics.len() - 1)
    }

    /// Starts to read a partition at an offset, or at one of librdkafka's logical offsets.
    pub(crate) fn start(&mut self, topic: &str, partition: u32, offset: i64) -> Result<(), Failure> {
        let number = self.topic(topic)?;
        let partition = partition.cast_signed();
        let Some(handle) = self.topics.get(number).map(Topic::handle) else {
            return Err(self.client.failure(Code::UnknownTopic as i32));
        };
        // SAFETY: topic and queue are alive; the failure's code is the thread's own.
        let code = unsafe {
            match c::rd_kafka_consume_start_queue(handle, partition, offset, self.queue.as_ptr()) {
                0 => 0,
                _ => raw::rd_kafka_last_error(),
            }
        };
        if code != 0 {
            return Err(self.client.failure(code));
        }
        self.started.push((number, partition));
        Ok(())
    }

    /// Waits for what comes next.
    pub(crate) fn poll(&mut self, timeout: Duration) -> Option<Consumed<'_>> {
        // SAFETY: the queue is alive; the message is ours.
        let message = unsafe { c::rd_kafka_consume_queue(self.queue.as_ptr(), raw::milliseconds(timeout)) };
        let message = RecordView { message: NonNull::new(message)?, consumer: PhantomData };
        let code = message.code();
        if code == 0 {
            Some(Consumed::Record(message))
        } else if code == Code::PartitionEOF as i32 {
            let (topic, partition, offset) = (message.topic().to_owned(), message.partition(), message.offset());
            Some(Consumed::End { topic, partition, offset })
        } else {
            let topic = message.topic().to_owned();
            // SAFETY: the message is alive, and so is its text.
            let text = unsafe { raw::text(c::rd_kafka_message_errstr(message.message())) };
            Some(Consumed::Failed { topic, failure: Failure::new(code, self.client.without_secrets(&text)) })
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        for (number, partition) in &self.started {
            if let Some(topic) = self.topics.get(*number) {
                // SAFETY: the topic is alive and was started.
                unsafe { c::rd_kafka_consume_stop(topic.handle(), *partition) };
            }
        }
        // SAFETY: the queue is ours, nothing reads into it any more, and its client is alive.
        unsafe { c::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// A message as it lies in librdkafka's memory, given back when it is dropped.
pub(crate) struct RecordView<'a> {
    message: NonNull<rd_kafka_message_t>,
    consumer: PhantomData<&'a Consumer>,
}

impl RecordView<'_> {
    fn message(&self) -> *const rd_kafka_message_t {
        self.message.as_ptr()
    }

    fn code(&self) -> i32 {
        // SAFETY: the message is alive.
        unsafe { raw::message_code(self.message()) }
    }

    /// Its topic's name; empty for a failure of no topic.
    pub(crate) fn topic(&self) -> &str {
        // SAFETY: the message is alive and holds its topic; the name lives as long as that.
        unsafe {
            let topic = (*self.message()).rkt;
            if topic.is_null() {
                return "";
            }
            CStr::from_ptr(c::rd_kafka_topic_name(topic)).to_str().unwrap_or("")
        }
    }

    pub(crate) fn partition(&self) -> i32 {
        // SAFETY: the message is alive.
        unsafe { (*self.message()).partition }
    }

    pub(crate) fn offset(&self) -> i64 {
        // SAFETY: the message is alive.
        unsafe { (*self.message()).offset }
    }

    pub(crate) fn timestamp_ms(&self) -> i64 {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        unsafe { c::rd_kafka_message_timestamp(self.message(), &raw mut kind) }
    }

    pub(crate) fn key(&self) -> Option<Vec<u8>> {
        // SAFETY: the message is alive and says how long its key is.
        unsafe { copy((*self.message()).key.cast(), (*self.message()).key_len) }
    }

    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        // SAFETY: the message is alive and says how long its value is.
        unsafe { copy((*self.message()).payload.cast(), (*self.message()).len) }
    }

    pub(crate) fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let mut headers = Vec::new();
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive and keeps its headers; names end with a NUL, values are as long as told. Both
        // functions answer codes of librdkafka's own: none or "no such entry".
        unsafe {
            if !is_zero(c::rd_kafka_message_headers(self.message(), &raw mut list)) {
                return headers;
            }
            let (mut name, mut value, mut size): (*const c_char, _, _) = (ptr::null(), ptr::null(), 0);
            while is_zero(c::rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size))
            {
                headers.push((raw::text(name), copy(value.cast(), size).unwrap_or_default()));
            }
        }
        headers
    }
}

impl Drop for RecordView<'_> {
    fn drop(&mut self) {
        // SAFETY: the message is ours, and its client is alive.
        unsafe { c::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

fn is_zero(code: c::rd_kafka_resp_err_t) -> bool {
    matches!(code, c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
}

/// # Safety
/// `start` is null, or points to as many bytes as told.
unsafe fn copy(start: *const u8, size: usize) -> Option<Vec<u8>> {
    if start.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { std::slice::from_raw_parts(start, size) }.to_vec())
}
