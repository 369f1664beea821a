//! Layouts as a whole: what they refuse, where they say it, and that files come back byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod beside_records;
mod controls;
mod delimited_files;
mod derived;
mod encodings;
mod fields;
mod fixed_width_files;
mod groups;
mod invented;
mod masked_fields;
mod passing_over;
mod properties;
mod random;
mod readiness;
mod rejects;
mod round_trip;
pub(super) mod specs;
mod wrong_specs;

use super::*;
use specs::compiled;

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
                let mut raw = record.raw().to_vec();
                utf16::encode_since(layout.encoding, 0, &mut raw);
                let bytes_of_record = &bytes[record.bytes().start as usize..record.bytes().end as usize];
                assert_eq!(raw, bytes_of_record, "a record's bytes stand where it says");
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

/// A file that ends with a terminator, and has nothing beside its records.
pub(super) const FINISHED: FileFrame = FileFrame {
    byte_order_mark: false,
    final_terminator: true,
    terminators: Vec::new(),
    column_names: None,
    without_column_names: false,
    kept_lines: Vec::new(),
    end_padding: Vec::new(),
};

/// Proves a file, and writes it again from what its proof and its frame are after a way through JSON, as in a manifest.
/// Answers with the exceptions and how the records came out.
pub(super) fn assert_rebuilds(layout: &Layout, bytes: &[u8], verdict: Verdict) -> Proof {
    let shown = bytes.escape_ascii().to_string();
    let (proof, facts) = layout.prove(bytes).unwrap_or_else(|error| panic!("{shown}\n{error}"));
    assert_eq!(proof.verdict, verdict, "{shown}\n{proof:#?}");
    if verdict != Verdict::ReplayOnly {
        let rebuilt = rebuild(layout, bytes, &proof, &facts).unwrap_or_else(|error| panic!("{shown}\n{error}"));
        assert_eq!(rebuilt.escape_ascii().to_string(), shown, "{proof:#?}\n{:#?}", facts.frame);
    }
    proof
}

/// Writes a file again: its records from their canonical texts, the rest from frame and exceptions.
pub(super) fn rebuild(layout: &Layout, bytes: &[u8], proof: &Proof, facts: &FileFacts) -> Result<Vec<u8>, RenderError> {
    let frame: FileFrame = through_json(&facts.frame);
    let exceptions: Vec<Exception> = through_json(&proof.exceptions);
    let mut rebuilder = Rebuilder::new(layout, &frame, &exceptions);
    let (mut parser, mut record, mut carried) = (Parser::new(layout, bytes), Record::new(), Record::new());
    let mut out = Vec::new();
    rebuilder.begin(&mut out);
    while parser.read(&mut record).unwrap() {
        carried.rebuild(record.type_index());
        (0..record.len()).for_each(|field| carried.push(record.get(field)));
        rebuilder.record(&carried, &mut out)?;
    }
    rebuilder.finish(&mut out);
    Ok(out)
}

/// Checks what files hold, and that each can be written again. A file comes with its values (fields divided by `|`, records
/// by ` / `, what is absent is `~`), and the places where it is spelled otherwise than the layout would write it.
pub(super) fn assert_files(spec: &LayoutSpec, files: &[(&str, &str, &[&str])]) {
    let layout = compiled(spec.clone());
    for (file, values, places) in files {
        let mut bytes = Vec::new();
        spec.encoding.encode(file, &mut bytes).unwrap();
        utf16::encode_since(spec.encoding, 0, &mut bytes);
        let rows = parse(&layout, &bytes).unwrap_or_else(|reject| panic!("{file:?}\n{reject}")).0;
        assert_eq!(shown(&rows), *values, "{file:?}");
        let verdict = if places.is_empty() { Verdict::Exact } else { Verdict::ExactWithExceptions };
        let proof = assert_rebuilds(&layout, &bytes, verdict);
        assert_eq!(proof.histogram.into_keys().collect::<Vec<_>>(), *places, "{file:?}");
    }
}

/// Checks that each file is refused with a code, at a byte, and with a reason that has these words.
pub(super) fn assert_refused(spec: &LayoutSpec, files: &[(&str, RejectCode, u64, &str)]) {
    let layout = compiled(spec.clone());
    for (file, code, byte, words) in files {
        let mut bytes = Vec::new();
        spec.encoding.encode(file, &mut bytes).unwrap();
        utf16::encode_since(spec.encoding, 0, &mut bytes);
        let reject = parse(&layout, &bytes).map(|(rows, _)| shown(&rows)).expect_err(file);
        assert_eq!((reject.code, reject.byte), (*code, *byte), "{file:?}\n{reject}");
        assert!(reject.reason.contains(words), "{file:?}\n{reject}");
    }
}

fn shown(rows: &Rows) -> String {
    let absent = || "~".to_owned();
    let record = |(_, values): &(String, Vec<Option<String>>)| {
        values.iter().map(|value| value.clone().unwrap_or_else(absent)).collect::<Vec<_>>().join("|")
    };
    rows.iter().map(record).collect::<Vec<_>>().join(" / ")
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
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
