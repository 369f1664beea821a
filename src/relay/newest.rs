//! The newest business date that relays have passed on: a cutover may not give it away any more.

use std::path::Path;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError};

use super::journal::Journal;
use super::state::RelayState;
use crate::domain::BusinessDate;
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::Context;

/// How long a journal is waited for that a relay of this process may be about to take.
const PATIENCE: Duration = Duration::from_secs(2);

/// So soon it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The newest date of the files that a department's relays have passed on, which the ledger may not know yet. `for_good`:
/// no other process may pass one on from now on, which a frozen one with a relay of its own could.
///
/// # Errors
/// Why nobody can tell now.
pub fn newest_relayed<'p>(
    context: &Context,
    journals: &Path,
    department: &str,
    plans: impl Iterator<Item = &'p FeedPlan>,
    for_good: bool,
) -> Result<Option<BusinessDate>, String> {
    let mut newest = None;
    let interposed = |plan: &&FeedPlan| plan.settings.department == department && plan.settings.relay.is_some();
    // Of its own relays this process knows what they took.
    for plan in plans.filter(interposed).filter(|plan| !context.authorities.has_relay(plan.id())) {
        let state = state_of(context, journals, plan, for_good)
            .map_err(|error| format!("what the relay of {} has passed on is not known: {error}", plan.id()))?;
        newest = newest.max(state.and_then(|state| newest_of(plan, &state)));
    }
    Ok(newest)
}

/// What a journal says that may be another process's; nothing where there is none, or where it is this process's by now.
fn state_of(
    context: &Context,
    journals: &Path,
    plan: &FeedPlan,
    for_good: bool,
) -> Result<Option<RelayState>, PortError> {
    let patience = context.clock.elapsed() + PATIENCE;
    loop {
        match Journal::open(journals, plan.id()) {
            Ok(journal) => return Ok(Some(journal.state().clone())),
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(_) if !for_good => return Journal::look(journals, plan.id()).map(Some),
            // A relay of ours that is about to begin has locked it, and says so in a moment.
            Err(_) if context.authorities.has_relay(plan.id()) => return Ok(None),
            Err(error) if context.clock.elapsed() >= patience || context.stop.is_raised() => return Err(error),
            Err(_) => _ = context.stop.wait(LOOK_AGAIN),
        }
    }
}

/// The newest date in the names of those files that a relay's journal knows.
#[must_use]
pub fn newest_of(plan: &FeedPlan, state: &RelayState) -> Option<BusinessDate> {
    let open = state.open.values().filter_map(|intent| intent.file().map(|file| file.target.as_str()));
    let paths = state.known.keys().chain(state.held.keys()).map(String::as_str).chain(open);
    paths.filter_map(|path| plan.selection.date_of(path)).max()
}
