//! What a file states of itself, held against what was counted and added.
//!
//! A control that header or trailer states is about the whole file. One that a master record states is about the
//! members of each such record, and is settled when nothing can belong to it any more.

mod derive;

use super::record::{Place, Record};
use super::types::{ValueType, units};
use super::{Condition, ControlSpec, FieldName, Layout, LayoutSpec, RecordType, Role, TotalSpec};

pub use derive::{Derivation, state_of_members};

/// A control, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// `sum of bid.amount = trailer.total`.
    pub(super) description: String,
    /// Record type and field that state it.
    stated: (usize, usize),
    /// About the members of each record of the stating type, rather than the file.
    of_group: bool,
    /// What it compares is shown nowhere.
    masked: bool,
    total: Total,
}

#[derive(Clone, Debug)]
enum Total {
    Count(Vec<usize>),
    Sum { fields: Vec<(usize, usize)>, scale: usize, only: Option<Selection>, negative: Option<Selection> },
    Hash { fields: Vec<(usize, usize)>, modulus: u128 },
    Same { record_type: usize, field: usize },
}

impl Control {
    /// Whether it is this field that states it.
    pub(super) fn states(&self, record_type: usize, field: usize) -> bool {
        self.stated == (record_type, field)
    }
}

impl Total {
    /// The fields whose values it is about.
    fn fields(&self) -> Vec<(usize, usize)> {
        match self {
            Self::Count(_) => Vec::new(),
            Self::Sum { fields, .. } | Self::Hash { fields, .. } => fields.clone(),
            Self::Same { record_type, field } => vec![(*record_type, *field)],
        }
    }
}

/// Which records of each added field's type count.
#[derive(Clone, Debug)]
struct Selection {
    /// Field by record type.
    fields: Vec<(usize, usize)>,
    is: Vec<String>,
}

impl Selection {
    fn takes(&self, record: &Record) -> bool {
        let field = self.fields.iter().find(|(record_type, _)| *record_type == record.type_index());
        field.is_some_and(|(_, field)| self.is.iter().any(|value| record.get(*field) == Some(value)))
    }
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
    fn masked(self) -> Self {
        let word = || "(masked)".to_owned();
        Self { stated: word(), computed: word(), ..self }
    }
}

/// A control that does not hold.
#[derive(Clone, Debug)]
pub(super) struct ControlFault {
    /// What is wrong.
    pub(super) reason: String,
    /// The record to blame.
    pub(super) place: Place,
    /// Its type.
    pub(super) record_type: usize,
    /// The field, and where its raw text begins in the file.
    pub(super) field: (usize, u64),
}

/// Running totals, one for each control.
#[derive(Clone, Debug)]
pub(super) struct Totals(Vec<Running>);

#[derive(Clone, Debug, Default)]
struct Running {
    count: u64,
    sum: i128,
    hash: u128,
    /// What header, master or trailer states, once it was read.
    stated: Option<Stated>,
    /// The first value, of a field that must be the same everywhere.
    first: Option<Stated>,
    /// A bad record stands here that would have added to it, nobody knows what.
    unknown: Option<Place>,
}

/// A value of a record that may be long gone.
#[derive(Clone, Debug)]
struct Stated {
    value: Option<String>,
    place: Place,
    byte: u64,
}

impl Stated {
    fn of(record: &Record, field: usize) -> Self {
        Self { value: record.get(field).map(str::to_owned), place: record.place(), byte: record.field_offset(field) }
    }

    fn text(&self) -> &str {
        self.value.as_deref().unwrap_or("")
    }
}

impl Totals {
    pub(super) fn new(controls: &[Control]) -> Self {
        Self(vec![Running::default(); controls.len()])
    }

    /// Adds what a record contributes; absent fields contribute nothing.
    #[inline]
    pub(super) fn add(&mut self, controls: &[Control], record: &Record) -> Result<(), ControlFault> {
        for (running, control) in self.0.iter_mut().zip(controls) {
            if control.stated.0 == record.type_index() {
                if control.of_group {
                    *running = Running::default();
                }
                running.stated = Some(Stated::of(record, control.stated.1));
            }
            control.add(running, record)?;
        }
        Ok(())
    }

    /// Adds what can be read of a bad record: `known` is its type, `failed` are the fields that could not be read, or
    /// `None` where nothing could. A total that lacks something of it cannot be checked any more.
    pub(super) fn add_bad(&mut self, layout: &Layout, record: &Record, known: Option<usize>, failed: Option<&[usize]>) {
        for (running, control) in self.0.iter_mut().zip(&layout.controls) {
            let lacks = match (known, failed) {
                (None, _) => true,
                (Some(record_type), None) => control.reads(record_type).is_some(),
                (Some(record_type), Some(failed)) => {
                    control.reads(record_type).is_some_and(|fields| fields.iter().any(|field| failed.contains(field)))
                }
            };
            let states =
                known == Some(control.stated.0) && failed.is_some_and(|failed| !failed.contains(&control.stated.1));
            if states && !control.of_group {
                running.stated = Some(Stated::of(record, control.stated.1));
            }
            if lacks || control.add(running, record).is_err() {
                running.unknown = running.unknown.or(Some(record.place()));
            }
        }
    }

    /// Settles what is about the members of records of this type: one of them has ended.
    pub(super) fn close(&mut self, layout: &Layout, record_type: usize) -> Result<(), ControlFault> {
        for (running, control) in self.0.iter_mut().zip(&layout.controls) {
            if control.of_group && control.stated.0 == record_type {
                let running = std::mem::take(running);
                control.settle(layout, &running)?;
            }
        }
        Ok(())
    }

    /// Settles what is about the whole file: every outcome, and the first that does not hold.
    pub(super) fn finish(&mut self, layout: &Layout) -> (Vec<ControlOutcome>, Option<ControlFault>) {
        let mut outcomes = Vec::new();
        let mut failed = None;
        for (running, control) in self.0.iter().zip(&layout.controls).filter(|(_, control)| !control.of_group) {
            match control.settle(layout, running) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        (outcomes, failed)
    }
}

impl Control {
    #[inline]
    fn add(&self, running: &mut Running, record: &Record) -> Result<(), ControlFault> {
        match &self.total {
            Total::Count(types) => running.count += u64::from(types.contains(&record.type_index())),
            Total::Sum { fields, scale, only, negative } => {
                for (record_type, field) in fields {
                    if *record_type != record.type_index() || only.as_ref().is_some_and(|only| !only.takes(record)) {
                        continue;
                    }
                    let Some(value) = record.get(*field) else { continue };
                    let sign = if negative.as_ref().is_some_and(|negative| negative.takes(record)) { -1 } else { 1 };
                    let sum = units(value, *scale).and_then(|value| running.sum.checked_add(sign * value));
                    running.sum = sum.ok_or_else(|| {
                        fault(record, *field, "the sum of this field exceeds 38 digits and cannot be checked")
                    })?;
                }
            }
            Total::Hash { fields, modulus } => {
                for (_, field) in fields.iter().filter(|(record_type, _)| *record_type == record.type_index()) {
                    let value = record.get(*field).unwrap_or_default();
                    running.hash = (running.hash + digits_modulo(value, *modulus)) % modulus;
                }
            }
            Total::Same { record_type, field } if *record_type == record.type_index() => {
                let found = record.get(*field);
                match running.stated.as_ref().or(running.first.as_ref()) {
                    Some(other) if other.value.as_deref() != found => return Err(self.differs(record, *field, other)),
                    _ if running.first.is_none() => running.first = Some(Stated::of(record, *field)),
                    _ => {}
                }
            }
            Total::Same { .. } => {}
        }
        Ok(())
    }

    #[cold]
    fn differs(&self, record: &Record, field: usize, other: &Stated) -> ControlFault {
        let values = if self.masked {
            "one value here, another there (they are masked)".to_owned()
        } else {
            format!("{:?} here, {:?} there", record.get(field).unwrap_or_default(), other.text())
        };
        fault(record, field, &format!("{}: {values}", self.description))
    }

    /// The fields of a record type that it reads; `None` where it has nothing to do with the type.
    fn reads(&self, record_type: usize) -> Option<Vec<usize>> {
        let own = |fields: &[(usize, usize)]| -> Vec<usize> {
            fields.iter().filter(|(owner, _)| *owner == record_type).map(|(_, field)| *field).collect()
        };
        let mut fields = match &self.total {
            Total::Count(_) => Vec::new(),
            Total::Sum { fields, only, negative, .. } => {
                let conditions = [only, negative].into_iter().flatten().flat_map(|selection| own(&selection.fields));
                let mut read = own(fields);
                read.extend(conditions);
                read
            }
            Total::Hash { fields, .. } => own(fields),
            Total::Same { record_type: owner, field } if *owner == record_type => vec![*field],
            Total::Same { .. } => Vec::new(),
        };
        if self.stated.0 == record_type {
            fields.push(self.stated.1);
        }
        let counts = matches!(&self.total, Total::Count(types) if types.contains(&record_type));
        (counts || !fields.is_empty()).then_some(fields)
    }

    /// Holds what was computed against what is stated.
    fn settle(&self, layout: &Layout, running: &Running) -> Result<Option<ControlOutcome>, ControlFault> {
        let (record_type, field) = self.stated;
        if let Some(bad) = running.unknown {
            let reason = format!(
                "{}: it cannot be checked, since it is also about record {}, which is bad",
                self.description, bad.number
            );
            let (place, byte) = running.stated.as_ref().map_or((bad, bad.byte), |stated| (stated.place, stated.byte));
            return Err(ControlFault { reason, place, record_type, field: (field, byte) });
        }
        let Some(stated) = &running.stated else { return Ok(None) };
        let computed = self.computed(running).unwrap_or_else(|| stated.text().to_owned());
        let outcome =
            ControlOutcome { description: self.description.clone(), stated: stated.text().to_owned(), computed };
        if is_same(&outcome, layout.record_types[record_type].fields[field].value_type()) {
            return Ok(Some(if self.masked { outcome.masked() } else { outcome }));
        }
        let reason = if self.masked {
            format!("{}: it does not add up (the values are masked)", self.description)
        } else {
            format!("{}: the file says {}, it has {}", self.description, outcome.stated, outcome.computed)
        };
        Err(ControlFault { reason, place: stated.place, record_type, field: (field, stated.byte) })
    }
}

/// Canonical numbers are equal only if their texts are, but for zeros that a field without scale may have.
fn is_same(outcome: &ControlOutcome, value_type: ValueType) -> bool {
    match value_type {
        ValueType::Integer | ValueType::Decimal(_) => {
            let scale = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let scale = scale(&outcome.stated).max(scale(&outcome.computed));
            let stated = units(&outcome.stated, scale);
            outcome.stated == outcome.computed || (stated.is_some() && stated == units(&outcome.computed, scale))
        }
        _ => outcome.stated == outcome.computed,
    }
}

#[cold]
fn fault(record: &Record, field: usize, reason: &str) -> ControlFault {
    ControlFault {
        reason: reason.to_owned(),
        place: record.place(),
        record_type: record.type_index(),
        field: (field, record.field_offset(field)),
    }
}

/// The digits of a text as one number, modulo `modulus`.
fn digits_modulo(text: &str, modulus: u128) -> u128 {
    let digits = text.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |value, digit| (value * 10 + u128::from(digit - b'0')) % modulus)
}

/// Makes a control of what was stated; each problem with the key it stands under.
pub(super) fn compile(
    spec: &ControlSpec,
    layout: &LayoutSpec,
    types: &[RecordType],
) -> Result<Control, Vec<(&'static str, String)>> {
    let mut compiler = Compiler { layout, types, problems: Vec::new() };
    let control = compiler.control(spec);
    match control {
        Some(control) if compiler.problems.is_empty() => Ok(control),
        _ => Err(compiler.problems),
    }
}

struct Compiler<'s> {
    layout: &'s LayoutSpec,
    types: &'s [RecordType],
    problems: Vec<(&'static str, String)>,
}

impl Compiler<'_> {
    fn control(&mut self, spec: &ControlSpec) -> Option<Control> {
        let (record, field) = &spec.equals;
        let stated = self.find("equals", &spec.equals);
        let total = self.total(&spec.total);
        let (stated, (total, what, members)) = (stated?, total?);
        let of_group = self.check_stated(stated, &members);
        self.check_comparable(stated, &total);
        let is_masked = |(record_type, field): &(usize, usize)| self.types[*record_type].fields[*field].masked;
        let masked = is_masked(&stated) || total.fields().iter().any(is_masked);
        Some(Control { description: format!("{what} = {record}.{field}"), stated, of_group, masked, total })
    }

    /// The total, its description, and the record types it is about.
    fn total(&mut self, spec: &TotalSpec) -> Option<(Total, String, Vec<usize>)> {
        match spec {
            TotalSpec::Count(names) => {
                let types = self.count(names);
                Some((Total::Count(types.clone()), format!("count of {}", names.join(", ")), types))
            }
            TotalSpec::Sum { fields, only, negative } => {
                let found = self.fields("sum", fields)?;
                let scale = self.common_scale(&found)?;
                let what = format!("sum of {}", written(fields));
                let what = only
                    .as_ref()
                    .map_or(what.clone(), |only| format!("{what} where {} is {}", only.field, only.is.join(" or ")));
                let only = self.selection("only", only.as_ref(), &found)?;
                let negative = self.selection("negative", negative.as_ref(), &found)?;
                let types = found.iter().map(|(record_type, _)| *record_type).collect();
                Some((Total::Sum { fields: found, scale, only, negative }, what, types))
            }
            TotalSpec::Hash { fields, digits } => {
                let found = self.fields("hash", fields)?;
                let modulus = 10_u128.checked_pow(*digits).filter(|_| (1..=37).contains(digits));
                let Some(modulus) = modulus else {
                    self.problems.push(("digits", "must be from 1 to 37".to_owned()));
                    return None;
                };
                let types = found.iter().map(|(record_type, _)| *record_type).collect();
                let what = format!("hash total of {} ({digits} digits)", written(fields));
                Some((Total::Hash { fields: found, modulus }, what, types))
            }
            TotalSpec::Same(name) => {
                let (record_type, field) = self.find("same", name)?;
                Some((Total::Same { record_type, field }, format!("{}.{}", name.0, name.1), vec![record_type]))
            }
        }
    }

    fn count(&mut self, names: &[String]) -> Vec<usize> {
        if names.is_empty() {
            self.problems.push(("count", "names no record type".to_owned()));
        }
        let mut types: Vec<usize> = Vec::new();
        for name in names {
            match self.types.iter().position(|record| record.name == *name) {
                Some(found) if types.contains(&found) => {
                    self.problems.push(("count", format!("names `{name}` twice")));
                }
                Some(found) => types.push(found),
                None => self.problems.push(("count", format!("there is no record type `{name}`"))),
            }
        }
        types
    }

    fn fields(&mut self, key: &'static str, names: &[FieldName]) -> Option<Vec<(usize, usize)>> {
        if names.is_empty() {
            self.problems.push((key, "names no field".to_owned()));
        }
        let found: Vec<_> = names.iter().map(|name| self.find(key, name)).collect();
        found.into_iter().collect::<Option<Vec<_>>>().filter(|found| !found.is_empty())
    }

    fn find(&mut self, key: &'static str, (record, field): &FieldName) -> Option<(usize, usize)> {
        let Some(record_type) = self.types.iter().position(|known| known.name == *record) else {
            self.problems.push((key, format!("there is no record type `{record}`")));
            return None;
        };
        let found = self.types[record_type].fields.iter().position(|known| known.name == *field);
        if found.is_none() {
            self.problems.push((key, format!("`{record}` has no field `{field}`")));
        }
        Some((record_type, found?))
    }

    /// The digits after the point that all of these have.
    fn common_scale(&mut self, fields: &[(usize, usize)]) -> Option<usize> {
        let mut common = None;
        for (record_type, field) in fields {
            let name = format!("`{}.{}`", self.types[*record_type].name, self.types[*record_type].fields[*field].name);
            let scale = match self.scale(*record_type, *field) {
                Some(scale) => scale,
                None => {
                    let message = format!("{name} is no number with a stated scale");
                    self.problems.push(("sum", message));
                    return None;
                }
            };
            if common.is_some_and(|common| common != scale) {
                self.problems.push(("sum", format!("{name} has another scale than the fields before it")));
                return None;
            }
            common = Some(scale);
        }
        common
    }

    fn scale(&self, record_type: usize, field: usize) -> Option<usize> {
        match self.types[record_type].fields[field].value_type() {
            ValueType::Integer => Some(0),
            ValueType::Decimal(scale) => scale,
            _ => None,
        }
    }

    /// The outer `None` is a problem.
    fn selection(
        &mut self,
        key: &'static str,
        condition: Option<&Condition>,
        fields: &[(usize, usize)],
    ) -> Option<Option<Selection>> {
        let Some(condition) = condition else { return Some(None) };
        let mut found = Vec::new();
        for (record_type, _) in fields {
            let name = (self.types[*record_type].name.clone(), condition.field.clone());
            found.push(self.find(key, &name)?);
        }
        if condition.is.is_empty() {
            self.problems.push((key, "names no value".to_owned()));
        }
        Some(Some(Selection { fields: found, is: condition.is.clone() }))
    }

    /// Whether the stating field speaks of the members of its own record; reports one that can speak of nothing.
    fn check_stated(&mut self, (record_type, field): (usize, usize), about: &[usize]) -> bool {
        let (record, name) = (&self.types[record_type], &self.types[record_type].fields[field].name);
        if self.types[record_type].fields[field].optional {
            let message =
                format!("`{}.{name}` may not be optional: a total that is not stated cannot be checked", record.name);
            self.problems.push(("equals", message));
        }
        if record.role != Role::Detail {
            return false;
        }
        let below = |member: &usize| self.is_below(*member, record_type);
        let own = |member: &usize| *member == record_type;
        // Of its own fields alone it cannot speak: nothing would ever settle it.
        if !about.iter().all(|member| own(member) || below(member)) || !about.iter().any(below) {
            let message = format!("`{}` is neither header nor trailer, nor what these records belong to", record.name);
            self.problems.push(("equals", message));
        }
        true
    }

    fn is_below(&self, member: usize, master: usize) -> bool {
        let mut current = member;
        // No deeper than there are types: a circle is reported elsewhere.
        for _ in 0..self.types.len() {
            let parent = self.layout.records[current].parent.as_ref();
            let found = parent.and_then(|name| self.types.iter().position(|record| record.name == *name));
            match found {
                Some(found) if found == master => return true,
                Some(found) => current = found,
                None => return false,
            }
        }
        false
    }

    fn check_comparable(&mut self, (record_type, field): (usize, usize), total: &Total) {
        let stated = &self.types[record_type].fields[field];
        let name = format!("`{}.{}`", self.types[record_type].name, stated.name);
        let message = match (total, stated.value_type()) {
            (Total::Same { record_type, field }, value_type) => {
                let compared = self.types[*record_type].fields[*field].value_type();
                (compared != value_type).then(|| format!("{name} is of another type than what is compared"))
            }
            (Total::Count(_) | Total::Hash { .. }, ValueType::Integer | ValueType::Decimal(Some(0))) => None,
            (Total::Count(_) | Total::Hash { .. }, ValueType::Decimal(scale)) => {
                Some(format!("{name} has {} digits after the point, what is compared has 0", scale.unwrap_or(0)))
            }
            (Total::Sum { scale, .. }, ValueType::Integer | ValueType::Decimal(_)) => {
                let stated = self.scale(record_type, field);
                (stated.is_some_and(|stated| stated != *scale)).then(|| {
                    format!("{name} has {} digits after the point, what is compared has {scale}", stated.unwrap_or(0))
                })
            }
            _ => Some(format!("{name} is neither integer nor decimal")),
        };
        self.problems.extend(message.map(|message| ("equals", message)));
    }
}

fn written(fields: &[FieldName]) -> String {
    let names: Vec<String> = fields.iter().map(|(record, field)| format!("{record}.{field}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn digits_are_added_as_numbers() {
        let nines = "9".repeat(60);
        for (text, modulus, wanted) in [
            ("1234567890123456789", 10_000_000_000, 123_456_789),
            ("DE89 3704", 1000, 704),
            ("", 10, 0),
            ("abc", 10, 0),
            (&nines, 10_u128.pow(37), 10_u128.pow(37) - 1),
        ] {
            assert_eq!(digits_modulo(text, modulus), wanted, "{text}");
        }
    }
}
