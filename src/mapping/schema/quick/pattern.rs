//! Patterns of schemas, as the `regex` crate reads them.
//!
//! JSON Schema's patterns are those of ECMA-262. What the two read alike is taken over; what they do not (`.`, `\w`, `\b`,
//! groups with a question mark, a class in a class) makes a pattern one that is not for the quick answer.

use regex::Regex;

/// `None` where the two may disagree.
pub(super) fn compile(pattern: &str) -> Option<Regex> {
    let mut out = String::new();
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                'd' => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                // Boundaries of words, for the one of them.
                '<' | '>' => return None,
                escaped if escaped.is_ascii_punctuation() => out.extend(['\\', escaped]),
                _ => return None,
            },
            '[' if in_class => return None,
            '[' => {
                in_class = true;
                out.push('[');
                if characters.peek() == Some(&'^') {
                    out.extend(characters.next());
                }
                // Here it closes nothing, or everything, depending on who reads.
                if characters.peek() == Some(&']') {
                    return None;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            ']' => return None,
            '&' | '~' if in_class && characters.peek() == Some(&character) => return None,
            '-' if in_class && characters.peek() == Some(&'-') => return None,
            '(' if !in_class && characters.peek() == Some(&'?') => return None,
            '.' if !in_class => return None,
            character if !character.is_ascii() || character.is_ascii_control() => return None,
            character => out.push(character),
        }
    }
    if in_class { None } else { Regex::new(&out).ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn patterns_of_events_are_read() {
        for (pattern, fits, others) in [
            ("^[A-Z0-9][A-Z0-9/-]{0,31}$", &["A", "B-1/2"][..], &["", "a", "-", "A\n"][..]),
            ("^-?(0|[1-9][0-9]*)(\\.[0-9]{1,3})?$", &["0", "-1.250"], &["01", "1.", "1.2345", "٣"]),
            ("^\\d{3}[\\d-]$", &["1234", "123-"], &["12٣4", "12"]),
            ("x", &["axb"], &["ab"]),
            ("^[^;]+$", &["ä\n"], &["a;b", ""]),
        ] {
            let pattern = compile(pattern).unwrap();
            assert!(fits.iter().all(|text| pattern.is_match(text)), "{pattern}");
            assert!(!others.iter().any(|text| pattern.is_match(text)), "{pattern}");
        }
    }

    #[test]
    fn what_might_be_read_otherwise_is_left_alone() {
        for pattern in [
            "a.b",
            "\\w",
            "\\bx",
            "\\p{L}",
            "(?=a)",
            "(?i)a",
            "[[:alpha:]]",
            "[a&&b]",
            "[a--b]",
            "[]a]",
            "[^]a]",
            "a]",
            "[a",
            "ä",
            "\\n",
            "\\1",
            "a{",
            "(a",
        ] {
            assert!(compile(pattern).is_none(), "{pattern}");
        }
    }
}
