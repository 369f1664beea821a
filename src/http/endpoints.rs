//! What each path is answered with. No I/O.

use std::sync::Arc;

use crate::health::Health;
use crate::metrics::{self, Metrics};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What can be asked, for whoever asks something else.
const PATHS: &str = "/metrics  numbers for Prometheus\n\
    /healthz  200 while the process lives: its threads make progress\n\
    /readyz   200 while it holds the slot or stands by, and the log answers\n\
    /status   how everything stands, as JSON\n";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP's status code.
    pub status: u16,
    /// HTTP's content type.
    pub content_type: &'static str,
    /// The content.
    pub body: String,
}

impl Reply {
    /// An answer in text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT, body: body.into() }
    }
}

/// Answers requests.
#[derive(Clone)]
pub struct Endpoints {
    /// The bridge's name.
    pub bridge: String,
    /// How it stands.
    pub health: Arc<Health>,
    /// Its numbers.
    pub metrics: Arc<Metrics>,
}

impl Endpoints {
    /// Answers a path.
    #[must_use]
    pub fn reply(&self, path: &str) -> Reply {
        match path {
            "/metrics" => {
                self.health.refresh_metrics();
                Reply { status: 200, content_type: metrics::CONTENT_TYPE, body: self.metrics.text() }
            }
            "/healthz" => {
                let stuck = self.health.stuck();
                if stuck.is_empty() { Reply::text(200, "ok\n") } else { Reply::text(503, stuck.join("\n") + "\n") }
            }
            "/readyz" => match self.health.unready() {
                None => Reply::text(200, "ok\n"),
                Some(reason) => Reply::text(503, reason + "\n"),
            },
            "/status" => match serde_json::to_string(&self.health.report(&self.bridge)) {
                Ok(body) => Reply { status: 200, content_type: JSON, body },
                Err(error) => Reply::text(500, error.to_string()),
            },
            "/" => Reply::text(200, PATHS),
            _ => Reply::text(404, PATHS),
        }
    }
}
