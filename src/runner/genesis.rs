//! The birth of a bridge: its id in the control topic, at the head of the ledger, and in the state directory.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use dropbridge_port::OutgoingRecord;

use crate::inbound::slot::{Context, JSON_HEADER, random_id};
use crate::ledger::control::{FORMAT, GENESIS_KEY, Genesis};
use crate::ledger::replay::read_control;
use crate::ledger::topics::SLOTS;
use crate::wiring::make_private_directory;

const WITNESS: &str = "genesis";

/// The genesis id that the state directory knows, if it knows one.
///
/// # Errors
/// Of the file system.
pub fn read_witness(state: &Path) -> anyhow::Result<Option<String>> {
    let path = state.join(WITNESS);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Writes the genesis id into the state directory, durably.
///
/// # Errors
/// Of the file system.
pub fn write_witness(state: &Path, id: &str) -> anyhow::Result<()> {
    make_private_directory(state)?;
    let (path, part) = (state.join(WITNESS), state.join("genesis.part"));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&part)?;
        writeln!(file, "{id}")?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        fs::File::open(state)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Makes the bridge's genesis, unless it has one. Answers it, and whether it is new.
///
/// # Errors
/// Of the log; when log and state directory contradict each other.
pub fn initialise(context: &Context, state: &Path) -> anyhow::Result<(Genesis, bool)> {
    let control = read_control(&*context.log, &context.topics)?;
    let witness = read_witness(state)?;
    if control.genesis.is_some() || witness.is_some() {
        let genesis = crate::inbound::slot::verify_genesis(&control, witness.as_deref(), context)?;
        if witness.is_none() {
            write_witness(state, &genesis.id)?;
        }
        return Ok((genesis, false));
    }
    Ok((make(context, state)?, true))
}

/// Makes the bridge's genesis in a log that has none.
///
/// # Errors
/// Of the log and the file system.
pub(super) fn make(context: &Context, state: &Path) -> anyhow::Result<Genesis> {
    let genesis =
        Genesis { format: FORMAT, id: random_id(), bridge: context.bridge.clone(), created_at: context.clock.now() };
    let value = serde_json::to_vec(&genesis)?;
    let mut writer = context.log.writer(&Context::transactional_id(&context.bridge, 0))?;
    writer.begin()?;
    let mut places = vec![(context.topics.control.as_str(), 0)];
    places.extend((0..SLOTS).map(|slot| (context.topics.ledger.as_str(), slot)));
    for (topic, partition) in places {
        writer.send(OutgoingRecord {
            topic,
            partition: Some(partition),
            key: Some(GENESIS_KEY.as_bytes()),
            value: Some(&value),
            headers: &[JSON_HEADER],
            tag: 0,
        })?;
    }
    writer.commit()?;
    write_witness(state, &genesis.id)?;
    Ok(genesis)
}
