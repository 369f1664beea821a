//! What a window is made by, made ready: mapping, order, and a digest of all of it.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::config::settings::WindowSettings;
use crate::domain::hash::hex;
use crate::layout::FileFrame;
use crate::ledger::Topics;
use crate::mapping::Mapping;
use crate::mapping::spec::FieldRef;

/// A window made ready.
#[derive(Debug)]
pub struct WindowPlan {
    /// As it was configured.
    pub settings: Arc<WindowSettings>,
    /// Records to events and back.
    pub(super) mapping: Mapping,
    /// What a new file is beside its records.
    pub(super) frame: FileFrame,
    /// Changes whenever the same events could make other bytes; a change of the calendar alone does not show.
    pub(super) digest: String,
}

/// A topic and the type of the events that are wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceTopic {
    /// Its name.
    pub topic: String,
    /// The type.
    pub event_type: String,
}

impl WindowPlan {
    /// Compiles a window.
    ///
    /// # Errors
    /// What does not fit, one message each; configuration was checked before.
    pub fn new(settings: Arc<WindowSettings>) -> Result<Self, Vec<String>> {
        let mapping = Mapping::compile(&settings.mapping, &settings.ignore, &settings.layout)?;
        let mut stated = settings.layout.digest().to_owned();
        let WindowSettings { mapping: events, event_types, departments, header, trailer, rules, .. } = &*settings;
        // Writing to a string has no error to report.
        let _infallible = write!(
            stated,
            "{events:?}{:?}{event_types:?}{departments:?}{header:?}{trailer:?}{:?}{:?}",
            settings.ignore, rules.name, settings.provenance
        );
        let digest = hex(&Sha256::digest(stated));
        let frame = FileFrame::of_new_file(&settings.layout);
        Ok(Self { mapping, frame, digest, settings })
    }

    /// The topics of its events, in the order of their names: of the stream that consumers act on.
    #[must_use]
    pub fn sources(&self, topics: &Topics) -> Vec<SourceTopic> {
        let of = |event_type: &String| {
            let topic = topics.event(event_type)?.to_owned();
            Some(SourceTopic { topic, event_type: event_type.clone() })
        };
        let mut sources: Vec<SourceTopic> = self.settings.event_types.iter().filter_map(of).collect();
        sources.sort();
        sources
    }

    /// The topics beside these: those that new services write to and nobody acts on.
    #[must_use]
    pub fn candidate_sources(&self, topics: &Topics) -> Vec<SourceTopic> {
        let mut sources = self.sources(topics);
        sources.iter_mut().for_each(|source| source.topic = Topics::candidate(&source.topic));
        sources
    }

    /// The order that is configured, as it is journaled.
    #[must_use]
    pub fn order(&self) -> Vec<String> {
        let name = |reference: &FieldRef| format!("{}.{}", reference.record, reference.field);
        self.settings.order.iter().map(name).collect()
    }
}
