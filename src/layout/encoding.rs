//! Bytes to text and back, for each encoding.
//!
//! Single-byte pages are tables, because the labels of the web's encoders mean other things (their `latin1` is
//! Windows-1252) and because further pages then need nothing but another table. UTF-16 is turned into UTF-8 on its way
//! in, and back on its way out ([`super::utf16`]); here it is UTF-8 already.

use oem_cp::code_table::{DECODING_TABLE_CP437, DECODING_TABLE_CP850, ENCODING_TABLE_CP437, ENCODING_TABLE_CP850};

use super::Encoding;

/// Windows-1252, bytes 0x80 to 0x9F; 0 where the page has no character. Below and above it equals ISO 8859-1.
/// Source: Unicode consortium, `MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT`.
const CP1252_HIGH: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, 0,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];

/// Bytes that are no text in the encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoText {
    /// The first of them, from the start of what was decoded.
    pub(super) offset: usize,
    /// What they are.
    pub(super) reason: String,
}

impl Encoding {
    /// What operators call it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Latin1 => "latin-1",
            Self::Cp1252 => "cp1252",
            Self::Cp850 => "cp850",
            Self::Cp437 => "cp437",
        }
    }

    /// Whether records are UTF-8 where they are parsed.
    pub(super) const fn is_unicode(self) -> bool {
        matches!(self, Self::Utf8 | Self::Utf16Le | Self::Utf16Be)
    }

    /// Whether two or four bytes of the file are one character.
    pub(super) const fn is_utf16(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }

    /// How many bytes of the file text took that is parsed as `bytes`.
    pub(super) fn bytes_in_file(self, bytes: &[u8]) -> usize {
        if !self.is_utf16() {
            return bytes.len();
        }
        // Every byte that begins a character is a unit of two bytes; four bytes of UTF-8 are a pair of surrogates.
        bytes
            .iter()
            .map(|byte| {
                if (0x80..0xC0).contains(byte) {
                    0
                } else if *byte >= 0xF0 {
                    4
                } else {
                    2
                }
            })
            .sum()
    }

    /// Appends the text of `bytes` to `out`.
    pub(super) fn decode(self, bytes: &[u8], out: &mut String) -> Result<(), NoText> {
        if self.is_unicode() {
            out.push_str(std::str::from_utf8(bytes).map_err(|error| {
                let offset = error.valid_up_to();
                NoText { offset, reason: format!("byte 0x{:02X} does not continue valid UTF-8", bytes[offset]) }
            })?);
            return Ok(());
        }
        for (offset, byte) in bytes.iter().enumerate() {
            let Some(character) = self.character(*byte) else {
                return Err(NoText {
                    offset,
                    reason: format!("byte 0x{byte:02X} is no character in {}", self.as_str()),
                });
            };
            out.push(character);
        }
        Ok(())
    }

    /// Appends the bytes of `text` to `out`; fails with the first character that the encoding does not have.
    pub(super) fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), char> {
        if self.is_unicode() || text.is_ascii() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        for character in text.chars() {
            out.push(self.byte(character).ok_or(character)?);
        }
        Ok(())
    }

    /// The character of one byte of a single-byte page.
    fn character(self, byte: u8) -> Option<char> {
        match byte {
            0x80..=0x9F if self == Self::Cp1252 => match CP1252_HIGH[usize::from(byte - 0x80)] {
                0 => None,
                code => char::from_u32(u32::from(code)),
            },
            0x80..=0xFF if self == Self::Cp850 => Some(DECODING_TABLE_CP850[usize::from(byte - 0x80)]),
            0x80..=0xFF if self == Self::Cp437 => Some(DECODING_TABLE_CP437[usize::from(byte - 0x80)]),
            _ => Some(char::from(byte)),
        }
    }

    /// The byte of one character in a single-byte page.
    fn byte(self, character: char) -> Option<u8> {
        let code = u32::from(character);
        match self {
            _ if code < 0x80 => return u8::try_from(code).ok(),
            Self::Cp850 => return ENCODING_TABLE_CP850.get(&character).copied(),
            Self::Cp437 => return ENCODING_TABLE_CP437.get(&character).copied(),
            _ => {}
        }
        if self == Self::Cp1252 {
            if (0x80..0xA0).contains(&code) {
                return None;
            }
            if let Some(place) = CP1252_HIGH.iter().position(|high| *high != 0 && u32::from(*high) == code) {
                return u8::try_from(0x80 + place).ok();
            }
        }
        u8::try_from(code).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn decoded(encoding: Encoding, bytes: &[u8]) -> Result<String, NoText> {
        let mut text = String::new();
        encoding.decode(bytes, &mut text).map(|()| text)
    }

    #[test]
    fn every_byte_of_a_single_byte_page_comes_back() {
        for (encoding, undefined) in
            [(Encoding::Latin1, 0), (Encoding::Cp1252, 5), (Encoding::Cp850, 0), (Encoding::Cp437, 0)]
        {
            let mut failures = 0;
            for byte in 0..=255_u8 {
                let Ok(text) = decoded(encoding, &[byte]) else {
                    failures += 1;
                    continue;
                };
                let mut back = Vec::new();
                encoding.encode(&text, &mut back).unwrap();
                assert_eq!(back, [byte], "{encoding:?} {text:?}");
            }
            assert_eq!(failures, undefined, "{encoding:?}");
        }
    }

    #[test]
    fn cp1252_agrees_with_an_independent_table() {
        for byte in 0..=255_u8 {
            let (expected, _, _) = encoding_rs::WINDOWS_1252.decode(std::slice::from_ref(&byte));
            match decoded(Encoding::Cp1252, &[byte]) {
                Ok(text) => assert_eq!(text, expected),
                Err(_) => assert!([0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(&byte), "{byte:02X}"),
            }
        }
    }

    #[test]
    fn pages_of_dos() {
        assert_eq!(decoded(Encoding::Cp850, b"Stra\xE1e \x9C5").unwrap(), "Straße £5");
        assert_eq!(decoded(Encoding::Cp437, b"Stra\xE1e \x9B5 \xC4").unwrap(), "Straße ¢5 ─");
    }

    #[test]
    fn text_of_utf_16_is_measured_in_its_file() {
        assert_eq!(Encoding::Utf16Le.bytes_in_file("aß€".as_bytes()), 6);
        assert_eq!(Encoding::Utf16Be.bytes_in_file("🌲".as_bytes()), 4);
        assert_eq!(Encoding::Utf8.bytes_in_file("🌲".as_bytes()), 4);
        assert_eq!(Encoding::Latin1.bytes_in_file(b"abc"), 3);
    }

    #[test]
    fn the_first_byte_that_is_no_text_is_named() {
        assert_eq!(decoded(Encoding::Utf8, b"Gr\xFCn").unwrap_err().offset, 2);
        assert_eq!(decoded(Encoding::Utf8, b"ab\xC3").unwrap_err().offset, 2);
        assert_eq!(decoded(Encoding::Cp1252, b"a\x81").unwrap_err().offset, 1);
    }

    #[test]
    fn a_character_the_page_lacks_is_named() {
        let mut out = Vec::new();
        assert_eq!(Encoding::Latin1.encode("12 €", &mut out), Err('€'));
        assert_eq!(Encoding::Cp1252.encode("\u{81}", &mut out), Err('\u{81}'));
        out.clear();
        Encoding::Cp1252.encode("12 €", &mut out).unwrap();
        assert_eq!(out, b"12 \x80");
    }
}
