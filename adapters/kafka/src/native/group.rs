//! Positions of consumer groups.

use std::ffi::CString;
use std::time::Duration;

use dropbridge_port::PartitionOffset;
use rdkafka_sys::bindings::{self as c, rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_t};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use super::client::Client;
use super::raw;
use crate::errors::Failure;

/// A list of partitions and offsets.
pub(super) struct Offsets(*mut rd_kafka_topic_partition_list_t);

impl Offsets {
    pub(super) fn new() -> Self {
        // SAFETY: no conditions.
        Self(unsafe { c::rd_kafka_topic_partition_list_new(8) })
    }

    pub(super) fn pointer(&self) -> *mut rd_kafka_topic_partition_list_t {
        self.0
    }

    pub(super) fn add(&mut self, topic: &str, partition: u32, offset: i64) -> Result<(), Failure> {
        let topic = CString::new(topic)
            .map_err(|_| Failure::new(Code::InvalidTopic as i32, "this cannot be the name of a topic"))?;
        // SAFETY: the list is ours; the name is copied; the answer points to the new element.
        unsafe {
            let element = c::rd_kafka_topic_partition_list_add(self.0, topic.as_ptr(), partition.cast_signed());
            (*element).offset = offset;
        }
        Ok(())
    }

    fn elements(&self) -> &[rd_kafka_topic_partition_t] {
        // SAFETY: the list is ours and says how many elements it has; null where it has none.
        unsafe {
            let count = usize::try_from((*self.0).cnt).unwrap_or(0);
            if count == 0 { &[] } else { std::slice::from_raw_parts((*self.0).elems, count) }
        }
    }
}

impl Drop for Offsets {
    fn drop(&mut self) {
        // SAFETY: the list is ours.
        unsafe { c::rd_kafka_topic_partition_list_destroy(self.0) };
    }
}

/// The committed positions of the client's group in these partitions of a topic; those without one are left out.
pub(crate) fn committed_offsets(
    client: &Client,
    topic: &str,
    partitions: u32,
    timeout: Duration,
) -> Result<Vec<PartitionOffset>, Failure> {
    let mut list = Offsets::new();
    for partition in 0..partitions {
        list.add(topic, partition, i64::from(c::RD_KAFKA_OFFSET_INVALID))?;
    }
    // SAFETY: client and list are alive; it writes into the list's elements.
    let code = unsafe { raw::rd_kafka_committed(client.handle(), list.pointer(), raw::milliseconds(timeout)) };
    if code != 0 {
        return Err(client.failure(code));
    }
    let mut committed = Vec::new();
    for element in list.elements() {
        // SAFETY: the field is a C enum, read as the number that it is.
        let code = unsafe { (&raw const element.err).cast::<i32>().read() };
        if code != 0 {
            return Err(client.failure(code));
        }
        if element.offset >= 0 {
            let partition = element.partition.unsigned_abs();
            committed.push(PartitionOffset { topic: topic.to_owned(), partition, offset: element.offset });
        }
    }
    Ok(committed)
}
