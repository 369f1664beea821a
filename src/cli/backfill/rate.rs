//! A limit to how fast a backfill goes.

use std::time::Duration;

use crate::domain::quantity::parse_size;

/// Files or bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rate {
    /// Files.
    Files(f64),
    /// Bytes.
    Bytes(f64),
}

impl Rate {
    /// `20/s`, `0.5/s` or `5 MiB/s`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate: files as in `20/s`, or bytes as in `5 MiB/s`");
        let amount = text.strip_suffix("/s").ok_or_else(wrong)?.trim();
        let rate = match amount.parse::<f64>() {
            Ok(files) => Self::Files(files),
            Err(_) => Self::Bytes(parse_size(amount).map_err(|_| wrong())? as f64),
        };
        let (Self::Files(number) | Self::Bytes(number)) = rate;
        if number.is_finite() && number > 0.0 { Ok(rate) } else { Err(wrong()) }
    }

    /// When, from the beginning, so much may have been handed over.
    pub(super) fn due(self, files: u64, bytes: u64) -> Duration {
        let seconds = match self {
            Self::Files(rate) => files as f64 / rate,
            Self::Bytes(rate) => bytes as f64 / rate,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!(Rate::parse("20/s"), Ok(Rate::Files(20.0)));
        assert_eq!(Rate::parse("0.5/s"), Ok(Rate::Files(0.5)));
        assert_eq!(Rate::parse("5 MiB/s"), Ok(Rate::Bytes((5 << 20) as f64)));
        for text in ["20", "0/s", "-1/s", "inf/s", "MiB/s", "5 MB/s", "0 B/s"] {
            assert!(Rate::parse(text).is_err_and(|message| message.contains("5 MiB/s")), "{text}");
        }
        assert_eq!(Rate::Files(20.0).due(10, 0), Duration::from_millis(500));
    }
}
