//! What stands beside records: lines around and between them, terminators, marks at both ends.

use super::specs::*;
use super::*;

fn id_and_name() -> LayoutSpec {
    rows_of(vec![field("id", integer()), optional("name", text())], |_| ())
}

fn lines(change: impl FnOnce(&mut LinesSpec)) -> LayoutSpec {
    with(id_and_name(), |spec| change(&mut spec.lines))
}

#[test]
fn lines_before_and_behind_the_records() {
    assert_files(
        &lines(|lines| (lines.preamble, lines.footer) = (2, 1)),
        &[("title \"odd\n\n1,a\nend\n", "1|a", &[]), ("a\nb\nc", "", &[]), ("a\nb\n1,\"x\ny\"\n\"odd", "1|x\ny", &[])],
    );
    let refused = lines(|lines| (lines.preamble, lines.footer) = (2, 1));
    assert_refused(&refused, &[("a\n", RejectCode::Empty, 0, "empty"), ("a\nb\n", RejectCode::Order, 4, "footer")]);
}

#[test]
fn comments_and_blank_lines() {
    let spec = lines(|lines| (lines.comment, lines.blank) = (Some("#".to_owned()), true));
    assert_files(
        &spec,
        &[
            ("# \"odd\n1,a\n\n#x\n2,b\n\n", "1|a / 2|b", &[]),
            ("#\n\n", "", &[]),
            ("1,#a\n# no end", "1|#a", &[]),
            ("1,\"a\n\n#b\"\n", "1|a\n\n#b", &[]),
        ],
    );
    let first = rows_of(vec![field("name", text())], |_| ());
    let first = with(first, |layout| layout.lines = spec.lines.clone());
    assert_files(&first, &[("\"#a\"\n\"\"\nb\n", "#a /  / b", &[])]);
    assert_refused(&id_and_name(), &[("1,a\n\n", RejectCode::FieldCount, 4, "blank")]);
}

#[test]
fn names_that_come_again() {
    let mut spec = table();
    spec.lines.repeated_names = true;
    assert_files(&spec, &[("id,full name\r\n1,a\r\nid,full name\r\n2,b\r\nid,full name\r\n", "1|a / 2|b", &[])]);
    // A row that is spelled like the names would be lost.
    let mut texts =
        rows_of(vec![field("a", text()), field("b", text())], |kind| kind.column_names = ColumnNames::Exact);
    texts.lines.repeated_names = true;
    assert_files(&texts, &[("a,b\n\"a\",b\n", "a|b", &["row.a"])]);
    let layout = compiled(texts);
    let rows = parse(&layout, b"a,b\n\"a\",b\n").unwrap().0;
    let error = render(&layout, &rows, &FINISHED).unwrap_err();
    assert!(error.message.contains("names"), "{error}");
    // The header of a concatenated file.
    let header = with(delimited(), |spec| spec.lines.repeated_names = true);
    assert_files(
        &header,
        &[("H|20260131\nB|1|x|1.00\nH|20260131\nT|1|1.00\n", "H|2026-01-31 / B|1|x|1.00 / T|1|1.00", &[])],
    );
}

#[test]
fn each_terminator() {
    let ends = |terminator| with(id_and_name(), |spec| spec.terminator = terminator);
    assert_files(&ends(Terminator::Lf), &[("1,a\n2,b\n", "1|a / 2|b", &[]), ("1,\"a\r\n\"\n", "1|a\r\n", &[])]);
    assert_files(&ends(Terminator::CrLf), &[("1,a\r\n2,b", "1|a / 2|b", &[])]);
    assert_files(&ends(Terminator::Cr), &[("1,a\r2,b\r", "1|a / 2|b", &[])]);
    assert_files(
        &ends(Terminator::Mixed),
        &[("1,a\r\n2,b\n3,c\r4,d\r5,e\r\n", "1|a / 2|b / 3|c / 4|d / 5|e", &[]), ("1,a\r2,b", "1|a / 2|b", &[])],
    );
    assert_refused(&ends(Terminator::Lf), &[("1,a\n2,b\r\n", RejectCode::Terminator, 4, "CR LF")]);
    assert_refused(&ends(Terminator::CrLf), &[("1,a\n", RejectCode::Terminator, 0, "bare LF")]);
    assert_refused(&ends(Terminator::Cr), &[("1,a\r\n2,b\r\n", RejectCode::Terminator, 4, "LF of a CR LF")]);
}

#[test]
fn the_last_terminator() {
    let ends = |presence| with(id_and_name(), |spec| spec.final_terminator = presence);
    assert_files(&ends(Presence::Optional), &[("1,a\n", "1|a", &[]), ("1,a", "1|a", &[])]);
    assert_files(&ends(Presence::Required), &[("1,a\n", "1|a", &[])]);
    assert_files(&ends(Presence::Absent), &[("1,a", "1|a", &[])]);
    assert_refused(&ends(Presence::Required), &[("1,a", RejectCode::Terminator, 0, "cut short")]);
    assert_refused(&ends(Presence::Absent), &[("1,a\n", RejectCode::Terminator, 0, "does not")]);
}

#[test]
fn marks_at_the_end() {
    let spec = with(id_and_name(), |spec| spec.padding_at_end = vec![EndPadding::CtrlZ, EndPadding::Nul]);
    assert_files(
        &spec,
        &[
            ("1,a\n\u{1a}", "1|a", &[]),
            ("1,a\n\u{1a}\u{1a}\0\0\0", "1|a", &[]),
            ("1,a\u{1a}", "1|a", &[]),
            ("1,a\n\u{1a}\r\n", "1|a", &[]),
            ("\0\0", "", &[]),
        ],
    );
    let refused = [
        ("1,a\n\u{1a}2,b\n", RejectCode::Text, 5, "marks the end"),
        ("1,a\0b\n", RejectCode::Text, 2, "control character"),
    ];
    assert_refused(&spec, &refused);
    assert_refused(&id_and_name(), &[("1,a\n\u{1a}", RejectCode::FieldCount, 4, "1 fields")]);
    let footer = with(spec, |spec| spec.lines.footer = 1);
    assert_files(&footer, &[("1,a\nend\n\u{1a}\0", "1|a", &[]), ("1,a\nend\n\u{1a}\r\n", "1|a", &[])]);
}

#[test]
fn byte_order_marks() {
    let mark = |presence| with(id_and_name(), |spec| spec.byte_order_mark = presence);
    assert_files(&mark(Presence::Optional), &[("\u{feff}1,a\n", "1|a", &[]), ("1,a\n", "1|a", &[])]);
    assert_refused(&mark(Presence::Absent), &[("\u{feff}1,a\n", RejectCode::ByteOrderMark, 0, "there is none")]);
    assert_refused(&mark(Presence::Required), &[("1,a\n", RejectCode::ByteOrderMark, 0, "requires")]);
}

#[test]
fn a_source_that_fails_in_the_preamble_can_be_read_again() {
    struct FailOnce(bool);
    impl std::io::Read for FailOnce {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            let failed = std::mem::replace(&mut self.0, false);
            if failed { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(0) }
        }
    }
    let spec = with(lines(|lines| lines.preamble = 2), |spec| spec.byte_order_mark = Presence::Required);
    let layout = compiled(spec);
    let source = std::io::Read::chain(&b"\xEF\xBB\xBFone\ntw"[..], FailOnce(true));
    let mut parser = Parser::new(&layout, std::io::Read::chain(source, &b"o\n1,a\n"[..]));
    let mut record = Record::new();
    assert!(matches!(parser.read(&mut record), Err(ParseError::Io(_))));
    assert!(parser.read(&mut record).unwrap());
    assert!(!parser.read(&mut record).unwrap());
    assert!(parser.facts().frame.byte_order_mark);
    assert_eq!(parser.facts().frame.kept_lines.len(), 2);
}
