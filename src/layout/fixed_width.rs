//! Fields at fixed bytes: where they stand, and what stands between them.

use std::ops::Range;

use super::decode::Fault;
use super::delimited::Column;
use super::field::Field;
use super::reject::shown;
use super::{FieldSpec, Layout, RejectCode};

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

/// Whether a record, given without its terminator, has its length.
pub(super) fn check_length(layout: &Layout, type_index: usize, content: &[u8]) -> Result<(), Fault> {
    let record_type = &layout.record_types[type_index];
    if content.len() == record_type.length {
        return Ok(());
    }
    let reason = format!("has {} bytes, `{}` has {}", content.len(), record_type.name, record_type.length);
    Err(Fault::of_record(RejectCode::RecordLength, reason, Some(type_index)))
}

/// Whether the bytes between two fields are blank.
pub(super) fn check_gap(content: &[u8], gap: Range<usize>, type_index: usize) -> Result<(), Fault> {
    let Some(at) = content[gap.clone()].iter().position(|byte| *byte != b' ') else { return Ok(()) };
    let reason = format!(
        "bytes {} to {} of the record belong to no field and must be blank; from byte {} there is {}",
        gap.start + 1,
        gap.end,
        gap.start + at + 1,
        shown(&String::from_utf8_lossy(&content[gap.start + at..gap.end])),
    );
    Err(Fault::of_record(RejectCode::Filler, reason, Some(type_index)))
}
