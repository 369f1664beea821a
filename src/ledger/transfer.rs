//! A ledger in a file, to be moved to another log: lines of JSON, of which the last one vouches for all before it.
//!
//! ```text
//! {"dropbridge_ledger":1,"bridge":…,"log":…,"genesis":{…},"exported_at":…,"baselines":[{…}]}
//! {"key":"FEED KEY HASH","value":{…}}          one for each record, in the order of the topic; null: it is removed
//! {"records":2,"sha256":"…"}                   over all bytes before this line
//! ```

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::control::{Baseline, Genesis};
use super::entry::{DropState, LedgerEntry};
use crate::domain::{ContentHash, Moment};

/// The version of the file's format that this build writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// Version of this format.
    #[serde(rename = "dropbridge_ledger")]
    pub format: u32,
    /// The bridge's name.
    pub bridge: String,
    /// The address of its log.
    pub log: String,
    /// Its birth there.
    pub genesis: Genesis,
    /// When it was exported.
    pub exported_at: Moment,
    /// The feeds that have their baseline.
    pub baselines: Vec<Baseline>,
}

/// A record of the ledger.
#[derive(Serialize, Deserialize)]
struct Line<'l> {
    key: String,
    #[serde(borrow)]
    value: Option<&'l RawValue>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    records: u64,
    sha256: ContentHash,
}

/// Writes an export.
pub struct Exporter<W: Write> {
    out: W,
    hasher: Sha256,
    records: u64,
}

impl<W: Write> Exporter<W> {
    /// Begins.
    ///
    /// # Errors
    /// Of the writer, here and below.
    pub fn new(out: W, header: &ExportHeader) -> std::io::Result<Self> {
        let mut own = Self { out, hasher: Sha256::new(), records: 0 };
        own.line(header)?;
        Ok(own)
    }

    /// Adds a record as it stands in the topic; without a value its key is removed.
    ///
    /// # Errors
    /// A value that is no JSON.
    pub fn record(&mut self, key: &str, value: Option<&[u8]>) -> std::io::Result<()> {
        let value = value.map(serde_json::from_slice::<&RawValue>).transpose()?;
        self.records += 1;
        self.line(&Line { key: key.to_owned(), value })
    }

    /// Ends it; answers the writer and how many records there are.
    ///
    /// # Errors
    /// Of the writer.
    pub fn finish(mut self) -> std::io::Result<(W, u64)> {
        let end = End { records: self.records, sha256: ContentHash::finish(self.hasher.clone()) };
        self.line(&end)?;
        Ok((self.out, self.records))
    }

    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hasher.update(&line);
        self.out.write_all(&line)
    }
}

/// A record that is read from an export.
#[derive(Debug, PartialEq)]
pub enum Imported {
    /// A drop.
    Drop(Box<LedgerEntry>),
    /// The record of this key is removed.
    Removed(String),
}

/// Reads an export: its header, each record, and whether it is whole. What was handed over before an error is not to
/// be used: read it once to see that it is whole, and again to use it.
///
/// # Errors
/// A message that names the line; whatever `each` answers.
pub fn read(
    mut input: impl BufRead,
    each: &mut dyn FnMut(&ExportHeader, Imported) -> anyhow::Result<()>,
) -> anyhow::Result<(ExportHeader, u64)> {
    let (mut hasher, mut number, mut records) = (Sha256::new(), 0_u64, 0_u64);
    let mut header: Option<ExportHeader> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        if input.read_until(b'\n', &mut line)? == 0 {
            anyhow::bail!("it ends before its last line: it is not whole");
        }
        let wrong = |error: serde_json::Error| anyhow::anyhow!("line {number}: {error}");
        let Some(known) = &header else {
            header = Some(read_header(&line)?);
            hasher.update(&line);
            continue;
        };
        if let Ok(end) = serde_json::from_slice::<End>(&line) {
            if end.records != records || end.sha256 != ContentHash::finish(hasher) {
                anyhow::bail!("line {number}: what stands before it is not what was exported: the file was changed");
            }
            if input.read_until(b'\n', &mut line)? > 0 {
                anyhow::bail!("something stands behind its last line");
            }
            return Ok((known.clone(), records));
        }
        hasher.update(&line);
        records += 1;
        let Line { key, value } = serde_json::from_slice(&line).map_err(wrong)?;
        let imported = match value {
            None => Imported::Removed(key),
            Some(value) => {
                let entry = LedgerEntry::from_json(value.get().as_bytes());
                Imported::Drop(Box::new(entry.map_err(|message| anyhow::anyhow!("line {number}: {message}"))?))
            }
        };
        each(known, imported)?;
    }
}

fn read_header(line: &[u8]) -> anyhow::Result<ExportHeader> {
    #[derive(Deserialize)]
    struct Version {
        dropbridge_ledger: u32,
    }
    let version: Version =
        serde_json::from_slice(line).map_err(|_| anyhow::anyhow!("line 1: it is no export of a ledger"))?;
    if version.dropbridge_ledger > FORMAT {
        let newer = version.dropbridge_ledger;
        anyhow::bail!("line 1: format {newer} is newer than this build ({FORMAT}): use the newer dropbridge");
    }
    serde_json::from_slice(line).map_err(|error| anyhow::anyhow!("line 1: {error}"))
}

/// A drop as it stands in another log: its events are in the one that it was exported from.
#[must_use]
pub fn of_another_log(mut entry: LedgerEntry, log: &str) -> LedgerEntry {
    if let DropState::Published { ranges, .. } | DropState::Abandoned { ranges, .. } = &mut entry.state {
        for range in ranges {
            range.log.get_or_insert_with(|| log.to_owned());
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn header() -> ExportHeader {
        let at = Moment::from_unix_ns(0);
        let genesis = Genesis { format: 1, id: "g".to_owned(), bridge: "b".to_owned(), created_at: at };
        let (bridge, log) = ("b".to_owned(), "sqlite:x".to_owned());
        ExportHeader { format: FORMAT, bridge, log, genesis, exported_at: at, baselines: Vec::new() }
    }

    fn export() -> Vec<u8> {
        let mut exporter = Exporter::new(Vec::new(), &header()).unwrap();
        let value =
            br#"{"format":1,"feed":"f","department":"d","key":"k","entry":{"path":"a","size":1,"modified_ns":2},
            "state":"baseline","recorded_at":"2026-01-31T00:00:00Z"}"#;
        exporter
            .record("f k baseline", Some(&value.iter().copied().filter(|b| *b != b'\n').collect::<Vec<_>>()))
            .unwrap();
        exporter.record("f k vanished", None).unwrap();
        exporter.finish().unwrap().0
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<Imported>, String> {
        let mut all = Vec::new();
        let read = read(bytes, &mut |_, imported| {
            all.push(imported);
            Ok(())
        });
        read.map(|(found, records)| {
            assert_eq!((found, records), (header(), 2));
            all
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_exported_is_read_and_nothing_else() {
        let bytes = export();
        let all = read_all(&bytes).unwrap();
        assert!(matches!(&all[0], Imported::Drop(entry) if entry.entry.path == "a"));
        assert_eq!(all[1], Imported::Removed("f k vanished".to_owned()));
        for length in 0..bytes.len() - 1 {
            assert!(read_all(&bytes[..length]).is_err(), "cut after {length} bytes");
        }
        for at in 0..bytes.len() - 1 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read_all(&changed).is_err(), "byte {at} is another");
        }
        let more = [bytes.as_slice(), b"{}\n"].concat();
        assert!(read_all(&more).unwrap_err().contains("behind its last line"));
        let newer = String::from_utf8(bytes).unwrap().replacen("\"dropbridge_ledger\":1", "\"dropbridge_ledger\":2", 1);
        assert!(read_all(newer.as_bytes()).unwrap_err().contains("newer than this build"));
    }
}
