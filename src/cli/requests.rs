//! Commands that ask the holder of the slot for something: through the control topic, so that a running bridge is not
//! fenced. Where none runs, the command takes the slot itself.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::OutgoingRecord;

use crate::inbound::slot::{JSON_HEADER, random_id};
use crate::ledger::control::{FORMAT, Request, RequestAction};
use crate::ledger::replay::{ControlState, read_control};
use crate::ledger::topics::REQUEST_PARTITION;
use crate::runner::{self, RunOptions};
use crate::wiring::Bridge;

/// What the transactional ids of commands begin with.
#[must_use]
pub(super) fn transactional_id_prefix(bridge: &str) -> String {
    format!("dropbridge-{bridge}-command")
}

/// Leaves a request, and waits until it is done: by the bridge that runs, or by ourselves.
///
/// # Errors
/// Of the log; when the bridge that runs does not answer.
pub(super) async fn ask(bridge: &Arc<Bridge>, action: RequestAction) -> anyhow::Result<()> {
    let id = random_id();
    let request = Request { format: FORMAT, id: id.clone(), requested_at: bridge.context.clock.now(), action };
    leave(bridge, &request)?;
    let mut silence = Silence::new(bridge);
    loop {
        let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
        if !control.requests.contains_key(&id) {
            return Ok(());
        }
        if silence.is_over(bridge, &control) {
            let options = RunOptions { requests_only: true, ..RunOptions::default() };
            runner::run(Arc::clone(bridge), options).await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn leave(bridge: &Bridge, request: &Request) -> anyhow::Result<()> {
    let context = &bridge.context;
    let value = serde_json::to_vec(request)?;
    let key = Request::record_key(&request.id);
    let id = format!("{}-{}", transactional_id_prefix(&bridge.settings.name), request.id);
    let mut writer = context.log.writer(&id)?;
    writer.begin()?;
    writer.send(OutgoingRecord {
        topic: &context.topics.control,
        partition: Some(REQUEST_PARTITION),
        key: Some(key.as_bytes()),
        value: Some(&value),
        headers: &[JSON_HEADER],
        tag: 0,
    })?;
    writer.commit()?;
    Ok(())
}

/// Watches whether somebody holds the slot: a claim that was given up, or whose heartbeat stands still.
struct Silence {
    beat: Option<(String, u64)>,
    since: Duration,
}

impl Silence {
    fn new(bridge: &Bridge) -> Self {
        Self { beat: None, since: bridge.context.clock.elapsed() }
    }

    fn is_over(&mut self, bridge: &Bridge, control: &ControlState) -> bool {
        let Some(claim) = control.claims.get(&0).filter(|claim| !claim.released) else { return true };
        let now = bridge.context.clock.elapsed();
        let beat = Some((claim.instance.clone(), claim.heartbeat));
        if self.beat != beat {
            self.beat = beat;
            self.since = now;
        }
        now >= self.since + bridge.context.takeover_after
    }
}
