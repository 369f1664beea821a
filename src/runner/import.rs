//! Taking the ledger of a bridge over into another log.
//!
//! The feeds get their baselines in the last transaction: until then they do not run, so that an import which was
//! interrupted publishes nothing, and is done again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::{genesis, read_witness, write_witness};
use crate::inbound::slot::Slot;
use crate::ledger::LedgerEntry;
use crate::ledger::control::{Baseline, FORMAT, Genesis, Import};
use crate::ledger::replay::{ControlState, read_control};
use crate::ledger::transfer::{self, ExportHeader, Imported};
use crate::wiring::Bridge;

/// How many records share a transaction.
const RECORDS_PER_TRANSACTION: usize = 5000;

/// What was imported.
#[derive(Clone, Debug)]
pub struct ImportSummary {
    /// How many records.
    pub records: u64,
    /// How many feeds have their baseline.
    pub feeds: usize,
    /// Drops that are held, and whose bytes are not in the store.
    pub without_bytes: Vec<LedgerEntry>,
}

/// Imports an export into a log in which the bridge has no past. `each` is told of every record, and beforehand how many
/// there are.
///
/// # Errors
/// A file that is not whole; a log in which there is a past.
pub fn import_ledger(bridge: &Bridge, file: &Path, each: &mut dyn FnMut(u64)) -> anyhow::Result<ImportSummary> {
    let named = || file.display().to_string();
    // Once to see that it is whole, before anything is written.
    let (header, records) = transfer::read(open(file)?, &mut |_, _| Ok(())).with_context(named)?;
    each(records);
    let genesis = prepare_log(bridge, &header)?;
    let (mut slot, control) = Slot::take(bridge.context.clone(), 0, Some(&genesis.id))?;
    if let Err(refused) = refuse_a_past(bridge, &control, &header) {
        slot.release()?;
        return Err(refused);
    }
    say(&mut slot, &header, false)?;
    write_records(&mut slot, file, each).with_context(named)?;
    say(&mut slot, &header, true)?;
    let store = bridge.store()?;
    let mut without_bytes = bridge.context.ledger().open_drops()?;
    without_bytes.retain(|entry| entry.state.needs_store() && !entry.sha256.is_some_and(|hash| store.contains(hash)));
    slot.release()?;
    Ok(ImportSummary { records, feeds: header.baselines.len(), without_bytes })
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    if file.extension().is_some_and(|ending| ending == "zst") {
        return Ok(Box::new(BufReader::new(zstd::Decoder::new(opened)?)));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, opened)))
}

/// Makes topics and genesis where they are missing. The state directory may be that of the bridge which was exported.
fn prepare_log(bridge: &Bridge, header: &ExportHeader) -> anyhow::Result<Genesis> {
    let context = &bridge.context;
    if header.bridge != bridge.settings.name {
        bail!("the export is of the bridge `{}`, this one is called `{}`", header.bridge, bridge.settings.name);
    }
    context.log.create_topics(&context.topics.specs())?;
    let control = read_control(&*context.log, &context.topics)?;
    let state = &bridge.settings.state;
    let witness = read_witness(state)?;
    let is_of_exported = witness.as_deref().is_none_or(|witness| witness == header.genesis.id);
    match control.genesis {
        Some(genesis) if genesis.id == header.genesis.id => {
            bail!("{} is the log that it was exported from", context.log.address())
        }
        Some(genesis) if witness.as_ref() == Some(&genesis.id) => Ok(genesis),
        Some(genesis) if is_of_exported && genesis.bridge == header.bridge => {
            write_witness(state, &genesis.id)?;
            Ok(genesis)
        }
        None if is_of_exported => genesis::make(context, state),
        _ => bail!("the state directory {} is of another bridge: give this one its own", state.display()),
    }
}

fn refuse_a_past(bridge: &Bridge, control: &ControlState, header: &ExportHeader) -> anyhow::Result<()> {
    let drops = bridge.context.ledger().count_all();
    match &control.import {
        Some(import) if !import.complete && import.genesis == header.genesis.id => return Ok(()),
        Some(import) if import.complete => {
            bail!("the ledger was imported already, at {}: nothing was changed", import.at.local())
        }
        _ => {}
    }
    if drops > 0 || !control.baselines.is_empty() {
        bail!(
            "the bridge has a past in {}: {drops} drops, and {} feeds have their baseline; nothing was changed. \
             A ledger is imported instead of `dropbridge init`, not after it",
            bridge.context.log.address(),
            control.baselines.len()
        );
    }
    Ok(())
}

/// Says that an import is begun; or that it is complete, and with that, which feeds have their baseline.
fn say(slot: &mut Slot, header: &ExportHeader, complete: bool) -> anyhow::Result<()> {
    let topic = slot.context().topics.control.clone();
    let at = slot.context().clock.now();
    let import = Import { format: FORMAT, genesis: header.genesis.id.clone(), complete, at };
    slot.begin()?;
    if complete {
        for baseline in &header.baselines {
            slot.send_own(&topic, 0, &Baseline::record_key(&baseline.feed), Some(baseline))?;
        }
    }
    slot.send_own(&topic, 0, Import::RECORD_KEY, Some(&import))?;
    Ok(slot.commit()?)
}

fn write_records(slot: &mut Slot, file: &Path, each: &mut dyn FnMut(u64)) -> anyhow::Result<()> {
    let mut pending = 0;
    transfer::read(open(file)?, &mut |header, imported| {
        if pending == 0 {
            slot.begin()?;
        }
        match imported {
            Imported::Drop(entry) => slot.restore_to_ledger(&transfer::of_another_log(*entry, &header.log))?,
            Imported::Removed(key) => slot.remove_from_ledger(key)?,
        }
        pending += 1;
        each(1);
        if pending == RECORDS_PER_TRANSACTION {
            slot.commit()?;
            slot.beat_if_due()?;
            pending = 0;
        }
        Ok(())
    })?;
    if pending > 0 {
        slot.commit()?;
    }
    Ok(())
}
