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

/// The bytes of a record of `length` bytes that none of its fields covers.
pub(super) fn fillers(fields: &[Field], length: usize) -> Vec<Range<usize>> {
    let mut fillers = Vec::new();
    let mut covered = 0;
    for field in fields {
        fillers.push(covered..field.column.bytes.start);
        covered = field.column.bytes.end;
    }
    fillers.push(covered..length);
    fillers.retain(|filler| !filler.is_empty());
    fillers
}

/// Whether a record, given without its terminator, has its length, and blanks where no field is.
pub(super) fn check(layout: &Layout, type_index: usize, content: &[u8]) -> Result<(), Fault> {
    let record_type = &layout.record_types[type_index];
    if content.len() != record_type.length {
        let reason = format!("has {} bytes, `{}` has {}", content.len(), record_type.name, record_type.length);
        return Err(Fault::of_record(RejectCode::RecordLength, reason, Some(type_index)));
    }
    for filler in &record_type.fillers {
        let bytes = &content[filler.clone()];
        if let Some(at) = bytes.iter().position(|byte| *byte != b' ') {
            let reason = format!(
                "bytes {} to {} of the record belong to no field and must be blank; from byte {} there is {}",
                filler.start + 1,
                filler.end,
                filler.start + at + 1,
                shown(&String::from_utf8_lossy(&bytes[at..])),
            );
            return Err(Fault::of_record(RejectCode::Filler, reason, Some(type_index)));
        }
    }
    Ok(())
}
