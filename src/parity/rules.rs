//! What a feed states about differences that are expected, and by which fields its records are told apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::layout::{Layout, Role};

use super::tolerance::Tolerance;

/// A field by its names: record type and field.
pub type FieldName = (String, String);

/// Rules as somebody stated them, by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesSpec {
    /// The fields that tell records of a type apart, below the record that they belong to. A type that states none is
    /// told by its place: the second line of an order is compared with the second one.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Which record types follow a record of another type, and belong to it.
    pub leads: BTreeMap<String, String>,
    /// Records may come in any order: those of all types.
    pub any_order: bool,
    /// Records of these types may come in any order.
    pub any_order_of: BTreeSet<String>,
    /// Records of these types do not matter.
    pub ignored_records: BTreeSet<String>,
    /// These fields do not matter.
    pub ignored_fields: BTreeSet<FieldName>,
    /// Blanks around them do not matter, nor how a value is written.
    pub padding: BTreeSet<FieldName>,
    /// Upper and lower case do not matter.
    pub case: BTreeSet<FieldName>,
    /// How far they may lie apart.
    pub tolerances: BTreeMap<FieldName, Tolerance>,
    /// What stands beside the records (column names, comments, padding at the end) does not matter.
    pub ignores_beside: bool,
}

/// Rules for one layout, ready for use.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) types: Vec<TypeRules>,
    pub(super) ignores_beside: bool,
}

/// Rules for one record type.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeRules {
    /// The type of the record that it belongs to.
    pub(super) lead: Option<usize>,
    /// The fields that tell its records apart; none where that is their place.
    pub(super) key: Vec<usize>,
    pub(super) is_ignored: bool,
    pub(super) any_order: bool,
    pub(super) fields: Vec<FieldRules>,
}

/// Rules for one field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldRules {
    pub(super) is_ignored: bool,
    pub(super) padding: bool,
    pub(super) case: bool,
    pub(super) tolerance: Option<Tolerance>,
}

/// States a rule of a field.
type Mark = fn(&mut FieldRules);

impl Rules {
    /// Makes rules of what was stated for records of this layout.
    ///
    /// # Errors
    /// What names nothing of the layout, or contradicts itself.
    pub fn compile(spec: &RulesSpec, layout: &Layout) -> Result<Self, String> {
        let mut types: Vec<TypeRules> = layout
            .record_types()
            .iter()
            .map(|record| TypeRules {
                fields: vec![FieldRules::default(); record.fields.len()],
                any_order: spec.any_order && record.role == Role::Detail,
                ..TypeRules::default()
            })
            .collect();
        for (member, lead) in &spec.leads {
            types[record_type(layout, member)?].lead = Some(record_type(layout, lead)?);
        }
        if let Some(index) = (0..types.len()).find(|index| is_below_itself(&types, *index)) {
            return Err(format!("record type `{}` belongs to itself", layout.record_types()[index].name));
        }
        for (name, fields) in &spec.keys {
            let index = record_type(layout, name)?;
            types[index].key = fields.iter().map(|field| field_of(layout, index, field)).collect::<Result<_, _>>()?;
        }
        for name in &spec.any_order_of {
            types[record_type(layout, name)?].any_order = true;
        }
        for name in &spec.ignored_records {
            types[record_type(layout, name)?].is_ignored = true;
        }
        let mut rules = Self { types, ignores_beside: spec.ignores_beside };
        let marks: [(&BTreeSet<FieldName>, Mark); 3] = [
            (&spec.ignored_fields, |field| field.is_ignored = true),
            (&spec.padding, |field| field.padding = true),
            (&spec.case, |field| field.case = true),
        ];
        for (names, mark) in marks {
            for name in names {
                mark(rules.field(layout, name)?);
            }
        }
        for (name, tolerance) in &spec.tolerances {
            rules.field(layout, name)?.tolerance = Some(*tolerance);
        }
        rules.keys_are_compared(layout)?;
        Ok(rules)
    }

    fn field(&mut self, layout: &Layout, (record, field): &FieldName) -> Result<&mut FieldRules, String> {
        let index = record_type(layout, record)?;
        let field = field_of(layout, index, field)?;
        self.types[index].fields.get_mut(field).ok_or_else(|| "a field without rules".to_owned())
    }

    /// Records are found by their keys: what may differ cannot be one.
    fn keys_are_compared(&self, layout: &Layout) -> Result<(), String> {
        for (rules, record) in self.types.iter().zip(layout.record_types()) {
            for field in &rules.key {
                let FieldRules { is_ignored, tolerance, .. } = rules.fields[*field];
                if is_ignored || tolerance.is_some() {
                    let name = &record.fields[*field].name;
                    return Err(format!("`{}.{name}` tells records apart: it cannot differ", record.name));
                }
            }
        }
        Ok(())
    }

    /// Some records may come in any order, or do not matter.
    pub(super) fn loosen_order(&self) -> bool {
        self.types.iter().any(TypeRules::is_loose)
    }
}

impl TypeRules {
    /// Its records may stand anywhere.
    pub(super) fn is_loose(&self) -> bool {
        self.any_order || self.is_ignored
    }
}

fn record_type(layout: &Layout, name: &str) -> Result<usize, String> {
    layout.record_type(name).ok_or_else(|| format!("layout `{}` has no record type `{name}`", layout.name()))
}

fn field_of(layout: &Layout, record_type: usize, name: &str) -> Result<usize, String> {
    let record = &layout.record_types()[record_type].name;
    layout.field(record_type, name).ok_or_else(|| format!("record type `{record}` has no field `{name}`"))
}

fn is_below_itself(types: &[TypeRules], index: usize) -> bool {
    let mut at = types[index].lead;
    for _ in 0..types.len() {
        match at {
            Some(lead) if lead == index => return true,
            Some(lead) => at = types[lead].lead,
            None => return false,
        }
    }
    false
}
