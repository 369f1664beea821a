//! Exact numbers, as `integer` and `decimal` write them. Their canonical text keeps every digit (`-12.50`) and is never
//! a float.
//!
//! Reading takes what can mean one number only: a plus sign, superfluous or missing zeros, a negative zero, marks
//! between thousands where the layout states them. What rendering would spell otherwise the proof keeps.

mod overpunch;

use overpunch::{Overpunch, Punched, Unsigned, overpunched, punch};

use super::{Align, Padding, Problem, SettingDefinition, SettingForm, Stated};
use crate::domain::digits::are_digits;

/// How a number is written. An integer is a number with no digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    /// Digits after the point; `None`: as many as there are.
    pub(super) scale: Option<usize>,
    /// The point as written; `None` where none is.
    pub(super) point: Option<u8>,
    /// The mark between thousands.
    pub(super) grouping: Option<u8>,
    /// Where the sign stands.
    pub(super) sign: Sign,
    /// Filled with zeros between sign and digits, to this width.
    pub(super) zeros_to: Option<usize>,
}

/// As many as mostly fill a number up to its width.
const ZEROS: &str = "0000000000000000000000000000000000000000";

/// Where the digits behind the point of a plain number are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain {
    /// How many bytes stand behind the whole digits, the point included.
    fraction: usize,
    /// The point as written.
    point: u8,
}

/// Where the sign of a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// `-` in front of negative numbers.
    Leading,
    /// `+` or `-` in front.
    LeadingAlways,
    /// `-` behind negative numbers.
    Trailing,
    /// `+` or `-` behind.
    TrailingAlways,
    /// Negative numbers in parentheses.
    Parentheses,
    /// There are no negative numbers.
    Unsigned,
    /// In the first digit.
    LeadingOverpunched(Overpunch),
    /// In the last digit.
    TrailingOverpunched(Overpunch),
}

/// The settings that integers and decimals share.
pub(super) const SIGN: SettingDefinition = SettingDefinition::optional(
    "sign",
    SettingForm::Word(&[
        "leading",
        "leading-always",
        "trailing",
        "trailing-always",
        "parentheses",
        "unsigned",
        "leading-overpunched",
        "trailing-overpunched",
    ]),
);
pub(super) const OVERPUNCH: SettingDefinition =
    SettingDefinition::optional("overpunch", SettingForm::Word(&["ebcdic", "micro-focus"]));
pub(super) const GROUPING: SettingDefinition = SettingDefinition::optional("grouping", SettingForm::Text);

impl NumberFormat {
    /// What integers and decimals have in common, of what was stated; no digits after the point yet.
    ///
    /// # Errors
    /// A mark or padding that could be part of a number.
    pub(super) fn compile(stated: &Stated<'_>) -> Result<Self, Problem> {
        let table = match stated.text("overpunch") {
            Some("micro-focus") => Overpunch::MicroFocus,
            _ => Overpunch::Ebcdic,
        };
        let sign = match stated.text("sign") {
            Some("leading-always") => Sign::LeadingAlways,
            Some("trailing") => Sign::Trailing,
            Some("trailing-always") => Sign::TrailingAlways,
            Some("parentheses") => Sign::Parentheses,
            Some("unsigned") => Sign::Unsigned,
            Some("leading-overpunched") => Sign::LeadingOverpunched(table),
            Some("trailing-overpunched") => Sign::TrailingOverpunched(table),
            _ => Sign::Leading,
        };
        let overpunched = matches!(sign, Sign::LeadingOverpunched(_) | Sign::TrailingOverpunched(_));
        if stated.text("overpunch").is_some() && !overpunched {
            return Err(("overpunch", "has no meaning unless the sign is overpunched".to_owned()));
        }
        let grouping = match stated.text("grouping").map(str::as_bytes) {
            None => None,
            Some([mark @ (b',' | b'.' | b' ' | b'\'' | b'_')]) if !overpunched => Some(*mark),
            Some(_) if overpunched => return Err(("grouping", "cannot be with an overpunched sign".to_owned())),
            Some(_) => return Err(("grouping", "must be one of , . ' _ or a blank".to_owned())),
        };
        let (pad, align) = (stated.pad.unwrap_or(b'0'), stated.align.unwrap_or(Align::Right));
        let zeros_to = stated.width.filter(|_| pad == b'0' && align == Align::Right);
        if zeros_to.is_some() && grouping.is_some() {
            return Err(("pad", "zeros cannot be with marks between thousands: state pad = \" \"".to_owned()));
        }
        Ok(Self { scale: Some(0), point: None, grouping, sign, zeros_to })
    }

    /// What fills a number up to its width, where zeros between sign and digits do not.
    pub(super) fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        let (pad, align) = (stated.pad.unwrap_or(b'0'), stated.align.unwrap_or(Align::Right));
        match pad {
            b'0' if align == Align::Right => Ok(None),
            b'0'..=b'9' => Err(("pad", "digits can only be zeros before the number".to_owned())),
            b'-' | b'+' | b'.' | b',' | b'(' | b')' => Err(("pad", "could be part of the number".to_owned())),
            _ => Ok(Some(Padding { pad, align })),
        }
    }

    /// Appends the canonical text of a written number to `out`.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate: `has no digits`.
    #[inline]
    pub(super) fn parse(&self, written: &str, out: &mut String) -> Result<(), String> {
        // The most frequent forms, with nothing to change about them.
        if let Some(plain) = self.plain()
            && self.is_canonical(plain, written.as_bytes())
        {
            let from = out.len();
            out.push_str(written);
            if plain.point != b'.' {
                let at = out.len() - plain.fraction;
                debug_assert!(at > from && out.as_bytes()[at] == plain.point);
                out.replace_range(at..=at, ".");
            }
            return Ok(());
        }
        if let Some(scale) = self.implied()
            && written.len() > scale
            && are_digits(written.as_bytes())
        {
            let (whole, fraction) = written.split_at(written.len() - scale);
            out.push_str(without_leading_zeros(whole));
            if scale > 0 {
                out.push('.');
                out.push_str(fraction);
            }
            return Ok(());
        }
        self.parse_any(written, out)
    }

    /// The digits after a point that is not written, where those who are not negative are nothing but digits.
    #[inline]
    fn implied(&self) -> Option<usize> {
        let plain = matches!(self.sign, Sign::Leading | Sign::Unsigned) && self.grouping.is_none();
        self.scale.filter(|_| plain && self.point.is_none())
    }

    /// Where numbers are mostly written as they are in events, but for the point.
    #[inline]
    fn plain(&self) -> Option<Plain> {
        if !matches!(self.sign, Sign::Leading | Sign::Unsigned) || self.zeros_to.is_some() || self.grouping.is_some() {
            return None;
        }
        match (self.scale, self.point) {
            (Some(scale), Some(point)) => Some(Plain { fraction: scale + 1, point }),
            (Some(0), None) => Some(Plain { fraction: 0, point: b'.' }),
            _ => None,
        }
    }

    /// Whether a number is written as it is in events, but for the point.
    #[inline]
    fn is_canonical(&self, plain: Plain, written: &[u8]) -> bool {
        let digits = match written {
            [b'-', digits @ ..] if self.sign == Sign::Leading => digits,
            digits => digits,
        };
        let Some(whole) = digits.len().checked_sub(plain.fraction).filter(|whole| *whole > 0) else { return false };
        let (whole, rest) = digits.split_at(whole);
        let fraction = match rest {
            [] => rest,
            [point, fraction @ ..] if *point == plain.point => fraction,
            _ => return false,
        };
        (whole[0] != b'0' || whole.len() == 1)
            && are_digits(whole)
            && are_digits(fraction)
            // A negative zero is none.
            && (digits.len() == written.len() || digits.iter().any(|digit| (b'1'..=b'9').contains(digit)))
    }

    fn parse_any(&self, written: &str, out: &mut String) -> Result<(), String> {
        let (negative, rest, punched) = self.take_sign(written)?;
        let (whole, fraction) = self.split(rest)?;
        let behind_point = match punched {
            Some((Punched::Last, _)) if self.point.is_some_and(|point| rest.contains(char::from(point))) => 1,
            Some((Punched::Last, _)) if self.point.is_some() && self.scale.is_some() => {
                return Err("has no point, the layout says that it has one".to_owned());
            }
            _ => 0,
        };
        let from = out.len();
        if negative {
            out.push('-');
        }
        let digits_from = out.len();
        self.push_whole(whole, out)?;
        push_digits(fraction, out)?;
        match punched {
            Some((Punched::First, digit)) => out.insert(digits_from, char::from(digit)),
            Some((Punched::Last, digit)) => out.push(char::from(digit)),
            None => {}
        }
        self.canonicalise(digits_from, fraction.len() + behind_point, out)?;
        if negative && out.as_bytes()[digits_from..].iter().all(|byte| matches!(byte, b'0' | b'.')) {
            // A negative zero is zero; its spelling is an exception.
            out.remove(from);
        }
        Ok(())
    }

    /// Sign, what is left of the number, and a digit that the sign was in.
    fn take_sign<'t>(&self, written: &'t str) -> Result<Unsigned<'t>, String> {
        let signed = |rest: Option<&'t str>| rest.map(|rest| (true, rest, None));
        let plus = |rest: Option<&'t str>| rest.map(|rest| (false, rest, None));
        let taken = match self.sign {
            Sign::Leading | Sign::LeadingAlways => {
                signed(written.strip_prefix('-')).or_else(|| plus(written.strip_prefix('+')))
            }
            Sign::Trailing | Sign::TrailingAlways => {
                signed(written.strip_suffix('-')).or_else(|| plus(written.strip_suffix('+')))
            }
            Sign::Parentheses => signed(written.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))),
            Sign::Unsigned => None,
            Sign::LeadingOverpunched(table) => return overpunched(written, table, Punched::First),
            Sign::TrailingOverpunched(table) => return overpunched(written, table, Punched::Last),
        };
        Ok(taken.unwrap_or((false, written, None)))
    }

    /// The digits before and after the written point.
    fn split<'t>(&self, unsigned: &'t str) -> Result<(&'t str, &'t str), String> {
        let Some(point) = self.point else { return Ok((unsigned, "")) };
        match (unsigned.split_once(char::from(point)), self.scale) {
            (Some(parts), _) => Ok(parts),
            (None, None) => Ok((unsigned, "")),
            (None, Some(scale)) if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(format!("has no digits after a `{}`, the layout says {scale}", char::from(point)))
            }
            (None, Some(_)) => Ok((unsigned, "")),
        }
    }

    fn push_whole(&self, whole: &str, out: &mut String) -> Result<(), String> {
        let Some(mark) = self.grouping.map(char::from).filter(|mark| whole.contains(*mark)) else {
            return push_digits(whole, out);
        };
        for (index, group) in whole.split(mark).enumerate() {
            let fits = if index == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
            if !fits {
                return Err(format!("has a `{mark}` that does not stand between thousands"));
            }
            push_digits(group, out)?;
        }
        Ok(())
    }

    /// Makes the digits at the end of `out`, of which `written_fraction` stood behind a point, canonical: one digit at
    /// least before the point, and as many behind it as the layout says.
    fn canonicalise(&self, from: usize, written_fraction: usize, out: &mut String) -> Result<(), String> {
        let count = out.len() - from;
        if count == 0 {
            return Err("has no digits".to_owned());
        }
        let mut fraction = if self.point.is_some() { written_fraction } else { self.scale.unwrap_or(0) };
        if let Some(scale) = self.scale.filter(|_| self.point.is_some()) {
            while fraction > scale {
                if out.pop() != Some('0') {
                    return Err(format!("has {written_fraction} digits after the point, the layout says {scale}"));
                }
                fraction -= 1;
            }
            out.extend(std::iter::repeat_n('0', scale - fraction));
            fraction = scale;
        }
        // One digit at least before the point.
        let missing = (fraction + 1).saturating_sub(out.len() - from);
        if missing > 0 {
            out.insert_str(from, &"0".repeat(missing));
        }
        let whole = out.len() - from - fraction;
        let superfluous = out.as_bytes()[from..from + whole - 1].iter().take_while(|digit| **digit == b'0').count();
        if superfluous > 0 {
            out.replace_range(from..from + superfluous, "");
        }
        if fraction > 0 {
            out.insert(out.len() - fraction, '.');
        }
        Ok(())
    }

    /// Appends a canonical number as it is written.
    ///
    /// # Errors
    /// Why it is no canonical number of this format.
    #[inline]
    pub(super) fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        if self.is_same(canonical.as_bytes()) {
            out.push_str(canonical);
            return Ok(());
        }
        if let (Some(scale), Some(width)) = (self.implied(), self.zeros_to)
            && !canonical.starts_with('-')
            && self.is_canonical(
                Plain { fraction: if scale > 0 { scale + 1 } else { 0 }, point: b'.' },
                canonical.as_bytes(),
            )
        {
            let digits = canonical.len() - usize::from(scale > 0);
            if let Some(zeros) = width.checked_sub(digits).and_then(|missing| ZEROS.get(..missing)) {
                out.push_str(zeros);
                out.push_str(&canonical[..digits - scale]);
                out.push_str(&canonical[canonical.len() - scale..]);
                return Ok(());
            }
        }
        self.render_any(canonical, out)
    }

    /// Whether a number is written as it is in events, the point included.
    #[inline]
    pub(super) fn is_same(&self, text: &[u8]) -> bool {
        self.plain().is_some_and(|plain| plain.point == b'.' && self.is_canonical(plain, text))
    }

    fn render_any(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        let (negative, unsigned) = match canonical.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, canonical),
        };
        let (whole, fraction) = self.check_canonical(unsigned)?;
        if negative && self.sign == Sign::Unsigned {
            return Err("is negative, and the field has no sign".to_owned());
        }
        if negative && unsigned.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            return Err("is a negative zero".to_owned());
        }
        // Implied: 0.05 with two digits is `5`, so zeros before the first digit go.
        let (whole, fraction) = match self.point {
            None if whole == "0" && !fraction.is_empty() => ("", without_leading_zeros(fraction)),
            _ => (whole, fraction),
        };
        let from = out.len();
        let (before, behind) = self.marks(negative);
        out.push_str(before);
        let digits_from = out.len();
        if let Some(width) = self.zeros_to {
            let point = usize::from(self.point.is_some() && !fraction.is_empty());
            let length = before.len() + whole.len() + point + fraction.len() + behind.len();
            out.extend(std::iter::repeat_n('0', width.saturating_sub(length)));
        }
        self.push_grouped(whole, out);
        if let Some(point) = self.point.filter(|_| !fraction.is_empty()) {
            out.push(char::from(point));
        }
        out.push_str(fraction);
        match self.sign {
            Sign::LeadingOverpunched(table) => punch(out, digits_from, table, negative),
            Sign::TrailingOverpunched(table) => {
                let last = out.len() - 1;
                punch(out, last.max(from), table, negative);
            }
            _ => out.push_str(behind),
        }
        Ok(())
    }

    /// What stands before and behind the digits for the sign.
    const fn marks(&self, negative: bool) -> (&'static str, &'static str) {
        match (self.sign, negative) {
            (Sign::Leading | Sign::LeadingAlways, true) => ("-", ""),
            (Sign::LeadingAlways, false) => ("+", ""),
            (Sign::Trailing | Sign::TrailingAlways, true) => ("", "-"),
            (Sign::TrailingAlways, false) => ("", "+"),
            (Sign::Parentheses, true) => ("(", ")"),
            _ => ("", ""),
        }
    }

    fn push_grouped(&self, whole: &str, out: &mut String) {
        let Some(mark) = self.grouping else { return out.push_str(whole) };
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                out.push(char::from(mark));
            }
            out.push(digit);
        }
    }

    /// The digits before and after the point of a canonical number without its sign.
    fn check_canonical<'t>(&self, unsigned: &'t str) -> Result<(&'t str, &'t str), String> {
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || unsigned.ends_with('.') {
            return Err("is no number".to_owned());
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err("has a leading zero".to_owned());
        }
        match self.scale {
            Some(scale) if scale != fraction.len() => {
                Err(format!("has {} digits after the point, the layout says {scale}", fraction.len()))
            }
            _ => Ok((whole, fraction)),
        }
    }
}

#[inline]
fn push_digits(digits: &str, out: &mut String) -> Result<(), String> {
    if !are_digits(digits.as_bytes()) {
        let stranger = digits.chars().find(|character| !character.is_ascii_digit()).unwrap_or(' ');
        return Err(format!("is no number: it has a {stranger:?}"));
    }
    out.push_str(digits);
    Ok(())
}

/// Digits without zeros in front, but at least one digit.
fn without_leading_zeros(digits: &str) -> &str {
    let zeros = digits.bytes().take_while(|digit| *digit == b'0').count();
    &digits[zeros.min(digits.len().saturating_sub(1))..]
}

/// A canonical number as a count of units of its `scale`th digit after the point: with 2, `12.50` is 1250 and `3` is
/// 300. `None` where it exceeds 128 bits, or has more digits.
pub(in crate::layout) fn units(canonical: &str, scale: usize) -> Option<i128> {
    let negative = canonical.starts_with('-');
    let fraction = canonical.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits = canonical.bytes().filter(u8::is_ascii_digit);
    let missing = u32::try_from(scale.checked_sub(fraction)?).ok()?;
    if canonical.len() <= 18 && missing == 0 {
        let value = digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some(i128::from(if negative { -value } else { value }));
    }
    let mut value = 0_i128;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let value = value.checked_mul(10_i128.checked_pow(missing)?)?;
    Some(if negative { -value } else { value })
}

/// The canonical text of a count of units: the reverse of [`units`].
pub(in crate::layout) fn from_units(units: i128, scale: usize) -> String {
    let digits = format!("{:0>1$}", units.unsigned_abs(), scale + 1);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests;
