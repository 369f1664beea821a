//! Where the files of a rendering come from: manifests, or cut-offs.

use std::time::Duration;

use dropbridge_port::{PortError, Result};

use super::journal::Entry;
use super::mirror::{AssemblyError, Rendered};
use super::stage::Sink;
use crate::ledger::delivery::{Delivery, Position};
use crate::window::WindowJournal;

/// What comes next of a rendering.
pub(super) enum Upcoming {
    /// Nothing, for now.
    Nothing,
    /// What came is none of this rendering's.
    Passed,
    /// This is to be journaled, and then asked again.
    Journal(Box<Entry>),
    /// This file.
    File(Box<Delivery>),
    /// A file that cannot be made, and why.
    Trouble(Box<Delivery>, String),
}

/// What is journaled when a delivery is over: where its rendering goes on.
#[derive(Default)]
pub(super) struct Behind {
    pub(super) position: Option<Position>,
    pub(super) window: Option<WindowJournal>,
}

/// The files of one rendering, in their order.
pub(super) trait Source: Send {
    /// What has to be journaled at its time, whatever holds the deliveries up.
    fn due(&mut self) -> Result<Option<Entry>>;

    /// What comes next.
    fn upcoming(&mut self, position: &Position) -> Result<Upcoming>;

    /// The name of a delivery's file below the outbox, escaped.
    fn path(&mut self, delivery: &Delivery) -> std::result::Result<String, AssemblyError>;

    /// Writes a delivery's file; what is known of it only then is added to the delivery. `open` begins an output, and is
    /// asked a second time where the first attempt came to nothing.
    fn write(
        &mut self,
        delivery: &mut Delivery,
        open: &mut dyn FnMut() -> std::result::Result<Sink, PortError>,
    ) -> std::result::Result<(Sink, Rendered), AssemblyError>;

    /// Where it goes on behind a delivery that is over; an older one changes nothing.
    fn behind(&self, delivery: &Delivery, position: &Position) -> Behind;

    /// Those that come behind it wait for it.
    fn is_awaited(&self, delivery: &Delivery, position: &Position) -> bool;

    /// From now on nothing to deliver means that there is nothing.
    fn look_again(&mut self);

    /// Whether everything that was there was looked at.
    fn is_at_end(&self) -> bool;

    /// How long to wait before it is asked again, when nothing came.
    fn pause(&self) -> Duration;
}
