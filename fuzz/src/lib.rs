//! What the fuzz targets have in common.
//!
//! The modules that take bytes from outside stand here by their paths, without the rest of the bridge: no broker and no
//! server has to be built with a sanitizer.

#![allow(dead_code, missing_docs, unexpected_cfgs)]

use std::sync::Arc;

#[path = "../../src/arrivals/mod.rs"]
pub mod arrivals;
#[path = "../../src/capture/mod.rs"]
pub mod capture;
#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/cutover/mod.rs"]
pub mod cutover;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/layout/mod.rs"]
pub mod layout;
#[path = "../../src/mapping/mod.rs"]
pub mod mapping;
#[path = "../../src/parity/mod.rs"]
pub mod parity;
#[path = "../../src/window/mod.rs"]
pub mod window;

use layout::{Exception, FileFrame, Layout, ParseError, Parser, Rebuilder, Record, Verdict};

/// Makes layouts of texts that have to be right.
#[must_use]
pub fn layouts(texts: &[&str]) -> Vec<Arc<Layout>> {
    let read =
        |text: &&str| config::layout_from_text("fuzz.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
    texts.iter().map(read).collect()
}

/// Reads the rest of the input by the layout that its first byte chooses.
pub fn check_by_choice(layouts: &[Arc<Layout>], input: &[u8]) {
    if let [choice, file @ ..] = input {
        check(&layouts[usize::from(*choice) % layouts.len()], file);
    }
}

/// Whatever a file is, it is refused, or written again byte for byte, or said to be beyond that.
pub fn check(layout: &Layout, file: &[u8]) {
    let _ = layout.ends_with_trailer(file);
    pass_over_all(layout, file);
    let Ok((proof, facts)) = layout.prove(file) else { return };
    assert_eq!(proof.verdict == Verdict::Exact, proof.exceptions.is_empty() && proof.first.is_none());
    if proof.verdict == Verdict::ReplayOnly {
        return;
    }
    let frame: FileFrame = through_json(&facts.frame);
    let exceptions: Vec<Exception> = through_json(&proof.exceptions);
    let mut rebuilder = Rebuilder::new(layout, &frame, &exceptions);
    let (mut parser, mut record, mut carried) = (Parser::new(layout, file), Record::new(), Record::new());
    let mut out = Vec::new();
    rebuilder.begin(&mut out);
    while parser.read(&mut record).expect("it was read before") {
        carried.rebuild(record.type_index());
        (0..record.len()).for_each(|field| carried.push(record.get(field)));
        rebuilder.record(&carried, &mut out).expect("it was proved");
    }
    rebuilder.finish(&mut out);
    assert_eq!(out.escape_ascii().to_string(), file.escape_ascii().to_string(), "{:?} {proof:?}", layout.name());
}

/// Reads behind every bad record; it has to come to an end, and to have counted everything.
fn pass_over_all(layout: &Layout, file: &[u8]) {
    let (mut parser, mut record) = (Parser::new(layout, file), Record::new());
    let mut records = 0;
    loop {
        match parser.read(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(ParseError::Reject(reject)) => {
                assert!(reject.byte <= file.len() as u64 && reject.line > 0, "{reject}");
                if !parser.pass_over(&mut record) {
                    return;
                }
            }
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
        records += 1;
        assert!(records <= file.len(), "more records than bytes");
    }
    assert_eq!(parser.facts().bytes, file.len() as u64);
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let json = serde_json::to_string(value).expect("it can be written");
    serde_json::from_str(&json).expect("it was written")
}
