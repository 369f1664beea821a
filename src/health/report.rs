//! How the process stands, for `/status` and `dropbridge status`.

use serde::{Deserialize, Serialize};

use super::{Health, MOST_NAMED, RelayFacts, RenderingFacts};
use crate::arrivals::Standing;
use crate::domain::Moment;
use crate::ledger::census::FeedCensus;

/// Everything that is known of a running process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The bridge's name.
    pub bridge: String,
    /// The program's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// When it began.
    pub started_at: Moment,
    /// When this was said.
    pub at: Moment,
    /// The slot.
    pub slot: SlotReport,
    /// The log.
    pub log: LogReport,
    /// Why it is not ready; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unready: Option<String>,
    /// Threads that make no progress.
    pub stuck: Vec<String>,
    /// Its feeds, by id.
    pub feeds: Vec<FeedReport>,
    /// The relays of interposed feeds, by feed.
    #[serde(default)]
    pub relays: Vec<RelayFacts>,
    /// Its renderings, by id.
    #[serde(default)]
    pub renderings: Vec<RenderingFacts>,
}

/// The slot of a running process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotReport {
    /// `starting`, `held`, `standing by` or `ended`.
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// Who holds it, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// The log of a running process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogReport {
    /// Its address, without secrets.
    pub address: String,
    /// Seconds since it answered last; absent when it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_s_ago: Option<f64>,
    /// What it answered last, where that was an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A feed of a running process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedReport {
    /// Its id.
    pub feed: String,
    /// Its department.
    pub department: String,
    /// `ok`, `paused` or `stopped`.
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// Why it is not looked after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Entries that wait for something other than time: the first of them.
    pub waiting: Vec<Waiting>,
    /// How many there are.
    pub waiting_files: usize,
    /// Entries whose quiet time is running.
    pub settling_files: usize,
    /// Entries whose bytes are taken, and whose outcome is not committed.
    pub in_flight_files: usize,
    /// Seconds since the entry was first seen that is longest on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_waiting_s: Option<f64>,
    /// Seconds since its thread came on, in this process; absent where none looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_s_ago: Option<f64>,
    /// How it stands with the files that it expects; absent where it expects none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Standing>,
    /// What the ledger says of it.
    pub drops: FeedCensus,
}

/// An entry that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its path below the inbox.
    pub path: String,
    /// What it waits for.
    #[serde(rename = "for")]
    pub missing: String,
}

impl Health {
    /// How everything stands.
    #[must_use]
    pub fn report(&self, bridge: &str) -> Report {
        let (unready, stuck) = (self.unready(), self.stuck());
        let now = self.clock.elapsed();
        let state = self.state();
        let ago = |then: std::time::Duration| now.saturating_sub(then).as_secs_f64();
        let feeds = state.feeds.iter().map(|(id, feed)| FeedReport {
            feed: id.clone(),
            department: feed.department.clone(),
            state: feed.state.as_str().to_owned(),
            since: feed.since,
            reason: feed.reason.clone(),
            waiting: feed
                .files
                .waiting
                .iter()
                .take(MOST_NAMED)
                .map(|(path, missing)| Waiting { path: path.clone(), missing: (*missing).to_owned() })
                .collect(),
            waiting_files: feed.files.waiting.len(),
            settling_files: feed.files.settling,
            in_flight_files: feed.files.in_flight,
            oldest_waiting_s: feed.files.oldest.map(ago),
            looked_s_ago: state.threads.get(&super::feed_thread(id)).map(|thread| ago(thread.beat)),
            arrivals: feed.arrivals.clone(),
            drops: feed.census.clone(),
        });
        let holder =
            if let super::SlotStanding::StandingBy { holder } = &state.slot { Some(holder.clone()) } else { None };
        Report {
            bridge: bridge.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at,
            at: self.clock.now(),
            slot: SlotReport { state: state.slot.as_str().to_owned(), since: state.slot_since, holder },
            log: LogReport {
                address: state.log_address.clone(),
                answered_s_ago: state.log_answered.map(ago),
                error: state.log_error.clone(),
            },
            unready,
            stuck,
            feeds: feeds.collect(),
            relays: state.relays.values().map(|relay| named(relay.facts(now))).collect(),
            renderings: state.renderings.values().cloned().collect(),
        }
    }
}

/// What is said of a relay with many files that wait: the first of them.
fn named(mut facts: RelayFacts) -> RelayFacts {
    facts.waiting.truncate(MOST_NAMED);
    facts.held.truncate(MOST_NAMED);
    facts
}
