//! Names are bytes; the library speaks text. Each byte is taken for the character of the same number, so that every name
//! comes back as it was, whatever encoding the server has in mind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dropbridge_port::Secret;
use suppaftp::Encoding;

/// The text that stands for these bytes.
pub(crate) fn as_text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The bytes that a text stands for.
fn as_bytes(text: &str) -> io::Result<Vec<u8>> {
    let byte = |character: char| {
        u8::try_from(u32::from(character))
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a character that stands for no byte"))
    };
    text.chars().map(byte).collect()
}

/// Whether a command can carry a name: its line ends at a line end, and some servers end it at a NUL.
pub(crate) fn can_be_told(name: &[u8]) -> bool {
    !name.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Bytes as they are.
#[derive(Debug)]
pub(crate) struct Bytes;

impl Encoding for Bytes {
    fn decode(&self, bytes: &[u8]) -> String {
        as_text(bytes)
    }

    fn encode(&self, text: &str) -> io::Result<Vec<u8>> {
        as_bytes(text)
    }
}

/// What stands for the password in what the library sees: it logs every command before it is encoded.
pub(crate) const PASSWORD: &str = "(secret)";

/// Puts the password where [`PASSWORD`] stands, and notes that it was sent.
#[derive(Debug)]
pub(crate) struct WithPassword(pub(crate) Secret, pub(crate) Arc<AtomicBool>);

impl Encoding for WithPassword {
    fn decode(&self, bytes: &[u8]) -> String {
        as_text(bytes)
    }

    fn encode(&self, text: &str) -> io::Result<Vec<u8>> {
        if text == format!("PASS {PASSWORD}\r\n") {
            self.1.store(true, Ordering::Relaxed);
            return Ok([b"PASS ", self.0.reveal().as_bytes(), b"\r\n"].concat());
        }
        as_bytes(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(Bytes.encode(&Bytes.decode(&all)).unwrap(), all);
        assert!(Bytes.encode("€").is_err());
    }

    #[test]
    fn the_password_is_put_in_last() {
        let encoding = WithPassword(Secret::new("pässword"), Arc::default());
        assert_eq!(encoding.encode("USER (secret)\r\n").unwrap(), b"USER (secret)\r\n");
        assert!(!encoding.1.load(Ordering::Relaxed), "it was not sent yet");
        assert_eq!(encoding.encode("PASS (secret)\r\n").unwrap(), "PASS pässword\r\n".as_bytes());
        assert!(encoding.1.load(Ordering::Relaxed), "it was sent");
        assert!(!format!("{encoding:?}").contains("pässword"));
    }
}
