//! File names as facts: wildcards, patterns that carry business date and sequence, and names derived from names.

use std::fmt;

use regex::bytes::Regex;

use super::date::{BusinessDate, DateFormat};

/// A name with `*` and `?`.
#[derive(Clone)]
pub struct Wildcard {
    text: String,
    regex: Regex,
}

impl Wildcard {
    /// Reads a wildcard.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = String::from("(?s-u)^");
        for character in text.chars() {
            push_wildcard(&mut pattern, character);
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether a file name (no directory) fits.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.regex.is_match(name)
    }
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.text)
    }
}

/// What a file name says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NameFacts {
    /// The business date.
    pub business_date: Option<BusinessDate>,
    /// The sequence number: its digits as written.
    pub sequence: Option<String>,
}

/// A name with `*`, `?`, `{business_date:FORMAT}` and `{sequence:DIGITS}`.
#[derive(Clone)]
pub struct NamePattern {
    text: String,
    regex: Regex,
    date: Option<DateFormat>,
    sequence: bool,
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = String::from("(?s-u)^");
        let mut date = None;
        let mut sequence = false;
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if character != '{' {
                push_wildcard(&mut pattern, character);
                rest = &rest[character.len_utf8()..];
                continue;
            }
            let end = rest.find('}').ok_or_else(|| format!("`{text}`: `{{` without `}}`"))?;
            let placeholder = &rest[1..end];
            let (name, argument) = placeholder.split_once(':').unwrap_or((placeholder, ""));
            match name {
                "business_date" if date.is_none() => {
                    let format =
                        DateFormat::compile(argument, 70).map_err(|error| format!("`{placeholder}`: {error}"))?;
                    pattern.push_str(&format!("(?P<date>.{{{}}})", format.width()));
                    date = Some(format);
                }
                "sequence" if !sequence => {
                    sequence = true;
                    match argument {
                        "" => pattern.push_str("(?P<sequence>[0-9]{1,18})"),
                        digits => {
                            let digits: u8 = digits
                                .parse()
                                .ok()
                                .filter(|digits| (1..=18).contains(digits))
                                .ok_or_else(|| format!("`{placeholder}`: digits go from 1 to 18"))?;
                            pattern.push_str(&format!("(?P<sequence>[0-9]{{{digits}}})"));
                        }
                    }
                }
                "business_date" | "sequence" => return Err(format!("`{name}` stands twice in `{text}`")),
                other => return Err(format!("`{other}` is none of business_date, sequence")),
            }
            rest = &rest[end + 1..];
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), regex, date, sequence })
    }

    /// The pattern names a business date.
    #[must_use]
    pub const fn has_date(&self) -> bool {
        self.date.is_some()
    }

    /// The pattern names a sequence number.
    #[must_use]
    pub const fn has_sequence(&self) -> bool {
        self.sequence
    }

    /// What a file name (no directory) says, or `None` where it does not fit.
    ///
    /// # Errors
    /// The name fits but for its date, which is none: `BID_20261399_0001.dat`.
    pub fn read(&self, name: &[u8]) -> Option<Result<NameFacts, String>> {
        let captures = self.regex.captures(name)?;
        let text =
            |group: &str| captures.name(group).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned());
        let business_date = match (&self.date, text("date")) {
            (Some(format), Some(written)) => match format.read(&written) {
                Some(date) => Some(date),
                None => return Some(Err(format!("`{written}` in the name is no date of the form {format}"))),
            },
            _ => None,
        };
        Some(Ok(NameFacts { business_date, sequence: text("sequence") }))
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.text)
    }
}

/// A name derived from an entry's: `{name}.done`, `{stem}.ok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    text: String,
}

impl NameTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A message for the operator: no placeholder, an unknown one, or a `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.replace("{name}", "").replace("{stem}", "");
        if bare.len() == text.len() {
            return Err(format!("`{text}` has neither {{name}} nor {{stem}}: it would be one file for all entries"));
        }
        if bare.contains(['{', '}']) {
            return Err(format!("`{text}`: only {{name}} and {{stem}} can be used"));
        }
        if text.contains('/') {
            return Err(format!("`{text}`: the file has to be in the same directory"));
        }
        if text == "{name}" {
            return Err("a name derived from an entry has to differ from it".to_owned());
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The derived name.
    #[must_use]
    pub fn apply(&self, name: &[u8]) -> Vec<u8> {
        let stem = match name.iter().rposition(|byte| *byte == b'.') {
            Some(0) | None => name,
            Some(dot) => &name[..dot],
        };
        let mut derived = Vec::with_capacity(self.text.len() + name.len());
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix("{name}") {
                derived.extend_from_slice(name);
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("{stem}") {
                derived.extend_from_slice(stem);
                rest = tail;
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                derived.extend_from_slice(&rest.as_bytes()[..end]);
                rest = &rest[end..];
            }
        }
        derived
    }

    /// Whether a name could be derived from some other name: it has the template's fixed beginning and end.
    #[must_use]
    pub fn covers(&self, name: &[u8]) -> bool {
        let first = self.text.find('{').unwrap_or(self.text.len());
        let last = self.text.rfind('}').map_or(0, |at| at + 1);
        let (head, tail) = (&self.text.as_bytes()[..first], &self.text.as_bytes()[last..]);
        name.len() > head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn push_wildcard(pattern: &mut String, character: char) {
    match character {
        '*' => pattern.push_str(".*"),
        '?' => pattern.push('.'),
        other => {
            // Bytes, not characters: names need not be UTF-8.
            let mut buffer = [0; 4];
            for byte in other.encode_utf8(&mut buffer).bytes() {
                pattern.push_str(&format!("\\x{byte:02X}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_gives_date_and_sequence() {
        let pattern = NamePattern::parse("BID_{business_date:YYYYMMDD}_{sequence:4}.dat").unwrap();
        let facts = pattern.read(b"BID_20260131_0042.dat").unwrap().unwrap();
        assert_eq!(facts.business_date.unwrap().to_string(), "2026-01-31");
        assert_eq!(facts.sequence.as_deref(), Some("0042"));
        assert!(pattern.read(b"BID_20260131_042.dat").is_none());
        assert!(pattern.read(b"BID_20260131_0042.dat.tmp").is_none());
        assert!(pattern.read(b"BID_20261331_0042.dat").unwrap().is_err());
    }

    #[test]
    fn wildcards_match_bytes() {
        assert!(Wildcard::parse("*.tmp").unwrap().matches(b"\xff\xfe.tmp"));
        assert!(Wildcard::parse("a?c+").unwrap().matches(b"abc+"));
        assert!(!Wildcard::parse("a?c").unwrap().matches(b"abbc"));
        assert!(Wildcard::parse("*").unwrap().matches(b"line\nbreak"));
    }

    #[test]
    fn templates_derive_names() {
        let derive = |text: &str, name: &str| {
            String::from_utf8(NameTemplate::parse(text).unwrap().apply(name.as_bytes())).unwrap()
        };
        assert_eq!(derive("{name}.done", "a.dat"), "a.dat.done");
        assert_eq!(derive("{stem}.ok", "a.b.dat"), "a.b.ok");
        assert_eq!(derive("{stem}.ok", "plain"), "plain.ok");
        assert_eq!(derive(".{name}.md5", "{stem}"), ".{stem}.md5");
        assert!(NameTemplate::parse("ready.flag").is_err());
        assert!(NameTemplate::parse("../{name}").is_err());
    }
}
