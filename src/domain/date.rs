//! Business dates and the forms in which file names write them.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The day a file or an event belongs to, whenever it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BusinessDate(Date);

impl BusinessDate {
    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DateFormat::parse("YYYY-MM-DD", 0).ok()?.read(text)
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Year4,
    Year2,
    Month,
    Day,
    DayOfYear,
    Literal(char),
}

/// A written form of a date: `YYYYMMDD`, `DD.MM.YY`, `YYYYDDD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    tokens: Vec<Token>,
    pivot: u32,
}

impl DateFormat {
    /// Reads a form. `pivot`: two-digit years from here on are in the 1900s.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn parse(text: &str, pivot: u32) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let (token, length) = if rest.starts_with("YYYY") {
                (Token::Year4, 4)
            } else if rest.starts_with("YY") {
                (Token::Year2, 2)
            } else if rest.starts_with("DDD") {
                (Token::DayOfYear, 3)
            } else if rest.starts_with("MM") {
                (Token::Month, 2)
            } else if rest.starts_with("DD") {
                (Token::Day, 2)
            } else if character.is_ascii_alphanumeric() || !character.is_ascii() {
                return Err(format!("`{text}` is no date form: use YYYY, YY, MM, DD, DDD and separators"));
            } else {
                (Token::Literal(character), 1)
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        let count = |wanted: &Token| tokens.iter().filter(|token| *token == wanted).count();
        let years = count(&Token::Year4) + count(&Token::Year2);
        let by_month = count(&Token::Month) == 1 && count(&Token::Day) == 1 && count(&Token::DayOfYear) == 0;
        let by_day = count(&Token::Month) == 0 && count(&Token::Day) == 0 && count(&Token::DayOfYear) == 1;
        if years != 1 || !(by_month || by_day) {
            return Err(format!("`{text}` is no whole date: it needs a year, and month and day or the day of the year"));
        }
        Ok(Self { text: text.to_owned(), tokens, pivot })
    }

    /// How many bytes a date of this form has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.len()
    }

    /// Reads a date of exactly this form.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<BusinessDate> {
        let (mut year, mut month, mut day, mut day_of_year) = (0_u32, 0_u32, 0_u32, 0_u32);
        let mut rest = text;
        for token in &self.tokens {
            match token {
                Token::Year4 => year = take_digits(&mut rest, 4)?,
                Token::Year2 => {
                    let short = take_digits(&mut rest, 2)?;
                    year = if short >= self.pivot { 1900 + short } else { 2000 + short };
                }
                Token::Month => month = take_digits(&mut rest, 2)?,
                Token::Day => day = take_digits(&mut rest, 2)?,
                Token::DayOfYear => day_of_year = take_digits(&mut rest, 3)?,
                Token::Literal(character) => rest = rest.strip_prefix(*character)?,
            }
        }
        if !rest.is_empty() {
            return None;
        }
        let year = i16::try_from(year).ok()?;
        let date = if day_of_year > 0 {
            let first = Date::new(year, 1, 1).ok()?;
            first.with().day_of_year(i16::try_from(day_of_year).ok()?).build().ok()?
        } else {
            Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?
        };
        Some(BusinessDate(date))
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn take_digits(rest: &mut &str, count: usize) -> Option<u32> {
    let digits = rest.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    *rest = &rest[count..];
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms() {
        for (form, pivot, text, expected) in [
            ("YYYYMMDD", 0, "20260131", Some("2026-01-31")),
            ("YYMMDD", 70, "690228", Some("2069-02-28")),
            ("YYMMDD", 70, "700228", Some("1970-02-28")),
            ("YYYYDDD", 0, "2024366", Some("2024-12-31")),
            ("YYYYDDD", 0, "2026366", None),
            ("YYYYDDD", 0, "2026000", None),
            ("DD.MM.YYYY", 0, "31.01.2026", Some("2026-01-31")),
            ("YYYYMMDD", 0, "20260230", None),
            ("YYYYMMDD", 0, "2026013", None),
            ("YYYYMMDD", 0, "+2260131", None),
        ] {
            let read = DateFormat::parse(form, pivot).unwrap().read(text).map(|date| date.to_string());
            assert_eq!(read.as_deref(), expected, "{form} {text}");
        }
        assert!(DateFormat::parse("YYYYMM", 0).is_err());
        assert!(DateFormat::parse("YYYYMMDDD", 0).is_err());
        assert!(DateFormat::parse("yyyymmdd", 0).is_err());
    }
}
