//! OpenTelemetry traces, by option: a span for each file, and one for each stage of its way, sent to a collector by
//! OTLP over HTTP in JSON (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Traces are for looking, never for deciding: what the collector does not take in time is lost and counted in one line
//! of the log, and no file waits for it. The SDK of OpenTelemetry would bring protocol buffers and a second HTTP client;
//! what is needed of it is one message.

mod otlp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::domain::hash::hex;
use crate::http;

pub use otlp::{FileSpan, Stage, Value};

/// Spans of files that wait for the collector at most.
const MOST_WAITING: usize = 4096;

/// Files in one message.
const MOST_TOGETHER: usize = 256;

/// How long spans wait for others.
const GATHERING: Duration = Duration::from_secs(1);

/// How long the end of the process waits for the collector.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Which span of which trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
}

impl TraceContext {
    /// Of a file: a drop has one trace, whoever looks at it and however often it is tried; each attempt, told apart by
    /// when it began, is a span.
    #[must_use]
    pub fn of_file(feed: &str, key: &str, hash: &str, began: Duration) -> Self {
        let trace = digest(&[feed, key, hash]);
        let attempt = format!("{}/{}", std::process::id(), began.as_nanos());
        let span = digest(&[&hex(&trace), &attempt]);
        Self { trace: first(&trace), span: first(&span) }
    }

    /// A span within this one.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        Self { trace: self.trace, span: first(&digest(&[&hex(&self.span), name])) }
    }

    /// The value of the header `traceparent` (W3C Trace Context), sampled.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id(), self.span_id())
    }

    fn trace_id(&self) -> String {
        hex(&self.trace)
    }

    fn span_id(&self) -> String {
        hex(&self.span)
    }
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}

fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    bytes
}

enum Message {
    Span(Box<FileSpan>),
    Flush(oneshot::Sender<()>),
}

/// Sends spans to a collector.
#[derive(Debug)]
pub struct Traces {
    sender: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
}

impl Traces {
    /// Begins to send, on the runtime that this is called in. `authority` is `host:port`.
    #[must_use]
    pub fn start(authority: &str, path: &str, bridge: &str) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let exporter = Exporter {
            authority: authority.to_owned(),
            path: path.to_owned(),
            bridge: bridge.to_owned(),
            lost: Arc::clone(&lost),
            is_away: false,
        };
        tokio::spawn(exporter.run(receiver));
        Arc::new(Self { sender, lost })
    }

    /// Hands a span over; it is lost where too many wait.
    pub fn record(&self, span: FileSpan) {
        if self.sender.try_send(Message::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was handed over is sent, or the collector has taken too long.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        let flush = async {
            if self.sender.send(Message::Flush(done)).await.is_ok() {
                let _sent_or_given_up = sent.await;
            }
        };
        let _in_time = tokio::time::timeout(LAST_PATIENCE, flush).await;
    }
}

struct Exporter {
    authority: String,
    path: String,
    bridge: String,
    lost: Arc<AtomicU64>,
    is_away: bool,
}

impl Exporter {
    async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(begin) = receiver.recv().await {
            let (mut spans, mut waits) = (Vec::new(), Vec::new());
            // Answers whether there is room for more, and time to wait for it.
            let mut take = |message| match message {
                Message::Span(span) => {
                    spans.push(*span);
                    spans.len() < MOST_TOGETHER
                }
                Message::Flush(done) => {
                    waits.push(done);
                    false
                }
            };
            let until = tokio::time::Instant::now() + GATHERING;
            let mut goes_on = take(begin);
            while goes_on {
                match tokio::time::timeout_at(until, receiver.recv()).await {
                    Ok(Some(message)) => goes_on = take(message),
                    Ok(None) | Err(_) => break,
                }
            }
            if !spans.is_empty() {
                self.send(&spans).await;
            }
            for done in waits {
                let _nobody_waits = done.send(());
            }
        }
    }

    async fn send(&mut self, spans: &[FileSpan]) {
        let message = otlp::message(&self.bridge, spans);
        match http::post_json(&self.authority, &self.path, message).await {
            Ok(()) => {
                if std::mem::take(&mut self.is_away) {
                    let lost = self.lost.swap(0, Ordering::Relaxed);
                    tracing::info!(collector = %self.authority, lost, "traces are taken again");
                }
            }
            Err(error) => {
                self.lost.fetch_add(spans.len() as u64, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(collector = %self.authority, "traces are not taken, and lost until they are: {error:#}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_has_one_trace_and_each_attempt_a_span() {
        let of = |hash, began| TraceContext::of_file("bids", "2026-01-31/0042", hash, Duration::from_secs(began));
        let (first, again, other) = (of("ab", 1), of("ab", 2), of("cd", 1));
        assert_eq!((first.trace, first.trace == other.trace), (again.trace, false));
        assert_ne!(first.span, again.span);
        assert_eq!(first, of("ab", 1));
        let stage = first.within("commit");
        assert_eq!((stage.trace, stage.span == first.span), (first.trace, false));
        let parent = first.traceparent();
        assert_eq!(parent.len(), 55);
        assert!(parent.starts_with("00-") && parent.ends_with("-01"), "{parent}");
    }
}
