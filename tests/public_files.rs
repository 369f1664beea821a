//! Files that others published, read by layouts of our own, proved, and written again.
//!
//! `fixtures/public/fetch.py DIRECTORY` gets them; `DROPBRIDGE_PUBLIC_FILES=DIRECTORY` names them to this test, which
//! without it has nothing to do but to see that every layout is fine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use dropbridge::config::layout_file;
use dropbridge::domain::ContentHash;
use dropbridge::layout::{Layout, ParseError, Parser, Prover, Rebuilder, Record, Verdict};
use toml_edit::{DocumentMut, Table};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/public")
}

fn files() -> Vec<Table> {
    let text = fs::read_to_string(directory().join("files.toml")).unwrap();
    let document: DocumentMut = text.parse().unwrap();
    document["file"].as_array_of_tables().unwrap().iter().cloned().collect()
}

fn layout(file: &Table) -> std::sync::Arc<Layout> {
    let path = directory().join(format!("{}.toml", file["layout"].as_str().unwrap()));
    layout_file(&path).unwrap_or_else(|problems| panic!("{problems}"))
}

fn hash(bytes: &[u8]) -> String {
    ContentHash::of(bytes).to_string()
}

/// What became of a file, in words, and its exceptions.
fn proved(layout: &Layout, bytes: &[u8]) -> (String, u64, String) {
    let mut parser = Parser::new(layout, bytes);
    let mut prover = Prover::new(layout);
    let (mut record, mut records) = (Record::new(), Vec::new());
    loop {
        match parser.read(&mut record) {
            Ok(true) => {
                let mut carried = Record::new();
                carried.copy_values(&record);
                prover.carried(&record, &carried, parser.facts());
                records.push(carried);
            }
            Ok(false) => break,
            Err(ParseError::Reject(reject)) => return ("refused".to_owned(), 0, reject.to_string()),
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
    }
    let facts = parser.facts().clone();
    let proof = prover.finish(&facts);
    let first = proof.first.as_ref().map(ToString::to_string).unwrap_or_default();
    let verdict = serde_json::to_value(proof.verdict).unwrap().as_str().unwrap().to_owned();
    if proof.verdict != Verdict::ReplayOnly {
        let mut rebuilder = Rebuilder::new(layout, &facts.frame, &proof.exceptions);
        let mut rebuilt = Vec::new();
        rebuilder.begin(&mut rebuilt);
        for record in &records {
            rebuilder.record(record, &mut rebuilt).unwrap();
        }
        rebuilder.finish(&mut rebuilt);
        assert_eq!(hash(&rebuilt), hash(bytes), "the verdict is {verdict}, and the file does not come back");
    }
    (verdict, proof.exceptions.len() as u64, format!("{} records {first}", facts.records))
}

#[test]
fn every_public_file_comes_back_as_its_verdict_says() {
    let Some(fetched) = std::env::var_os("DROPBRIDGE_PUBLIC_FILES").map(PathBuf::from) else {
        println!("DROPBRIDGE_PUBLIC_FILES names no directory: nothing was read");
        return;
    };
    let mut wrong = Vec::new();
    for file in files() {
        let text = |key: &str| file[key].as_str().unwrap().to_owned();
        let path = fetched.join(text("package")).join(text("path"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(hash(&bytes).ends_with(&text("sha256")), "{} is another file", path.display());
        let (verdict, exceptions, told) = proved(&layout(&file), &bytes);
        println!("{:<14} {:<45} {:<22} {exceptions:>4} {told}", text("package"), text("path"), verdict);
        let wanted = file.get("exceptions").map_or(0, |count| count.as_integer().unwrap() as u64);
        if (&*verdict, exceptions) != (&*text("verdict"), wanted) {
            wrong.push(format!("{}: {verdict}, {exceptions} exceptions: {told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_layout_is_fine_and_used() {
    let used: Vec<PathBuf> =
        files().iter().map(|file| directory().join(format!("{}.toml", file["layout"].as_str().unwrap()))).collect();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("files.toml") {
            layout_file(&path).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(used.contains(&path), "{} is for no file", path.display());
        }
    }
}
