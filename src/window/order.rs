//! Sort keys: bytes whose order is that of the values that they were made from.

/// A value by which records are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderPart<'t> {
    /// The record has none: it stands before those that have one.
    Absent,
    /// A text, ordered by its bytes.
    Text(&'t str),
    /// A number in canonical text, such as `-12.50`.
    Number(&'t str),
}

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

impl OrderPart<'_> {
    /// Appends it to a key. Parts that follow count only where this one is the same.
    pub fn push_to(self, key: &mut Vec<u8>) {
        match self {
            Self::Absent => key.push(ABSENT),
            Self::Text(text) => {
                key.push(PRESENT);
                for byte in text.bytes() {
                    key.push(byte);
                    if byte == 0 {
                        key.push(u8::MAX);
                    }
                }
                key.extend_from_slice(&[0, 0]);
            }
            Self::Number(text) => {
                key.push(PRESENT);
                push_number(text, key);
            }
        }
    }
}

/// Sign, how many digits stand before the point, the digits, a terminator below any digit; all inverted but the sign for
/// what is below zero.
fn push_number(text: &str, key: &mut Vec<u8>) {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() {
        key.push(1);
        return;
    }
    key.push(if negative { 0 } else { 2 });
    let from = key.len();
    key.extend_from_slice(&u32::try_from(whole.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(whole.as_bytes());
    key.extend_from_slice(fraction.as_bytes());
    key.push(0);
    if negative {
        key[from..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::OrderPart::{self, Absent, Number, Text};

    fn key(parts: &[OrderPart<'_>]) -> Vec<u8> {
        let mut key = Vec::new();
        parts.iter().for_each(|part| part.push_to(&mut key));
        key
    }

    #[test]
    fn keys_are_ordered_as_what_they_are_made_from() {
        let numbers = ["-100", "-12.51", "-12.5", "-12", "-0.01", "0", "0.009", "0.01", "9", "9.5", "10", "100"];
        let texts = ["", "\0", "\0\0", "\0a", "A", "A\0", "A-1", "AB", "a", "ä"];
        type Make = fn(&'static str) -> OrderPart<'static>;
        for (ordered, part) in [(&numbers[..], Number as Make), (&texts[..], Text as Make)] {
            for (index, one) in ordered.iter().enumerate() {
                for (other_index, other) in ordered.iter().enumerate() {
                    // What follows must not change it.
                    let keys = (key(&[part(one), Text("z")]), key(&[part(other), Absent]));
                    assert_eq!(keys.0.cmp(&keys.1).is_lt(), index < other_index, "{one:?} {other:?}: {keys:?}");
                }
            }
        }
        assert!(key(&[Absent]) < key(&[Text("")]) && key(&[Absent]) < key(&[Number("-5")]));
        assert_eq!(key(&[Number("-0.00")]), key(&[Number("0")]));
        assert_eq!(key(&[Number("007.50")]), key(&[Number("7.5")]));
        assert!(key(&[Text("same"), Number("2")]) < key(&[Text("same"), Number("10")]));
    }
}
