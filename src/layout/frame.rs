//! What a file is beside its records: what a renderer has to know to write such a file again.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EndPadding, Terminator};
use crate::domain::hash::hex;

/// Everything of a file that is in none of its records. It travels in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFrame {
    /// It begins with a byte order mark.
    pub byte_order_mark: bool,
    /// Its last record ends with a terminator.
    pub final_terminator: bool,
    /// Where the layout leaves the terminators open: which one records have, from which record on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminators: Vec<TerminatorRun>,
    /// The line of column names, without terminator, where it is not the one that the layout would write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column_names: Option<Raw>,
    /// It has no line of column names, though it might.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_column_names: bool,
    /// Lines that are no records, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_lines: Vec<KeptLine>,
    /// What follows the last record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub end_padding: Vec<PaddingRun>,
}

/// Which terminator records have from one on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminatorRun {
    /// Number of the first of them; 0 is the line of column names.
    pub from_record: u64,
    /// `lf`, `crlf` or `cr`.
    pub terminator: String,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLine {
    /// Number of the record that it stands before; 0: before the column names; one more than there are: at the end.
    pub before_record: u64,
    /// The line, with its terminator.
    pub raw: Raw,
}

/// Bytes that follow the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaddingRun {
    /// Which byte.
    pub byte: u8,
    /// How often.
    pub count: u64,
}

/// Bytes of a file: in JSON a text where they are UTF-8, else `{"hex": "…"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Written::Hex { hex: hex(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Hex { hex } => {
                let digits = hex
                    .as_bytes()
                    .chunks(2)
                    .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
                let bytes: Option<Vec<u8>> = digits.collect();
                bytes.map(Self).ok_or_else(|| D::Error::custom("is not hexadecimal"))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Hex { hex: String },
}

impl FileFrame {
    /// The terminator of a record, where the layout leaves it open.
    pub(super) fn terminator(&self, record: u64) -> Terminator {
        let behind = self.terminators.partition_point(|run| run.from_record <= record);
        let run = self.terminators.get(behind.saturating_sub(1));
        run.and_then(|run| Terminator::named(&run.terminator)).unwrap_or(Terminator::Lf)
    }

    /// Roughly how many bytes it takes in a manifest beyond what every file has.
    pub(super) fn weight(&self) -> usize {
        let lines: usize = self.kept_lines.iter().map(|line| line.raw.0.len() + 40).sum();
        let names = self.column_names.as_ref().map_or(0, |names| names.0.len());
        lines + names + 40 * (self.terminators.len() + self.end_padding.len())
    }
}

impl Terminator {
    /// Its word, where it is one that a record can end with.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Lf => "lf",
            Self::CrLf => "crlf",
            Self::Cr => "cr",
            Self::Mixed => "mixed",
            Self::None => "none",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Lf, Self::CrLf, Self::Cr].into_iter().find(|terminator| terminator.word() == word)
    }
}

impl EndPadding {
    /// The byte itself.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::CtrlZ => 0x1A,
            Self::Nul => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn bytes_travel_as_text_or_hexadecimal() {
        for (bytes, json) in [(&b"a\n\"b"[..], r#""a\n\"b""#), (b"\xFF\x00", r#"{"hex":"ff00"}"#), (b"", r#""""#)] {
            let raw = Raw(bytes.to_vec());
            assert_eq!(serde_json::to_string(&raw).unwrap(), json);
            assert_eq!(serde_json::from_str::<Raw>(json).unwrap(), raw);
        }
        assert!(serde_json::from_str::<Raw>(r#"{"hex":"0g"}"#).is_err());
    }

    #[test]
    fn a_terminator_holds_until_the_next_run() {
        let run = |from_record, terminator: &str| TerminatorRun { from_record, terminator: terminator.to_owned() };
        let frame = FileFrame { terminators: vec![run(1, "crlf"), run(5, "cr")], ..FileFrame::default() };
        let found: Vec<_> = [0, 1, 4, 5, 9].map(|record| frame.terminator(record).word()).into();
        assert_eq!(found, ["crlf", "crlf", "crlf", "cr", "cr"]);
    }
}
