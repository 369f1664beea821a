//! The newest business date of which a department's files have said something.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dropbridge_port::{EventLog, Result};
use serde::Deserialize;

use crate::domain::BusinessDate;
use crate::ledger::replay::read_partition;
use crate::ledger::{DropState, LedgerIndex};

/// What is read of an event.
#[derive(Deserialize)]
struct Dated<'e> {
    #[serde(borrow)]
    department: Option<Cow<'e, str>>,
    #[serde(borrow)]
    businessdate: Option<Cow<'e, str>>,
}

/// The newest business date of a department's published files: of those whose names carry one, that; of others, the newest
/// that an event on their partitions states. Goes through the whole ledger, and through these partitions.
///
/// # Errors
/// As for [`LedgerIndex::drops`]; of the log.
pub fn newest_date(department: &str, ledger: &LedgerIndex, log: &dyn EventLog) -> Result<Option<BusinessDate>> {
    let mut newest = None;
    let mut undated: BTreeSet<(String, u32)> = BTreeSet::new();
    ledger.each(&mut |entry| {
        let ranges = match &entry.state {
            DropState::Published { ranges, .. } | DropState::Publishing { ranges, .. } => ranges.as_slice(),
            DropState::Withheld { .. } => &[],
            _ => return ControlFlow::Continue(()),
        };
        if entry.department == department {
            newest = newest.max(entry.business_date);
            if entry.business_date.is_none() {
                // What stands in another log is as old as the move.
                let here = ranges.iter().filter(|range| range.log.is_none());
                undated.extend(here.map(|range| (range.topic.clone(), range.partition)));
            }
        }
        ControlFlow::Continue(())
    })?;
    for (topic, partition) in undated {
        read_partition(log, &topic, partition, |record| {
            // What others write there may be anything.
            let event = record.value.as_deref().and_then(|value| serde_json::from_slice::<Dated<'_>>(value).ok());
            if let Some(event) = event.filter(|event| event.department.as_deref() == Some(department)) {
                newest = newest.max(event.businessdate.and_then(|date| BusinessDate::parse(&date)));
            }
            Ok(())
        })?;
    }
    Ok(newest)
}
