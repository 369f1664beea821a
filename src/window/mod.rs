//! Windows: events that came from no file are rolled into files by business date.
//!
//! A business date is cut off at a time of day. The cut-off is journaled as the high watermarks that the partitions had
//! then ([`Cut`]): what lies below them and is of this date, or of one before, is in its file; what comes later is late.
//! So which file an event is in is a function of its place, its date and the journal ([`Cuts::of`]), and not of the
//! moment at which somebody asks. Sequence number, name and the time of the cut-off are journaled with it: rendering
//! again gives the same bytes. Nothing here knows what time it is, or reads an event.

mod cut;
mod journal;
mod name;
mod order;
mod rules;
#[cfg(test)]
mod tests;

pub use cut::{Cut, Cuts, DueCut, Mark, Member};
pub use journal::{PlannedFile, WindowJournal, beside_legacy};
pub use name::FileNameForm;
pub use order::OrderPart;
pub use rules::{CloseDay, EmptyDay, FileDays, LateEvent, SequenceRules, WindowDays, WindowRules};
