//! A feed made ready: its settings, its compiled layout and mapping, its schemas.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::capture::selection::Selection;
use crate::config::settings::{EventSettings, FeedSettings};
use crate::domain::hash::hex;
use crate::domain::key::{Unnamed, generation};
use crate::domain::name_pattern::NameFacts;
use crate::domain::policy::{Repeat, SequenceReset};
use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey};
use crate::ledger::LedgerIndex;
use crate::mapping::{EventSchema, Mapping};
use dropbridge_port::{EntryPath, PortError};

/// What every name begins with that a delivery gives to a file or directory on its way.
const OUR_NAMES: &[u8] = b".dropbridge";

/// A feed made ready.
#[derive(Debug)]
pub struct FeedPlan {
    /// As it was configured.
    pub settings: Arc<FeedSettings>,
    /// Which names belong to it.
    pub selection: Selection,
    /// Records to events and back.
    pub mapping: Mapping,
    /// Schema by event plan, in the mapping's order.
    pub schemas: Vec<Arc<EventSchema>>,
    /// Changes whenever the same bytes could make other events: a file whose chunks were begun under another digest
    /// cannot be finished.
    pub digest: String,
}

/// The identity of a drop and what its name says.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its key.
    pub key: LogicalKey,
    /// Date and sequence.
    pub facts: NameFacts,
    /// How often the sequence had begun again.
    pub generation: u64,
}

impl FeedPlan {
    /// Compiles a feed.
    ///
    /// # Errors
    /// What does not fit, one message each; configuration was checked before, so this is for schemas and bugs.
    pub fn new(
        settings: Arc<FeedSettings>,
        schemas: &BTreeMap<String, Arc<EventSchema>>,
        events: &BTreeMap<String, EventSettings>,
    ) -> Result<Self, Vec<String>> {
        let mapping = Mapping::compile(&settings.events, &settings.ignore, &settings.layout)?;
        let mut found = Vec::new();
        let mut hasher = Sha256::new();
        hasher.update(settings.layout.digest());
        for (spec, plan) in settings.events.iter().zip(mapping.events()) {
            let schema = schemas.get(plan.event_type());
            let schema = schema.ok_or_else(|| vec![format!("event type `{}` is not declared", plan.event_type())])?;
            found.push(Arc::clone(schema));
            let mut text = String::new();
            // Writing to a string has no error to report.
            let _infallible = write!(text, "{spec:?}");
            hasher.update(text);
            hasher.update(events.get(plan.event_type()).map_or("", |event| event.topic.as_str()));
        }
        hasher.update(format!("{:?}", settings.ignore));
        Ok(Self {
            selection: Selection::new(&settings.include, &settings.exclude, &settings.ready),
            mapping,
            schemas: found,
            digest: hex(&hasher.finalize()),
            settings,
        })
    }

    /// The feed's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.settings.id
    }

    /// Whether a path below the inbox is of the bridge itself: a temporary name of a delivery, or a directory in which
    /// it delivers. Never a drop.
    #[must_use]
    pub fn is_ours(&self, path: &EntryPath) -> bool {
        let bytes = path.as_bytes();
        bytes.split(|byte| *byte == b'/').any(|part| part.starts_with(OUR_NAMES))
            || self
                .settings
                .passed_over
                .iter()
                .any(|directory| bytes.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")))
    }

    /// The order in which complete entries are dealt with: business date, sequence, name.
    #[must_use]
    pub fn order(path: &EntryPath, facts: Option<&NameFacts>) -> (Option<BusinessDate>, Option<u64>, EntryPath) {
        let sequence = facts.and_then(|facts| facts.sequence.as_deref()?.parse().ok());
        (facts.and_then(|facts| facts.business_date), sequence, path.clone())
    }

    /// The whole path of an entry, as deliveries state theirs.
    #[must_use]
    pub fn place_of(&self, path: &str) -> String {
        format!("{}/{path}", self.settings.place.display())
    }

    /// The identity of a capture, from its name and what the ledger knows.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn identify(
        &self,
        entry: &EntryFacts,
        facts: NameFacts,
        hash: ContentHash,
        ledger: &LedgerIndex,
    ) -> Result<Identity, PortError> {
        let recursive = self.settings.recursive;
        let path = EntryPath::parse(&entry.path).or_else(|| EntryPath::new(entry.path.as_bytes()));
        let Some(path) = path else {
            // Paths come from a listing, which has made sure of them; from a request only by name.
            return Ok(Identity { key: LogicalKey::from_text(&entry.path), facts, generation: 0 });
        };
        let generation = self.generation(entry, &facts, hash, ledger)?;
        let key = LogicalKey::named(&path, &facts, generation, recursive).unwrap_or_else(|| {
            let by = match self.settings.repeat {
                Some(Repeat::New) => Unnamed::ByArrival(entry.modified_ns),
                Some(Repeat::Ignore) | None => Unnamed::ByContent(hash),
            };
            LogicalKey::unnamed(&path, by, recursive)
        });
        Ok(Identity { key, facts, generation })
    }

    fn generation(
        &self,
        entry: &EntryFacts,
        facts: &NameFacts,
        hash: ContentHash,
        ledger: &LedgerIndex,
    ) -> Result<u64, PortError> {
        let (SequenceReset::Wrap { last }, None) = (self.settings.sequence, &facts.business_date) else {
            return Ok(0);
        };
        let Some(number) = facts.sequence.as_deref().and_then(|digits| digits.parse().ok()) else { return Ok(0) };
        let known = ledger.generation_of(self.id(), &entry.path, hash)?;
        Ok(known.unwrap_or_else(|| generation(ledger.newest_sequence(self.id()), number, last)))
    }
}
