//! UTF-16 becomes UTF-8 on its way in, and UTF-16 again on its way out.
//!
//! Every text of Unicode has one spelling in each, so nothing is lost; what is no text (half of a pair of surrogates, an
//! odd byte at the end) is refused where it stands.

use std::io::{self, Read};

use super::Encoding;

const READ_BYTES: usize = 32 * 1024;

/// Bytes that are no UTF-16; it travels within an [`io::Error`] of kind `InvalidData`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct NoUtf16 {
    /// Offset in the file.
    pub(super) byte: u64,
    /// What is wrong.
    pub(super) reason: String,
}

/// A source as the parser reads it.
pub(super) enum Source<R> {
    /// As it is.
    Bytes(R),
    /// UTF-16, as UTF-8.
    Utf16(Utf16Reader<R>),
}

impl<R: Read> Source<R> {
    pub(super) fn new(source: R, encoding: Encoding) -> Self {
        if !encoding.is_utf16() {
            return Self::Bytes(source);
        }
        let big_endian = encoding == Encoding::Utf16Be;
        Self::Utf16(Utf16Reader {
            source,
            big_endian,
            raw: Vec::new(),
            offset: 0,
            text: String::new(),
            given: 0,
            ended: false,
            wrong: None,
        })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(source) => source.read(into),
            Self::Utf16(source) => source.read(into),
        }
    }
}

/// Reads UTF-16 and gives UTF-8.
pub(super) struct Utf16Reader<R> {
    source: R,
    big_endian: bool,
    /// Read and not yet decoded: an odd byte, half a pair.
    raw: Vec<u8>,
    /// Of `raw` in the file.
    offset: u64,
    text: String,
    given: usize,
    ended: bool,
    /// What is no text, once all before it was given.
    wrong: Option<NoUtf16>,
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if let Some(wrong) = &self.wrong {
                return Err(io::Error::new(io::ErrorKind::InvalidData, wrong.clone()));
            }
            if self.ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let count = into.len().min(self.text.len() - self.given);
        into[..count].copy_from_slice(&self.text.as_bytes()[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

impl<R: Read> Utf16Reader<R> {
    fn refill(&mut self) -> io::Result<()> {
        let kept = self.raw.len();
        self.raw.resize(kept + READ_BYTES, 0);
        let outcome = self.source.read(&mut self.raw[kept..]);
        self.raw.truncate(kept + outcome.as_ref().map_or(0, |count| *count));
        self.ended = outcome? == 0;
        self.text.clear();
        self.given = 0;
        self.decode();
        Ok(())
    }

    fn decode(&mut self) {
        let mut used = 0;
        while let Some(unit) = self.unit(used) {
            let (character, taken) = match unit {
                0xD800..=0xDBFF => match self.unit(used + 2) {
                    Some(low @ 0xDC00..=0xDFFF) => {
                        let code = 0x1_0000 + ((u32::from(unit) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                        (char::from_u32(code), 4)
                    }
                    None if !self.ended => break,
                    _ => (None, 2),
                },
                unit => (char::from_u32(u32::from(unit)), 2),
            };
            let Some(character) = character else {
                let reason = format!("0x{unit:04X} is half of a character in UTF-16");
                self.wrong = Some(self.no_utf16(used, reason));
                return;
            };
            self.text.push(character);
            used += taken;
        }
        if self.ended && used < self.raw.len() {
            self.wrong = Some(self.no_utf16(used, "the file ends in the midst of a character of UTF-16".to_owned()));
        }
        self.raw.drain(..used);
        self.offset += used as u64;
    }

    fn unit(&self, at: usize) -> Option<u16> {
        let bytes = [*self.raw.get(at)?, *self.raw.get(at + 1)?];
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn no_utf16(&self, at: usize, reason: String) -> NoUtf16 {
        NoUtf16 { byte: self.offset + at as u64, reason }
    }
}

/// Turns what was appended to `out` since `from`, in UTF-8, into what the file has in this encoding.
pub(super) fn encode_since(encoding: Encoding, from: usize, out: &mut Vec<u8>) {
    if !encoding.is_utf16() {
        return;
    }
    let text = String::from_utf8_lossy(&out[from..]).into_owned();
    out.truncate(from);
    for unit in text.encode_utf16() {
        out.extend(if encoding == Encoding::Utf16Be { unit.to_be_bytes() } else { unit.to_le_bytes() });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Gives a byte at a time.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn decoded(encoding: Encoding, bytes: &[u8]) -> Result<String, NoUtf16> {
        let mut text = String::new();
        let outcome = Source::new(Dribble(bytes), encoding).read_to_string(&mut text);
        match outcome {
            Ok(_) => Ok(text),
            Err(error) => Err(error.get_ref().unwrap().downcast_ref::<NoUtf16>().unwrap().clone()),
        }
    }

    #[test]
    fn text_comes_back() {
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let text = "\u{feff}Grün €5;🌲\r\n";
            let mut bytes = text.as_bytes().to_vec();
            encode_since(encoding, 0, &mut bytes);
            assert_eq!(bytes.len(), encoding.bytes_in_file(text.as_bytes()));
            assert_eq!(decoded(encoding, &bytes).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_text_is_found_where_it_stands() {
        for (bytes, byte) in [(&b"a\0b\0c"[..], 4), (b"a\0\x00\xD8b\0", 2), (b"a\0\x00\xDC", 2), (b"a\0b\0\x00\xD8", 4)]
        {
            assert_eq!(decoded(Encoding::Utf16Le, bytes).unwrap_err().byte, byte, "{bytes:?}");
        }
    }
}
