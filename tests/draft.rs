//! Drafts of layouts: what `layout draft` writes is read by the configuration and proves the samples, or says where it
//! does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Output};

use dropbridge::config::{layout_file, layout_from_text};
use dropbridge::draft::{Draft, DraftError, Originals, Sample, draft};
use dropbridge::layout::{
    ColumnNames, DelimitedSpec, DiscriminatorSpec, Encoding, EndPadding, Escape, FixedWidthSpec, KindSpec, Layout,
    LayoutSpec, Presence, Quoting, Role, Terminator, Verdict,
};
use serde_json::Value;
use support::Random;
use support::fixtures::Case;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dropbridge")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Samples in memory.
struct Memory<'s>(&'s [&'s [u8]]);

impl Originals for Memory<'_> {
    fn open(&self, index: usize) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0[index]))
    }
}

/// A draft of samples that the search sees whole; what it writes is what it means.
fn try_drafted(samples: &[&[u8]]) -> Result<Draft, DraftError> {
    let seen: Vec<Sample> =
        samples.iter().enumerate().map(|(index, bytes)| Sample::whole(&format!("sample-{index}"), bytes)).collect();
    let made = draft("made", &seen, &Memory(samples))?;
    let read = layout_from_text("made.toml", &made.toml()).unwrap_or_else(|error| panic!("{error}\n{}", made.toml()));
    let meant = Layout::compile(made.spec.clone()).unwrap();
    assert_eq!(read.digest(), meant.digest(), "{}", made.toml());
    Ok(made)
}

/// A draft that has to give every sample again without exceptions.
fn exact(samples: &[&[u8]]) -> Draft {
    let made = try_drafted(samples).unwrap();
    let layout = Layout::compile(made.spec.clone()).unwrap();
    for sample in samples {
        let proven = layout.prove(*sample);
        let verdict = proven.as_ref().map(|(proof, _)| proof.verdict);
        assert!(matches!(verdict, Ok(Verdict::Exact)), "{proven:?}\n{}", made.toml());
    }
    assert_eq!(made.proven(), samples.len());
    made
}

fn delimited(spec: &LayoutSpec) -> &DelimitedSpec {
    match &spec.kind {
        KindSpec::Delimited(kind) => kind,
        KindSpec::FixedWidth(_) => panic!("fixed width"),
    }
}

fn fixed_width(made: &Draft) -> FixedWidthSpec {
    match &made.spec.kind {
        KindSpec::FixedWidth(kind) => kind.clone(),
        KindSpec::Delimited(_) => panic!("delimited\n{}", made.toml()),
    }
}

/// `name type` of each field.
fn fields(made: &Draft, record: usize) -> Vec<String> {
    let fields = made.spec.records[record].fields.iter();
    fields.map(|field| format!("{} {}", field.name, field.type_word)).collect()
}

#[test]
fn every_good_fixture_is_proven_by_its_draft() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for case in Case::all().into_iter().filter(Case::is_good) {
        let file = case.input().join(case.counts().file);
        let path = directory.path().join(format!("drafted-{seen}.toml"));
        let output = run(&["layout", "draft", file.to_str().unwrap(), "--output", path.to_str().unwrap()]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {told}", case.path());
        assert!(told.starts_with("the draft proves 1 of 1 sample\n"), "{told}");
        assert!(output.stdout.is_empty());
        // What lies there is what a bridge reads.
        let (proof, facts) = layout_file(&path).unwrap().prove(&*case.bytes()).unwrap();
        assert_eq!(proof.verdict, Verdict::Exact, "{}", case.path());
        assert_eq!(facts.bytes, case.counts().bytes);
        seen += 1;
    }
    assert!(seen >= 30, "{seen} cases");
}

#[test]
fn all_good_fixtures_of_a_feed_are_proven_by_one_draft() {
    let good: Vec<Case> = Case::all().into_iter().filter(Case::is_good).collect();
    let mut feeds: Vec<String> = good.iter().map(Case::feed_id).collect();
    feeds.dedup();
    for feed in feeds {
        let own = good.iter().filter(|case| case.feed_id() == feed);
        let samples: Vec<Vec<u8>> = own.map(Case::bytes).collect();
        exact(&samples.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

#[test]
fn the_same_samples_give_the_same_text() {
    let case = Case::all().into_iter().find(|case| case.path() == "public_works/bids/typical-day").unwrap();
    let bytes = case.bytes();
    assert_eq!(exact(&[&bytes]).toml(), exact(&[&bytes]).toml());
    let made = exact(&[&bytes]).toml();
    assert!(made.lines().all(|line| !line.trim_start().starts_with('#') || line.chars().count() <= 100), "{made}");
    for evidence in
        ["`|` divides 16 of 16 records", "Rejected: `,`", "count = [\"type_b\"]", "parent = \"type_b\" would hold"]
    {
        assert!(made.contains(evidence), "{evidence}\n{made}");
    }
}

#[test]
fn encodings_are_told_by_their_bytes() {
    let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let table = "name;ort\nMüller;Köln\nLéa;Zürich\n";
    let marked = format!("\u{feff}{table}");
    let single = |replaced: [(&str, u8); 3]| -> Vec<u8> {
        let of = |character: char| replaced.iter().find(|(known, _)| known.contains(character)).map(|(_, byte)| *byte);
        table.chars().map(|character| of(character).unwrap_or(character as u8)).collect()
    };
    for (bytes, encoding, mark) in [
        (table.as_bytes().to_vec(), Encoding::Utf8, Presence::Absent),
        (marked.as_bytes().to_vec(), Encoding::Utf8, Presence::Required),
        (wide(table, u16::to_le_bytes), Encoding::Utf16Le, Presence::Absent),
        (wide(&marked, u16::to_le_bytes), Encoding::Utf16Le, Presence::Required),
        (wide(&marked, u16::to_be_bytes), Encoding::Utf16Be, Presence::Required),
        (single([("ü", 0xFC), ("ö", 0xF6), ("é", 0xE9)]), Encoding::Latin1, Presence::Absent),
        (single([("ü", 0x81), ("ö", 0x94), ("é", 0x82)]), Encoding::Cp850, Presence::Absent),
        (b"a;b\n10 \x80;x \x96 y\n".to_vec(), Encoding::Cp1252, Presence::Absent),
    ] {
        let made = exact(&[&bytes]);
        assert_eq!((made.spec.encoding, made.spec.byte_order_mark), (encoding, mark), "{}", made.toml());
    }
    let both = exact(&[table.as_bytes(), marked.as_bytes()]);
    assert_eq!(both.spec.byte_order_mark, Presence::Optional);
}

#[test]
fn terminators_and_ends_of_files_are_counted() {
    for (samples, terminator, last) in [
        (&["a,b\nc,d\n"] as &[&str], Terminator::Lf, Presence::Required),
        (&["a,b\r\nc,d\r\n"], Terminator::CrLf, Presence::Required),
        (&["a,b\rc,d\r"], Terminator::Cr, Presence::Required),
        (&["a,b\r\nc,d\ne,f\n"], Terminator::Mixed, Presence::Required),
        (&["a,b\r\n\"c\nc\",d\r\n"], Terminator::CrLf, Presence::Required),
        (&["a,b\nc,d"], Terminator::Lf, Presence::Optional),
        (&["a,b\nc,d\n", "a,b\nc,d"], Terminator::Lf, Presence::Optional),
        (&["a,b\nc,d\n", "a,b\r\nc,d\r\n"], Terminator::Mixed, Presence::Required),
    ] {
        let made = exact(&samples.iter().map(|sample| sample.as_bytes()).collect::<Vec<_>>());
        assert_eq!(
            (made.spec.terminator, made.spec.final_terminator),
            (terminator, last),
            "{samples:?}\n{}",
            made.toml()
        );
    }
    for (sample, padding) in [("a,b\r\nc,d\r\n\u{1a}", EndPadding::CtrlZ), ("a,b\nc,d\n\0\0\0", EndPadding::Nul)] {
        assert_eq!(exact(&[sample.as_bytes()]).spec.padding_at_end, [padding]);
    }
}

#[test]
fn delimiters_divide_evenly() {
    for delimiter in [",", ";", "\t", "|", "^", "~", "\u{1}", "||", "~|~", "::"] {
        let rows = ["id", "what, if anything", "price"].join(delimiter);
        let sample =
            format!("{rows}\n{}\n{}\n", ["1", "nut", "0.50"].join(delimiter), ["2", "bolt", "12.25"].join(delimiter));
        let sample = if delimiter == "," { sample.replace("what, if", "what if") } else { sample };
        let made = exact(&[sample.as_bytes()]);
        assert_eq!(delimited(&made.spec).delimiter, delimiter, "{}", made.toml());
        assert_eq!(fields(&made, 0).len(), 3, "{}", made.toml());
        assert_eq!(fields(&made, 0)[2], "price decimal");
        let same = made.toml();
        assert!(same.contains("divides 3 of 3 records into 3 fields."), "{same}");
    }
}

#[test]
fn quotes_are_written_as_samples_write_them() {
    for (sample, quoting, escape) in [
        ("a,b\n1,\"x,y\"\n2,z\n", Quoting::Minimal, Escape::Doubled),
        ("\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"\"\n", Quoting::All, Escape::Doubled),
        ("\"a\",\"b\"\n\"x\",\n\"y\",\"z\"\n\"\"\"\",\"z\"\n", Quoting::NonEmpty, Escape::Doubled),
        ("\"a\",\"b\"\n\"x\",1\n\"y\",20\n\"z\",3\n", Quoting::NonNumeric, Escape::Doubled),
        ("a,b\nx,\"say \\\"no\\\", now\"\ny,z\n", Quoting::Minimal, Escape::Backslash),
        ("a|b|c\nx|a \"word\"|1\ny|z\"|2\n", Quoting::None, Escape::Doubled),
        ("a|b|c\nx|one\\|two|1\ny|z|2\n", Quoting::None, Escape::Backslash),
    ] {
        let made = exact(&[sample.as_bytes()]);
        let kind = delimited(&made.spec);
        assert_eq!((kind.quoting, kind.escape), (quoting, escape), "{sample}\n{}", made.toml());
    }
    let by_column = exact(&[b"id,name,note\n1,\"Ann\",x\n2,\"Bo\",y\n"]);
    assert_eq!(by_column.spec.records[0].fields[1].quoted, Some(true), "{}", by_column.toml());
    let empty = exact(&[b"a,b\nx,\"\"\ny,\nz,w\n"]);
    assert!(empty.spec.records[0].fields[1].optional, "{}", empty.toml());
    let single = exact(&[b"a,b\nx,'p,q'\ny,'r,s'\n"]);
    assert_eq!(delimited(&single.spec).quote, Some(b'\''), "{}", single.toml());
}

#[test]
fn lines_that_are_no_records_are_kept() {
    let made = exact(&[b"Stock list\nof today\nid;name;price\n# old\n1;nut;0.50\n\n2;bolt;1.25\nid;name;price\n3;pin;2.00\nend of list\n"]);
    let lines = &made.spec.lines;
    assert_eq!((lines.preamble, lines.footer), (2, 1), "{}", made.toml());
    assert_eq!(lines.comment.as_deref(), Some("#"));
    assert!(lines.blank && lines.repeated_names, "{}", made.toml());
    assert_eq!(delimited(&made.spec).column_names, ColumnNames::Exact);
    let trailing = exact(&[b"a,b,\n1,2,\n3,4,\n"]);
    assert_eq!(delimited(&trailing.spec).trailing_delimiter, Presence::Required);
    let quoted = exact(&[b"Title;\"of two\nlines\"\nid;name;price\n1;nut;0.50\n2;bolt;1.25\n"]);
    assert_eq!(quoted.spec.lines.preamble, 2, "{}", quoted.toml());
}

#[test]
fn column_names_may_be_permuted_or_missing() {
    let permuted = exact(&[b"id,name\n1,nut\n", b"name,id\nbolt,2\n"]);
    assert_eq!(delimited(&permuted.spec).column_names, ColumnNames::AnyOrder);
    let missing = exact(&[b"id,name\n1,nut\n", b"2,bolt\n"]);
    assert_eq!(delimited(&missing.spec).column_names, ColumnNames::Optional);
    let equal = exact(&[b"id,name,name\n1,nut,x\n2,bolt,y\n"]);
    assert_eq!(equal.spec.lines.preamble, 1, "{}", equal.toml());
    assert_eq!(fields(&equal, 0), ["id integer", "name text", "name_2 text"]);
    let renamed = exact(&["Artikel Nr.;Größe\n17;2\n".as_bytes()]);
    assert_eq!(renamed.spec.records[0].fields[0].column_name.as_deref(), Some("Artikel Nr."));
    let none = exact(&[b"1,nut\n2,bolt\n"]);
    assert_eq!(delimited(&none.spec).column_names, ColumnNames::Absent);
}

#[test]
fn record_types_and_controls_are_found() {
    let days: [&[u8]; 2] = [
        b"H|20260131|0001\nO|A1|x|10.00\nL|1|5.00\nL|2|5.00\nO|A2|y|2.50\nL|1|3.00\nT|2|3|12.50\n",
        b"H|20260201|0002\nT|0|0|0.00\n",
    ];
    let made = exact(&days);
    let spec = &made.spec;
    assert_eq!(spec.discriminator, Some(DiscriminatorSpec::Column(1)));
    let roles: Vec<(Role, &str)> = spec.records.iter().map(|record| (record.role, &*record.name)).collect();
    let expected =
        [(Role::Header, "header"), (Role::Detail, "type_l"), (Role::Detail, "type_o"), (Role::Trailer, "trailer")];
    assert_eq!(roles, expected);
    let text = made.toml();
    for written in [
        "count = [\"type_o\"]\nequals = \"trailer.column_2\"",
        "count = [\"type_l\"]\nequals = \"trailer.column_3\"",
        "sum = [\"type_o.column_4\"]\nequals = \"trailer.column_4\"",
        "begin with a zero that a number would lose",
    ] {
        assert!(text.contains(written), "{written}\n{text}");
    }
    // One that does not hold everywhere is none.
    let wrong: [&[u8]; 2] = [days[0], b"H|20260201|0002\nT|1|0|0.00\n"];
    assert!(!exact(&wrong).toml().contains("equals = \"trailer.column_2\""));
    // Two that hold are a question.
    let ambiguous = exact(&[b"H|20260131\nO|A1|1.00\nL|1|1.00\nT|1|1.00\n", b"H|20260201\nT|0|0.00\n"]);
    assert!(ambiguous.spec.controls.is_empty(), "{}", ambiguous.toml());
    assert!(ambiguous.toml().contains("Ambiguous: a control? It equals the count of"), "{}", ambiguous.toml());
}

#[test]
fn types_are_narrowed_only_where_nothing_is_lost_or_guessed() {
    let made = exact(&[b"id,code,amount,day,either,flag,late\n1,007,1.50,2026-01-31,01/02/2026,x,\n20,008,-12.25,2025-12-24,03/04/2026,1,\\N\n"]);
    let types: Vec<String> = fields(&made, 0);
    let expected = ["id integer", "code text", "amount decimal", "day date", "either text", "flag text", "late text"];
    assert_eq!(types, expected, "{}", made.toml());
    let text = made.toml();
    assert!(text.contains("Ambiguous: DD/MM/YYYY and MM/DD/YYYY fit all 2 records; it stays text."), "{text}");
    assert!(text.contains("Text, for 2 of 2 records begin with a zero that a number would lose."), "{text}");
    let nulls = exact(&[b"id,n\na,1\nb,\\N\nc,30\n"]);
    assert_eq!(nulls.spec.records[0].fields[1].null, ["\\N"], "{}", nulls.toml());
}

#[test]
fn fixed_width_is_told_by_its_bytes() {
    let lines = [
        "00123 Nut, small      20260131   12",
        "00124 Bolt            20251224  345",
        "00125 Pin, hardened   20260201    6",
    ];
    let made = exact(&[lines.join("\n").as_bytes()]);
    assert_eq!(fixed_width(&made).record_bytes, Some(35));
    let types: Vec<String> = made.spec.records[0].fields.iter().map(|field| field.type_word.clone()).collect();
    assert!(types.contains(&"date".to_owned()) && types.contains(&"integer".to_owned()), "{}", made.toml());
    // The same without terminators.
    let bare = exact(&[lines.concat().as_bytes(), lines[0].repeat(5).as_bytes()]);
    assert_eq!(
        (fixed_width(&bare).record_bytes, bare.spec.terminator),
        (Some(35), Terminator::None),
        "{}",
        bare.toml()
    );
    // And without the blanks at the end.
    let rows = ["K1  Anna      Lyon", "K2  Bo        Ulm", "K3  Cleo      Oslo", "K4  Dora      Rom", "K5  Emil"];
    let trimmed = exact(&[rows.join("\n").as_bytes()]);
    assert!(fixed_width(&trimmed).trimmed, "{}", trimmed.toml());
    // Record types by their first bytes.
    let typed = exact(&[b"HD20260131MAIN      \nWO000001 Fix a roof \nWO000002 Mow        \nTR000002            \n"]);
    assert_eq!(typed.spec.discriminator, Some(DiscriminatorSpec::Bytes { start: 1, width: 2 }), "{}", typed.toml());
}

#[test]
fn what_nothing_divides_is_a_line() {
    for sample in
        [&b"one line of text\nand another, longer one\n"[..], b"x\n", b"word", b"{\"a\": 1}\n{\"a\": [1, 2]}\n"]
    {
        let made = exact(&[sample]);
        assert_eq!(made.spec.records[0].fields.len(), 1, "{}", made.toml());
    }
    assert!(matches!(try_drafted(&[b"", b""]), Err(DraftError::Samples(_))));
}

/// The middle of a large sample, which the search does not see, has the last word.
#[test]
fn a_large_sample_is_proven_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.csv");
    let mut sample = String::from("id,count,note\n");
    for row in 0..200_000 {
        let count = if row == 100_000 { "many".to_owned() } else { row.to_string() };
        sample.push_str(&format!("{row},{count},a note to fill the line\n"));
    }
    fs::write(&file, &sample).unwrap();
    let output = run(&["--json", "layout", "draft", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["samples"][0]["verdict"], &told["samples"][0]["records"]), (&"exact".into(), &200_000.into()));
    let toml = told["toml"].as_str().unwrap();
    assert!(toml.contains("{ name = \"id\", type = \"integer\" }"), "{toml}");
    assert!(toml.contains("as integer not every sample would come back"), "{toml}");
    assert!(toml.contains("{ name = \"count\", type = \"text\" }"), "{toml}");
}

#[test]
fn the_sample_that_is_not_proven_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("good.csv"), "id,name\n1,nut\n2,bolt\n").unwrap();
    fs::write(path("bad.csv"), "id,name\n1,nut\n2,bo\0lt\n").unwrap();
    let output = run(&["layout", "draft", &path("good.csv"), &path("bad.csv"), "--output", &path("stock.toml")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("the draft proves 1 of 2 samples\n"), "{told}");
    assert!(told.contains("good.csv: exact, 2 records"), "{told}");
    assert!(told.contains("bad.csv: refused at line 3, byte 16, record 2 (record.name)"), "{told}");
    let written = fs::read_to_string(path("stock.toml")).unwrap();
    assert!(written.contains("of which it proves 1") && written.contains("name = \"stock\""), "{written}");
    // Never over what is there.
    let again = run(&["layout", "draft", &path("good.csv"), "--output", &path("stock.toml")]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(path("stock.toml")).unwrap(), written);
    for wrong in [vec!["nowhere.csv"], vec!["good.csv", "--name", "x", "--output", "y.toml"]] {
        let arguments: Vec<String> =
            wrong.iter().map(|word| if word.contains('.') { path(word) } else { (*word).to_owned() }).collect();
        let mut whole = vec!["layout", "draft"];
        whole.extend(arguments.iter().map(String::as_str));
        assert_eq!(run(&whole).status.code(), Some(2), "{wrong:?}");
    }
}

/// Whatever comes, there is a layout that can be read, and what it is said to prove it proves.
#[test]
fn damaged_samples_give_layouts_all_the_same() {
    let mut random = Random::new("damaged_samples_give_layouts_all_the_same");
    let good: Vec<Vec<u8>> = Case::all().into_iter().filter(Case::is_good).map(|case| case.bytes()).collect();
    const BYTES: &[u8] = b"\0\t\n\r\"';,|# 0aZ\x1a\x80\xff\\";
    for _ in 0..400 {
        let mut sample = good[random.below(good.len() as u64) as usize].clone();
        sample.truncate(4096);
        for _ in 0..=random.below(12) {
            let at = random.below(sample.len() as u64 + 1) as usize;
            let byte = BYTES[random.below(BYTES.len() as u64) as usize];
            match random.below(4) {
                0 => sample.insert(at, byte),
                1 => drop(sample.splice(at.min(sample.len())..at, [byte, byte])),
                2 if at < sample.len() => drop(sample.remove(at)),
                3 => sample.truncate(at),
                _ => {}
            }
        }
        let made = match try_drafted(&[&sample]) {
            Ok(made) => made,
            Err(DraftError::Samples(_)) if sample.is_empty() => continue,
            Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(&sample)),
        };
        let proven = Layout::compile(made.spec.clone()).unwrap().prove(&*sample);
        let is_proven = proven.is_ok_and(|(proof, _)| proof.verdict != Verdict::ReplayOnly);
        assert_eq!(is_proven, made.proven() == 1, "{}", made.toml());
    }
}
