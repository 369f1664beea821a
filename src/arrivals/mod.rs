//! Files that are expected, and what is to be said when they do not come as they should.
//!
//! A feed states an [`Expectation`]. What is known of its files so far is a [`Journal`]; a [`Watch`] takes in what came
//! ([`Arrival`]) and what a listing of the inbox saw ([`Look`]), and answers [`Finding`]s. Whoever calls writes journal
//! and findings in one transaction, so that each is said once whatever happens in between. Nothing here knows what time
//! it is, or where anything is written.

mod days;
mod expectation;
mod finding;
mod journal;
mod sequence;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub use expectation::{Deadline, Expectation, ExpectedDays, Gapless, Sizes};
pub use finding::{Finding, FindingData, FindingEvent, FindingKind, Origin};
pub use journal::{Hole, Journal};
pub use standing::{Due, Overdue, Standing, standing};
pub use watch::{Arrival, Look, Watch, What};
