//! The newest business date of which events of a department were published, or withheld: written with them, so that a
//! cutover knows which dates are free.

use std::collections::BTreeMap;

use dropbridge_port::Result;

use super::Publisher;
use crate::cutover::Spoken;
use crate::domain::BusinessDate;
use crate::ledger::topics::REQUEST_PARTITION;

/// What was written of departments.
#[derive(Debug, Default)]
pub(in crate::inbound) struct SpokenDates {
    committed: BTreeMap<String, BusinessDate>,
    /// Sent in the open transaction.
    sent: BTreeMap<String, BusinessDate>,
}

impl SpokenDates {
    /// The newest date of a department.
    pub(in crate::inbound) fn newest(&self, department: &str) -> Option<BusinessDate> {
        self.committed.get(department).copied()
    }

    /// The open transaction was committed.
    pub(super) fn committed(&mut self) {
        self.committed.append(&mut self.sent);
    }

    fn is_said(&self, department: &str, date: BusinessDate) -> bool {
        [&self.committed, &self.sent].iter().any(|known| known.get(department).is_some_and(|known| *known >= date))
    }
}

impl Publisher {
    /// What the log says of departments, when the slot was taken.
    pub fn learn_spoken(&mut self, spoken: &BTreeMap<String, BusinessDate>) {
        self.spoken = SpokenDates { committed: spoken.clone(), sent: BTreeMap::new() };
    }

    /// Events of a date go out with the open transaction, or are recorded as withheld: says so where it is the newest of a department that is
    /// followed.
    ///
    /// # Errors
    /// Of the log.
    pub(in crate::inbound) fn send_spoken(&mut self, department: &str, date: Option<BusinessDate>) -> Result<()> {
        let Some(date) = date else { return Ok(()) };
        let context = self.slot.context();
        if !context.authorities.follows(department) || self.spoken.is_said(department, date) {
            return Ok(());
        }
        let topic = context.topics.control.clone();
        let record = Spoken::new(department, date);
        self.slot.send_own(&topic, REQUEST_PARTITION, &Spoken::record_key(department), Some(&record))?;
        self.spoken.sent.insert(department.to_owned(), date);
        Ok(())
    }

    /// Begins a transaction; what an aborted one said of departments was not said.
    ///
    /// # Errors
    /// Of the log.
    pub(in crate::inbound) fn begin(&mut self) -> Result<()> {
        self.spoken.sent.clear();
        self.slot.begin()
    }
}
