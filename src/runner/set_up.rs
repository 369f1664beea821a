//! Setting a bridge up: topics, genesis, store, and the baseline of each feed that has none.

use std::sync::Arc;

use dropbridge_port::ErrorKind;

use crate::inbound::baseline::{BaselinePolicy, record_baseline, survey_baseline};
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::Slot;
use crate::ledger::control::Genesis;
use crate::ledger::replay::read_control;
use crate::wiring::Bridge;

use super::{initialise, read_witness};

/// Makes what is missing of topics, genesis and store. Answers the genesis, and whether it is new.
///
/// # Errors
/// Of the log and the store; `Refused` where the cluster lets us make no topics.
pub fn set_up(bridge: &Bridge) -> anyhow::Result<(Genesis, bool)> {
    let made = bridge.context.log.create_topics(&bridge.context.topics.specs());
    made.map_err(|error| match error.kind {
        ErrorKind::Refused => error.with_hint("`dropbridge init --plan` lists what an administrator has to set up"),
        _ => error,
    })?;
    let (genesis, new) = initialise(&bridge.context, &bridge.settings.state)?;
    bridge.store()?;
    Ok((genesis, new))
}

/// Feeds that have no baseline yet.
///
/// # Errors
/// Of the log.
pub fn without_baseline(bridge: &Bridge) -> anyhow::Result<Vec<Arc<FeedPlan>>> {
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    Ok(bridge.feeds.iter().filter(|plan| !control.baselines.contains_key(plan.id())).cloned().collect())
}

/// What came of a feed's baseline: how many entries it has, or why it has none.
pub type BaselineOutcome = anyhow::Result<u64>;

/// Gives feeds their baseline under the slot, and tells `each` what came of it. One that fails keeps no other from
/// its own.
///
/// # Errors
/// Of the slot, and of `each`.
pub fn give_baselines(
    bridge: &Bridge,
    feeds: &[Arc<FeedPlan>],
    policy: BaselinePolicy,
    each: &mut dyn FnMut(&FeedPlan, BaselineOutcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if feeds.is_empty() {
        return Ok(());
    }
    let witness = read_witness(&bridge.settings.state)?;
    let (mut slot, _) = Slot::take(bridge.context.clone(), 0, witness.as_deref())?;
    for plan in feeds {
        each(plan, give_baseline(bridge, &mut slot, plan, policy))?;
    }
    Ok(slot.release()?)
}

fn give_baseline(bridge: &Bridge, slot: &mut Slot, plan: &FeedPlan, policy: BaselinePolicy) -> BaselineOutcome {
    let share = bridge.share(&plan.settings)?;
    let entries = survey_baseline(plan, &*share, policy, slot.context().clock.now())?;
    record_baseline(slot, plan, policy, &entries)?;
    Ok(entries.len() as u64)
}
