//! Named points around every step that changes the outside world, for crash and takeover tests.
//!
//! In a build without the feature `failpoints` a point is nothing at all. With it, the variable
//! `DROPBRIDGE_FAILPOINT=name[:hit]=action` arms one: at its `hit`-th pass (1 unless told) the process does `action`:
//!
//! - `kill`: dies by `SIGKILL`, as in a power cut of the process;
//! - `stop`: stops itself by `SIGSTOP`, until someone sends `SIGCONT`;
//! - `error`: the point answers `true` once, and the caller fails with a transient error.
//!
//! Several are separated by `;`.

/// A point. The crash test enumerates [`Failpoint::ALL`]; a new step adds its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// An entry was opened at first sight.
    EntryOpened,
    /// The bytes of an entry were read and hashed.
    Captured,
    /// A spooled object is about to be written under a temporary name.
    StoreBegun,
    /// The object was written and synced, still under its temporary name.
    StoreStaged,
    /// The object has its final name, the directory is synced.
    StorePlaced,
    /// The ledger said that the capture is to be published.
    Admitted,
    /// Everything that can fail about the file was done; no transaction is open yet.
    Prepared,
    /// A transaction was begun.
    Begun,
    /// Half of the records were handed over.
    HalfProduced,
    /// All records, the manifest and the ledger entry were handed over; the commit was not asked for.
    Produced,
    /// The log has taken every record of the transaction; the commit is about to be sent.
    CommitBegun,
    /// The commit was sent; no answer was read.
    CommitSent,
    /// The commit was answered.
    CommitAnswered,
    /// A chunk of a large file is committed, the next is not begun.
    BetweenChunks,
    /// The file was let go of.
    Disposed,
    /// A file is about to be put into quarantine: its bytes are in the store, the ledger does not know.
    QuarantineStored,
    /// The ledger knows of the quarantine.
    Quarantined,
    /// That files are missing was handed over; the commit was not asked for.
    ArrivalsDue,
    /// That files are missing is committed.
    ArrivalsSaid,
    /// An object of the store that nothing needs any more is about to be removed.
    PurgeBegun,
    /// The object is gone.
    Purged,
    /// A cut-off was handed over; its commit was not asked for.
    WindowCutSent,
    /// The cut-off's commit was answered.
    WindowCutAnswered,
    /// The files of a cut-off were planned and handed over; the commit was not asked for.
    WindowPlanSent,
    /// The plan's commit was answered.
    WindowPlanAnswered,
    /// Candidate events were handed over, with the place that was reached; the commit was not asked for.
    CandidatesSent,
    /// The commit was answered.
    CandidatesForwarded,
    /// A department's transition was handed over; the commit was not asked for.
    CutoverSent,
    /// The transition's commit was answered.
    CutoverAnswered,
    /// A manifest was read whose file is to be delivered; nothing is rendered.
    Fetched,
    /// All of a file was rendered into its temporary name; it is not synced.
    Rendered,
    /// The intent of a delivery was handed over; its commit was not asked for.
    IntentSent,
    /// The intent's commit was answered.
    IntentAnswered,
    /// The receipt of a delivery was handed over; its commit was not asked for.
    ReceiptSent,
    /// The receipt's commit was answered.
    ReceiptAnswered,
    /// A file is about to be made in an outbox under a temporary name.
    OutboxBegun,
    /// The file is there under its temporary name, empty.
    OutboxStaged,
    /// All its bytes were written, none is synced.
    OutboxWritten,
    /// Its bytes are synced; it has no witness yet.
    OutboxSynced,
    /// It has its witness; both names are synced, the intent is not journaled.
    OutboxWitnessed,
    /// It has its final name; the directory is not synced.
    OutboxRenamed,
    /// Its final name is synced; the receipt is not journaled.
    OutboxPublished,
    /// Its witness is gone.
    OutboxForgotten,
    /// The intent to relay a file is journaled; no part of it has its final name.
    RelayIntended,
    /// The receipt of a relayed file is journaled; its witnesses are there.
    RelayReceived,
    /// A relayed file is about to be taken out of its inbox.
    RelayTidying,
    /// A relayed file was taken out of its inbox; the journal does not say so.
    RelayTidied,
    /// A published file is about to be taken out of its inbox.
    InboxTidying,
    /// A published file was taken out of its inbox.
    InboxTidied,
    /// What came into the ledger is about to be written to its cache.
    CacheBegun,
    /// It is in the cache.
    CacheWritten,
}

impl Failpoint {
    /// Every point, in the order of a file's way.
    pub const ALL: [Self; 51] = [
        Self::EntryOpened,
        Self::Captured,
        Self::StoreBegun,
        Self::StoreStaged,
        Self::StorePlaced,
        Self::Admitted,
        Self::Prepared,
        Self::Begun,
        Self::HalfProduced,
        Self::Produced,
        Self::CommitBegun,
        Self::CommitSent,
        Self::CommitAnswered,
        Self::BetweenChunks,
        Self::Disposed,
        Self::QuarantineStored,
        Self::Quarantined,
        Self::ArrivalsDue,
        Self::ArrivalsSaid,
        Self::PurgeBegun,
        Self::Purged,
        Self::WindowCutSent,
        Self::WindowCutAnswered,
        Self::WindowPlanSent,
        Self::WindowPlanAnswered,
        Self::CandidatesSent,
        Self::CandidatesForwarded,
        Self::CutoverSent,
        Self::CutoverAnswered,
        Self::Fetched,
        Self::Rendered,
        Self::IntentSent,
        Self::IntentAnswered,
        Self::ReceiptSent,
        Self::ReceiptAnswered,
        Self::OutboxBegun,
        Self::OutboxStaged,
        Self::OutboxWritten,
        Self::OutboxSynced,
        Self::OutboxWitnessed,
        Self::OutboxRenamed,
        Self::OutboxPublished,
        Self::OutboxForgotten,
        Self::RelayIntended,
        Self::RelayReceived,
        Self::RelayTidying,
        Self::RelayTidied,
        Self::InboxTidying,
        Self::InboxTidied,
        Self::CacheBegun,
        Self::CacheWritten,
    ];

    /// Its name in `DROPBRIDGE_FAILPOINT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntryOpened => "entry_opened",
            Self::Captured => "captured",
            Self::StoreBegun => "store_begun",
            Self::StoreStaged => "store_staged",
            Self::StorePlaced => "store_placed",
            Self::Admitted => "admitted",
            Self::Prepared => "prepared",
            Self::Begun => "begun",
            Self::HalfProduced => "half_produced",
            Self::Produced => "produced",
            Self::CommitBegun => "commit_begun",
            Self::CommitSent => "commit_sent",
            Self::CommitAnswered => "commit_answered",
            Self::BetweenChunks => "between_chunks",
            Self::Disposed => "disposed",
            Self::QuarantineStored => "quarantine_stored",
            Self::Quarantined => "quarantined",
            Self::ArrivalsDue => "arrivals_due",
            Self::ArrivalsSaid => "arrivals_said",
            Self::PurgeBegun => "purge_begun",
            Self::Purged => "purged",
            Self::WindowCutSent => "window_cut_sent",
            Self::WindowCutAnswered => "window_cut_answered",
            Self::WindowPlanSent => "window_plan_sent",
            Self::WindowPlanAnswered => "window_plan_answered",
            Self::CandidatesSent => "candidates_sent",
            Self::CandidatesForwarded => "candidates_forwarded",
            Self::CutoverSent => "cutover_sent",
            Self::CutoverAnswered => "cutover_answered",
            Self::Fetched => "fetched",
            Self::Rendered => "rendered",
            Self::IntentSent => "intent_sent",
            Self::IntentAnswered => "intent_answered",
            Self::ReceiptSent => "receipt_sent",
            Self::ReceiptAnswered => "receipt_answered",
            Self::OutboxBegun => "outbox_begun",
            Self::OutboxStaged => "outbox_staged",
            Self::OutboxWritten => "outbox_written",
            Self::OutboxSynced => "outbox_synced",
            Self::OutboxWitnessed => "outbox_witnessed",
            Self::OutboxRenamed => "outbox_renamed",
            Self::OutboxPublished => "outbox_published",
            Self::OutboxForgotten => "outbox_forgotten",
            Self::RelayIntended => "relay_intended",
            Self::RelayReceived => "relay_received",
            Self::RelayTidying => "relay_tidying",
            Self::RelayTidied => "relay_tidied",
            Self::InboxTidying => "inbox_tidying",
            Self::InboxTidied => "inbox_tidied",
            Self::CacheBegun => "cache_begun",
            Self::CacheWritten => "cache_written",
        }
    }
}

/// Passes a point. `true` asks the caller to fail with a transient error.
#[cfg(not(feature = "failpoints"))]
#[inline]
#[must_use]
pub const fn reach(_point: Failpoint) -> bool {
    false
}

#[cfg(feature = "failpoints")]
pub use armed::reach;

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::Signal;

    use super::Failpoint;

    unsafe extern "C" {
        /// POSIX: sends a signal to the calling thread. One to the process may be taken by another thread, and this one
        /// would go on for a moment behind the point at which it has to stand still.
        safe fn raise(signal: std::ffi::c_int) -> std::ffi::c_int;
    }

    #[derive(Clone, Copy)]
    enum Action {
        Kill,
        Stop,
        Error,
    }

    struct Armed {
        name: String,
        hit: u32,
        action: Action,
        passes: AtomicU32,
    }

    fn armed() -> &'static [Armed] {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        ARMED.get_or_init(|| {
            let Ok(setting) = std::env::var("DROPBRIDGE_FAILPOINT") else { return Vec::new() };
            setting
                .split(';')
                .map(|one| {
                    parse(one).unwrap_or_else(|| panic!("DROPBRIDGE_FAILPOINT: `{one}` is not name[:hit]=action"))
                })
                .collect()
        })
    }

    fn parse(text: &str) -> Option<Armed> {
        let (place, action) = text.split_once('=')?;
        let (name, hit) = place.split_once(':').unwrap_or((place, "1"));
        Failpoint::ALL.iter().find(|point| point.name() == name)?;
        let action = match action {
            "kill" => Action::Kill,
            "stop" => Action::Stop,
            "error" => Action::Error,
            _ => return None,
        };
        Some(Armed { name: name.to_owned(), hit: hit.parse().ok()?, action, passes: AtomicU32::new(0) })
    }

    /// Passes a point. `true` asks the caller to fail with a transient error.
    #[must_use]
    pub fn reach(point: Failpoint) -> bool {
        let mut fail = false;
        for armed in armed().iter().filter(|armed| armed.name == point.name()) {
            if armed.passes.fetch_add(1, Ordering::SeqCst) + 1 != armed.hit {
                continue;
            }
            let signal = match armed.action {
                Action::Kill => Signal::KILL,
                Action::Stop => Signal::STOP,
                Action::Error => {
                    fail = true;
                    continue;
                }
            };
            // A signal to oneself cannot fail but for a bug; dying is right then too.
            if raise(signal.as_raw()) != 0 {
                std::process::abort();
            }
        }
        fail
    }
}
