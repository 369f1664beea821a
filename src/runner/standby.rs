//! Standing by: watching the holder's heartbeat stand still.

use std::time::Duration;

use dropbridge_port::ErrorKind;

use crate::health::SlotStanding;
use crate::ledger::replay::read_control;
use crate::stop::Backoff;
use crate::wiring::Bridge;

/// How often a standby looks at the claim at most.
const SHORTEST_LOOK: Duration = Duration::from_millis(100);

/// How often it looks at least: a slot that is given up is taken soon, however long silence is borne.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Why a standby stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The slot is free: its holder gave it up, or has been silent for too long.
    Free,
    /// We were asked to stop.
    Stopped,
}

/// Waits until the holder of the slot has given it up or was silent for the configured time, on our own clock.
pub(super) fn wait_for_silence(bridge: &Bridge) -> anyhow::Result<Waited> {
    let context = &bridge.context;
    let mut last = None;
    let mut since = context.clock.elapsed();
    let mut backoff = Backoff::default();
    let health = &context.health;
    let pulse = health.pulse("standby");
    tracing::info!("standing by");
    loop {
        pulse.beat();
        let asked = context.clock.elapsed();
        match read_control(&*context.log, &context.topics) {
            Ok(control) => {
                backoff = Backoff::default();
                health.log_answered();
                let Some(claim) = control.claims.get(&0) else { return Ok(Waited::Free) };
                if claim.released {
                    tracing::info!(holder = %claim.holder, "the slot was given up: taking it");
                    return Ok(Waited::Free);
                }
                health.set_slot(SlotStanding::StandingBy { holder: claim.holder.clone() });
                let beat = (claim.instance.clone(), claim.heartbeat);
                // A log that was slow to answer was slow for the holder too: that is no silence of its own.
                let was_slow = context.clock.elapsed() >= asked + context.takeover_after / 4;
                if was_slow || last.as_ref() != Some(&beat) {
                    since = context.clock.elapsed();
                    health.heartbeat();
                    last = Some(beat);
                } else if context.clock.elapsed() >= since + context.takeover_after {
                    tracing::warn!(holder = %claim.holder, "silent since {}: taking the slot", claim.heartbeat_at.local());
                    return Ok(Waited::Free);
                }
            }
            // A log that is away says nothing about the holder.
            Err(error) if error.kind == ErrorKind::Transient => {
                since = context.clock.elapsed();
                health.log_failed(error.kind.as_str(), &error.to_string(), true);
                if context.stop.wait(backoff.pause()) {
                    return Ok(Waited::Stopped);
                }
            }
            Err(error) => return Err(error.into()),
        }
        if context.stop.wait((context.takeover_after / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK)) {
            return Ok(Waited::Stopped);
        }
    }
}
