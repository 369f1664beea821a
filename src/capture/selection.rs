//! Which names in an inbox belong to a feed.

use dropbridge_port::{EntryPath, StagedName};

use crate::capture::readiness::Readiness;
use crate::domain::BusinessDate;
use crate::domain::name_pattern::{NameFacts, NamePattern, Wildcard};

/// Selects by name.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Vec<NamePattern>,
    exclude: Vec<Wildcard>,
    temporary: Vec<Wildcard>,
    companions: Vec<crate::domain::name_pattern::NameTemplate>,
}

/// What a name is to a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// An entry of the feed, with what its name says; `Err` where the name fits but its date is none.
    Entry(Result<NameFacts, String>),
    /// Not there yet: the producer, or the bridge that delivers, is going to rename it.
    Temporary,
    /// A marker or sidecar of some entry.
    Companion,
    /// Not of this feed.
    Foreign,
}

impl Selection {
    /// The selection of a feed.
    #[must_use]
    pub fn new(include: &[NamePattern], exclude: &[Wildcard], ready: &Readiness) -> Self {
        let sidecar = ready.checksum.as_ref().map(|rule| rule.sidecar.clone());
        Self {
            include: include.to_vec(),
            exclude: exclude.to_vec(),
            temporary: ready.temporary.clone(),
            companions: ready.marker.iter().cloned().chain(sidecar).collect(),
        }
    }

    /// What a file name (no directory) is.
    #[must_use]
    pub fn classify(&self, name: &[u8]) -> Named {
        let is_ours = name.starts_with(StagedName::PREFIX.as_bytes());
        if is_ours || self.temporary.iter().any(|wildcard| wildcard.matches(name)) {
            return Named::Temporary;
        }
        if self.exclude.iter().any(|wildcard| wildcard.matches(name)) {
            return Named::Foreign;
        }
        if self.companions.iter().any(|template| template.covers(name)) {
            return Named::Companion;
        }
        self.include.iter().find_map(|pattern| pattern.read(name)).map_or(Named::Foreign, Named::Entry)
    }

    /// Whether every name that fits carries a business date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        self.include.iter().all(NamePattern::has_date)
    }

    /// The business date that the name of an entry carries; `path` as the ledger has it.
    #[must_use]
    pub fn date_of(&self, path: &str) -> Option<BusinessDate> {
        let path = EntryPath::parse(path)?;
        match self.classify(path.file_name()) {
            Named::Entry(Ok(facts)) => facts.business_date,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::name_pattern::NameTemplate;

    #[test]
    fn companions_and_temporary_names_are_no_entries() {
        let ready = Readiness {
            temporary: vec![Wildcard::parse("*.tmp").unwrap()],
            marker: Some(NameTemplate::parse("{name}.done").unwrap()),
            ..Readiness::default()
        };
        let include = [NamePattern::parse("*").unwrap()];
        let selection = Selection::new(&include, &[Wildcard::parse("*.bak").unwrap()], &ready);
        assert_eq!(selection.classify(b"a.dat"), Named::Entry(Ok(NameFacts::default())));
        assert_eq!(selection.classify(b"a.dat.done"), Named::Companion);
        assert_eq!(selection.classify(b"a.dat.tmp"), Named::Temporary);
        assert_eq!(selection.classify(b".dropbridge-delivery-0-1-1"), Named::Temporary);
        assert_eq!(selection.classify(b"a.bak"), Named::Foreign);
    }
}
