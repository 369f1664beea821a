//! Controls: fields of header or trailer that equal a count or a sum, in every sample.

use std::collections::BTreeMap;

use super::notes::{Notes, counted, field_place};
use super::{DraftError, Originals};
use crate::layout::{ControlSpec, FieldSpec, Layout, LayoutSpec, ParseError, Parser, Record, Role, Setting, TotalSpec};

/// A field by record type and place.
type Place = (usize, usize);

/// What one sample states, and has.
#[derive(Debug, Default)]
struct Tally {
    counts: Vec<i128>,
    sums: BTreeMap<Place, Option<i128>>,
    stated: BTreeMap<Place, i128>,
}

/// What would explain a stated field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Explanation {
    Count(Vec<usize>),
    Sum(Place),
}

/// Finds controls of a layout over whole samples; those that cannot be read are left out.
///
/// # Errors
/// Samples that cannot be read from their place.
pub(super) fn find(
    spec: &LayoutSpec,
    names: &[String],
    originals: &dyn Originals,
    notes: &mut Notes,
) -> Result<Vec<ControlSpec>, DraftError> {
    let framed = |record: usize| spec.records[record].role != Role::Detail;
    if !(0..spec.records.len()).any(framed) {
        return Ok(Vec::new());
    }
    let layout = Layout::compile(spec.clone()).map_err(DraftError::Invalid)?;
    let mut tallies = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let failed = |error| DraftError::Io { sample: name.clone(), error };
        let source = originals.open(index).map_err(failed)?;
        tallies.extend(tally(spec, &layout, source).map_err(failed)?);
    }
    let mut controls = Vec::new();
    for (record, stated) in spec.records.iter().enumerate().filter(|(record, _)| framed(*record)) {
        for (field, stated_field) in stated.fields.iter().enumerate() {
            let found = explanations(spec, &tallies, (record, field));
            controls.extend(control(spec, &found, record, tallies.len(), stated_field, notes));
        }
    }
    Ok(controls)
}

fn control(
    spec: &LayoutSpec,
    found: &[Explanation],
    record: usize,
    samples: usize,
    stated: &FieldSpec,
    notes: &mut Notes,
) -> Option<ControlSpec> {
    let record_name = &spec.records[record].name;
    let place = field_place(record_name, &stated.name);
    let described: Vec<String> = found.iter().map(|found| describe(spec, found)).collect();
    let everywhere = format!("in each of {}", counted(samples, "sample"));
    let [explanation] = found else {
        if !found.is_empty() {
            notes.add(
                place,
                format!("Ambiguous: a control? It equals the {} {everywhere}.", described.join(", and the ")),
            );
        }
        return None;
    };
    if stated.type_word == "text" {
        let width = stated.width.map_or_else(|| ", width = its length, pad = \"0\"".to_owned(), |_| String::new());
        let sentence = format!(
            "It equals the {} {everywhere}: with type = \"integer\"{width} it could be a control.",
            described[0]
        );
        notes.add(place, sentence);
        return None;
    }
    let equals = (record_name.clone(), stated.name.clone());
    notes.add(format!("control.{}.{}", equals.0, equals.1), format!("It holds {everywhere}, and not only as zero."));
    let name = |(record, field): Place| {
        let record = &spec.records[record];
        (record.name.clone(), record.fields[field].name.clone())
    };
    let total = match explanation {
        Explanation::Count(records) => {
            TotalSpec::Count(records.iter().map(|record| spec.records[*record].name.clone()).collect())
        }
        Explanation::Sum(place) => TotalSpec::Sum { fields: vec![name(*place)], only: None, negative: None },
    };
    Some(ControlSpec { total, equals })
}

fn describe(spec: &LayoutSpec, found: &Explanation) -> String {
    match found {
        Explanation::Count(records) => {
            let names: Vec<&str> = records.iter().map(|record| spec.records[*record].name.as_str()).collect();
            format!("count of {}", names.join(", "))
        }
        Explanation::Sum((record, field)) => {
            let record = &spec.records[*record];
            format!("sum of {}.{}", record.name, record.fields[*field].name)
        }
    }
}

/// Digits after the point of a numeric field that is always there; of a text, none.
fn scale(field: &FieldSpec) -> Option<u32> {
    match (field.type_word.as_str(), field.settings.get("scale")) {
        ("integer", _) => Some(0),
        ("decimal", Some(Setting::Number(scale))) => u32::try_from(*scale).ok(),
        _ => None,
    }
}

/// What one sample states and has; nothing where it is refused.
fn tally(spec: &LayoutSpec, layout: &Layout, source: Box<dyn std::io::Read + '_>) -> std::io::Result<Option<Tally>> {
    let mut parser = Parser::new(layout, source);
    let mut found = Tally { counts: vec![0; spec.records.len()], ..Tally::default() };
    let mut record = Record::new();
    loop {
        match parser.read(&mut record) {
            Ok(true) => found.take(spec, &record),
            Ok(false) => return Ok(Some(found)),
            Err(ParseError::Reject(_)) => return Ok(None),
            Err(ParseError::Io(error)) => return Err(error),
        }
    }
}

impl Tally {
    fn take(&mut self, spec: &LayoutSpec, record: &Record) {
        let index = record.type_index();
        self.counts[index] += 1;
        let stated = &spec.records[index];
        for (at, field) in stated.fields.iter().enumerate() {
            let value = record.get(at).unwrap_or_default();
            let is_digits = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let scale = scale(field);
            if stated.role == Role::Detail {
                let Some(scale) = scale else { continue };
                let sum = self.sums.entry((index, at)).or_insert(Some(0));
                let value = if value.is_empty() { Some(0) } else { units(value, scale) };
                *sum = sum.zip(value).and_then(|(sum, value)| sum.checked_add(value));
            } else if ((scale.is_some() && !field.optional) || (field.type_word == "text" && is_digits()))
                && let Some(value) = units(value, scale.unwrap_or(0))
            {
                self.stated.insert((index, at), value);
            }
        }
    }
}

/// A canonical number in units of its last digit.
fn units(canonical: &str, scale: u32) -> Option<i128> {
    let fraction = canonical.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits: String = canonical.chars().filter(|character| *character != '.').collect();
    let missing = scale.checked_sub(u32::try_from(fraction).ok()?)?;
    digits.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(missing)?)
}

/// What equals a stated field in every sample: counts, and where none does, sums.
fn explanations(spec: &LayoutSpec, tallies: &[Tally], stated: Place) -> Vec<Explanation> {
    let values: Option<Vec<i128>> = tallies.iter().map(|tally| tally.stated.get(&stated).copied()).collect();
    let Some(values) = values.filter(|values| values.iter().any(|value| *value != 0)) else { return Vec::new() };
    let field = &spec.records[stated.0].fields[stated.1];
    let mut found = Vec::new();
    if scale(field).unwrap_or(0) == 0 {
        let counts = |records: &Vec<usize>| -> Vec<i128> {
            tallies.iter().map(|tally| records.iter().map(|record| tally.counts[*record]).sum()).collect()
        };
        let matching = countable(spec).into_iter().filter(|records| counts(records) == values);
        found.extend(matching.map(Explanation::Count));
    }
    let Some(scale_here) = scale(field).filter(|_| found.is_empty()) else { return found };
    for (record, details) in spec.records.iter().enumerate().filter(|(_, record)| record.role == Role::Detail) {
        let same_scale = |(_, field): &(usize, &FieldSpec)| scale(field) == Some(scale_here);
        for (at, _) in details.fields.iter().enumerate().filter(same_scale) {
            let sums = tallies.iter().map(|tally| tally.sums.get(&(record, at)).copied().unwrap_or(Some(0)));
            if sums.eq(values.iter().map(|value| Some(*value))) {
                found.push(Explanation::Sum((record, at)));
            }
        }
    }
    found
}

/// Which records a count may include: those of one type, of all details, and with header, trailer or both.
fn countable(spec: &LayoutSpec) -> Vec<Vec<usize>> {
    let of = |roles: &[Role]| -> Vec<usize> {
        (0..spec.records.len()).filter(|record| roles.contains(&spec.records[*record].role)).collect()
    };
    let mut found: Vec<Vec<usize>> = of(&[Role::Detail]).into_iter().map(|record| vec![record]).collect();
    for roles in [
        &[Role::Detail] as &[Role],
        &[Role::Header, Role::Detail],
        &[Role::Detail, Role::Trailer],
        &[Role::Header, Role::Detail, Role::Trailer],
    ] {
        let records = of(roles);
        if !records.is_empty() && !found.contains(&records) {
            found.push(records);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_in_units_of_their_last_digit() {
        for (canonical, scale, expected) in [
            ("12.50", 2, Some(1250)),
            ("3", 2, Some(300)),
            ("-0.05", 2, Some(-5)),
            ("000007", 0, Some(7)),
            ("1.234", 2, None),
            ("x", 0, None),
        ] {
            assert_eq!(units(canonical, scale), expected, "{canonical}");
        }
    }
}
