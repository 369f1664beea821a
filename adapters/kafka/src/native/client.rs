//! A client of librdkafka: made from properties, told of trouble, and ended.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
#[cfg(feature = "failpoints")]
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka_sys::bindings::{
    self as c, rd_kafka_conf_res_t, rd_kafka_conf_t, rd_kafka_message_t, rd_kafka_t, rd_kafka_type_t,
};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use dropbridge_port::{ErrorKind, Repetition};

use super::raw;
use crate::deliveries::Deliveries;
use crate::errors::{self, Failure};
use crate::settings::{Secrets, is_secret};

/// What a client complained about, outside of any call's answer: connections, logins, certificates.
pub(crate) type Trouble = Failure;

/// What callbacks write to. The client holds its address; it outlives the client.
pub(super) struct Shared {
    pub(super) deliveries: Mutex<Deliveries>,
    trouble: Mutex<Option<Trouble>>,
    secrets: Secrets,
    /// A commit was asked for: the next `EndTxn` request that is sent is one.
    #[cfg(feature = "failpoints")]
    pub(super) committing: AtomicBool,
}

impl Shared {
    pub(super) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, ended when it is dropped. Records that nobody took by then are lost, as in a crash.
pub(crate) struct Client {
    handle: NonNull<rd_kafka_t>,
    /// Owned: made from a box, given back after the handle is ended.
    shared: NonNull<Shared>,
}

// SAFETY: librdkafka's handles may be used from any thread, at the same time too ("librdkafka is completely thread
// safe", its introduction); what callbacks touch is behind mutexes.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    pub(crate) fn producer(properties: &[(String, String)], secrets: Secrets) -> Result<Self, Failure> {
        Self::new(rd_kafka_type_t::RD_KAFKA_PRODUCER, properties, secrets)
    }

    pub(crate) fn consumer(properties: &[(String, String)], secrets: Secrets) -> Result<Self, Failure> {
        Self::new(rd_kafka_type_t::RD_KAFKA_CONSUMER, properties, secrets)
    }

    fn new(kind: rd_kafka_type_t, properties: &[(String, String)], secrets: Secrets) -> Result<Self, Failure> {
        let configuration = Configuration::new(properties, &secrets)?;
        let shared = NonNull::from(Box::leak(Box::new(Shared {
            deliveries: Mutex::default(),
            trouble: Mutex::default(),
            secrets,
            #[cfg(feature = "failpoints")]
            committing: AtomicBool::new(false),
        })));
        // SAFETY: the configuration is alive; `shared` lives until the client has ended, see `drop` and below.
        unsafe {
            c::rd_kafka_conf_set_opaque(configuration.0, shared.as_ptr().cast());
            c::rd_kafka_conf_set_error_cb(configuration.0, Some(on_error));
            c::rd_kafka_conf_set_log_cb(configuration.0, Some(on_log));
            if matches!(kind, rd_kafka_type_t::RD_KAFKA_PRODUCER) {
                c::rd_kafka_conf_set_dr_msg_cb(configuration.0, Some(on_delivery));
                #[cfg(feature = "failpoints")]
                super::commit_sent::watch(configuration.0, shared);
            }
        }
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: librdkafka takes the configuration over only when it answers a client.
        let handle = unsafe { c::rd_kafka_new(kind, configuration.0, text.as_mut_ptr(), text.len()) };
        let Some(handle) = NonNull::new(handle) else {
            // SAFETY: there is no client that could use it; it was leaked above.
            let shared = unsafe { Box::from_raw(shared.as_ptr()) };
            // SAFETY: librdkafka ends the text with a NUL.
            let text = shared.secrets.hide_in(&unsafe { raw::text(text.as_ptr()) });
            return Err(Failure::new(Code::InvalidArgument as i32, text));
        };
        std::mem::forget(configuration);
        Ok(Self { handle, shared })
    }

    pub(super) fn handle(&self) -> *mut rd_kafka_t {
        self.handle.as_ptr()
    }

    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: alive as long as we are, and only ever shared.
        unsafe { self.shared.as_ref() }
    }

    /// Serves what is waiting for us: deliveries, trouble. Waits for the first of it.
    pub(crate) fn serve(&self, timeout: Duration) {
        // SAFETY: the handle is alive; callbacks get `shared`, which is alive.
        unsafe { c::rd_kafka_poll(self.handle(), raw::milliseconds(timeout)) };
    }

    /// What it complained about since this was last asked: the most telling complaint.
    pub(crate) fn take_trouble(&self) -> Option<Trouble> {
        self.shared().trouble().take()
    }

    /// Whether a broker told us which cluster it belongs to, within the time.
    pub(crate) fn knows_cluster(&self, timeout: Duration) -> bool {
        // SAFETY: the handle is alive; the answer is ours to free, by librdkafka's own function.
        unsafe {
            let id = c::rd_kafka_clusterid(self.handle(), raw::milliseconds(timeout));
            let known = !id.is_null();
            if known {
                c::rd_kafka_mem_free(self.handle(), id.cast());
            }
            known
        }
    }

    /// The error that ended this client for good, if there is one.
    pub(crate) fn fatal_error(&self) -> Option<Failure> {
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: the handle is alive, the buffer is as long as told.
        let code = unsafe { raw::rd_kafka_fatal_error(self.handle(), text.as_mut_ptr(), text.len()) };
        (code != 0).then(|| Failure {
            // SAFETY: librdkafka ends the text with a NUL.
            text: self.without_secrets(&unsafe { raw::text(text.as_ptr()) }),
            fatal: true,
            ..Failure::new(code, "")
        })
    }

    pub(super) fn failure(&self, code: i32) -> Failure {
        Failure::new(code, raw::describe(code))
    }

    pub(super) fn without_secrets(&self, text: &str) -> String {
        self.shared().secrets.hide_in(text)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle (topics and queues of it borrow us or are dropped before); when this
        // returns all threads of the client have ended, so that nobody calls back any more.
        unsafe {
            c::rd_kafka_destroy(self.handle());
            drop(Box::from_raw(self.shared.as_ptr()));
        }
    }
}

struct Configuration(*mut rd_kafka_conf_t);

impl Configuration {
    fn new(properties: &[(String, String)], secrets: &Secrets) -> Result<Self, Failure> {
        // SAFETY: no conditions.
        let configuration = Self(unsafe { c::rd_kafka_conf_new() });
        for (name, value) in properties {
            configuration.set(name, value).map_err(|text| {
                // librdkafka quotes the value.
                let text =
                    if is_secret(name) { "its value is not accepted".to_owned() } else { secrets.hide_in(&text) };
                Failure::new(Code::InvalidArgument as i32, format!("the property `{name}` cannot be used: {text}"))
            })?;
        }
        Ok(configuration)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let no_nul = |text: &str| CString::new(text).map_err(|_| "there is a NUL in it".to_owned());
        let (name, value) = (no_nul(name)?, no_nul(value)?);
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: all pointers are alive, the buffer is as long as told.
        let answer =
            unsafe { c::rd_kafka_conf_set(self.0, name.as_ptr(), value.as_ptr(), text.as_mut_ptr(), text.len()) };
        match answer {
            rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            // SAFETY: librdkafka ends the text with a NUL.
            _ => Err(unsafe { raw::text(text.as_ptr()) }),
        }
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: no client took it over: then this would not be dropped.
        unsafe { c::rd_kafka_conf_destroy(self.0) };
    }
}

/// Keeps the complaint that tells most: a refused login rather than the broken connections that follow from it.
unsafe extern "C" fn on_error(_: *mut rd_kafka_t, code: c_int, reason: *const c_char, shared: *mut c_void) {
    // SAFETY: `shared` is what `Client::new` set, and is alive; `reason` is a C string of librdkafka.
    let (shared, reason) = unsafe { (&*shared.cast::<Shared>(), raw::text(reason)) };
    let mut trouble = shared.trouble();
    let is_refusal = |code: i32| errors::kind(code, false) == ErrorKind::Refused;
    if trouble.as_ref().is_none_or(|known| is_refusal(code) || !is_refusal(known.code)) {
        *trouble = Some(Failure::new(code, shared.secrets.hide_in(&reason)));
    }
}

unsafe extern "C" fn on_delivery(_: *mut rd_kafka_t, message: *const rd_kafka_message_t, shared: *mut c_void) {
    // SAFETY: `shared` is what `Client::new` set, and is alive; `message` is alive during this call; the topic's opaque
    // is its number, the message's is its tag (both set by `Producer`).
    unsafe {
        let shared = &*shared.cast::<Shared>();
        let topic = c::rd_kafka_topic_opaque((*message).rkt).addr();
        let code = raw::message_code(message);
        let mut deliveries = shared.deliveries();
        if code == 0 {
            // A tag was 32 bits wide when it went in.
            let tag = u32::try_from((*message)._private.addr()).unwrap_or(u32::MAX);
            deliveries.taken(tag, topic, (*message).partition, (*message).offset);
        } else {
            deliveries.failed(topic, (*message).partition, || Failure::new(code, raw::describe(code)));
        }
    }
}

/// Passes librdkafka's own log lines on. Called from any of its threads; it leaves secrets out itself.
unsafe extern "C" fn on_log(_: *const rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // While a broker is away, each attempt to reach it has its line.
    static SAID: Repetition = Repetition::new();
    // SAFETY: both are C strings of librdkafka.
    let (facility, line) = unsafe { (raw::text(facility), raw::text(line)) };
    let left_out = match level {
        ..=6 => match SAID.due(&facility) {
            None => return,
            Some(left_out) => left_out,
        },
        _ => None,
    };
    match level {
        // Properties of writers are told to be of no use to readers, and the other way round.
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", facility, "{line}"),
        0..=2 => tracing::error!(target: "librdkafka", facility, left_out, "{line}"),
        3 | 4 => tracing::warn!(target: "librdkafka", facility, left_out, "{line}"),
        5 | 6 => tracing::info!(target: "librdkafka", facility, left_out, "{line}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// What a C call that answers an error object said.
pub(super) fn check(client: &Client, error: *mut c::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours: read, then destroyed.
    unsafe {
        let failure = Failure {
            code: raw::rd_kafka_error_code(error),
            text: client.without_secrets(&raw::text(c::rd_kafka_error_string(error))),
            fatal: c::rd_kafka_error_is_fatal(error) != 0,
            requires_abort: c::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        c::rd_kafka_error_destroy(error);
        Err(failure)
    }
}

/// A pointer whose address is a number that librdkafka hands back.
pub(super) fn number_as_pointer(number: usize) -> *mut c_void {
    ptr::without_provenance_mut(number)
}
