//! Exact numbers. Their canonical text keeps every digit (`-12.50`) and is never a float.
//!
//! A number is accepted only if rendering its canonical text gives the very bytes that were read: no plus sign, no
//! superfluous zero, no negative zero, exactly the stated digits after the point.

/// How a number is written. An integer is a number with no digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    /// Digits after the point.
    pub(super) scale: usize,
    /// The point as written; `None` where none is (implied, or no digits after it).
    pub(super) point: Option<u8>,
    /// Filled with zeros between sign and digits, to the width of the field.
    pub(super) zero_filled: bool,
}

impl NumberFormat {
    /// Appends the canonical text of a written number to `out`.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate: `has a leading zero`.
    pub(super) fn parse(&self, written: &str, out: &mut String) -> Result<(), String> {
        let (negative, unsigned) = match written.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let (whole, fraction) = self.split(unsigned)?;
        let significant = without_leading_zeros(whole);
        if significant.len() != whole.len() && !self.zero_filled {
            return Err("has a leading zero (state width and pad = \"0\" if it is filled with zeros)".to_owned());
        }
        if negative && is_zero(whole) && is_zero(fraction) {
            return Err("is a negative zero".to_owned());
        }
        if negative {
            out.push('-');
        }
        if self.scale > 0 && self.point.is_none() {
            push_implied(significant, self.scale, out);
        } else {
            out.push_str(significant);
            if self.scale > 0 {
                out.push('.');
                out.push_str(fraction);
            }
        }
        Ok(())
    }

    /// The digits before and after the written point.
    fn split<'t>(&self, unsigned: &'t str) -> Result<(&'t str, &'t str), String> {
        let (whole, fraction) = match self.point {
            Some(point) => match unsigned.split_once(char::from(point)) {
                Some(parts) => parts,
                None if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) => {
                    return Err(format!(
                        "has no digits after a `{}`, the layout says {}",
                        char::from(point),
                        self.scale
                    ));
                }
                None => (unsigned, ""),
            },
            None => (unsigned, ""),
        };
        if unsigned.starts_with('+') {
            return Err("has a plus sign, which would not be written back".to_owned());
        }
        if let Some(stranger) = whole.chars().chain(fraction.chars()).find(|character| !character.is_ascii_digit()) {
            return Err(format!("is no number: it has a {stranger:?}"));
        }
        if whole.is_empty() {
            return Err(if unsigned.is_empty() { "has no digits" } else { "has no digit before the point" }.to_owned());
        }
        if self.point.is_some() && fraction.len() != self.scale {
            return Err(format!("has {} digits after the point, the layout says {}", fraction.len(), self.scale));
        }
        Ok((whole, fraction))
    }

    /// Appends a canonical number as it is written; `width` is that of the field where it is filled with zeros.
    ///
    /// # Errors
    /// Why it is no canonical number of this format.
    pub(super) fn render(&self, canonical: &str, width: usize, out: &mut String) -> Result<(), String> {
        let canonical_format = Self { scale: self.scale, point: (self.scale > 0).then_some(b'.'), zero_filled: false };
        let (negative, unsigned) = match canonical.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, canonical),
        };
        let (whole, fraction) = canonical_format.split(unsigned)?;
        if without_leading_zeros(whole).len() != whole.len() {
            return Err("has a leading zero".to_owned());
        }
        if negative && is_zero(whole) && is_zero(fraction) {
            return Err("is a negative zero".to_owned());
        }
        // Implied: 0.05 with two digits is `5`, so zeros before the first digit go.
        let (whole, fraction) = match self.point {
            None if whole == "0" && self.scale > 0 => ("", without_leading_zeros(fraction)),
            _ => (whole, fraction),
        };
        if negative {
            out.push('-');
        }
        if self.zero_filled {
            let point = usize::from(self.point.is_some());
            let length = usize::from(negative) + whole.len() + point + fraction.len();
            out.extend(std::iter::repeat_n('0', width.saturating_sub(length)));
        }
        out.push_str(whole);
        if let Some(point) = self.point {
            out.push(char::from(point));
        }
        out.push_str(fraction);
        Ok(())
    }
}

/// Digits without zeros in front, but at least one digit.
fn without_leading_zeros(digits: &str) -> &str {
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() { &digits[digits.len().saturating_sub(1)..] } else { significant }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}

/// Appends digits whose last `scale` ones stand behind a point that is not written.
fn push_implied(digits: &str, scale: usize, out: &mut String) {
    match digits.len().checked_sub(scale) {
        Some(0) | None => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(digits);
        }
        Some(whole) => {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
    }
}

/// A canonical number as a count of its last digit's unit: `12.50` is 1250. `None` where it exceeds 128 bits.
pub(super) fn units(canonical: &str) -> Option<i128> {
    let negative = canonical.starts_with('-');
    let digits = canonical.bytes().filter(u8::is_ascii_digit);
    if canonical.len() <= 18 {
        let value = digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some(i128::from(if negative { -value } else { value }));
    }
    let mut value = 0_i128;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    Some(if negative { -value } else { value })
}

/// The canonical text of a count of units: the reverse of [`units`].
pub(super) fn from_units(units: i128, scale: usize) -> String {
    let digits = units.unsigned_abs().to_string();
    let mut text = String::from(if units < 0 { "-" } else { "" });
    if scale == 0 {
        text.push_str(&digits);
    } else {
        push_implied(&digits, scale, &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const INTEGER: NumberFormat = NumberFormat { scale: 0, point: None, zero_filled: false };
    const FILLED: NumberFormat = NumberFormat { scale: 0, point: None, zero_filled: true };
    const POINT: NumberFormat = NumberFormat { scale: 2, point: Some(b'.'), zero_filled: false };
    const COMMA: NumberFormat = NumberFormat { scale: 3, point: Some(b','), zero_filled: false };
    const IMPLIED: NumberFormat = NumberFormat { scale: 2, point: None, zero_filled: false };
    const IMPLIED_FILLED: NumberFormat = NumberFormat { scale: 2, point: None, zero_filled: true };
    const POINT_FILLED: NumberFormat = NumberFormat { scale: 2, point: Some(b'.'), zero_filled: true };

    #[test]
    fn numbers_are_read_and_written_back() {
        for (format, written, canonical) in [
            (INTEGER, "0", "0"),
            (INTEGER, "-12", "-12"),
            (INTEGER, "123456789012345678901234567890123456789012345", "123456789012345678901234567890123456789012345"),
            (FILLED, "000000", "0"),
            (FILLED, "-00012", "-12"),
            (FILLED, "123456", "123456"),
            (POINT, "12.50", "12.50"),
            (POINT, "-0.05", "-0.05"),
            (POINT, "0.00", "0.00"),
            (COMMA, "1,500", "1.500"),
            (IMPLIED, "0", "0.00"),
            (IMPLIED, "5", "0.05"),
            (IMPLIED, "-50", "-0.50"),
            (IMPLIED, "1250", "12.50"),
            (IMPLIED_FILLED, "0000005", "0.05"),
            (IMPLIED_FILLED, "-001250", "-12.50"),
            (IMPLIED_FILLED, "0000000", "0.00"),
            (POINT_FILLED, "00012.50", "12.50"),
            (POINT_FILLED, "-0000.50", "-0.50"),
        ] {
            let (mut parsed, mut back) = (String::new(), String::new());
            format.parse(written, &mut parsed).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(parsed, canonical, "{written}");
            format.render(&parsed, written.len(), &mut back).unwrap();
            assert_eq!(back, written, "{canonical}");
        }
    }

    #[test]
    fn a_number_that_would_not_come_back_is_refused() {
        for (format, written, reason) in [
            (INTEGER, "", "no digits"),
            (INTEGER, "-", "no digits"),
            (INTEGER, "+5", "plus sign"),
            (INTEGER, "05", "leading zero"),
            (INTEGER, "-0", "negative zero"),
            (INTEGER, "1.0", "is no number"),
            (INTEGER, "12a4", "is no number"),
            (INTEGER, " 5", "is no number"),
            (INTEGER, "\u{661}", "is no number"),
            (FILLED, "00-012", "is no number"),
            (FILLED, "-00000", "negative zero"),
            (POINT, "12", "no digits after a `.`"),
            (POINT, "12.5", "1 digits after the point"),
            (POINT, "12.500", "3 digits after the point"),
            (POINT, ".50", "no digit before the point"),
            (POINT, "012.50", "leading zero"),
            (POINT, "1,234.50", "is no number"),
            (POINT, "-0.00", "negative zero"),
            (POINT, "+1.00", "plus sign"),
            (COMMA, "1.500", "is no number"),
            (IMPLIED, "05", "leading zero"),
        ] {
            let error = format.parse(written, &mut String::new()).expect_err(written);
            assert!(error.contains(reason), "{written}: {error}");
        }
    }

    #[test]
    fn only_canonical_numbers_are_written() {
        for (format, canonical) in [
            (POINT, "12.5"),
            (POINT, "12"),
            (POINT, "012.50"),
            (POINT, "-0.00"),
            (POINT, "1e3"),
            (INTEGER, "12.00"),
            (INTEGER, ""),
        ] {
            assert!(format.render(canonical, 10, &mut String::new()).is_err(), "{canonical}");
        }
    }

    #[test]
    fn units_are_exact_up_to_their_limit() {
        for (canonical, value, scale) in [
            ("0.00", 0, 2),
            ("-0.05", -5, 2),
            ("12.50", 1250, 2),
            ("123456789012345678901234567.89", 12_345_678_901_234_567_890_123_456_789, 2),
            ("-7", -7, 0),
        ] {
            assert_eq!(units(canonical), Some(value));
            assert_eq!(from_units(value, scale), canonical);
        }
        assert_eq!(units(&i128::MAX.to_string()), Some(i128::MAX));
        assert_eq!(units("170141183460469231731687303715884105728"), None);
    }
}
