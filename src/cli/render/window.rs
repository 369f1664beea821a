//! `dropbridge render --rendering`: files of windows.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use dropbridge_port::ErrorKind;
use serde_json::json;

use super::super::deliveries::assembler;
use super::super::output::{counted, size};
use super::super::{Answer, Output, check_known};
use super::{Part, RenderArguments, place_of};
use crate::ledger::{Delivery, DeliveryIndex};
use crate::outbound::mirror::{AssemblyError, Rendered};
use crate::outbound::window::assembler::WindowAssembler;
use crate::wiring::Bridge;

/// Runs it.
///
/// # Errors
/// Of the log, and of the directory.
pub(super) fn run(
    bridge: &Bridge,
    rendering: &str,
    arguments: &RenderArguments,
    output: Output,
) -> anyhow::Result<Answer> {
    check_known("rendering", Some(rendering), bridge.renderings.iter().map(|plan| plan.id()))?;
    let Some(assembler) = assembler(bridge, rendering) else {
        bail!("rendering `{rendering}` is a mirror: its files are those of a feed, written with --feed")
    };
    let index = DeliveryIndex::read(&*bridge.context.log, &bridge.context.topics.deliveries)?;
    let wanted = |delivery: &&Delivery| {
        delivery.rendering == rendering
            && delivery.sha256.is_some()
            && arguments.key.as_deref().is_none_or(|key| delivery.key.as_str() == key)
            && arguments.date.is_none_or(|date| delivery.business_date == Some(date))
    };
    let found: Vec<&Delivery> = index.all().filter(wanted).collect();
    fs::create_dir_all(&arguments.to).with_context(|| arguments.to.display().to_string())?;
    if found.is_empty() {
        return preview(&index, &assembler, rendering, arguments, output);
    }
    let (mut rows, mut failed) = (Vec::new(), 0);
    for delivery in found {
        let name = delivery.window.as_ref().and_then(|window| Some(window.file.as_ref()?.name.clone()));
        let name = name.unwrap_or_default();
        let written = place_of(&arguments.to, &name).and_then(|place| {
            let (part, rendered) = assembler.write_again(delivery, &mut || Part::create(&place))?;
            part.publish(&place)?;
            Ok((place, rendered))
        });
        failed += u64::from(written.is_err());
        show(rendering, delivery.key.as_str(), &name, delivery.events, written, output, &mut rows)?;
    }
    output.table(&["key", "file", "size", "from"], rows)?;
    if failed > 0 {
        output.line(format!("{} could not be written again", counted(failed, "file")))?;
    }
    Ok(if failed > 0 { Answer::No } else { Answer::Fine })
}

/// The files of a date as they would be if it were cut off now.
fn preview(
    index: &DeliveryIndex,
    assembler: &WindowAssembler,
    rendering: &str,
    arguments: &RenderArguments,
    output: Output,
) -> anyhow::Result<Answer> {
    let journal = index.window(rendering);
    let (Some(journal), Some(date)) = (journal, arguments.date) else {
        output.line(format!("no file of {rendering} that was delivered fits"))?;
        return Ok(Answer::No);
    };
    if journal.last.is_some_and(|last| date <= last) {
        output.line(format!("{date} is cut off, and {rendering} has no file of it"))?;
        return Ok(Answer::No);
    }
    let mut rows = Vec::new();
    let mut answer = Answer::No;
    let highs = assembler.ends()?;
    let previewed = assembler.preview(journal, date, &highs, &mut |file, write| {
        let name = file.name.clone();
        let written = place_of(&arguments.to, &name).and_then(|place| {
            let (part, rendered) = write(&mut || Part::create(&place))?;
            part.publish(&place)?;
            Ok((place, rendered))
        });
        answer = if written.is_ok() { Answer::Fine } else { Answer::No };
        let shown = show(rendering, "not cut off yet", &name, file.events, written, output, &mut rows);
        shown.map_err(|error| AssemblyError::Refused(error.to_string()))
    });
    previewed?;
    if rows.is_empty() {
        output.line(format!("{date} would have no file"))?;
    }
    output.table(&["key", "file", "size", "from"], rows)?;
    Ok(answer)
}

fn show(
    rendering: &str,
    key: &str,
    name: &str,
    events: u64,
    written: Result<(PathBuf, Rendered), AssemblyError>,
    output: Output,
    rows: &mut Vec<Vec<String>>,
) -> anyhow::Result<()> {
    let row = match written {
        Err(AssemblyError::Port(error)) if error.kind != ErrorKind::Conflict => return Err(error.into()),
        Err(error) => {
            output.object(&json!({ "rendering": rendering, "key": key, "file": name, "error": error.to_string() }))?;
            [name.to_owned(), "-".to_owned(), error.to_string()]
        }
        Ok((place, rendered)) => {
            output.object(&json!({
                "rendering": rendering, "key": key, "file": name, "to": place.display().to_string(),
                "sha256": rendered.sha256, "bytes": rendered.bytes, "events": events, "from": rendered.provenance,
            }))?;
            [place.display().to_string(), size(rendered.bytes), counted(events, "event")]
        }
    };
    rows.push([key.to_owned()].into_iter().chain(row).collect());
    Ok(())
}
