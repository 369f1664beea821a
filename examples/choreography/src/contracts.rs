//! The contracts of the events: what does not fit its schema is never sent.
//!
//! They are the bridge's own, from `config/schemas`; a copy of this example takes them with it.

use anyhow::{Context, Result};
use jsonschema::Validator;
use serde_json::Value;

/// The events that the services emit.
const SCHEMAS: [(&str, &str); 3] = [
    ("BidProcessed", include_str!("../../../config/schemas/BidProcessed.schema.json")),
    ("WorkOrderCreated", include_str!("../../../config/schemas/WorkOrderCreated.schema.json")),
    ("WorkOrderCompleted", include_str!("../../../config/schemas/WorkOrderCompleted.schema.json")),
];

/// The contract of one event type.
pub struct Contract {
    id: String,
    validator: Validator,
}

impl Contract {
    /// Of this event type.
    ///
    /// # Errors
    /// When there is none, or it is no JSON Schema.
    pub fn of(event_type: &str) -> Result<Self> {
        let (_, text) = SCHEMAS
            .iter()
            .find(|(name, _)| *name == event_type)
            .with_context(|| format!("there is no schema of {event_type}"))?;
        let schema: Value = serde_json::from_str(text).with_context(|| format!("read the schema of {event_type}"))?;
        let id = schema["$id"].as_str().with_context(|| format!("the schema of {event_type} has no $id"))?.to_owned();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .with_context(|| format!("use the schema of {event_type}"))?;
        Ok(Self { id, validator })
    }

    /// The schema's `$id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Holds data against it.
    ///
    /// # Errors
    /// The first thing that does not fit, and where.
    pub fn check(&self, data: &Value) -> Result<(), String> {
        self.validator.validate(data).map_err(|error| format!("{} at `{}`", error, error.instance_path()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn data_that_does_not_fit_is_named_with_its_place() {
        let contract = Contract::of("WorkOrderCompleted").unwrap();
        let mut data = json!({
            "work_order_number": "WO-1", "project": {"number": "P-1"}, "outcome": "completed",
            "completed_on": "2026-01-31", "hours": "8.00", "total": {"value": "12.50", "currency": "EUR"},
        });
        assert_eq!(contract.check(&data), Ok(()));
        data["total"]["value"] = json!(12.5);
        let error = contract.check(&data).unwrap_err();
        assert!(error.contains("/total/value"), "{error}");
        assert!(Contract::of("BidLost").is_err());
    }
}
