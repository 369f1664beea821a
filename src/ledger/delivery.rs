//! Records of the topic `deliveries`: each file that was made of events and placed, or is to be; and how far each
//! rendering has come.

use serde::{Deserialize, Serialize};

use super::entry::EventRange;
use crate::domain::{BusinessDate, ContentHash, LogicalKey, Moment};
use crate::window::{Cut, PlannedFile, WindowJournal};

/// The version of these records that this build writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// The key of the record that counts who has written here.
pub const EPOCH_KEY: &str = "epoch";

/// One file of a rendering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Version of this format.
    pub format: u32,
    /// The rendering's id.
    pub rendering: String,
    /// The department.
    pub department: String,
    /// The feed whose file it is.
    pub feed: String,
    /// The file's logical key there.
    pub key: LogicalKey,
    /// The file's revision there.
    pub revision: u32,
    /// Hash of its bytes; of a window's, as soon as it was rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<ContentHash>,
    /// Its business date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// How many events it is made of.
    pub events: u64,
    /// Where they are.
    pub ranges: Vec<EventRange>,
    /// A mirror's: the offset of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<i64>,
    /// A window's: of which cut-off it is, and what else goes into its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowedFile>,
    /// The directory that it is delivered to.
    pub outbox: String,
    /// 1, or more where somebody had it delivered again.
    pub attempt: u32,
    /// Its files, in the order in which they are published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How it stands.
    #[serde(flatten)]
    pub state: DeliveryState,
    /// When this record was written.
    pub recorded_at: Moment,
}

/// What a window's file is made of, beside the events: with it the same bytes can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowedFile {
    /// The cut-off.
    pub cut: Cut,
    /// The one before it: what lies below that is in an earlier file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Cut>,
    /// Number, name and clock; absent where the cut-off as a whole is held, since it is not known which files it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PlannedFile>,
    /// The fields by which its records are ordered.
    pub order: Vec<String>,
    /// Digest of layout, mapping and rules that it was rendered by.
    pub plan_digest: String,
    /// Events that stood in the log more than once, under the same id, and are in the file once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One file of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is for.
    pub role: PartRole,
    /// Its final name below the outbox, escaped.
    pub target: String,
    /// Its temporary name.
    pub staged: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their hash.
    pub sha256: ContentHash,
}

/// What a file of a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartRole {
    /// The file itself.
    Data,
    /// Its checksum.
    Checksum,
    /// Says that it is whole.
    Marker,
}

/// How a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// Somebody wants it delivered (again): it is rendered anew.
    Asked {
        /// Why.
        reason: String,
    },
    /// All its parts are staged: what stands under their names decides how it goes on.
    Intended,
    /// Its parts have their final names, or had until the consumer took them.
    Delivered {
        /// A person's word for it, where nothing else told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person has to decide.
    Held {
        /// Why.
        reason: String,
    },
    /// A person said that it is not to be delivered.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl DeliveryState {
    /// Every word of [`DeliveryState::as_str`].
    pub const WORDS: [&'static str; 5] = ["asked", "intended", "delivered", "held", "skipped"];

    /// The word used in tables and filters.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Intended => "intended",
            Self::Delivered { .. } => "delivered",
            Self::Held { .. } => "held",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Something is still to be done for it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Intended | Self::Held { .. })
    }

    /// Why it is so, where that was said.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Asked { reason } | Self::Held { reason } | Self::Skipped { reason } => Some(reason),
            Self::Delivered { reason } => reason.as_deref(),
            Self::Intended => None,
        }
    }
}

/// Offset of the manifest, for mirrors; for windows date of the cut-off, whether the file is one of late events, and its
/// business date.
pub type DeliveryOrder = (Option<i64>, Option<(BusinessDate, bool, Option<BusinessDate>)>);

impl Delivery {
    /// What it is called: rendering, logical key and revision.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.rendering, self.key, self.revision)
    }

    /// The record's key.
    #[must_use]
    pub fn record_key(&self) -> String {
        format!("delivery/{}", self.id())
    }

    /// Where it stands among its rendering's: by manifest, or by cut-off with the date's own file first.
    #[must_use]
    pub fn order(&self) -> DeliveryOrder {
        let of_cut = |window: &WindowedFile| {
            let is_late = window.file.as_ref().is_some_and(|file| file.date != window.cut.date);
            (window.cut.date, is_late, self.business_date)
        };
        (self.manifest, self.window.as_ref().map(of_cut))
    }

    /// It stands for a cut-off as a whole, of which it is not known which files it makes.
    #[must_use]
    pub fn is_whole_cut(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.file.is_none())
    }

    /// The file itself.
    #[must_use]
    pub fn data(&self) -> Option<&Part> {
        self.parts.iter().find(|part| part.role == PartRole::Data)
    }
}

/// How far a rendering has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Version of this format.
    pub format: u32,
    /// The rendering's id.
    pub rendering: String,
    /// A mirror's: the offset of the manifest that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<i64>,
    /// Which directory the outbox was when it was first written to: another one under the same path is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Why a person holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// When this record was written.
    pub recorded_at: Moment,
}

impl Position {
    /// The record's key.
    #[must_use]
    pub fn record_key(rendering: &str) -> String {
        format!("position/{rendering}")
    }
}

/// Who writes here: each that begins counts one up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Version of this format.
    pub format: u32,
    /// Part of every temporary name.
    pub epoch: u64,
    /// When it began.
    pub recorded_at: Moment,
}

/// The key of the record of a rendering's windows.
#[must_use]
pub fn window_key(journal: &WindowJournal) -> String {
    format!("window/{}", journal.rendering)
}
