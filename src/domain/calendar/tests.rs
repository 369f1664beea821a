//! Tables of days and moments.
#![allow(clippy::unwrap_used)]

use super::*;

fn date(text: &str) -> BusinessDate {
    BusinessDate::parse(text).unwrap()
}

fn calendar(zone: &str, holidays: &[&str]) -> Calendar {
    let holidays: Vec<Holiday> = holidays.iter().map(|text| Holiday::parse(text).unwrap()).collect();
    Calendar::new(TimeZone::get(zone).unwrap(), Weekdays::WORKING, Holidays::of(&holidays))
}

fn utc(calendar: &Calendar, day: &str, time: &str) -> String {
    calendar.cut_off(date(day), TimeOfDay::parse(time).unwrap()).rfc3339()
}

#[test]
fn business_days() {
    // Christmas 2026: Friday the 25th; the office is closed until the 31st, a Thursday.
    let city = calendar("Europe/Vienna", &["2026-12-28..2026-12-30", "12-25", "2026-12-31", "01-01"]);
    for (day, worked) in [
        ("2026-12-23", true),
        ("2026-12-24", true),
        ("2026-12-25", false),
        ("2026-12-26", false),
        ("2026-12-28", false),
        ("2026-12-30", false),
        ("2026-12-31", false),
        ("2027-01-01", false),
        ("2027-01-04", true),
        ("2028-12-25", false),
    ] {
        assert_eq!(city.is_business_day(date(day)), worked, "{day}");
    }
    for (day, before, behind) in [
        ("2026-12-24", "2026-12-23", "2027-01-04"),
        ("2026-12-29", "2026-12-24", "2027-01-04"),
        ("2027-01-04", "2026-12-24", "2027-01-05"),
    ] {
        assert_eq!(city.previous_business_day(date(day)), Some(date(before)), "{day}");
        assert_eq!(city.next_business_day(date(day)), Some(date(behind)), "{day}");
    }
    for (day, count, expected) in [
        ("2026-12-24", 2, "2027-01-05"),
        ("2027-01-05", -2, "2026-12-24"),
        ("2026-12-26", 0, "2026-12-26"),
        ("2026-12-26", -1, "2026-12-24"),
    ] {
        assert_eq!(city.business_days_later(date(day), count), Some(date(expected)), "{day} {count}");
    }
}

#[test]
fn a_calendar_without_business_days_ends_its_search() {
    let never = Calendar::new(TimeZone::UTC, Weekdays::of(&[]), Holidays::default());
    assert_eq!(never.next_business_day(date("2026-01-01")), None);
    assert_eq!(never.business_days_later(date("2026-01-01"), -3), None);
}

#[test]
fn weekdays_are_those_of_the_list() {
    let souk = Calendar::new(
        TimeZone::get("Asia/Riyadh").unwrap(),
        Weekdays::of(&[Weekday::Sunday, Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday]),
        Holidays::default(),
    );
    assert!(souk.is_business_day(date("2026-11-22")), "a Sunday");
    assert!(!souk.is_business_day(date("2026-11-27")), "a Friday");
    assert_eq!(souk.next_business_day(date("2026-11-26")), Some(date("2026-11-29")));
}

#[test]
fn holidays_are_read_or_explained() {
    for text in ["2026-13-01", "2026-12-31..2026-12-24", "12-32", "02-30", "Xmas", "", "2026-12-24..", "12/25"] {
        assert!(Holiday::parse(text).is_err(), "{text}");
    }
    let leap = calendar("UTC", &["02-29"]);
    assert!(!leap.is_business_day(date("2028-02-29")), "a Tuesday");
    assert!(leap.is_business_day(date("2027-03-01")), "a Monday");
    // Overlapping and touching ranges are one, and a range inside another hides none of it.
    let stated =
        ["2026-03-02..2026-03-20", "2026-03-04", "2026-03-21..2026-03-23"].map(|text| Holiday::parse(text).unwrap());
    let holidays = Holidays::of(&stated);
    for (day, inside) in
        [("2026-03-01", false), ("2026-03-02", true), ("2026-03-19", true), ("2026-03-23", true), ("2026-03-24", false)]
    {
        assert_eq!(holidays.contain(date(day)), inside, "{day}");
    }
    assert_eq!(holidays.last(), Some(date("2026-03-23")));
}

#[test]
fn times_of_day() {
    for (text, shown) in [("06:30", "06:30"), ("00:00", "00:00"), ("24:00", "24:00"), ("23:59:59", "23:59:59")] {
        assert_eq!(TimeOfDay::parse(text).unwrap().to_string(), shown);
    }
    assert_eq!(TimeOfDay::parse("24:00"), Ok(TimeOfDay::END_OF_DAY));
    for text in ["6:30", "06.30", "0630", "24:01", "12:60", "12:00:60", "", "12:", "+6:30", "99:99"] {
        assert!(TimeOfDay::parse(text).is_err_and(|message| message.contains("HH:MM")), "{text}");
    }
}

#[test]
fn cut_offs_are_moments() {
    let vienna = calendar("Europe/Vienna", &[]);
    let new_york = calendar("America/New_York", &[]);
    let st_johns = calendar("America/St_Johns", &[]);
    let lord_howe = calendar("Australia/Lord_Howe", &[]);
    let apia = calendar("Pacific/Apia", &[]);
    for (calendar, day, time, expected, why) in [
        (&vienna, "2026-01-15", "06:30", "2026-01-15T05:30:00Z", "winter"),
        (&vienna, "2026-07-15", "06:30", "2026-07-15T04:30:00Z", "summer"),
        (&vienna, "2026-01-15", "24:00", "2026-01-15T23:00:00Z", "the end of the day is the next midnight"),
        (&vienna, "2026-01-15", "00:00", "2026-01-14T23:00:00Z", "its beginning"),
        // Clocks go from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
        (&vienna, "2026-03-29", "01:59:59", "2026-03-29T00:59:59Z", "before the change"),
        (&vienna, "2026-03-29", "02:00", "2026-03-29T01:00:00Z", "skipped: the change itself"),
        (&vienna, "2026-03-29", "02:30", "2026-03-29T01:00:00Z", "skipped: the change itself"),
        (&vienna, "2026-03-29", "03:00", "2026-03-29T01:00:00Z", "the first time there is"),
        (&vienna, "2026-03-29", "03:30", "2026-03-29T01:30:00Z", "after the change"),
        // Clocks go from 03:00 back to 02:00 on 25 October 2026, at 01:00 UTC.
        (&vienna, "2026-10-25", "01:59", "2026-10-24T23:59:00Z", "before it, once"),
        (&vienna, "2026-10-25", "02:00", "2026-10-25T01:00:00Z", "twice: the second time"),
        (&vienna, "2026-10-25", "02:30", "2026-10-25T01:30:00Z", "twice: the second time"),
        (&vienna, "2026-10-25", "03:00", "2026-10-25T02:00:00Z", "once"),
        (&vienna, "2026-10-25", "24:00", "2026-10-25T23:00:00Z", "a day of 25 hours"),
        (&new_york, "2026-03-08", "02:30", "2026-03-08T07:00:00Z", "skipped, west of Greenwich"),
        (&new_york, "2026-11-01", "01:30", "2026-11-01T06:30:00Z", "twice, west of Greenwich"),
        // Changes at 00:01 until 2011, so that the end of a day was skipped or came twice.
        (&st_johns, "2010-11-06", "24:00", "2010-11-07T03:30:00Z", "midnight twice: the second one"),
        // Half an hour of summer time.
        (&lord_howe, "2026-10-04", "02:10", "2026-10-03T15:30:00Z", "half an hour is skipped"),
        (&lord_howe, "2026-04-05", "01:45", "2026-04-04T15:15:00Z", "half an hour comes twice"),
        // Samoa left out 30 December 2011.
        (&apia, "2011-12-30", "12:00", "2011-12-30T10:00:00Z", "a day that did not exist ends as it would begin"),
    ] {
        assert_eq!(utc(calendar, day, time), expected, "{} {day} {time}: {why}", calendar.zone_name());
    }
}

#[test]
fn a_cut_off_never_goes_back_in_a_day() {
    // Whatever the clocks do, a later time of the day is over no earlier.
    for (zone, day) in [
        ("Europe/Vienna", "2026-03-29"),
        ("Europe/Vienna", "2026-10-25"),
        ("America/St_Johns", "2010-11-07"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("America/Havana", "2026-03-08"),
        ("America/Havana", "2026-11-01"),
    ] {
        let calendar = calendar(zone, &[]);
        let moments: Vec<Moment> = (0..24 * 60)
            .map(|minute| TimeOfDay::parse(&format!("{:02}:{:02}", minute / 60, minute % 60)).unwrap())
            .chain([TimeOfDay::END_OF_DAY])
            .map(|time| calendar.cut_off(date(day), time))
            .collect();
        assert!(moments.is_sorted(), "{zone} {day}");
        assert!(moments[0] < moments[24 * 60]);
    }
}

#[test]
fn the_date_on_the_wall() {
    let moment = |text: &str| Moment::from(text.parse::<jiff::Timestamp>().unwrap());
    for (zone, at, expected) in [
        ("Europe/Vienna", "2026-06-30T21:59:59Z", "2026-06-30"),
        ("Europe/Vienna", "2026-06-30T22:00:00Z", "2026-07-01"),
        ("America/New_York", "2026-07-01T03:59:59Z", "2026-06-30"),
        ("Pacific/Auckland", "2026-06-30T12:00:00Z", "2026-07-01"),
    ] {
        let calendar = calendar(zone, &[]);
        assert_eq!(calendar.date_of(moment(at)), date(expected), "{zone} {at}");
    }
    let vienna = calendar("Europe/Vienna", &[]);
    assert_eq!(vienna.show(moment("2026-10-25T01:30:00Z")), "2026-10-25 02:30:00 +01:00");
}
