//! Reading the envelope of an event that anybody may have written: see [`event`](super::event) for what the bridge writes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::BusinessDate;

/// Length of what stands for source and id of an event.
pub const IDENTITY_BYTES: usize = 16;

/// What is read of an envelope (CloudEvents 1.0, structured mode). Everything may be missing in what others write.
#[derive(Debug, Deserialize)]
pub struct Envelope<'e> {
    /// The version of CloudEvents.
    #[serde(borrow)]
    pub specversion: Option<Cow<'e, str>>,
    /// The event type.
    #[serde(rename = "type", borrow)]
    pub event_type: Option<Cow<'e, str>>,
    /// Who made it.
    #[serde(borrow)]
    pub source: Option<Cow<'e, str>>,
    /// Its id, for which its source answers.
    #[serde(borrow)]
    pub id: Option<Cow<'e, str>>,
    /// The business key.
    #[serde(borrow)]
    pub subject: Option<Cow<'e, str>>,
    /// The department.
    #[serde(borrow)]
    pub department: Option<Cow<'e, str>>,
    /// The business date, as it is written.
    #[serde(borrow)]
    pub businessdate: Option<Cow<'e, str>>,
    /// `legacy` for what was made from a file.
    #[serde(borrow)]
    pub provenance: Option<Cow<'e, str>>,
    /// The payload.
    #[serde(borrow)]
    pub data: Option<&'e RawValue>,
}

impl<'e> Envelope<'e> {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(value: &'e [u8]) -> Result<Self, String> {
        serde_json::from_slice(value).map_err(|error| format!("it is no CloudEvent in structured mode: {error}"))
    }

    /// The event says that it was made from a file.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.provenance.as_ref().is_some_and(|provenance| provenance == "legacy")
    }

    /// Its business date.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn date(&self) -> Result<BusinessDate, String> {
        let date = needed(self.businessdate.as_ref(), "businessdate")?;
        BusinessDate::parse(date).ok_or_else(|| format!("its `businessdate`, `{date}`, is no date"))
    }

    /// The payload.
    ///
    /// # Errors
    /// That it is missing.
    pub fn payload(&self) -> Result<&'e [u8], String> {
        Ok(self.data.ok_or_else(|| missing("data"))?.get().as_bytes())
    }

    /// The same for two records of one event, and for no others: of source and id.
    ///
    /// # Errors
    /// What is missing.
    pub fn identity(&self) -> Result<[u8; IDENTITY_BYTES], String> {
        let (source, id) = (needed(self.source.as_ref(), "source")?, needed(self.id.as_ref(), "id")?);
        let digest =
            Sha256::new().chain_update(source.as_bytes()).chain_update([0]).chain_update(id.as_bytes()).finalize();
        let mut identity = [0; IDENTITY_BYTES];
        identity.copy_from_slice(&digest[..IDENTITY_BYTES]);
        Ok(identity)
    }
}

/// An attribute that has to be there.
///
/// # Errors
/// That it is missing.
pub fn needed<'a>(attribute: Option<&'a Cow<'_, str>>, name: &str) -> Result<&'a str, String> {
    attribute.map(|value| &**value).ok_or_else(|| missing(name))
}

fn missing(attribute: &str) -> String {
    format!("it has no `{attribute}`")
}
