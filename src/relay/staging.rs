//! A file of the inbox into the outbox, under a temporary name: read once, hashed on the way, looked at again afterwards.

use dropbridge_port::{Attributes, EntryPath, EntryStat, OpenEntry, Outbox, PortError, Result, Share, StagedName};

use super::follow::facts;
use super::state::Part;
use crate::capture::take::{TAIL_BYTES, same_content};
use crate::domain::ContentHash;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 18;

/// What is to be staged.
pub(super) struct Source<'a> {
    pub(super) path: &'a EntryPath,
    pub(super) handle: &'a mut dyn OpenEntry,
    /// The name is gone; only the handle can be asked.
    pub(super) gone: bool,
    /// The stat that it has to have still.
    pub(super) judged: Option<EntryStat>,
}

/// What came of staging.
pub(super) enum Staged {
    /// It is there, synced; and its last bytes.
    Part(Part, Vec<u8>),
    /// It changed meanwhile, and nothing is staged.
    Changed(EntryStat),
    /// The relay is to end, and nothing is staged.
    BrokenOff,
}

/// Stages one part, unless it is over before. Whatever goes wrong, nothing of it is left, as far as that can be had.
pub(super) fn stage(
    inbox: &dyn Share,
    outbox: &dyn Outbox,
    name: &StagedName,
    attributes: Attributes,
    source: Source<'_>,
    is_over: &dyn Fn() -> bool,
) -> Result<Staged> {
    let staged = copy(inbox, outbox, name, attributes, source, is_over);
    if !matches!(staged, Ok(Staged::Part(..)))
        && let Err(error) = outbox.discard(name)
    {
        tracing::debug!(%error, "what was staged in part stays until the relay is opened again");
    }
    staged
}

fn copy(
    inbox: &dyn Share,
    outbox: &dyn Outbox,
    name: &StagedName,
    attributes: Attributes,
    source: Source<'_>,
    is_over: &dyn Fn() -> bool,
) -> Result<Staged> {
    let Source { path, handle, gone, judged } = source;
    let before = handle.stat()?;
    if judged.is_some_and(|judged| !same_content(judged, before)) {
        return Ok(Staged::Changed(before));
    }
    handle.seek_to(0)?;
    // Temporary names mean nothing to a person, and differ each time.
    let of_file = |error: PortError| PortError { subject: format!("{path} in {}", outbox.address()), ..error };
    let mut staged = outbox.stage(name, attributes).map_err(of_file)?;
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(before.size.saturating_add(1)).unwrap_or(BLOCK_BYTES))];
    let (mut size, mut tail) = (0, Vec::new());
    loop {
        if is_over() {
            return Ok(Staged::BrokenOff);
        }
        let length = match handle.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PortError::io("read", path.to_string(), &error)),
        };
        staged.write(&block[..length]).map_err(of_file)?;
        size += length as u64;
        keep_tail(&mut tail, &block[..length]);
        if size > before.size {
            break;
        }
    }
    let after = handle.stat()?;
    let named = if gone { None } else { inbox.stat(path)? };
    let replaced = named.is_some_and(|named| !same_content(named, after));
    if size != before.size || !same_content(before, after) || replaced {
        return Ok(Staged::Changed(named.unwrap_or(after)));
    }
    let written = staged.finish().map_err(of_file)?;
    let part = Part {
        staged: name.to_string(),
        target: path.to_string(),
        entry: facts(path, named.unwrap_or(after)),
        sha256: ContentHash::from_bytes(written.sha256),
    };
    Ok(Staged::Part(part, tail))
}

fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(bytes);
    let excess = tail.len().saturating_sub(TAIL_BYTES);
    tail.drain(..excess);
}
