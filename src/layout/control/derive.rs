//! What header, trailer and master records state of others, computed for a file that is made anew: the reverse of holding
//! it against what was counted.

use super::{Control, ControlFault, Running, Total};
use crate::layout::record::Record;
use crate::layout::render::RenderError;
use crate::layout::types::from_units;
use crate::layout::{FileFrame, Layout, Presence};

/// Adds up the records of a file that is made, so that header and trailer can state it.
///
/// A header stands before what it states: add every record first (header and trailer too, as far as they are known, since
/// they may be counted), then state both, then write.
#[derive(Debug)]
pub struct Derivation<'l> {
    layout: &'l Layout,
    totals: Vec<Running>,
}

impl<'l> Derivation<'l> {
    /// Of a file without records.
    #[must_use]
    pub fn new(layout: &'l Layout) -> Self {
        Self { layout, totals: vec![Running::default(); layout.controls.len()] }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// A value that cannot be added, or one that differs where all have to be the same.
    pub fn add(&mut self, record: &Record) -> Result<(), RenderError> {
        let controls = self.totals.iter_mut().zip(&self.layout.controls);
        for (running, control) in controls.filter(|(_, control)| !control.of_group) {
            control.add(running, record).map_err(|fault| explained(self.layout, fault))?;
        }
        Ok(())
    }

    /// Sets the fields of a header or trailer that state something of the whole file.
    pub fn state(&self, record: &mut Record) {
        for (control, running) in self.layout.controls.iter().zip(&self.totals) {
            if !control.of_group {
                control.state(running, record);
            }
        }
    }
}

/// Sets the fields of a master record that state something of its members.
///
/// # Errors
/// As for [`Derivation::add`].
pub fn state_of_members(layout: &Layout, master: &mut Record, members: &[Record]) -> Result<(), RenderError> {
    for control in layout.controls.iter().filter(|control| control.of_group) {
        if control.stated.0 != master.type_index() {
            continue;
        }
        let mut running = Running::default();
        for record in std::iter::once(&*master).chain(members) {
            control.add(&mut running, record).map_err(|fault| explained(layout, fault))?;
        }
        control.state(&running, master);
    }
    Ok(())
}

impl Control {
    /// What was counted or added, as canonical text; `None` where nothing says it.
    pub(super) fn computed(&self, running: &Running) -> Option<String> {
        match &self.total {
            Total::Count(_) => Some(running.count.to_string()),
            Total::Sum { scale, .. } => Some(from_units(running.sum, *scale)),
            Total::Hash { .. } => Some(running.hash.to_string()),
            Total::Same { .. } => running.first.as_ref().map(|first| first.text().to_owned()),
        }
    }

    fn state(&self, running: &Running, record: &mut Record) {
        if self.stated.0 == record.type_index()
            && let Some(value) = self.computed(running)
        {
            record.set(self.stated.1, &value);
        }
    }
}

impl FileFrame {
    /// Of a file that is made anew: with what the layout demands, without what it leaves open, and with a terminator
    /// behind its last record unless there may be none.
    #[must_use]
    pub fn of_new_file(layout: &Layout) -> Self {
        Self {
            byte_order_mark: layout.byte_order_mark == Presence::Required,
            final_terminator: layout.final_terminator != Presence::Absent,
            ..Self::default()
        }
    }
}

fn explained(layout: &Layout, fault: ControlFault) -> RenderError {
    let record_type = &layout.record_types()[fault.record_type];
    let field = record_type.fields.get(fault.field.0).map(|field| field.name.clone());
    RenderError { record_type: record_type.name.clone(), field, message: fault.reason }
}
