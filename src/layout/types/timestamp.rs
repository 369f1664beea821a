//! `timestamp`: a day and a time of day; canonical form ISO 8601, with the offset from UTC where file or layout say it.
//!
//! A zone by name takes the rules that dropbridge brings along, not those of the machine: the same file means the same
//! everywhere. An hour that a zone has twice is taken as the earlier one; a time that its clocks skipped is refused.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::{
    AnyCodec, Codec, Definition, Padding, Problem, SettingDefinition, SettingForm, Stated, ValueType, Written,
    fixed_length_padding, pivot,
};
use crate::domain::date_time_format::{DateTime, DateTimeFormat, Extent};
use crate::layout::RejectCode;

pub(super) const DEFINITION: Definition = Definition {
    word: "timestamp",
    settings: &[
        SettingDefinition::needed("format", SettingForm::Text),
        SettingDefinition::optional("pivot", SettingForm::Number(100)),
        SettingDefinition::optional("zone", SettingForm::Text),
    ],
    code: RejectCode::Value,
    compile,
};

fn compile(stated: &Stated<'_>) -> Result<AnyCodec, Problem> {
    let format = stated.text("format").ok_or(("format", "is missing".to_owned()))?;
    let format =
        DateTimeFormat::compile(format, pivot(stated)?, Extent::DateAndTime).map_err(|problem| ("format", problem))?;
    let zone = match stated.text("zone") {
        None => None,
        Some(_) if format.has_offset() => {
            return Err(("zone", "the format has an offset of its own".to_owned()));
        }
        Some(name) => Some(zone(name).ok_or_else(|| {
            ("zone", format!("`{name}` is no zone: state one as Europe/Berlin, an offset as +01:00, or UTC"))
        })?),
    };
    Ok(Timestamp { fraction_digits: format.fraction_digits(), format, zone }.into())
}

fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        let minutes = if matches!(name, "+00:00") { 0 } else { DateTime::parse_offset(name)? };
        return Offset::from_seconds(minutes * 60).ok().map(TimeZone::fixed);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The codec.
#[derive(Clone, Debug)]
pub(in crate::layout) struct Timestamp {
    format: DateTimeFormat,
    fraction_digits: usize,
    zone: Option<TimeZone>,
}

impl Timestamp {
    /// The offset of a local time in the stated zone; `None` without one.
    fn offset_minutes(&self, local: &DateTime) -> Result<Option<i32>, String> {
        let Some(zone) = &self.zone else { return Ok(None) };
        let civil = civil(local).ok_or("is beyond the calendar")?;
        let offset = match zone.to_ambiguous_timestamp(civil).offset() {
            // The offset before the clocks were put back: the first time that they showed this.
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
            AmbiguousOffset::Gap { .. } => {
                return Err("is no time of its zone: its clocks were put forward over it".to_owned());
            }
        };
        if offset.seconds() % 60 != 0 {
            return Err("is of a time when its zone did not have whole minutes from UTC".to_owned());
        }
        Ok(Some(offset.seconds() / 60))
    }

    fn parse_canonical(&self, canonical: &str) -> Option<DateTime> {
        let (date, rest) = canonical.split_once('T')?;
        let length = 8 + if self.fraction_digits == 0 { 0 } else { self.fraction_digits + 1 };
        let (time, offset) = rest.split_at_checked(length)?;
        let DateTime { year, month, day, .. } = DateTime::parse_date(date)?;
        let time = DateTime::parse_time(time, self.fraction_digits)?;
        let offset_minutes = if offset.is_empty() { None } else { Some(DateTime::parse_offset(offset)?) };
        Some(DateTime { year, month, day, offset_minutes, ..time })
    }
}

fn civil(local: &DateTime) -> Option<civil::DateTime> {
    let small = |value: u32| i8::try_from(value).ok();
    civil::DateTime::new(
        i16::try_from(local.year).ok()?,
        small(local.month)?,
        small(local.day)?,
        small(local.hour)?,
        small(local.minute)?,
        small(local.second)?,
        0,
    )
    .ok()
}

impl Codec for Timestamp {
    fn value_type(&self) -> ValueType {
        ValueType::Timestamp
    }

    fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        fixed_length_padding(stated, self.format.width(), "timestamp")
    }

    #[inline]
    fn parse(&self, written: Written<'_>, out: &mut String) -> Result<(), String> {
        let mut read = self.format.read(written.text)?;
        if self.zone.is_some() {
            read.offset_minutes = self.offset_minutes(&read)?;
        }
        read.push_date(out);
        out.push('T');
        read.push_time(self.fraction_digits, out);
        read.push_offset(out);
        Ok(())
    }

    #[inline]
    fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        let value = self.parse_canonical(canonical).ok_or_else(|| match self.fraction_digits {
            0 => "is not a timestamp as YYYY-MM-DDTHH:MM:SS".to_owned(),
            digits => format!("is not a timestamp as YYYY-MM-DDTHH:MM:SS with {digits} digits of a second"),
        })?;
        let known = self.zone.is_some() || self.format.has_offset();
        if known != value.offset_minutes.is_some() {
            let (has, wants) = if known { ("no", "one") } else { ("an", "none") };
            return Err(format!("has {has} offset from UTC, and the layout has {wants}"));
        }
        if self.zone.is_some() && self.offset_minutes(&value)? != value.offset_minutes {
            return Err("has another offset than its zone then had first, which would be read back".to_owned());
        }
        self.format.write(&value, out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::testing::{parsed, problem, rendered};
    use crate::layout::FieldSpec;

    fn field(format: &str, zone: &str) -> FieldSpec {
        let field = FieldSpec::new("booked", "timestamp").with("format", format);
        if zone.is_empty() { field } else { field.with("zone", zone) }
    }

    #[test]
    fn timestamps_are_read_and_written_back() {
        for (format, zone, written, canonical) in [
            ("YYYYMMDDHHMMSS", "", "20260131235958", "2026-01-31T23:59:58"),
            ("YYYY-MM-DD HH:MM", "", "2026-01-31 23:59", "2026-01-31T23:59:00"),
            ("YYYY-MM-DDTHH:MM:SSZ", "", "2026-01-31T23:59:58Z", "2026-01-31T23:59:58Z"),
            ("YYYY-MM-DDTHH:MM:SS±HH:MM", "", "2026-01-31T23:59:58-05:30", "2026-01-31T23:59:58-05:30"),
            ("YYYY-MM-DDTHH:MM:SS.FFF±HHMM", "", "2026-01-31T23:59:58.125+0000", "2026-01-31T23:59:58.125Z"),
            ("DD.MM.YY HH:MM:SS", "+01:00", "31.01.26 23:59:58", "2026-01-31T23:59:58+01:00"),
            ("YYYYMMDDHHMM", "UTC", "202601312359", "2026-01-31T23:59:00Z"),
            ("YYYYMMDDHHMM", "+00:00", "202601312359", "2026-01-31T23:59:00Z"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "202601310930", "2026-01-31T09:30:00+01:00"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "202607310930", "2026-07-31T09:30:00+02:00"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "202610250230", "2026-10-25T02:30:00+02:00"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "202610250300", "2026-10-25T03:00:00+01:00"),
            ("CYYDDDHHMMSS", "America/New_York", "126182120000", "2026-07-01T12:00:00-04:00"),
            ("YYYYMMDDHHMM", "Asia/Kolkata", "202601310930", "2026-01-31T09:30:00+05:30"),
        ] {
            assert_eq!(parsed(&field(format, zone), written).as_deref(), Ok(canonical), "{format} {zone}");
            assert_eq!(rendered(&field(format, zone), canonical).as_deref(), Ok(written), "{format} {zone}");
        }
    }

    #[test]
    fn what_is_no_time_of_its_zone_is_refused() {
        for (format, zone, written, reason) in [
            ("YYYYMMDDHHMM", "Europe/Berlin", "202603290230", "put forward"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "186001010000", "whole minutes"),
            ("YYYYMMDDHHMM", "", "202602300000", "calendar"),
            ("YYYYMMDDHHMM", "", "202601312400", "time of the day"),
            ("YYYYMMDDHHMM±HH:MM", "", "202601310000+25:00", "is not a timestamp"),
            ("YYYYMMDDHHMM±HH:MM", "", "202601310000 01:00", "is not a timestamp"),
            ("YYYY-MM-DDTHH:MMZ", "", "2026-01-31T00:00z", "not `Z`"),
        ] {
            let error = parsed(&field(format, zone), written).unwrap_err();
            assert!(error.contains(reason), "{written}: {error}");
        }
    }

    #[test]
    fn what_would_be_read_back_as_another_is_not_written() {
        for (format, zone, canonical) in [
            // The second time that the clocks of Berlin show half past two.
            ("YYYYMMDDHHMM", "Europe/Berlin", "2026-10-25T02:30:00+01:00"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "2026-01-31T09:30:00Z"),
            ("YYYYMMDDHHMM", "Europe/Berlin", "2026-01-31T09:30:00"),
            ("YYYYMMDDHHMM", "", "2026-01-31T09:30:00Z"),
            ("YYYYMMDDHHMM", "UTC", "2026-01-31T09:30:00+00:00"),
            ("YYYYMMDDHHMM", "UTC", "2026-01-31T09:30:15Z"),
            ("YYYY-MM-DDTHH:MM:SSZ", "", "2026-01-31T09:30:00+01:00"),
            ("YYYYMMDDHHMM", "", "2026-01-31 09:30:00"),
        ] {
            assert!(rendered(&field(format, zone), canonical).is_err(), "{zone} {canonical}");
        }
    }

    #[test]
    fn zones_that_say_nothing_are_a_problem() {
        for zone in ["Europe/Bonn", "CEST", "+1", "+24:00", "-00:00x"] {
            assert_eq!(problem(&field("YYYYMMDDHHMM", zone)), "zone", "{zone}");
        }
        assert_eq!(problem(&field("YYYYMMDDHHMMZ", "UTC")), "zone");
        assert_eq!(problem(&field("YYYYMMDD", "UTC")), "format");
    }
}
