//! Narrower types than text, proposed from the values of a field. The proof has the last word.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{Notes, counted, field_place, number, shown};
use crate::domain::date::DateFormat;
use crate::layout::{Align, FieldSpec, KindSpec, Layout, LayoutSpec, Parser, Record};

/// Forms of dates, and how many different ones a field must have where they could be mere numbers.
const DATES: [(&str, usize); 21] = [
    ("YYYY-MM-DD", 1),
    ("YYYY/MM/DD", 1),
    ("YYYY.MM.DD", 1),
    ("DD.MM.YYYY", 1),
    ("DD/MM/YYYY", 1),
    ("MM/DD/YYYY", 1),
    ("DD-MM-YYYY", 1),
    ("MM-DD-YYYY", 1),
    ("DD.MM.YY", 1),
    ("YY.MM.DD", 1),
    ("DD/MM/YY", 1),
    ("MM/DD/YY", 1),
    ("YY-MM-DD", 1),
    ("YYYYMMDD", 1),
    ("DDMMYYYY", 2),
    ("MMDDYYYY", 2),
    ("YYYYDDD", 3),
    ("YYMMDD", 5),
    ("DDMMYY", 5),
    ("MMDDYY", 5),
    ("YYDDD", 15),
];

/// How an absent value may be spelled.
const NULLS: [&str; 10] = ["\\N", "NULL", "null", "N/A", "NA", "n/a", "-", "?", ".", "#N/A"];

/// From this two-digit year on it is the 1900s, as in layouts that say nothing.
const PIVOT: u32 = 70;

/// So many different values are remembered, no more.
const MOST_DISTINCT: usize = 16;

/// What was seen of the values of one field.
#[derive(Debug)]
struct Seen {
    records: usize,
    filled: usize,
    blank: usize,
    nulls: BTreeMap<&'static str, usize>,
    distinct: BTreeSet<String>,
    /// Forms that all values have had so far.
    dates: Vec<DateFormat>,
    point: Numbers,
    comma: Numbers,
    /// Values begin, or end, with blanks that fill the field.
    padded_left: bool,
    padded_right: bool,
}

/// Values as numbers with one kind of point.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    all: bool,
    least_scale: usize,
    most_scale: usize,
    grouped: bool,
    leading_zeros: usize,
}

impl Numbers {
    const NONE: Self = Self { all: true, least_scale: usize::MAX, most_scale: 0, grouped: false, leading_zeros: 0 };

    fn see(&mut self, text: &str, point: char, grouping: char) {
        let Some(found) = number_form(text, point, grouping) else {
            self.all = false;
            return;
        };
        self.least_scale = self.least_scale.min(found.scale);
        self.most_scale = self.most_scale.max(found.scale);
        self.grouped |= found.grouped;
        self.leading_zeros += usize::from(found.leading_zero);
    }

    fn is_whole(&self) -> bool {
        self.all && self.most_scale == 0 && !self.grouped
    }
}

struct NumberForm {
    scale: usize,
    grouped: bool,
    leading_zero: bool,
}

fn number_form(text: &str, point: char, grouping: char) -> Option<NumberForm> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once(point) {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (unsigned, ""),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = whole.contains(grouping);
    let fits = |(index, group): (usize, &str)| {
        digits(group) && if index == 0 { group.len() <= 3 && !group.starts_with('0') } else { group.len() == 3 }
    };
    let is_whole = if grouped { whole.split(grouping).enumerate().all(fits) } else { digits(whole) };
    // A negative zero has no canonical spelling but zero.
    let negative_zero = text.starts_with('-') && unsigned.bytes().all(|byte| !(b'1'..=b'9').contains(&byte));
    if !is_whole || !(fraction.is_empty() || digits(fraction)) || negative_zero {
        return None;
    }
    Some(NumberForm { scale: fraction.len(), grouped, leading_zero: whole.len() > 1 && whole.starts_with('0') })
}

impl Seen {
    fn new() -> Self {
        let dates = DATES.iter().filter_map(|(format, _)| DateFormat::compile(format, PIVOT).ok()).collect();
        Self {
            records: 0,
            filled: 0,
            blank: 0,
            nulls: BTreeMap::new(),
            distinct: BTreeSet::new(),
            dates,
            point: Numbers::NONE,
            comma: Numbers::NONE,
            padded_left: false,
            padded_right: false,
        }
    }

    fn see(&mut self, value: Option<&str>, width: Option<usize>) {
        self.records += 1;
        let value = value.unwrap_or_default();
        let text = if width.is_some() { value.trim_matches(' ') } else { value };
        if text.is_empty() {
            self.blank += 1;
            return;
        }
        if let Some(null) = NULLS.iter().find(|null| **null == text) {
            *self.nulls.entry(null).or_default() += 1;
            return;
        }
        self.filled += 1;
        self.padded_left |= value.starts_with(' ');
        self.padded_right |= width.is_some_and(|width| value.len() < width);
        if self.distinct.len() < MOST_DISTINCT && !self.distinct.contains(text) {
            self.distinct.insert(text.to_owned());
        }
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        self.dates.retain(|format| {
            let read = if text.len() == format.width() { format.read(text) } else { None };
            // Digits alone may mean anything: a year that nobody writes tells.
            read.is_some_and(|date| !all_digits || ["19", "20"].iter().any(|age| date.to_string().starts_with(age)))
        });
        self.point.see(text, '.', ',');
        self.comma.see(text, ',', '.');
    }

    /// The type that all values have, with its evidence; or why it is text, where there is something to say.
    fn narrowed(&self, field: &FieldSpec, fixed: bool) -> Result<(FieldSpec, String), Option<String>> {
        if self.filled == 0 {
            return Err((self.records > 0 && !field.optional).then(|| format!("No value in any of {}.", self.of())));
        }
        let (mut narrower, mut evidence) = match self.date(field)? {
            Some(found) => found,
            None => self.number(field)?,
        };
        let padded = self.padded_left || self.padded_right;
        if fixed && !padded && narrower.type_word != "date" {
            let reason = "Text: numbers that fill it may be a code, or the digits of several fields.";
            return Err(Some(reason.to_owned()));
        }
        if fixed && padded {
            if (self.padded_left && self.padded_right) || !self.nulls.is_empty() {
                return Err(None);
            }
            narrower.pad = Some(b' ');
            narrower.align = Some(if self.padded_left { Align::Right } else { Align::Left });
        }
        if self.blank > 0 {
            narrower.optional = true;
            evidence.push_str(&format!(" Blank in {}.", number(self.blank as u64)));
        }
        match self.nulls.len() {
            0 => {}
            1 if self.blank == 0 => {
                for (null, count) in &self.nulls {
                    narrower.optional = true;
                    narrower.null = vec![(*null).to_owned()];
                    evidence.push_str(&format!(" {} in {}.", shown(null), number(*count as u64)));
                }
            }
            _ => return Err(Some("Text: absent values have more than one spelling.".to_owned())),
        }
        Ok((narrower, evidence))
    }

    fn of(&self) -> String {
        counted(self.records, "record")
    }

    /// The only form of dates that all values have.
    fn date(&self, field: &FieldSpec) -> Result<Option<(FieldSpec, String)>, Option<String>> {
        let enough = |format: &&DateFormat| {
            let known = DATES.iter().find(|(known, _)| *known == format.to_string());
            known.is_some_and(|(_, least)| self.distinct.len() >= *least)
        };
        let found: Vec<&DateFormat> = self.dates.iter().filter(enough).collect();
        let [format] = found.as_slice() else {
            if found.is_empty() {
                return Ok(None);
            }
            let formats: Vec<String> = found.iter().map(|format| format!("{format}")).collect();
            let sentence = format!("Ambiguous: {} fit all {}; it stays text.", formats.join(" and "), self.of());
            return Err(Some(sentence));
        };
        let others: Vec<String> =
            self.dates.iter().filter(|other| other != format).map(|other| format!("{other}")).collect();
        if !others.is_empty() {
            let sentence = format!("Ambiguous: {format} would fit, and {} as well; it stays text.", others.join(", "));
            return Err(Some(sentence));
        }
        let narrower = narrower(field, "date").with("format", format.to_string().as_str());
        Ok(Some((narrower, format!("A date as {format} in {} of {}.", number(self.filled as u64), self.of()))))
    }

    fn number(&self, field: &FieldSpec) -> Result<(FieldSpec, String), Option<String>> {
        let filled = format!("{} of {}", number(self.filled as u64), self.of());
        let leading = if self.point.all { self.point.leading_zeros } else { self.comma.leading_zeros };
        if (self.point.all || self.comma.all) && leading > 0 {
            let zeros = number(leading as u64);
            return Err(Some(format!(
                "Text, for {zeros} of {} begin with a zero that a number would lose.",
                self.of()
            )));
        }
        if self.point.is_whole() {
            return Ok((narrower(field, "integer"), format!("A whole number in {filled}.")));
        }
        let (numbers, point, mark) = match (self.point.all, self.comma.all) {
            (true, true) => {
                let reason =
                    "Ambiguous: the point or comma may stand before decimals or between thousands; it stays text.";
                return Err(Some(reason.to_owned()));
            }
            (true, false) => (self.point, ".", ","),
            (false, true) => (self.comma, ",", "."),
            (false, false) => return Err(None),
        };
        let mut narrower = narrower(field, "decimal");
        let digits = if numbers.least_scale == numbers.most_scale {
            narrower = narrower.with("scale", numbers.most_scale as u64);
            numbers.most_scale.to_string()
        } else {
            narrower = narrower.with("scale", "any");
            format!("{} to {}", numbers.least_scale, numbers.most_scale)
        };
        if point == "," {
            narrower = narrower.with("point", point);
        }
        if numbers.grouped {
            narrower = narrower.with("grouping", mark);
        }
        Ok((narrower, format!("A number with {digits} digits after the point in {filled}.")))
    }
}

fn narrower(field: &FieldSpec, type_word: &str) -> FieldSpec {
    FieldSpec { type_word: type_word.to_owned(), ..field.clone() }
}

/// The layout with narrower types, where values of the windows suggest them; evidence goes to the notes.
pub(super) fn narrow(text: &LayoutSpec, windows: &[Vec<u8>], notes: &mut Notes) -> LayoutSpec {
    let mut spec = text.clone();
    let Ok(layout) = Layout::compile(text.clone()) else { return spec };
    let mut seen: Vec<Vec<Seen>> =
        text.records.iter().map(|record| record.fields.iter().map(|_| Seen::new()).collect()).collect();
    let mut record = Record::new();
    for window in windows {
        let mut parser = Parser::new(&layout, window.as_slice());
        // What cannot be read says nothing, and the proof will find it again.
        while parser.read(&mut record).unwrap_or(false) {
            let index = record.type_index();
            for (field, (seen, stated)) in seen[index].iter_mut().zip(&text.records[index].fields).enumerate() {
                seen.see(record.get(field), stated.width);
            }
        }
    }
    let fixed = matches!(text.kind, KindSpec::FixedWidth(_));
    for (record, seen) in spec.records.iter_mut().zip(&seen) {
        for (field, seen) in record.fields.iter_mut().zip(seen).filter(|(field, _)| field.type_word == "text") {
            let place = field_place(&record.name, &field.name);
            match seen.narrowed(field, fixed) {
                Ok((narrower, evidence)) => {
                    *field = narrower;
                    notes.add(place, evidence);
                }
                Err(reason) => {
                    if let Some(reason) = reason {
                        notes.add(place, reason);
                    }
                }
            }
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Type and settings, or why it stays text.
    fn proposed(values: &[&str], width: Option<usize>) -> String {
        let mut seen = Seen::new();
        values.iter().for_each(|value| seen.see(Some(value), width));
        match seen.narrowed(&FieldSpec { width, ..FieldSpec::new("f", "text") }, width.is_some()) {
            Ok((field, _)) => {
                let settings: Vec<String> = field.settings.values().map(|setting| format!("{setting:?}")).collect();
                let optional = if field.optional { " optional" } else { "" };
                format!("{} {}{optional}{}", field.type_word, settings.join(" "), field.null.join(" "))
            }
            Err(reason) => reason.unwrap_or_else(|| "text".to_owned()),
        }
    }

    #[test]
    fn types_are_proposed_only_where_all_values_have_them() {
        for (values, expected) in [
            (&["1", "-20", "300"] as &[&str], "integer "),
            (&["1", "", "3"], "integer  optional"),
            (&["1", "\\N"], "integer  optional\\N"),
            (&["1", "+2"], "text"),
            (&["1", "-0"], "text"),
            (&["1", "x"], "text"),
            (&["1.50", "-0.05"], "decimal Number(2)"),
            (&["1,50", "1234,00"], "decimal Text(\",\") Number(2)"),
            (&["1.5", "2", "2.25"], "decimal Text(\"any\")"),
            (&["1.234,50", "12,00"], "decimal Text(\".\") Text(\",\") Number(2)"),
            (&["2026-01-31"], "date Text(\"YYYY-MM-DD\")"),
            (&["31.01.2026", "01.02.2026"], "date Text(\"DD.MM.YYYY\")"),
            (&["20260131", "20251224"], "date Text(\"YYYYMMDD\")"),
            (&["260131", "260131"], "integer "),
            (&["0042", "0043"], "Text, for 2 of 2 records begin with a zero that a number would lose."),
            (&["", ""], "No value in any of 2 records."),
        ] {
            assert_eq!(proposed(values, None), expected, "{values:?}");
        }
    }

    #[test]
    fn what_could_mean_two_things_stays_text() {
        for values in [&["01/02/2026", "03/04/2026"] as &[&str], &["1.234", "2.345"], &["01.02.03", "02.03.04"]] {
            let proposed = proposed(values, None);
            assert!(proposed.starts_with("Ambiguous") || proposed == "text", "{values:?}: {proposed}");
        }
        assert!(proposed(&["01/02/2026"], None).starts_with("Ambiguous: DD/MM/YYYY and MM/DD/YYYY"));
    }

    #[test]
    fn blanks_that_fill_a_field_are_padding() {
        assert_eq!(proposed(&["   12", "12345"], Some(5)), "integer ");
        assert_eq!(proposed(&["   12", "12"], Some(5)), "text");
        assert!(proposed(&["12345", "54321"], Some(5)).starts_with("Text: numbers that fill it"));
    }
}
