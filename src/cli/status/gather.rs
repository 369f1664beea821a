//! What can be found out: from the log's control and ledger topics, the store, and the running bridge over HTTP where
//! that is configured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;

use super::judge;
use super::outgoing::{self, Relay, Rendering};
use crate::arrivals::Standing;
use crate::capture::Store;
use crate::config::Settings;
use crate::domain::Moment;
use crate::health::{FeedReport, Report};
use crate::http;
use crate::inbound::plan::FeedPlan;
use crate::ledger::census::{Census, FeedCensus};
use crate::ledger::control::Claim;
use crate::ledger::replay::{ControlState, read_control};
use crate::wiring::Bridge;

/// How everything stands.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) bridge: String,
    pub(super) at: Moment,
    pub(super) log: String,
    pub(super) slot: Slot,
    pub(super) store: Option<StoreUse>,
    /// Requests of commands that wait for the holder of the slot.
    pub(super) requests: usize,
    pub(super) live: Live,
    pub(super) feeds: Vec<Feed>,
    pub(super) relays: Vec<Relay>,
    pub(super) renderings: Vec<Rendering>,
    /// What needs a person.
    pub(super) findings: Vec<String>,
}

/// The slot, by its newest claim.
#[derive(Debug, Serialize)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) holder: Option<String>,
    pub(super) claimed_at: Option<Moment>,
    pub(super) heartbeat_at: Option<Moment>,
    /// By our clock, which may not be the holder's.
    pub(super) heartbeat_age_s: Option<u64>,
}

/// Whether somebody holds the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SlotState {
    /// Nobody has ever held it.
    Never,
    /// Its last holder gave it up.
    Free,
    /// Its holder's heartbeat is young.
    Held,
    /// Its holder has been silent for longer than a standby would wait.
    Silent,
}

/// What the store takes.
#[derive(Debug, Serialize)]
pub(super) struct StoreUse {
    pub(super) objects: usize,
    pub(super) bytes: u64,
    pub(super) quota_bytes: Option<u64>,
}

/// What the running bridge says over HTTP.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Live {
    /// `[http]` is not configured.
    NotAsked,
    /// Nobody answers, and why.
    Silent(String),
    /// It answered.
    Answered { address: SocketAddr, report: Box<Report> },
}

impl Live {
    /// What the running bridge says.
    pub(super) fn report(&self) -> Option<&Report> {
        match self {
            Self::Answered { report, .. } => Some(report),
            Self::NotAsked | Self::Silent(_) => None,
        }
    }
}

/// One feed.
#[derive(Debug, Serialize)]
pub(super) struct Feed {
    pub(super) feed: String,
    pub(super) department: String,
    pub(super) has_baseline: bool,
    pub(super) drops: FeedCensus,
    /// What is awaited and what is overdue, where the feed says when files are expected.
    pub(super) arrivals: Option<Standing>,
    /// From the running bridge.
    pub(super) live: Option<FeedReport>,
}

/// Asks the running bridge, where it is to be asked.
pub(super) async fn ask(settings: &Settings) -> Live {
    let Some(http) = &settings.http else { return Live::NotAsked };
    let address = reachable(http.listen);
    match http::get(address, "/status").await.and_then(|body| Ok(serde_json::from_slice::<Report>(&body)?)) {
        Ok(report) if report.bridge == settings.name => Live::Answered { address, report: Box::new(report) },
        Ok(report) => Live::Silent(format!("another bridge, `{}`, answers at {address}", report.bridge)),
        Err(error) => Live::Silent(format!("nobody answers at {address}: {error:#}")),
    }
}

/// Who listens at all addresses is reached at the machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let own = if listen.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
    if listen.ip().is_unspecified() { SocketAddr::new(own, listen.port()) } else { listen }
}

/// Puts together what log, store and running bridge say.
///
/// # Errors
/// Of the log and the store; when the bridge is not initialised.
pub(super) fn gather(bridge: &Bridge, live: Live) -> anyhow::Result<Status> {
    let context = &bridge.context;
    let control = read_control(&*context.log, &context.topics)?;
    let now = context.clock.now();
    let mut status = Status {
        bridge: bridge.settings.name.clone(),
        at: now,
        log: context.log.address().to_owned(),
        slot: slot(control.claims.get(&0), now, context.takeover_after),
        store: store_use(bridge)?,
        requests: control.requests.len(),
        feeds: feeds(bridge, &control, &live, now)?,
        relays: outgoing::relays(bridge, &live)?,
        renderings: outgoing::renderings(bridge, &live)?,
        live,
        findings: Vec::new(),
    };
    status.findings = judge::findings(&status);
    Ok(status)
}

fn slot(claim: Option<&Claim>, now: Moment, takeover_after: Duration) -> Slot {
    let age = claim.map(|claim| now.since(claim.heartbeat_at));
    let state = match (claim, age) {
        (None, _) => SlotState::Never,
        (Some(claim), _) if claim.released => SlotState::Free,
        (_, Some(age)) if age > takeover_after => SlotState::Silent,
        _ => SlotState::Held,
    };
    Slot {
        state,
        holder: claim.map(|claim| claim.holder.clone()),
        claimed_at: claim.map(|claim| claim.claimed_at),
        heartbeat_at: claim.map(|claim| claim.heartbeat_at),
        heartbeat_age_s: age.map(|age| age.as_secs()),
    }
}

/// Nothing is made: a store that is not there yet holds nothing.
fn store_use(bridge: &Bridge) -> anyhow::Result<Option<StoreUse>> {
    let settings = &bridge.settings.store;
    if !settings.path.join("objects").is_dir() {
        return Ok(None);
    }
    let objects = Store::open(&settings.path, settings.options)?.list()?;
    let bytes = objects.iter().map(|object| object.stored_bytes).sum();
    Ok(Some(StoreUse { objects: objects.len(), bytes, quota_bytes: settings.options.quota }))
}

fn feeds(bridge: &Bridge, control: &ControlState, live: &Live, now: Moment) -> anyhow::Result<Vec<Feed>> {
    let mut standings = bridge.context.arrivals.standings(&control.arrivals, now);
    // The holder has counted already; otherwise the ledger is read, which takes its time.
    let holder = live.report().filter(|report| report.slot.state == "held");
    let census = if holder.is_some() { Census::default() } else { census(bridge, control)? };
    let feed = |plan: &Arc<FeedPlan>| {
        let of_report = holder.and_then(|report| report.feeds.iter().find(|feed| feed.feed == plan.id()));
        Feed {
            feed: plan.id().to_owned(),
            department: plan.settings.department.clone(),
            has_baseline: control.baselines.contains_key(plan.id()),
            drops: of_report.map_or_else(|| census.of(plan.id()), |report| report.drops.clone()),
            arrivals: standings.remove(plan.id()),
            live: of_report.cloned(),
        }
    };
    Ok(bridge.feeds.iter().map(feed).collect())
}

fn census(bridge: &Bridge, control: &ControlState) -> anyhow::Result<Census> {
    let context = &bridge.context;
    let genesis =
        control.genesis.as_ref().ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
    Ok(context.look_into_ledger(0, genesis)?.census().clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_claim_is_held_until_a_standby_would_take_it() {
        let at = |seconds: i64| Moment::from_unix_ns(seconds * 1_000_000_000);
        let claim = |released| Claim {
            format: 1,
            slot: 0,
            instance: "a".to_owned(),
            holder: "host/7".to_owned(),
            claimed_at: at(0),
            heartbeat: 3,
            heartbeat_at: at(100),
            released,
        };
        let state = |claim: Option<Claim>, now| slot(claim.as_ref(), at(now), Duration::from_secs(30)).state;
        assert_eq!(state(None, 100), SlotState::Never);
        assert_eq!(state(Some(claim(false)), 130), SlotState::Held);
        assert_eq!(state(Some(claim(false)), 131), SlotState::Silent);
        assert_eq!(state(Some(claim(false)), 90), SlotState::Held, "its clock is ahead of ours");
        assert_eq!(state(Some(claim(true)), 5000), SlotState::Free);
    }

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(of("0.0.0.0:9847"), "127.0.0.1:9847");
        assert_eq!(of("[::]:9847"), "[::1]:9847");
        assert_eq!(of("10.0.0.7:9847"), "10.0.0.7:9847");
    }
}
