//! Signs that stand in the first or last digit of a number, as COBOL writes them.

/// Which characters hold a digit and its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layout::types) enum Overpunch {
    /// `{ABCDEFGHI` are +0 to +9, `}JKLMNOPQR` are -0 to -9: the zones C and D of EBCDIC, transcribed.
    Ebcdic,
    /// Digits are positive, `p` to `y` are -0 to -9 (Micro Focus COBOL, ASCII sign option).
    MicroFocus,
}

const EBCDIC_POSITIVE: &[u8; 10] = b"{ABCDEFGHI";
const EBCDIC_NEGATIVE: &[u8; 10] = b"}JKLMNOPQR";
const MICRO_FOCUS_NEGATIVE: &[u8; 10] = b"pqrstuvwxy";

impl Overpunch {
    /// Sign and digit of a character.
    fn read(self, character: u8) -> Option<(bool, u8)> {
        let place = |table: &[u8; 10]| table.iter().position(|known| *known == character);
        let digit = |place: usize| b'0' + place as u8;
        if character.is_ascii_digit() {
            return Some((false, character));
        }
        match self {
            Self::Ebcdic => {
                let positive = place(EBCDIC_POSITIVE).map(|found| (false, digit(found)));
                positive.or_else(|| place(EBCDIC_NEGATIVE).map(|found| (true, digit(found))))
            }
            Self::MicroFocus => place(MICRO_FOCUS_NEGATIVE).map(|found| (true, digit(found))),
        }
    }

    /// The character of sign and digit.
    fn write(self, negative: bool, digit: u8) -> u8 {
        let place = usize::from(digit.saturating_sub(b'0')).min(9);
        match (self, negative) {
            (Self::Ebcdic, false) => EBCDIC_POSITIVE[place],
            (Self::Ebcdic, true) => EBCDIC_NEGATIVE[place],
            (Self::MicroFocus, false) => digit,
            (Self::MicroFocus, true) => MICRO_FOCUS_NEGATIVE[place],
        }
    }
}

/// Which digit holds the sign.
#[derive(Clone, Copy)]
pub(super) enum Punched {
    /// The first.
    First,
    /// The last.
    Last,
}

/// Whether it is negative, what is left of the number, and a digit that the sign was in.
pub(super) type Unsigned<'t> = (bool, &'t str, Option<(Punched, u8)>);

/// Takes the digit that holds the sign off a written number.
///
/// # Errors
/// Where it is none.
pub(super) fn overpunched(written: &str, table: Overpunch, place: Punched) -> Result<Unsigned<'_>, String> {
    let character = match place {
        Punched::First => written.chars().next(),
        Punched::Last => written.chars().next_back(),
    };
    let character = character.ok_or("has no digits")?;
    let read = u8::try_from(character).ok().and_then(|byte| table.read(byte));
    let (negative, digit) = read.ok_or_else(|| format!("has {character:?} where digit and sign stand in one"))?;
    let rest = match place {
        Punched::First => &written[1..],
        Punched::Last => &written[..written.len() - 1],
    };
    Ok((negative, rest, Some((place, digit))))
}

/// Puts the sign into the digit at `at`.
pub(super) fn punch(out: &mut String, at: usize, table: Overpunch, negative: bool) {
    if let Some(digit) = out.as_bytes().get(at).copied() {
        let character = char::from(table.write(negative, digit));
        out.replace_range(at..=at, character.encode_utf8(&mut [0; 4]));
    }
}
