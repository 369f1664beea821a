//! Layouts against files: every case of `fixtures/layouts`, read, proved and written again.
//!
//! What is expected stands beside the files, written by hand. Every key and word of the grammar has to be stated by
//! some layout there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dropbridge::config::layout_file;
use dropbridge::layout::{Layout, ParseError, Parser, Proof, Prover, Rebuilder, Record, Reject, Verdict};
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Every key of a layout, and every word that one may have. A field's keys stand without their place.
const GRAMMAR: &str = r"
name version kind=delimited kind=fixed-width max_record_bytes
encoding=utf-8 encoding=utf-16le encoding=utf-16be encoding=latin-1 encoding=cp1252 encoding=cp850 encoding=cp437
terminator=lf terminator=crlf terminator=cr terminator=mixed terminator=none
final_terminator=required final_terminator=optional final_terminator=absent
byte_order_mark=required byte_order_mark=optional byte_order_mark=absent
padding_at_end=ctrl-z padding_at_end=nul
lines.preamble lines.footer lines.comment lines.blank lines.repeated_names
delimited.delimiter delimited.quote delimited.escape=doubled delimited.escape=backslash delimited.escape=none
delimited.quoting=minimal delimited.quoting=all delimited.quoting=non-numeric delimited.quoting=non-empty
delimited.quoting=none delimited.column_names=true delimited.column_names=false delimited.column_names=exact
delimited.column_names=any-order delimited.column_names=optional
delimited.trailing_delimiter=required delimited.trailing_delimiter=optional delimited.trailing_delimiter=absent
delimited.ragged=short delimited.ragged=long delimited.null
fixed_width.record_bytes fixed_width.trimmed fixed_width.ragged=short fixed_width.ragged=long fixed_width.keep_filler
discriminator.column discriminator.start discriminator.width
record.name record.role=header record.role=detail record.role=trailer record.match record.parent record.min record.max
field.name field.optional field.start field.width field.pad field.align=left field.align=right field.null field.quoted
field.column_name field.masked
field.type=text field.type=integer field.type=decimal field.type=date field.type=time field.type=timestamp
field.type=boolean field.type=code field.type=constant
field.sign=leading field.sign=leading-always field.sign=trailing field.sign=trailing-always field.sign=parentheses
field.sign=unsigned field.sign=leading-overpunched field.sign=trailing-overpunched
field.overpunch=ebcdic field.overpunch=micro-focus field.grouping
field.scale field.scale=any field.implied field.point=, field.format field.pivot field.sentinels field.zone field.true
field.false field.codes field.value
control.count control.sum control.hash control.same control.digits control.only control.negative control.equals
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layouts")
}

/// The cases: a directory each, its name, and its layout.
fn cases() -> Vec<(PathBuf, String)> {
    let mut cases: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| (path.clone(), path.file_name().unwrap().to_str().unwrap().to_owned()))
        .collect();
    cases.sort();
    cases
}

fn document(path: &Path) -> DocumentMut {
    let text = fs::read_to_string(path).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is expected of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    verdict: String,
    records: Vec<(String, u64)>,
    exceptions: u64,
    values: Vec<(u64, String, Option<String>)>,
    refused: Refused,
    found: Option<String>,
    hides: Option<String>,
}

/// Where a fault is expected.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refused {
    code: String,
    byte: u64,
    line: u64,
    record: u64,
    record_type: Option<String>,
    field: Option<String>,
}

impl From<&Reject> for Refused {
    fn from(reject: &Reject) -> Self {
        Self {
            code: reject.code.as_str().to_owned(),
            byte: reject.byte,
            line: reject.line,
            record: reject.record,
            record_type: reject.record_type.clone(),
            field: reject.field.clone(),
        }
    }
}

/// The files of a case with what is expected of each.
fn expected(case: &Path) -> Vec<(PathBuf, Expected)> {
    let document = document(&case.join("expected.toml"));
    let files = document["file"].as_array_of_tables().unwrap();
    files.iter().map(|file| (case.join(file["name"].as_str().unwrap()), read_expected(file))).collect()
}

fn read_expected(file: &toml_edit::Table) -> Expected {
    let mut expected = Expected::default();
    let text = |item: &Item| item.as_str().unwrap().to_owned();
    let number = |item: &Item| u64::try_from(item.as_integer().unwrap()).unwrap();
    for (key, item) in file {
        match key {
            "name" => {}
            "verdict" => expected.verdict = text(item),
            "exceptions" => expected.exceptions = number(item),
            "records" => {
                let counts = item.as_inline_table().unwrap().iter();
                let count = |(name, count): (&str, &Value)| (name.to_owned(), count.as_integer().unwrap() as u64);
                expected.records = counts.map(count).collect();
            }
            "values" => expected.values = item.as_array().unwrap().iter().map(read_value).collect(),
            "code" => expected.refused.code = text(item),
            "byte" => expected.refused.byte = number(item),
            "line" => expected.refused.line = number(item),
            "record" => expected.refused.record = number(item),
            "record_type" => expected.refused.record_type = Some(text(item)),
            "field" => expected.refused.field = Some(text(item)),
            "found" => expected.found = Some(text(item)),
            "hides" => expected.hides = Some(text(item)),
            other => panic!("`{other}` is no key of an expectation"),
        }
    }
    expected
}

fn read_value(value: &Value) -> (u64, String, Option<String>) {
    let value = value.as_inline_table().unwrap();
    let is = value.get("is").map(|text| text.as_str().unwrap().to_owned());
    assert_eq!(is.is_none(), value.get("absent").is_some_and(|absent| absent.as_bool() == Some(true)));
    let record = u64::try_from(value.get("record").unwrap().as_integer().unwrap()).unwrap();
    (record, value.get("field").unwrap().as_str().unwrap().to_owned(), is)
}

/// What became of one file.
struct Outcome {
    proof: Proof,
    records: Vec<Record>,
    counts: Vec<(String, u64)>,
    rebuilt: Vec<u8>,
}

fn read(layout: &Layout, bytes: &[u8]) -> Result<Outcome, Reject> {
    let mut parser = Parser::new(layout, bytes);
    let mut prover = Prover::new(layout);
    let mut records = Vec::new();
    loop {
        let mut record = Record::new();
        match parser.read(&mut record) {
            Ok(true) => {
                // Only values travel in events.
                let mut carried = Record::new();
                carried.copy_values(&record);
                prover.carried(&record, &carried, parser.facts());
                records.push(carried);
            }
            Ok(false) => break,
            Err(ParseError::Reject(reject)) => return Err(reject),
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
    }
    let facts = parser.facts().clone();
    let proof = prover.finish(&facts);
    let mut rebuilt = Vec::new();
    let mut rebuilder = Rebuilder::new(layout, &facts.frame, &proof.exceptions);
    rebuilder.begin(&mut rebuilt);
    if proof.verdict != Verdict::ReplayOnly {
        for record in &records {
            rebuilder.record(record, &mut rebuilt).unwrap();
        }
    }
    rebuilder.finish(&mut rebuilt);
    let names = layout.record_types().iter().map(|record| record.name.clone());
    let counts = names.zip(facts.records_by_type).filter(|(_, count)| *count > 0).collect();
    Ok(Outcome { proof, records, counts, rebuilt })
}

/// Everything about a file that is not as expected.
fn differences(layout: &Layout, bytes: &[u8], expected: &Expected) -> Vec<String> {
    let mut differences = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            differences.push(what);
        }
    };
    match read(layout, bytes) {
        Err(reject) => {
            check(expected.verdict == "refused", format!("was refused: {reject}"));
            let found = Refused::from(&reject);
            check(
                found == expected.refused,
                format!("{found:?}\n    instead of {:?}\n    ({reject})", expected.refused),
            );
            let here = usize::try_from(reject.byte).unwrap();
            let stands = expected.found.as_ref().is_none_or(|text| bytes[here..].starts_with(text.as_bytes()));
            check(stands, format!("{:?} does not stand at byte {here}", expected.found));
            let hidden = expected.hides.as_ref().is_none_or(|secret| !reject.to_string().contains(secret));
            check(hidden, format!("shows what it must not: {reject}"));
        }
        Ok(outcome) => {
            let verdict = serde_json::to_value(outcome.proof.verdict).unwrap();
            let first = outcome.proof.first.as_ref().map(ToString::to_string);
            check(verdict == expected.verdict, format!("is {verdict}, first {first:?}"));
            let exceptions = outcome.proof.exceptions.len() as u64;
            check(exceptions == expected.exceptions, format!("has {exceptions} exceptions, first {first:?}"));
            let same: BTreeSet<_> = outcome.counts.iter().collect();
            check(same == expected.records.iter().collect(), format!("has {:?}", outcome.counts));
            let back = outcome.proof.verdict == Verdict::ReplayOnly || outcome.rebuilt == bytes;
            check(back, format!("does not come back: {:?}", String::from_utf8_lossy(&outcome.rebuilt)));
            for (number, field, is) in &expected.values {
                let record = usize::try_from(*number).unwrap().checked_sub(1).and_then(|at| outcome.records.get(at));
                let index = record.and_then(|record| layout.field(record.type_index(), field));
                let found = record.zip(index).map(|(record, index)| record.get(index));
                check(found == Some(is.as_deref()), format!("record {number} has {field} = {found:?}"));
            }
        }
    }
    differences
}

#[test]
fn every_file_becomes_what_is_expected_of_it() {
    let mut wrong = Vec::new();
    let mut files = 0;
    for (case, name) in cases() {
        let layout = match layout_file(&case.join(format!("{name}.toml"))) {
            Ok(layout) => layout,
            Err(problems) => {
                wrong.push(format!("{name}: {problems}"));
                continue;
            }
        };
        let mut known = BTreeSet::from(["expected.toml".to_owned(), format!("{name}.toml")]);
        for (path, expected) in expected(&case) {
            files += 1;
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            for difference in differences(&layout, &fs::read(&path).unwrap(), &expected) {
                wrong.push(format!("{name}/{file} {difference}"));
            }
            known.insert(file);
        }
        for entry in fs::read_dir(&case).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&file), "nothing is expected of {name}/{file}");
        }
    }
    assert!(wrong.is_empty(), "{} of {files} files:\n{}", wrong.len(), wrong.join("\n"));
    assert!(files >= 40, "{files} files are few");
}

#[test]
fn every_fault_has_its_place() {
    // What names no field, or no record type, is about the record as a whole, or about the file.
    const OF_RECORDS: [&str; 9] = [
        "field_count",
        "record_length",
        "order",
        "terminator",
        "byte_order_mark",
        "unterminated_quote",
        "unknown_record_type",
        "record_too_long",
        "filler",
    ];
    for (case, name) in cases() {
        for (path, expected) in expected(&case).into_iter().filter(|(_, expected)| expected.verdict == "refused") {
            let Refused { code, line, field, .. } = &expected.refused;
            let whole_file = code == "empty" || code == "encoding" || (code == "text" && field.is_none());
            assert!(*line > 0, "{name}: {}", path.display());
            assert!(
                field.is_some() || whole_file || OF_RECORDS.contains(&code.as_str()) || expected.refused.record == 0
            );
        }
    }
}

#[test]
fn every_construct_is_stated_by_some_layout() {
    let mut stated = BTreeSet::new();
    for (case, name) in cases() {
        let layout = document(&case.join(format!("{name}.toml")));
        collect("", layout.as_table(), &mut stated);
    }
    let grammar: BTreeSet<String> = GRAMMAR.split_whitespace().map(str::to_owned).collect();
    let missing: Vec<_> = grammar.difference(&stated).collect();
    assert!(missing.is_empty(), "no layout of fixtures/layouts states {missing:?}");
    let keys: BTreeSet<&str> = grammar.iter().map(|construct| construct.split('=').next().unwrap()).collect();
    let foreign: Vec<_> = stated.iter().filter(|key| !key.contains('=') && !keys.contains(key.as_str())).collect();
    assert!(foreign.is_empty(), "the list of constructs in this test lacks {foreign:?}");
}

/// Adds `key` and `key=value` for everything that a table states.
fn collect(path: &str, table: &dyn TableLike, stated: &mut BTreeSet<String>) {
    for (key, item) in table.iter() {
        let path = match path {
            "record" if key == "field" => "field".to_owned(),
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        // What stands in these is the author's own.
        let is_data = matches!(key, "codes" | "sentinels" | "only" | "negative");
        match item {
            Item::Table(table) => collect(&path, table, stated),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| collect(&path, table, stated)),
            Item::Value(Value::InlineTable(table)) if !is_data => collect(&path, table, stated),
            Item::Value(Value::Array(list)) if list.iter().all(Value::is_inline_table) => {
                list.iter().filter_map(Value::as_inline_table).for_each(|table| collect(&path, table, stated));
            }
            Item::Value(value) => note(&path, value, stated),
            Item::None => {}
        }
    }
}

fn note(path: &str, value: &Value, stated: &mut BTreeSet<String>) {
    stated.insert(path.to_owned());
    match value {
        Value::String(text) => drop(stated.insert(format!("{path}={}", text.value()))),
        Value::Boolean(flag) => drop(stated.insert(format!("{path}={}", flag.value()))),
        Value::Array(list) => list.iter().for_each(|value| note(path, value, stated)),
        _ => {}
    }
}
