//! What is wrong with a file, and where.

use super::specs::*;
use super::*;

/// Code, byte, line, record, record type and field of the reject of a file.
type Place = (RejectCode, u64, u64, u64, Option<&'static str>, Option<&'static str>);

fn assert_rejected(layout: &Layout, file: &[u8], expected: Place) {
    let shown = file.escape_ascii().to_string();
    let reject = parse(layout, file).map(|(rows, _)| rows).expect_err(&shown);
    let (code, byte, line, record, record_type, field) = expected;
    let place = (reject.code, reject.byte, reject.line, reject.record);
    assert_eq!(place, (code, byte, line, record), "{shown}\n{reject}");
    assert_eq!((reject.record_type.as_deref(), reject.field.as_deref()), (record_type, field), "{shown}\n{reject}");
}

#[test]
fn in_delimited_files() {
    use RejectCode as Code;
    let layout = compiled(delimited());
    let (header, bid, trailer) = (Some("header"), Some("bid"), Some("trailer"));
    for (file, expected) in [
        ("", (Code::Empty, 0, 1, 1, None, None)),
        ("\u{feff}H|20260131\n", (Code::ByteOrderMark, 0, 1, 1, None, None)),
        ("\n", (Code::FieldCount, 0, 1, 1, None, None)),
        ("H|20260131\n\nT|0|0.00\n", (Code::FieldCount, 11, 2, 2, None, None)),
        ("H\n", (Code::FieldCount, 0, 1, 1, header, None)),
        ("H|20260131|\n", (Code::FieldCount, 0, 1, 1, header, None)),
        ("H|||||||||\n", (Code::FieldCount, 0, 1, 1, header, None)),
        ("X|1\n", (Code::UnknownRecordType, 0, 1, 1, None, None)),
        ("H|20260132\n", (Code::Date, 2, 1, 1, header, Some("run_date"))),
        ("H|20260131\r\nT|0|0.00\r\n", (Code::Terminator, 0, 1, 1, None, None)),
        ("H|20260131\nT|0|0.00\r", (Code::Terminator, 11, 2, 2, None, None)),
        ("B|1|x|\n", (Code::Order, 0, 1, 1, bid, None)),
        ("T|0|0.00\n", (Code::Order, 0, 1, 1, trailer, None)),
        ("H|20260131\nH|garbage\n", (Code::Order, 11, 2, 2, header, None)),
        ("H|20260131\nT|0|0.00\nB|1|x|\n", (Code::Order, 20, 3, 3, bid, None)),
        ("H|20260131\nT|0|0.00\nT|0|0.00\n", (Code::Order, 20, 3, 3, trailer, None)),
        ("H|20260131\nB|1|x|\n", (Code::Order, 18, 3, 3, trailer, None)),
        ("H|20260131\nB|1|x|", (Code::Order, 17, 3, 3, trailer, None)),
        ("H|20260131\nB|1|\"a\nb\"|\n", (Code::Order, 22, 4, 3, trailer, None)),
        ("H|20260131\nB|1|\"a\nb\"|\nB|x|b|\n", (Code::Integer, 24, 4, 3, bid, Some("number"))),
        ("H|20260131\nB|1|\"a\nb\"|1,5\n", (Code::Decimal, 21, 2, 2, bid, Some("amount"))),
        ("H|20260131\nB|1|\"a\u{7}\"|\n", (Code::Text, 15, 2, 2, bid, Some("text"))),
        ("H|20260131\nB|1|a\u{0}b|\n", (Code::Text, 15, 2, 2, bid, Some("text"))),
        ("H|20260131\nB|1|a\"b|\n", (Code::QuoteMisplaced, 15, 2, 2, bid, Some("text"))),
        ("H|20260131\nB|1|\"a\" |\n", (Code::QuoteMisplaced, 15, 2, 2, bid, Some("text"))),
        ("H|20260131\nB|1|\"ab|\nT|0|0.00\n", (Code::UnterminatedQuote, 11, 2, 2, None, None)),
        ("H|20260131\nT|1|0.00\n", (Code::Control, 13, 2, 2, trailer, Some("bids"))),
        ("H|20260131\nB|1|x|2.50\nT|1|2.51\n", (Code::Control, 26, 3, 3, trailer, Some("total"))),
    ] {
        assert_rejected(&layout, file.as_bytes(), expected);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let layout = compiled(delimited());
    let text = (RejectCode::Encoding, 15, 2, 2, Some("bid"), Some("text"));
    assert_rejected(&layout, b"H|20260131\nB|1|Gr\xC3\xBC\xFFn|\n", text);
    assert_rejected(&layout, b"H|20260131\nB|1|abc\xC3|\n", text);
    assert_rejected(&layout, b"H|20260131\nB|1|\"\"\"\xFF\"|\n", text);
    // A fault in a field further left comes first.
    let number = (RejectCode::Integer, 13, 2, 2, Some("bid"), Some("number"));
    assert_rejected(&layout, b"H|20260131\nB|x|abc\xC3|\n", number);
    let cp1252 = compiled(with(delimited(), |spec| spec.encoding = Encoding::Cp1252));
    assert_rejected(&cp1252, b"H|20260131\nB|1|\xFC\x81|\n", text);
    let latin1 = compiled(with(delimited(), |spec| spec.encoding = Encoding::Latin1));
    assert_rejected(&latin1, b"H|20260131\nB|1|12 \x80|\n", (RejectCode::Text, 15, 2, 2, text.4, text.5));
}

#[test]
fn in_fixed_width_files() {
    use RejectCode as Code;
    let layout = compiled(fixed_width());
    let (header, bid, trailer) = (Some("header"), Some("bid"), Some("trailer"));
    let head = "H260131                 \n";
    for (rest, expected) in [
        ("\n", (Code::RecordLength, 25, 2, 2, None, None)),
        ("B0001roof    \n", (Code::RecordLength, 25, 2, 2, bid, None)),
        ("B0001roof      0000250   \n", (Code::RecordLength, 25, 2, 2, bid, None)),
        ("B0001roof      0000250  \r\n", (Code::Terminator, 25, 2, 2, None, None)),
        ("X0001roof      0000250  \n", (Code::UnknownRecordType, 25, 2, 2, None, None)),
        ("B0001roof     x0000250  \n", (Code::Filler, 25, 2, 2, bid, None)),
        ("B0001roof     x00O0250  \n", (Code::Filler, 25, 2, 2, bid, None)),
        ("B000Xroof     x0000250  \n", (Code::Integer, 26, 2, 2, bid, Some("number"))),
        ("B0001roof      0000250 x\n", (Code::Filler, 25, 2, 2, bid, None)),
        ("B000Xroof      0000250  \n", (Code::Integer, 26, 2, 2, bid, Some("number"))),
        ("B0001roof      00O0250  \n", (Code::Decimal, 40, 2, 2, bid, Some("amount"))),
        ("B0001ro\tf      0000250  \n", (Code::Text, 30, 2, 2, bid, Some("text"))),
        ("H260131                 \n", (Code::Order, 25, 2, 2, header, None)),
        ("B0001roof      0000250  ", (Code::Order, 49, 3, 3, trailer, None)),
        ("T0000000000001          \n", (Code::Control, 30, 2, 2, trailer, Some("total"))),
    ] {
        assert_rejected(&layout, format!("{head}{rest}").as_bytes(), expected);
    }
}

#[test]
fn in_tables_with_column_names() {
    use RejectCode as Code;
    let layout = compiled(table());
    let row = Some("row");
    for (file, expected) in [
        ("", (Code::Empty, 0, 1, 1, None, None)),
        ("\u{feff}", (Code::Empty, 0, 1, 1, None, None)),
        ("id\r\n", (Code::FieldCount, 0, 1, 0, row, None)),
        ("id,\"full name\" \r\n", (Code::QuoteMisplaced, 3, 1, 0, row, Some("full name"))),
        ("id,name\r\n", (Code::Constant, 3, 1, 0, row, Some("full name"))),
        ("\u{feff}id,\"name\"\r\n", (Code::Constant, 6, 1, 0, row, Some("full name"))),
        ("id,full name\n1,x\n", (Code::Terminator, 0, 1, 0, None, None)),
        ("id,full name\r\n1,x\n", (Code::Terminator, 14, 2, 1, None, None)),
        ("id,full name\r\n1,\"x\n\"\n", (Code::Terminator, 14, 2, 1, None, None)),
        ("id,full name\r\n1,x\ry\r\n", (Code::Text, 16, 2, 1, row, Some("full name"))),
        ("id,full name\r\n1,x\r", (Code::Terminator, 14, 2, 1, None, None)),
        ("id,full name\r\n1,x,\r\n", (Code::FieldCount, 14, 2, 1, row, None)),
    ] {
        assert_rejected(&layout, file.as_bytes(), expected);
    }
}

#[test]
fn of_the_end_of_a_file() {
    let required = compiled(with(delimited(), |spec| spec.final_terminator = Presence::Required));
    let cut = (RejectCode::Terminator, 11, 2, 2, Some("trailer"), None);
    assert_rejected(&required, b"H|20260131\nT|0|0.00", cut);
    // What its last record violates comes before that it is cut.
    let count = (RejectCode::FieldCount, 11, 2, 2, Some("trailer"), None);
    assert_rejected(&required, b"H|20260131\nT|0", count);
    let absent = compiled(with(delimited(), |spec| spec.final_terminator = Presence::Absent));
    assert_rejected(&absent, b"H|20260131\nT|0|0.00\n", (RejectCode::Terminator, 11, 2, 2, None, None));
    assert!(parse(&absent, b"H|20260131\nT|0|0.00").is_ok());
    let marked = compiled(with(delimited(), |spec| spec.byte_order_mark = Presence::Required));
    assert_rejected(&marked, b"H|20260131\nT|0|0.00\n", (RejectCode::ByteOrderMark, 0, 1, 1, None, None));
    assert!(parse(&marked, b"\xEF\xBB\xBFH|20260131\nT|0|0.00\n").is_ok());
    let cr = compiled(with(delimited(), |spec| spec.terminator = Terminator::Cr));
    assert_rejected(&cr, b"H|20260131\r\nT|0|0.00\r\n", (RejectCode::Terminator, 11, 2, 2, None, None));
    assert!(parse(&cr, b"H|20260131\rT|0|0.00\r").is_ok());
}

#[test]
fn of_records_without_end() {
    let layout = compiled(delimited());
    for (start, code) in [("B|1|", RejectCode::RecordTooLong), ("B|1|\"", RejectCode::UnterminatedQuote)] {
        let file = format!("H|20260131\n{start}{}", "x".repeat(1000));
        assert_rejected(&layout, file.as_bytes(), (code, 11, 2, 2, None, None));
    }
    // The longest record is exactly as long as stated, terminator included.
    let file = |bytes: usize| format!("H|20260131\nB|1|{}|\nT|1|0.00\n", "x".repeat(bytes - "B|1||\n".len()));
    assert!(parse(&layout, file(200).as_bytes()).is_ok());
    assert_rejected(&layout, file(201).as_bytes(), (RejectCode::RecordTooLong, 11, 2, 2, None, None));
    // Found by random noise: a last record counts as if its terminator were there.
    for (terminator, longest) in [(Terminator::Lf, 199), (Terminator::CrLf, 198)] {
        let layout = compiled(with(single(text()), |spec| spec.terminator = terminator));
        assert!(parse(&layout, "x".repeat(longest).as_bytes()).is_ok());
        let too_long = "x".repeat(longest + 1);
        assert_rejected(&layout, too_long.as_bytes(), (RejectCode::RecordTooLong, 0, 1, 1, None, None));
    }
}

#[test]
fn a_layout_without_header_takes_an_empty_file() {
    let layout = compiled(single(text()));
    let (rows, facts) = parse(&layout, b"").unwrap();
    assert_eq!((rows.len(), facts.records, facts.bytes, facts.frame.final_terminator), (0, 0, 0, false));
    let mark = parse(&layout, b"\n").unwrap_err();
    assert_eq!(mark.code, RejectCode::FieldCount, "a blank line is no record");
}

#[test]
fn sums_beyond_128_bits() {
    let layout = compiled(delimited());
    let (bid, amount) = (Some("bid"), Some("amount"));
    let huge = format!("H|20260131\nB|1|x|{}.00\n", "9".repeat(38));
    assert_rejected(&layout, huge.as_bytes(), (RejectCode::Control, 17, 2, 2, bid, amount));
    let two_large = format!("H|20260131\nB|1|x|{0}.00\nB|1|x|{0}.00\n", "9".repeat(36));
    assert_rejected(&layout, two_large.as_bytes(), (RejectCode::Control, 63, 3, 3, bid, amount));
}

#[test]
fn a_reject_is_data() {
    let reject = parse(&compiled(delimited()), b"X|1\n").unwrap_err();
    let json = serde_json::to_value(&reject).unwrap();
    assert_eq!(json["code"], "unknown_record_type");
    assert_eq!(json["reason"], "record type \"X\" is none of \"H\", \"B\", \"T\"");
    assert_eq!(serde_json::from_value::<Reject>(json).unwrap(), reject);
}
