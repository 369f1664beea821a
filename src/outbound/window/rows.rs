//! One event becomes the records of a file, and the key by which they are ordered.

use crate::layout::{Record, Renderer, ValueType, state_of_members};
use crate::mapping::{CarriedRecords, PayloadScan};
use crate::window::OrderPart;

use super::plan::WindowPlan;

/// Reads events, one after the other.
pub(super) struct RowReader<'p> {
    plan: &'p WindowPlan,
    /// Record type, field, and whether it is a number.
    order: Vec<(usize, usize, bool)>,
    carried: CarriedRecords,
    scan: PayloadScan,
    /// Tries what is to be written.
    renderer: Renderer<'p>,
    scratch: Vec<u8>,
}

impl<'p> RowReader<'p> {
    /// Orders by these fields, `record.field`; by the keys of the events where there are none.
    pub(super) fn new(plan: &'p WindowPlan, order: &[String]) -> Self {
        let layout = &plan.settings.layout;
        let keys = plan.settings.mapping.iter().map(|event| (event.key.record.as_str(), event.key.field.as_str()));
        let stated: Vec<(&str, &str)> = match order {
            [] => keys.collect(),
            // Of a layout that was changed since, those that it still has.
            order => order.iter().filter_map(|name| name.split_once('.')).collect(),
        };
        let field = |(record, field): (&str, &str)| {
            let record_type = layout.record_type(record)?;
            let field = layout.field(record_type, field)?;
            let value_type = layout.record_types()[record_type].fields[field].value_type();
            Some((record_type, field, matches!(value_type, ValueType::Integer | ValueType::Decimal(_))))
        };
        let mut fields: Vec<(usize, usize, bool)> = stated.into_iter().filter_map(field).collect();
        fields.dedup();
        Self {
            order: fields,
            carried: CarriedRecords::default(),
            scan: PayloadScan::default(),
            renderer: Renderer::new(layout, &plan.frame),
            scratch: Vec::new(),
            plan,
        }
    }

    /// The records of an event: the lead, then its members, with the totals that the lead states of these.
    ///
    /// # Errors
    /// Why it makes none.
    pub(super) fn records(&mut self, event_type: &str, data: &[u8]) -> Result<&[Record], String> {
        let layout = &self.plan.settings.layout;
        let payload = self.scan.payload(data);
        let read = self.carried.read_event(layout, &self.plan.mapping, event_type, payload);
        read.map_err(|error| error.to_string())?;
        if let Some((lead, members)) = self.carried.records_mut().split_first_mut() {
            state_of_members(layout, lead, members).map_err(|error| error.to_string())?;
        }
        Ok(self.carried.records())
    }

    /// Appends the order of an event to a key, and makes sure that its records can be written.
    ///
    /// # Errors
    /// Why they cannot.
    pub(super) fn push_order(&mut self, event_type: &str, data: &[u8], key: &mut Vec<u8>) -> Result<(), String> {
        self.records(event_type, data)?;
        let records = self.carried.records();
        for record in records {
            self.scratch.clear();
            self.renderer.record(record, &mut self.scratch).map_err(|error| error.to_string())?;
        }
        let Some(lead) = records.first() else { return Err("it makes no record".to_owned()) };
        for (record_type, field, is_number) in &self.order {
            let value = lead.get(*field).filter(|_| lead.type_index() == *record_type);
            let part = match value {
                None => OrderPart::Absent,
                Some(text) if *is_number => OrderPart::Number(text),
                Some(text) => OrderPart::Text(text),
            };
            part.push_to(key);
        }
        Ok(())
    }
}
