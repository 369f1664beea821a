//! Waiting for the cluster within a time, with an eye on what a client complains about meanwhile.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};

use crate::errors::Failure;
use crate::native::Client;

/// How long one call of librdkafka waits before complaints are looked at.
const SLICE: Duration = Duration::from_millis(250);

/// Calls, slice by slice, until it succeeds, fails for good, or the time is over. A call that timed out is made again.
///
/// A refused login or an untrusted certificate ends the wait at once: librdkafka itself would go on trying.
pub(crate) fn within<T>(
    timeout: Duration,
    client: &Client,
    operation: &'static str,
    subject: &str,
    mut call: impl FnMut(Duration) -> std::result::Result<T, Failure>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    let mut complaint: Option<Failure> = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match call(left.min(SLICE)) {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        client.serve(Duration::ZERO);
        complaint = client.take_trouble().or(complaint);
        if let Some(refused) = complaint.take_if(|complaint| complaint.kind() == ErrorKind::Refused) {
            return Err(refused.into_port(operation, subject));
        }
        if failure.kind() != ErrorKind::Transient || failure.requires_abort {
            return Err(failure.into_port(operation, subject));
        }
        if left.is_zero() {
            return Err(complaint.unwrap_or(failure).into_port(operation, subject));
        }
        if !failure.is_timeout() {
            // It failed at once: do not ask again as fast as the machine can.
            client.serve(left.min(SLICE));
        }
    }
}

/// Runs a future of the administration client to its end; its own time limit ends it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// The error for a time that is over, with what the client complained about last.
pub(crate) fn time_is_over(client: &Client, operation: &'static str, subject: &str, message: &str) -> PortError {
    match client.take_trouble() {
        Some(trouble) => {
            let text = format!("{message}; {}", trouble.text);
            Failure { text, ..trouble }.into_port(operation, subject)
        }
        None => PortError::new(ErrorKind::Transient, operation, subject, message),
    }
}
