//! Commands that ask the holder of the slot for something: through the control topic, so that a running bridge is not
//! fenced. Where none runs, the command takes the slot itself.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{OutgoingRecord, Writer};

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
    let request = new_request(bridge, action);
    leave(bridge, &[], Some(&request))?;
    if !wait(bridge, &request.id).await? {
        let options = RunOptions { requests_only: true, ..RunOptions::default() };
        runner::run(Arc::clone(bridge), options).await?;
    }
    Ok(())
}

/// Writes a record of the control topic and, in the same transaction, a request; waits until that is done, and answers
/// whether it was. Nobody takes the slot for it: it is done when somebody does.
///
/// # Errors
/// Of the log.
pub(super) async fn tell(
    bridge: &Arc<Bridge>,
    record: OutgoingRecord<'_>,
    action: Option<RequestAction>,
) -> anyhow::Result<bool> {
    let request = action.map(|action| new_request(bridge, action));
    leave(bridge, &[record], request.as_ref())?;
    match request {
        Some(request) => wait(bridge, &request.id).await,
        None => Ok(false),
    }
}

/// Waits until a request is done; `false` when nobody is there to do it.
async fn wait(bridge: &Bridge, id: &str) -> anyhow::Result<bool> {
    let mut silence = Silence::new(bridge);
    loop {
        let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
        if !control.requests.contains_key(id) {
            return Ok(true);
        }
        if silence.is_over(bridge, &control) {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn new_request(bridge: &Bridge, action: RequestAction) -> Request {
    Request { format: FORMAT, id: random_id(), requested_at: bridge.context.clock.now(), action }
}

/// Writes records of the control topic, all or none: by their keys, with their values. Whoever holds the slot reads them
/// before any request that comes behind them.
///
/// # Errors
/// Of the log.
pub(super) fn state(bridge: &Bridge, records: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    let record = |key, value| OutgoingRecord {
        topic: &bridge.context.topics.control,
        partition: Some(REQUEST_PARTITION),
        key: Some(key),
        value: Some(value),
        headers: &[JSON_HEADER],
        tag: 0,
    };
    let records: Vec<OutgoingRecord<'_>> =
        records.iter().map(|(key, value)| record(key.as_bytes(), value.as_slice())).collect();
    leave(bridge, &records, None)
}

fn leave(bridge: &Bridge, beside: &[OutgoingRecord<'_>], request: Option<&Request>) -> anyhow::Result<()> {
    let context = &bridge.context;
    let id = format!("{}-{}", transactional_id_prefix(&bridge.settings.name), random_id());
    let mut writer = context.log.writer(&id)?;
    writer.begin()?;
    for record in beside {
        writer.send(*record)?;
    }
    if let Some(request) = request {
        send(&mut *writer, &context.topics.control, request)?;
    }
    writer.commit()?;
    Ok(())
}

/// Adds a request to a transaction.
///
/// # Errors
/// Of the log.
pub(super) fn send(writer: &mut dyn Writer, topic: &str, request: &Request) -> anyhow::Result<()> {
    let (key, value) = (Request::record_key(&request.id), serde_json::to_vec(request)?);
    writer.send(OutgoingRecord {
        topic,
        partition: Some(REQUEST_PARTITION),
        key: Some(key.as_bytes()),
        value: Some(&value),
        headers: &[JSON_HEADER],
        tag: 0,
    })?;
    Ok(())
}

/// Watches whether somebody holds the slot: a claim that was given up, or whose heartbeat stands still.
pub(super) struct Silence {
    beat: Option<(String, u64)>,
    since: Duration,
}

impl Silence {
    pub(super) fn new(bridge: &Bridge) -> Self {
        Self { beat: None, since: bridge.context.clock.elapsed() }
    }

    pub(super) fn is_over(&mut self, bridge: &Bridge, control: &ControlState) -> bool {
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
