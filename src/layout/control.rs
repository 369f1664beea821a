//! What a file states of itself, held against what was counted and added.

use super::decimal;
use super::record::Record;
use super::{ControlSpec, FieldKind, LayoutSpec, RecordSpec, Role, TotalSpec};

/// A control, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// `sum of bid.amount = trailer.total`.
    pub(super) description: String,
    /// Record type and field that state it.
    pub(super) stated: (usize, usize),
    total: Total,
}

#[derive(Clone, Debug)]
enum Total {
    Count(Vec<usize>),
    Sum { record_type: usize, field: usize, scale: usize },
}

/// How a control came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlOutcome {
    /// What was compared: `sum of bid.amount = trailer.total`.
    pub description: String,
    /// What the file says, in canonical text.
    pub stated: String,
    /// What was counted or added.
    pub computed: String,
}

impl ControlOutcome {
    /// Whether it holds. Canonical numbers are equal only if their texts are.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.stated == self.computed
    }
}

/// A sum beyond 128 bits; it belongs to this field of the record that was added last.
#[derive(Debug)]
pub(super) struct Overflow {
    pub(super) field: usize,
}

/// Running sums, one for each control.
#[derive(Clone, Debug)]
pub(super) struct Totals(Vec<i128>);

impl Totals {
    pub(super) fn new(controls: &[Control]) -> Self {
        Self(vec![0; controls.len()])
    }

    /// Adds what a record contributes; absent fields contribute nothing.
    pub(super) fn add(&mut self, controls: &[Control], record: &Record) -> Result<(), Overflow> {
        for (sum, control) in self.0.iter_mut().zip(controls) {
            let Total::Sum { record_type, field, .. } = control.total else { continue };
            if record_type != record.type_index() {
                continue;
            }
            if let Some(value) = record.get(field) {
                let added = decimal::units(value).and_then(|value| sum.checked_add(value));
                *sum = added.ok_or(Overflow { field })?;
            }
        }
        Ok(())
    }

    /// The total of the control at `index`, given how many records of each type there were.
    pub(super) fn computed(&self, controls: &[Control], index: usize, records_by_type: &[u64]) -> String {
        match &controls[index].total {
            Total::Count(types) => {
                types.iter().map(|record_type| records_by_type[*record_type]).sum::<u64>().to_string()
            }
            Total::Sum { scale, .. } => decimal::from_units(self.0[index], *scale),
        }
    }
}

impl Control {
    /// Makes a control of what was stated; each problem with the key it stands under.
    pub(super) fn compile(spec: &ControlSpec, layout: &LayoutSpec) -> Result<Self, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        let (record, field) = &spec.equals;
        let stated =
            find(layout, record, field).and_then(|(place, scale)| check_stated(layout, place).map(|()| (place, scale)));
        let stated = stated.map_err(|problem| problems.push(("equals", problem))).ok();
        let key = if matches!(spec.total, TotalSpec::Count(_)) { "count" } else { "sum" };
        let (total, scale) = match &spec.total {
            TotalSpec::Count(names) => (count(layout, names, &mut problems), 0),
            TotalSpec::Sum(record, field) => match find(layout, record, field) {
                Ok(((record_type, field), scale)) => (Total::Sum { record_type, field, scale }, scale),
                Err(problem) => {
                    problems.push((key, problem));
                    return Err(problems);
                }
            },
        };
        let Some((stated, stated_scale)) = stated else { return Err(problems) };
        if scale != stated_scale {
            problems
                .push(("equals", format!("has {stated_scale} digits after the point, what is compared has {scale}")));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let what = match &spec.total {
            TotalSpec::Count(names) => format!("count of {}", names.join(", ")),
            TotalSpec::Sum(record, field) => format!("sum of {record}.{field}"),
        };
        Ok(Self { description: format!("{what} = {record}.{field}"), stated, total })
    }
}

fn count(layout: &LayoutSpec, names: &[String], problems: &mut Vec<(&'static str, String)>) -> Total {
    if names.is_empty() {
        problems.push(("count", "names no record type".to_owned()));
    }
    let mut types: Vec<usize> = Vec::new();
    for name in names {
        match layout.records.iter().position(|record| record.name == *name) {
            Some(found) if types.contains(&found) => problems.push(("count", format!("names `{name}` twice"))),
            Some(found) => types.push(found),
            None => problems.push(("count", format!("there is no record type `{name}`"))),
        }
    }
    Total::Count(types)
}

/// A numeric field by its names: its place, and its digits after the point.
fn find(layout: &LayoutSpec, record: &str, field: &str) -> Result<((usize, usize), usize), String> {
    let is_record = |spec: &RecordSpec| spec.name == record;
    let record_type =
        layout.records.iter().position(is_record).ok_or_else(|| format!("there is no record type `{record}`"))?;
    let fields = &layout.records[record_type].fields;
    let index = fields
        .iter()
        .position(|spec| spec.name == field)
        .ok_or_else(|| format!("`{record}` has no field `{field}`"))?;
    match &fields[index].kind {
        FieldKind::Integer => Ok(((record_type, index), 0)),
        FieldKind::Decimal { scale, .. } => Ok(((record_type, index), usize::try_from(*scale).unwrap_or(usize::MAX))),
        _ => Err(format!("`{record}.{field}` is neither integer nor decimal")),
    }
}

/// Whether a field is one that states something of the whole file.
fn check_stated(layout: &LayoutSpec, (record_type, field): (usize, usize)) -> Result<(), String> {
    let record = &layout.records[record_type];
    let name = &record.fields[field].name;
    if record.role == Role::Detail {
        return Err(format!("`{}` is neither header nor trailer", record.name));
    }
    if record.fields[field].optional {
        return Err(format!(
            "`{}.{name}` may not be optional: a total that is not stated cannot be checked",
            record.name
        ));
    }
    Ok(())
}
