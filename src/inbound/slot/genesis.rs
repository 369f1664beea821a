//! The genesis: whether this log is the one of this bridge.

use dropbridge_port::{ErrorKind, PortError, Result};

use super::Context;
use crate::ledger::control::Genesis;
use crate::ledger::replay::ControlState;

/// Holds what the log says of its birth against what the state directory says.
///
/// # Errors
/// `Configuration` when neither knows of one, `Corrupt` when they differ.
pub fn verify_genesis(control: &ControlState, witness: Option<&str>, context: &Context) -> Result<Genesis> {
    let address = context.log.address();
    match (&control.genesis, witness) {
        (Some(genesis), _) if genesis.bridge != context.bridge => Err(PortError::new(
            ErrorKind::Configuration,
            "open log",
            address,
            format!("these topics belong to the bridge `{}`, this one is called `{}`", genesis.bridge, context.bridge),
        )
        .with_hint("a bridge keeps its name for ever: by it one instance fences another; or give the new one another topics.prefix")),
        (Some(genesis), None) => Ok(genesis.clone()),
        (Some(genesis), Some(id)) if genesis.id == id => Ok(genesis.clone()),
        (Some(genesis), Some(id)) => Err(PortError::new(
            ErrorKind::Corrupt,
            "open log",
            address,
            format!(
                "it was initialised as genesis {}, the state directory is of genesis {id}: another log",
                genesis.id
            ),
        )
        .with_hint("point the configuration at the log that belongs to this state directory")),
        (None, Some(id)) => Err(PortError::new(
            ErrorKind::Corrupt,
            "open log",
            address,
            format!("it has no genesis, but this bridge has a past (genesis {id}): the log was emptied or exchanged"),
        )
        .with_hint("restore the log; a fresh start would publish everything in the inboxes again")),
        (None, None) => {
            Err(PortError::new(ErrorKind::Configuration, "open log", address, "the bridge is not initialised")
                .with_hint("run `dropbridge init`"))
        }
    }
}
