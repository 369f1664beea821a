//! `dropbridge ledger export` and `ledger import`: the move to another log.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::output::counted;
use crate::cli::{Answer, Output};
use crate::ledger::LedgerEntry;
use crate::ledger::control::GENESIS_KEY;
use crate::ledger::open::each_record;
use crate::ledger::replay::read_control;
use crate::ledger::transfer::{ExportHeader, Exporter, FORMAT};
use crate::runner::import_ledger;
use crate::wiring::Bridge;

/// Writes the ledger into a file.
///
/// # Errors
/// A bridge that runs, or a file that is half published: the export would not say what is published.
pub(super) fn export(bridge: &Bridge, file: &Path, output: Output) -> anyhow::Result<Answer> {
    let context = &bridge.context;
    let control = read_control(&*context.log, &context.topics)?;
    let genesis = control.genesis.ok_or_else(|| anyhow!("the bridge is not initialised: there is no ledger"))?;
    if let Some(claim) = control.claims.get(&0).filter(|claim| !claim.released)
        && context.clock.now().since(claim.heartbeat_at) < context.takeover_after
    {
        bail!("{} holds the slot and publishes: stop it first, or what it publishes next is missing", claim.holder);
    }
    if let Some(entry) = super::open(bridge)?.unfinished()?.first() {
        bail!("`{}` of {} is half published: `dropbridge run --until-idle` finishes it", entry.key, entry.feed);
    }
    if file.exists() {
        bail!("{} is there already: name another file", file.display());
    }
    let header = ExportHeader {
        format: FORMAT,
        bridge: bridge.settings.name.clone(),
        log: context.log.address().to_owned(),
        genesis,
        exported_at: context.clock.now(),
        baselines: control.baselines.into_values().collect(),
    };
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = write(bridge, &header, part, file, output);
    if written.is_err() {
        // What is there of it is of no use.
        let _gone = fs::remove_file(part);
    }
    let records = written.with_context(|| file.display().to_string())?;
    output.object(&json!({ "file": file, "records": records, "genesis": header.genesis.id }))?;
    output.line(format!("{} of the ledger are in {}", counted(records, "record"), file.display()))?;
    Ok(Answer::Fine)
}

fn write(bridge: &Bridge, header: &ExportHeader, part: &Path, file: &Path, output: Output) -> anyhow::Result<u64> {
    let opened = File::create_new(part)?;
    let compress = file.extension().is_some_and(|ending| ending == "zst");
    let records = if compress {
        let (encoder, records) = write_records(bridge, header, zstd::Encoder::new(&opened, 0)?, output)?;
        encoder.finish()?;
        records
    } else {
        let (mut writer, records) = write_records(bridge, header, BufWriter::new(&opened), output)?;
        writer.flush()?;
        records
    };
    opened.sync_all()?;
    fs::rename(part, file)?;
    File::open(file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(records)
}

fn write_records<W: Write>(bridge: &Bridge, header: &ExportHeader, out: W, output: Output) -> anyhow::Result<(W, u64)> {
    let mut exporter = Exporter::new(out, header)?;
    let bar = if output.shows_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let context = &bridge.context;
    each_record(&*context.log, &context.topics, 0, &mut |record| {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        if key != GENESIS_KEY {
            exporter.record(&key, record.value.as_deref())?;
            bar.inc(1);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(exporter.finish()?)
}

/// Reads a file into the ledger of a bridge that has no past in this log.
///
/// # Errors
/// A file that is not whole; a log in which there is a past.
pub(super) fn import(bridge: &Bridge, file: &Path, output: Output) -> anyhow::Result<Answer> {
    let bar = if output.shows_progress() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {eta} left") {
        bar.set_style(style);
    }
    let mut is_total = true;
    let imported = import_ledger(bridge, file, &mut |records| {
        if std::mem::take(&mut is_total) { bar.set_length(records) } else { bar.inc(records) }
    });
    bar.finish_and_clear();
    let imported = imported?;
    output.object(&json!({
        "file": file, "records": imported.records, "feeds": imported.feeds,
        "without_bytes": imported.without_bytes.iter().map(LedgerEntry::record_key).collect::<Vec<_>>(),
    }))?;
    output.line(format!(
        "{} are in {}; {} go on where they were",
        counted(imported.records, "record"),
        bridge.context.log.address(),
        counted(imported.feeds as u64, "feed")
    ))?;
    for entry in &imported.without_bytes {
        output.line(format!(
            "{}  {}  {}: its bytes are not in the store {}",
            entry.feed,
            entry.key,
            entry.state.as_str(),
            bridge.settings.store.path.display()
        ))?;
    }
    Ok(if imported.without_bytes.is_empty() { Answer::Fine } else { Answer::No })
}
