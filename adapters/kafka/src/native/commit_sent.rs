//! The points before a commit and between its request and its answer, for crash tests.
//!
//! An interceptor of librdkafka is told when a request was written to its socket; the answer cannot have been read
//! then.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use dropbridge_port::failpoint::{Failpoint, reach};
use rdkafka_sys::bindings::{self as c, rd_kafka_conf_t, rd_kafka_resp_err_t, rd_kafka_t};
use rdkafka_sys::types::{RDKafkaApiKey, RDKafkaErrorCode as Code};

use super::client::{Client, Shared};
use crate::errors::Failure;

const NAME: &std::ffi::CStr = c"dropbridge";
const NO_ERROR: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Passes the point before a commit, and lets the next `EndTxn` request count as one. The broker has taken all records
/// by then: what comes next on the wire is the request, so that a test can stop the broker before that alone.
///
/// # Errors
/// A timeout, where the point asks for a failure: nothing was sent, and the commit may be asked for again.
pub(super) fn arm(client: &Client) -> Result<(), Failure> {
    client.shared().committing.store(true, Ordering::SeqCst);
    if reach(Failpoint::CommitBegun) {
        return Err(Failure::new(Code::OperationTimedOut as i32, Failpoint::CommitBegun.name()));
    }
    Ok(())
}

/// Watches the clients made from this configuration.
///
/// # Safety
/// The configuration is alive; `shared` outlives the clients made from it.
pub(super) unsafe fn watch(configuration: *mut rd_kafka_conf_t, shared: NonNull<Shared>) {
    // SAFETY: as the caller promises. It fails only when an interceptor of this name is there already.
    unsafe {
        c::rd_kafka_conf_interceptor_add_on_new(configuration, NAME.as_ptr(), Some(on_new), shared.as_ptr().cast());
    }
}

unsafe extern "C" fn on_new(
    client: *mut rd_kafka_t,
    _: *const rd_kafka_conf_t,
    shared: *mut c_void,
    _: *mut c_char,
    _: usize,
) -> rd_kafka_resp_err_t {
    // SAFETY: called while the client is made, the only time at which this may be added.
    unsafe { c::rd_kafka_interceptor_add_on_request_sent(client, NAME.as_ptr(), Some(on_request_sent), shared) }
}

unsafe extern "C" fn on_request_sent(
    _: *mut rd_kafka_t,
    _: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    _: usize,
    shared: *mut c_void,
) -> rd_kafka_resp_err_t {
    // SAFETY: `shared` is what `watch` was given, and is alive.
    let shared = unsafe { &*shared.cast::<Shared>() };
    if api_key == i16::from(RDKafkaApiKey::EndTxn) && shared.committing.load(Ordering::SeqCst) {
        // The request is on its way: it is too late to fail here.
        let _ = reach(Failpoint::CommitSent);
    }
    NO_ERROR
}
