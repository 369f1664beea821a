//! Cutting a department over, and back: stages by business date, and who speaks for a date.
//!
//! A decision is made here and nowhere else: the journal so far, gates, evidence and a command in; a transition or the
//! refusals out. Nothing here knows the time, the log or the configuration.
//!
//! Authority is a function of department and business date, never of the moment: a transition takes effect from a date of
//! which nothing was published yet, so that what was said of a date stays true.

mod comparison;
mod decide;
mod evidence;
mod forwarding;
mod journal;
mod refused;
mod stage;
#[cfg(test)]
mod tests;

pub use comparison::{ComparedDay, ComparedDays, ComparedFile, DueOn, newest_candidate, newest_due, parity_days};
pub use decide::{Block, Command, Direction, Plan, decide, plan};
pub use evidence::{Evidence, Gates};
pub use forwarding::{CatchUp, Forwarding, Passage, Spoken};
pub use journal::{CutoverJournal, Transition};
pub use refused::RefusedPlaces;
pub use stage::{Authority, Stage};
