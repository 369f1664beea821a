//! What a file needs beside its events to be understood, and later written, again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::translate::Translated;
use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey, Moment};
use crate::layout::{Difference, Exception, FileFacts, FileFrame, Layout, Record, Reject, Verdict};
use crate::ledger::entry::EventRange;

/// The version of this format.
pub const FORMAT: u32 = 1;

/// A manifest: one for each drop that has spoken, keyed like its ledger entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: String,
    /// The department.
    pub department: String,
    /// The logical key.
    pub key: LogicalKey,
    /// Hash of the file's bytes.
    pub sha256: ContentHash,
    /// Name, size and mtime of the file.
    pub entry: EntryFacts,
    /// Business date in the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// Sequence in the name, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// 1, or more for a correction.
    pub revision: u32,
    /// What it corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ContentHash>,
    /// Whether all its events are there.
    pub status: ManifestStatus,
    /// How many events it made, or had made when it was abandoned.
    pub events: u64,
    /// Where they are.
    pub ranges: Vec<EventRange>,
    /// What was read of the file beside the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSummary>,
    /// When it was written.
    pub recorded_at: Moment,
}

/// Whether a manifest's events are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestStatus {
    /// They are.
    Complete,
    /// The file could not be finished: what is there is all there will be.
    Abandoned,
}

/// What was read of a file beside its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileSummary {
    /// The layout that read it.
    pub layout: String,
    /// The layout's version.
    pub layout_version: u32,
    /// Digest of layout and mapping.
    pub plan_digest: String,
    /// How many records it has, by type.
    pub records: Map<String, Value>,
    /// What it is beside its records.
    #[serde(flatten)]
    pub frame: FileFrame,
    /// Whether its events and this manifest are enough to write it again.
    pub verdict: Verdict,
    /// Where a rendering of its events differs from it, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// The first difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<Difference>,
    /// How many records differ in which place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub differences: BTreeMap<String, u64>,
    /// How many of its events are not published, since the new service speaks for their dates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withheld: u64,
    /// Its bad records, which are in no event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<Reject>,
    /// Fields of its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Value>,
    /// Fields of its trailer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailer: Option<Value>,
    /// Its controls: what it stated, and what was computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Value>,
}

impl FileSummary {
    /// From what the parser found.
    #[must_use]
    pub fn new(layout: &Layout, plan_digest: &str, facts: &FileFacts, translated: Translated) -> Self {
        let proof = translated.proof;
        // What was not proven can be had from its bytes alone.
        let verdict = proof.as_ref().map_or(Verdict::ReplayOnly, |proof| proof.verdict);
        let (exceptions, first_difference, differences) = match &proof {
            Some(proof) => (proof.exceptions.clone(), proof.first.clone(), proof.histogram.clone()),
            None => Default::default(),
        };
        let by_type = layout.record_types().iter().zip(&facts.records_by_type);
        let controls = facts.controls.iter().map(|control| {
            serde_json::json!({
                "control": control.description, "stated": control.stated, "computed": control.computed,
            })
        });
        Self {
            layout: layout.name().to_owned(),
            layout_version: layout.version(),
            plan_digest: plan_digest.to_owned(),
            records: by_type.map(|(record, count)| (record.name.clone(), Value::from(*count))).collect(),
            frame: if verdict == Verdict::ReplayOnly { facts.frame.without_lists() } else { facts.frame.clone() },
            verdict,
            exceptions,
            first_difference,
            differences,
            withheld: translated.withheld,
            rejects: translated.rejects,
            header: facts.header.as_ref().map(|record| fields(layout, record)),
            trailer: facts.trailer.as_ref().map(|record| fields(layout, record)),
            controls: controls.collect(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn fields(layout: &Layout, record: &Record) -> Value {
    let fields = layout.record_types()[record.type_index()].fields.iter().enumerate();
    fields
        .filter_map(|(index, field)| Some((field.name.clone(), Value::from(record.get(index)?))))
        .collect::<Map<_, _>>()
        .into()
}

/// A record of the rejects topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejectRecord<'a> {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: &'a str,
    /// The department.
    pub department: &'a str,
    /// The logical key.
    pub key: &'a LogicalKey,
    /// Hash of the file's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<ContentHash>,
    /// Name, size and mtime of the file.
    pub entry: &'a EntryFacts,
    /// Why, and where.
    #[serde(flatten)]
    pub reject: &'a Reject,
    /// When.
    pub recorded_at: Moment,
}
