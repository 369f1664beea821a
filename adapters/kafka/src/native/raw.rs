//! Functions of librdkafka that answer an error code, declared as answering a number.
//!
//! `rdkafka-sys` declares the codes as a Rust enum of those that it knows, and a code that a newer broker invents would
//! be undefined behaviour there. In C an enum is an int.

use std::ffi::{CStr, c_char, c_int};

use rdkafka_sys::bindings::{
    rd_kafka_error_t, rd_kafka_message_t, rd_kafka_metadata as Metadata, rd_kafka_t, rd_kafka_topic_partition_list_t,
    rd_kafka_topic_t,
};

unsafe extern "C" {
    pub(super) fn rd_kafka_error_code(error: *const rd_kafka_error_t) -> c_int;
    pub(super) fn rd_kafka_err2str(code: c_int) -> *const c_char;
    pub(super) fn rd_kafka_fatal_error(client: *mut rd_kafka_t, text: *mut c_char, size: usize) -> c_int;
    pub(super) fn rd_kafka_flush(client: *mut rd_kafka_t, timeout_ms: c_int) -> c_int;
    pub(super) fn rd_kafka_producev(client: *mut rd_kafka_t, ...) -> c_int;
    pub(super) fn rd_kafka_last_error() -> c_int;
    pub(super) fn rd_kafka_metadata(
        client: *mut rd_kafka_t,
        all_topics: c_int,
        only: *mut rd_kafka_topic_t,
        metadata: *mut *const Metadata,
        timeout_ms: c_int,
    ) -> c_int;
    pub(super) fn rd_kafka_query_watermark_offsets(
        client: *mut rd_kafka_t,
        topic: *const c_char,
        partition: i32,
        low: *mut i64,
        high: *mut i64,
        timeout_ms: c_int,
    ) -> c_int;
    pub(super) fn rd_kafka_committed(
        client: *mut rd_kafka_t,
        partitions: *mut rd_kafka_topic_partition_list_t,
        timeout_ms: c_int,
    ) -> c_int;
}

/// The text of a code; librdkafka has one for codes that it does not know, too.
pub(super) fn describe(code: i32) -> String {
    // SAFETY: takes any number, and answers a string that lives as long as the thread at least; it is copied at once.
    unsafe { text(rd_kafka_err2str(code)) }
}

/// The code of a message, read as a number.
///
/// # Safety
/// `message` points to a message of librdkafka.
pub(super) unsafe fn message_code(message: *const rd_kafka_message_t) -> i32 {
    // SAFETY: the field is a C enum, which has the size and alignment of an int; it is not read as a Rust enum.
    unsafe { (&raw const (*message).err).cast::<i32>().read() }
}

/// A copy of a C string; empty where there is none.
///
/// # Safety
/// `pointer` is null or points to a string that ends with a NUL.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A time as librdkafka takes it.
pub(super) fn milliseconds(time: std::time::Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}
