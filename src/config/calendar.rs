//! `[calendar.NAME]`: business days, holidays and the zone they are lived in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::domain::calendar::{Calendar, Holiday, Holidays, Weekdays};

use super::given::Given;
use super::problems::{Place, suggestion};
use super::section::Section;

/// Calendars by name; `None` where one could not be read.
pub(super) type Calendars = BTreeMap<String, Option<Arc<Calendar>>>;

/// Reads every `[calendar.NAME]`.
pub(super) fn read(section: Option<Section<'_>>) -> Calendars {
    let named = section.map(|section| section.all()).unwrap_or_default();
    named.into_iter().map(|(name, given)| (name, given.section().and_then(calendar).map(Arc::new))).collect()
}

/// A calendar that another table names.
pub(super) fn named(given: &Given<'_>, calendars: &Calendars) -> Option<Arc<Calendar>> {
    let name = given.text()?;
    if let Some(calendar) = calendars.get(&name) {
        return calendar.clone();
    }
    let hint = if calendars.is_empty() {
        Some(format!("state it there: [calendar.{name}] with zone = \"Europe/London\" or the like"))
    } else {
        suggestion(&name, calendars.keys().map(String::as_str))
    };
    given.problem_with_hint(format!("no calendar `{name}` is stated in the bridge's file"), hint);
    None
}

fn calendar(section: Section<'_>) -> Option<Calendar> {
    let zone = section.need("zone").and_then(|given| zone(&given));
    let weekdays = section.find("business_days").map_or(Some(Weekdays::WORKING), |given| weekdays(&given));
    let stated = section.find("holidays").and_then(|given| given.list()).unwrap_or_default();
    let mut holidays: Vec<Holiday> = stated.iter().filter_map(holiday).collect();
    if let Some(given) = section.find("holidays_file") {
        holidays.extend(holidays_of_file(&given));
    }
    section.end();
    Some(Calendar::new(zone?, weekdays?, Holidays::of(&holidays)))
}

fn zone(given: &Given<'_>) -> Option<TimeZone> {
    let name = given.text()?;
    if let Ok(zone) = TimeZone::get(&name) {
        return Some(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let hint = suggestion(&name, known.iter().map(String::as_str))
        .unwrap_or_else(|| "write a name of the IANA database, such as \"Europe/London\" or \"UTC\"".to_owned());
    given.problem_with_hint(format!("no time zone `{name}` is known"), Some(hint));
    None
}

fn weekdays(given: &Given<'_>) -> Option<Weekdays> {
    let stated = given.list()?;
    if stated.is_empty() {
        given.problem("is empty: a calendar without business days expects nothing, ever");
        return None;
    }
    stated
        .iter()
        .map(|day| day.word(&Weekdays::NAMES))
        .collect::<Option<Vec<Weekday>>>()
        .map(|days| Weekdays::of(&days))
}

/// A date, with quotes or without, or a text that [`Holiday::parse`] knows.
fn holiday(given: &Given<'_>) -> Option<Holiday> {
    let text = given.as_date().or_else(|| given.text())?;
    Holiday::parse(&text).map_err(|message| given.problem(message)).ok()
}

/// One holiday a line; what stands behind it on the line is its name, and `#` begins a comment.
fn holidays_of_file(given: &Given<'_>) -> Vec<Holiday> {
    let Some(name) = given.text() else { return Vec::new() };
    let path = given.source().beside(&name);
    match std::fs::read_to_string(&path) {
        Ok(text) => lines(given, &path, &text),
        Err(error) => {
            given.problem(format!("{} cannot be read: {error}", path.display()));
            Vec::new()
        }
    }
}

fn lines(given: &Given<'_>, path: &Path, text: &str) -> Vec<Holiday> {
    let mut holidays = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}');
        let Some(word) = line.split('#').next().and_then(|line| line.split_whitespace().next()) else { continue };
        match Holiday::parse(word) {
            Ok(holiday) => holidays.push(holiday),
            Err(message) => {
                let place =
                    Place { file: path.display().to_string().into(), line: Some(index + 1), key: String::new() };
                given.source().gathered().add(&place, message, None);
            }
        }
    }
    holidays
}
