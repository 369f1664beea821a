//! A payload cut into its values, without building a document of them.
//!
//! The payloads that the bridge reads most are those it has just written: compact JSON, properties in their declared
//! order. One pass over their bytes notes where each name and value stands; the schema's check and the way back to
//! records both look there. Whatever else JSON may be (white space, `\u` escapes, exponents) is refused here, and left to
//! `serde_json`, which is several times slower.

/// The values of one payload, in the order in which they stand; memory that is used again.
#[derive(Debug, Default)]
pub struct PayloadScan {
    tokens: Vec<Token>,
}

/// One value, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// The name of the property that it is of; empty for an element.
    name: Span,
    /// A text without its quotes, or the value as it is written; nothing for an object or array.
    value: Span,
    /// The number of the next value that is not in this one.
    pub(super) next: usize,
}

type Span = (u32, u32);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    /// Without escapes.
    Text,
    /// With escapes: it is not the text as it is written.
    EscapedText,
    /// `-12`.
    Integer,
    /// `-12.5`.
    Fraction,
    True,
    False,
    Null,
}

/// Values within values, no deeper than this.
const MOST_DEPTH: usize = 32;

/// A payload, and where its values stand, if it is such as the bridge writes.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'d> {
    /// As it is written.
    pub(super) data: &'d [u8],
    pub(super) scanned: Option<Scanned<'d>>,
}

/// A payload that was scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned<'d> {
    text: &'d str,
    tokens: &'d [Token],
}

impl PayloadScan {
    /// Looks at a payload once, for whoever has to look at it.
    pub fn payload<'d>(&'d mut self, data: &'d [u8]) -> Payload<'d> {
        Payload { data, scanned: self.scan(data) }
    }

    /// Cuts a payload; `None` where it is not such as the bridge writes.
    pub(super) fn scan<'d>(&'d mut self, data: &'d [u8]) -> Option<Scanned<'d>> {
        self.tokens.clear();
        let text = std::str::from_utf8(data).ok()?;
        let is_short = u32::try_from(data.len()).is_ok();
        // JSON has no control characters in texts, and none elsewhere where it is compact.
        let is_clean = data.iter().fold(true, |clean, byte| clean & (*byte >= b' '));
        let end = if is_short && is_clean { self.value(data, 0, (0, 0), 0)? } else { return None };
        (end == data.len()).then_some(Scanned { text, tokens: &self.tokens })
    }

    /// Notes the value that begins at `at`; its end.
    fn value(&mut self, data: &[u8], at: usize, name: Span, depth: usize) -> Option<usize> {
        let index = self.tokens.len();
        let mut note = |kind, from: usize, to: usize| {
            let value = (from as u32, to as u32);
            self.tokens.push(Token { kind, name, value, next: index + 1 });
        };
        match *data.get(at)? {
            b'"' => {
                let (end, escaped) = text_end(data, at + 1)?;
                note(if escaped { Kind::EscapedText } else { Kind::Text }, at + 1, end);
                return Some(end + 1);
            }
            b'{' => note(Kind::Object, at, at),
            b'[' => note(Kind::Array, at, at),
            _ => {
                let (kind, length) = bare(&data[at..])?;
                note(kind, at, at + length);
                return Some(at + length);
            }
        }
        let end = if depth == MOST_DEPTH { None } else { self.within(data, at, depth + 1) };
        self.tokens[index].next = self.tokens.len();
        end
    }

    /// Notes what is in the object or array that begins at `at`; its end.
    fn within(&mut self, data: &[u8], at: usize, depth: usize) -> Option<usize> {
        let is_object = data[at] == b'{';
        let close = if is_object { b'}' } else { b']' };
        let mut at = at + 1;
        if *data.get(at)? == close {
            return Some(at + 1);
        }
        loop {
            let mut name = (0, 0);
            if is_object {
                let (end, escaped) = if *data.get(at)? == b'"' { text_end(data, at + 1)? } else { return None };
                if escaped || *data.get(end + 1)? != b':' {
                    return None;
                }
                name = (at as u32 + 1, end as u32);
                at = end + 2;
            }
            at = self.value(data, at, name, depth)?;
            match *data.get(at)? {
                b',' => at += 1,
                byte if byte == close => return Some(at + 1),
                _ => return None,
            }
        }
    }
}

/// Where a text ends that begins at `from`, behind its quote, and whether it has escapes.
#[inline]
fn text_end(data: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at = find_quote_or_backslash(data, at)?;
        if data[at] == b'"' {
            return Some((at, escaped));
        }
        unescaped(*data.get(at + 1)?)?;
        escaped = true;
        at += 2;
    }
}

/// The next of both, from `from` on. Names and values are short, so that eight bytes at a time, here and now, are faster
/// than the call of a function that would look at more.
#[inline]
fn find_quote_or_backslash(data: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const UPPER: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    let rest = data.get(from..)?;
    let (whole, last) = rest.as_chunks::<8>();
    for (index, lanes) in whole.iter().enumerate() {
        let lanes = u64::from_le_bytes(*lanes);
        // The upper bit of the first lane that is zero is set, and perhaps of some behind it.
        let zero = |lanes: u64| lanes.wrapping_sub(ONES) & !lanes & UPPER;
        let found = zero(lanes ^ QUOTES) | zero(lanes ^ BACKSLASHES);
        if found != 0 {
            return Some(from + index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = last.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(data.len() - last.len() + at)
}

/// A number, a truth value or null at the beginning of `data`, and its length.
fn bare(data: &[u8]) -> Option<(Kind, usize)> {
    for (word, kind) in [(&b"true"[..], Kind::True), (b"false", Kind::False), (b"null", Kind::Null)] {
        if data.starts_with(word) {
            return Some((kind, word.len()));
        }
    }
    let digits = |from: usize| data[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(data.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && data[sign] == b'0') {
        return None;
    }
    let end = sign + whole;
    let fraction = if data.get(end) == Some(&b'.') { digits(end + 1) } else { return Some((Kind::Integer, end)) };
    (fraction > 0).then_some((Kind::Fraction, end + 1 + fraction))
}

/// What a letter behind a backslash stands for; `None` for `\u`, which is rare.
const fn unescaped(letter: u8) -> Option<char> {
    Some(match letter {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

impl<'d> Scanned<'d> {
    /// A value by its number; 0 is the whole payload.
    #[inline]
    pub(super) fn token(&self, index: usize) -> Token {
        self.tokens[index]
    }

    /// The numbers of the values directly in this one.
    #[inline]
    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = usize> + 'd {
        let tokens = self.tokens;
        let end = tokens[index].next;
        let mut at = index + 1;
        std::iter::from_fn(move || {
            let child = (at < end).then_some(at)?;
            at = tokens[child].next;
            Some(child)
        })
    }

    /// The name of the property that a value is of.
    #[inline]
    pub(super) fn name(&self, index: usize) -> &'d str {
        let (from, to) = self.tokens[index].name;
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }

    /// A value as it is written; a text without its quotes.
    #[inline]
    pub(super) fn written(&self, index: usize) -> &'d str {
        let (from, to) = self.tokens[index].value;
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Appends what a text with escapes is.
    pub(super) fn unescape(&self, index: usize, out: &mut String) {
        let mut characters = self.written(index).chars();
        while let Some(character) = characters.next() {
            let escaped = if character == '\\' { characters.next() } else { None };
            let letter = escaped.and_then(|letter| u8::try_from(letter).ok());
            out.push(letter.and_then(unescaped).unwrap_or(character));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    /// The value that was scanned, as `serde_json` has it.
    fn value(scanned: Scanned<'_>, index: usize) -> Value {
        let children = || scanned.children(index);
        match scanned.token(index).kind {
            Kind::Object => {
                Value::Object(children().map(|child| (scanned.name(child).to_owned(), value(scanned, child))).collect())
            }
            Kind::Array => Value::Array(children().map(|child| value(scanned, child)).collect()),
            Kind::Text => Value::String(scanned.written(index).to_owned()),
            Kind::EscapedText => {
                let mut text = String::new();
                scanned.unescape(index, &mut text);
                Value::String(text)
            }
            _ => serde_json::from_str(scanned.written(index)).unwrap(),
        }
    }

    #[test]
    fn what_is_cut_is_what_is_written() {
        let mut scan = PayloadScan::default();
        for payload in [
            r#"{}"#,
            r#"[]"#,
            r#""""#,
            r#"{"a":"b","c":{"d":[1,-20,0.5,true,false,null,"x"],"e":{}},"f":[[],[{"g":"Grün"}]]}"#,
            r#"{"a":"say \"x\" \\ \/ \n\r\t\b\f","b":"\\"}"#,
            "-0",
        ] {
            let scanned = scan.scan(payload.as_bytes()).unwrap();
            assert_eq!(value(scanned, 0), serde_json::from_str::<Value>(payload).unwrap(), "{payload}");
        }
    }

    #[test]
    fn ends_of_texts_are_found_wherever_they_stand() {
        for length in 0..40 {
            for before in 0..20 {
                for end in ["\"", "\\\""] {
                    let text = format!(
                        "{}{}{end}{}",
                        "x".repeat(before),
                        "ä{!#[]^~ ".repeat(length / 8),
                        "\"\\".repeat(length)
                    );
                    let wanted = text.find(['"', '\\']);
                    assert_eq!(find_quote_or_backslash(text.as_bytes(), 0), wanted, "{text}");
                }
            }
        }
    }

    #[test]
    fn whatever_else_is_left_alone() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        for payload in [
            "",
            " ",
            "{",
            "}",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "\"a",
            "\"\\u0041\"",
            "\"\\x\"",
            "{\"a\": 1}",
            "[1 ]",
            "1e3",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "nul",
            "truefalse",
            "[1]]",
            "{\"a\":1}x",
            "\"a\nb\"",
            "{\"\\n\":1}",
            "[,]",
            "[1,,2]",
            &deep,
        ] {
            assert!(PayloadScan::default().scan(payload.as_bytes()).is_none(), "{payload}");
        }
        assert!(PayloadScan::default().scan(b"\"\xFF\"").is_none());
    }
}
