//! A topic as a client knows it.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::bindings::{self as c, rd_kafka_metadata_partition, rd_kafka_topic_t};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use super::client::{Client, number_as_pointer};
use super::raw;
use crate::deliveries::TopicNumber;
use crate::errors::Failure;

/// A topic's handle; it keeps its client alive.
pub(crate) struct Topic {
    handle: NonNull<rd_kafka_topic_t>,
    client: Arc<Client>,
    name: String,
}

// SAFETY: a topic's handle may be used from any thread, as its client's.
unsafe impl Send for Topic {}

/// What the cluster says of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicMetadata {
    pub(crate) partitions: u32,
    /// The smallest number of copies of any partition.
    pub(crate) replication: u16,
}

impl Topic {
    /// A handle; nothing is asked of the cluster. Its number comes back with the delivery report of each record.
    pub(crate) fn new(client: Arc<Client>, name: &str, number: TopicNumber) -> Result<Self, Failure> {
        let invalid = || Failure::new(Code::InvalidTopic as i32, "this cannot be the name of a topic");
        let c_name = CString::new(name).map_err(|_| invalid())?;
        // SAFETY: the client is alive; it takes the topic's configuration over in any case.
        let handle = unsafe {
            let configuration = c::rd_kafka_default_topic_conf_dup(client.handle());
            c::rd_kafka_topic_conf_set_opaque(configuration, number_as_pointer(number));
            c::rd_kafka_topic_new(client.handle(), c_name.as_ptr(), configuration)
        };
        let handle = NonNull::new(handle).ok_or_else(invalid)?;
        Ok(Self { handle, client, name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn handle(&self) -> *mut rd_kafka_topic_t {
        self.handle.as_ptr()
    }

    /// Asks the cluster.
    pub(crate) fn metadata(&self, timeout: Duration) -> Result<TopicMetadata, Failure> {
        let mut metadata = ptr::null();
        // SAFETY: client and topic are alive; `metadata` is ours to destroy when the call went well.
        let code = unsafe {
            raw::rd_kafka_metadata(
                self.client.handle(),
                0,
                self.handle(),
                &raw mut metadata,
                raw::milliseconds(timeout),
            )
        };
        if code != 0 {
            return Err(self.client.failure(code));
        }
        // SAFETY: the answer holds one topic, ours, with as many partitions as it says; it is destroyed after the
        // last look at it.
        unsafe {
            let answer = if (*metadata).topic_cnt == 1 {
                let topic = (*metadata).topics;
                let code = (&raw const (*topic).err).cast::<i32>().read();
                let count = usize::try_from((*topic).partition_cnt).unwrap_or(0);
                let partitions =
                    if count == 0 { &[][..] } else { std::slice::from_raw_parts((*topic).partitions, count) };
                if code == 0 { Ok(summary(partitions)) } else { Err(self.client.failure(code)) }
            } else {
                Err(self.client.failure(Code::UnknownTopicOrPartition as i32))
            };
            c::rd_kafka_metadata_destroy(metadata);
            answer
        }
    }

    /// The ends of a partition: offset of its oldest record, and after its newest.
    pub(crate) fn watermarks(&self, partition: u32, timeout: Duration) -> Result<(i64, i64), Failure> {
        let name = CString::new(self.name.as_str()).map_err(|_| self.client.failure(Code::InvalidTopic as i32))?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: client and name are alive, both offsets are ours.
        let code = unsafe {
            raw::rd_kafka_query_watermark_offsets(
                self.client.handle(),
                name.as_ptr(),
                partition.cast_signed(),
                &raw mut low,
                &raw mut high,
                raw::milliseconds(timeout),
            )
        };
        if code == 0 { Ok((low, high)) } else { Err(self.client.failure(code)) }
    }
}

fn summary(partitions: &[rd_kafka_metadata_partition]) -> TopicMetadata {
    let copies = partitions.iter().map(|partition| u16::try_from(partition.replica_cnt).unwrap_or(0)).min();
    TopicMetadata { partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX), replication: copies.unwrap_or(0) }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and its client is alive: we hold it.
        unsafe { c::rd_kafka_topic_destroy(self.handle()) };
    }
}
