//! Layouts as a whole: what they refuse, where they say it, and that files come back byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fields;
mod random;
mod readiness;
mod rejects;
mod round_trip;
pub(super) mod specs;
mod wrong_specs;

use super::*;

/// Everything that is in a file, as canonical text.
pub(super) type Rows = Vec<(String, Vec<Option<String>>)>;

/// Reads a whole file.
pub(super) fn parse(layout: &Layout, bytes: &[u8]) -> Result<(Rows, FileFacts), Reject> {
    let mut parser = Parser::new(layout, bytes);
    let mut record = Record::new();
    let mut rows = Rows::new();
    loop {
        match parser.read(&mut record) {
            Ok(true) => {
                let name = layout.record_types()[record.type_index()].name.clone();
                let bytes_of_record = &bytes[record.bytes().start as usize..record.bytes().end as usize];
                assert_eq!(record.raw(), bytes_of_record, "a record's bytes stand where it says");
                rows.push((name, (0..record.len()).map(|field| record.get(field).map(str::to_owned)).collect()));
            }
            Ok(false) => return Ok((rows, parser.facts().clone())),
            Err(ParseError::Reject(reject)) => {
                let again = parser.read(&mut record);
                assert!(matches!(again, Err(ParseError::Reject(same)) if same == reject), "a reject is final");
                return Err(reject);
            }
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
    }
}

/// Writes a whole file of what was read.
pub(super) fn render(layout: &Layout, rows: &Rows, frame: &FileFrame) -> Result<Vec<u8>, RenderError> {
    let mut renderer = Renderer::new(layout, frame);
    let mut out = Vec::new();
    renderer.begin(&mut out);
    for (name, values) in rows {
        let mut record = Record::build(layout.record_type(name).unwrap());
        values.iter().for_each(|value| record.push(value.as_deref()));
        renderer.record(&record, &mut out)?;
    }
    renderer.finish(&mut out);
    Ok(out)
}
