//! Sizes and times as people write them, in configuration and on the command line.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Units of sizes, by their factor.
const UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A number of bytes, such as `50 GiB`.
///
/// # Errors
/// A message that says what a size looks like.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is no size: a whole number and B, KiB, MiB, GiB or TiB are wanted, as in \"50 GiB\"");
    let (number, unit) = text.split_at(text.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(text.len()));
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor?));
    bytes.ok_or_else(wrong)
}

/// A length of time, such as `90 days`, `12 hours` or `30d`; a day has 24 hours.
///
/// # Errors
/// A message that says what a length of time looks like.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time: \"90 days\", \"12 hours\" or \"30d\" would be one");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(time).map_err(|_| wrong())
}

/// A number of bytes in the unit that people read.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit].0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("0 B", 0), ("17B", 17), ("20 KiB", 20 << 10), ("50GiB", 50 << 30), ("2  TiB", 2 << 40)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "50", "GiB", "50 GB", "-1 GiB", "1.5 GiB", "50 GiB more", "99999999999 TiB", "٣ GiB"] {
            assert!(parse_size(text).is_err_and(|message| message.contains("50 GiB")), "{text}");
        }
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!([0, 1023, 1536, 5 << 30].map(show_size), ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
    }

    #[test]
    fn times() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        for (text, time) in [
            ("90 days", hours(90 * 24)),
            ("30d", hours(30 * 24)),
            ("12 hours", hours(12)),
            ("0d", hours(0)),
            ("1 week", hours(168)),
        ] {
            assert_eq!(parse_time(text), time, "{text}");
        }
        for text in ["", "90", "days", "-1 days", "2 months", "soon"] {
            assert!(parse_time(text).is_err_and(|message| message.contains("90 days")), "{text}");
        }
    }
}
