//! Fields at fixed bytes: where they stand, and what stands between them.

use std::borrow::Cow;
use std::ops::Range;

use super::decode::Fault;
use super::delimited::Column;
use super::field::Field;
use super::reject::shown;
use super::{FieldSpec, Ragged, RecordType, RejectCode};

/// How fixed-width records may deviate from their length, ready for use.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedWidth {
    /// Blanks at the end of a record are not written.
    pub(super) trimmed: bool,
    /// What a record that is longer or shorter is.
    pub(super) ragged: Ragged,
    /// What stands between fields is not looked at.
    pub(super) keep_filler: bool,
}

/// The bytes of a field; each problem with the key it stands under.
pub(super) fn place(spec: &FieldSpec, problems: &mut Vec<(&'static str, String)>) -> Column {
    let (Some(start @ 1..), Some(width)) = (spec.start, spec.width) else {
        for (key, is_missing) in [("start", spec.start.unwrap_or(0) == 0), ("width", spec.width.is_none())] {
            if is_missing {
                problems.push((key, "is needed in a fixed-width layout, and counts from 1".to_owned()));
            }
        }
        return Column::default();
    };
    Column { bytes: start - 1..(start - 1).saturating_add(width), ..Column::default() }
}

/// Tells each field of a record of `length` bytes which bytes before it belong to no field; the answer is those behind
/// the last field.
pub(super) fn find_gaps(fields: &mut [Field], length: usize) -> Range<usize> {
    let mut covered = 0;
    for field in fields {
        field.gap = covered..field.column.bytes.start;
        covered = field.column.bytes.end;
    }
    covered..length
}

impl FixedWidth {
    /// Whether a record, given without its terminator, has a length that it may have.
    #[inline]
    pub(super) fn check_length(self, record_type: &RecordType, index: usize, content: &[u8]) -> Result<(), Fault> {
        let fits = match content.len().cmp(&record_type.length) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => self.trimmed || self.ragged.short,
            std::cmp::Ordering::Greater => self.ragged.long,
        };
        if fits {
            return Ok(());
        }
        let reason = format!("has {} bytes, `{}` has {}", content.len(), record_type.name, record_type.length);
        Err(Fault::of_record(RejectCode::RecordLength, reason, Some(index)))
    }

    /// Whether the bytes between two fields are blank, where they have to be.
    #[inline]
    pub(super) fn check_gap(self, content: &[u8], gap: Range<usize>, type_index: usize) -> Result<(), Fault> {
        if self.keep_filler || gap.is_empty() {
            return Ok(());
        }
        let end = gap.end.min(content.len());
        let filler = content.get(gap.start..end).unwrap_or_default();
        let Some(at) = filler.iter().position(|byte| *byte != b' ') else { return Ok(()) };
        let reason = format!(
            "bytes {} to {} of the record belong to no field and must be blank; from byte {} there is {}",
            gap.start + 1,
            gap.end,
            gap.start + at + 1,
            shown(&String::from_utf8_lossy(&filler[at..])),
        );
        Err(Fault::of_record(RejectCode::Filler, reason, Some(type_index)))
    }

    /// The bytes by which the type of a record is known; blanks that are not written count.
    #[inline]
    pub(super) fn mark<'c>(self, content: &'c [u8], start: usize, width: usize) -> Option<Cow<'c, [u8]>> {
        let (from, to) = (start - 1, start - 1 + width);
        match content.get(from..to) {
            Some(mark) => Some(Cow::Borrowed(mark)),
            None if self.trimmed && !content.is_empty() => {
                let mut mark = content.get(from..).unwrap_or_default().to_vec();
                mark.resize(width, b' ');
                Some(Cow::Owned(mark))
            }
            None => None,
        }
    }

    /// The bytes of a field that a record of `length` bytes has of it.
    #[inline]
    pub(super) fn clip(column: &Column, length: usize) -> Column {
        let bytes = column.bytes.start.min(length)..column.bytes.end.min(length);
        Column { bytes, ..Column::default() }
    }
}
