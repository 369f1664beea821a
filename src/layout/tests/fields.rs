//! Tables for each field type: in a field of five bytes and in a delimited one.

use super::specs::*;
use super::*;

/// What a field is read as.
type Read = Result<Option<String>, RejectCode>;

/// The canonical text of the first field of a record, which ends with `end`, after checking that the file can be written
/// again: by what the layout says alone, or with an exception where `spelled_otherwise` says so.
fn read(layout: &Layout, written: &str, end: &str, spelled_otherwise: bool) -> Read {
    let mut bytes = Vec::new();
    layout.encoding.encode(&format!("{written}{end}\n"), &mut bytes).unwrap();
    let (rows, _) = parse(layout, &bytes).map_err(|reject| reject.code)?;
    assert_rebuilds(layout, &bytes, if spelled_otherwise { Verdict::ExactWithExceptions } else { Verdict::Exact });
    Ok(rows[0].1[0].clone())
}

/// Reads a field of five bytes.
fn fixed(field: FieldSpec, written: &str, spelled_otherwise: bool) -> Read {
    let layout = with(single(text()), |spec| {
        spec.kind = KindSpec::FixedWidth(FixedWidthSpec::default());
        spec.encoding = Encoding::Latin1;
        spec.records[0].fields = vec![at(1, 5, field), at(6, 1, constant("."))];
    });
    read(&compiled(layout), written, ".", spelled_otherwise)
}

/// Reads a field before a comma.
fn delimited(field: FieldSpec, written: &str, spelled_otherwise: bool) -> Read {
    let layout = with(single(text()), |spec| spec.records[0].fields = vec![field, constant(".")]);
    read(&compiled(layout), written, ",.", spelled_otherwise)
}

/// As the layout would write it.
fn present(text: &str) -> (Read, bool) {
    (Ok(Some(text.to_owned())), false)
}

/// Another spelling than the layout's.
fn variant(text: &str) -> (Read, bool) {
    (Ok(Some(text.to_owned())), true)
}

/// Nothing, as the layout would write it.
const ABSENT: (Read, bool) = (Ok(None), false);
/// Nothing, in another spelling than the layout's.
const ABSENT_VARIANT: (Read, bool) = (Ok(None), true);

const fn refused(code: RejectCode) -> (Read, bool) {
    (Err(code), false)
}

#[test]
fn texts() {
    let plain = || field("value", text());
    let left_out = || optional("value", text());
    let right = || FieldSpec { align: Some(Align::Right), pad: Some(b'0'), ..field("value", text()) };
    for (spec, written, expected) in [
        (plain(), "abcde", present("abcde")),
        (plain(), "ab   ", present("ab")),
        (plain(), " ab  ", present(" ab")),
        (plain(), "     ", present("")),
        (plain(), "Gr\u{fc}n ", present("Gr\u{fc}n")),
        (plain(), "a\u{85}   ", refused(RejectCode::Text)),
        (plain(), "a\tb  ", refused(RejectCode::Text)),
        (left_out(), "     ", ABSENT),
        (right(), "00A0B", present("A0B")),
        (right(), "00000", present("")),
        (FieldSpec { optional: true, ..right() }, "     ", ABSENT),
        (FieldSpec { optional: true, ..right() }, "00000", present("")),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(fixed(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
    for (spec, written, expected) in [
        (plain(), "abc  ", present("abc  ")),
        (plain(), "", present("")),
        (plain(), "\"a,b\"", present("a,b")),
        (plain(), "\"a\r\n\tb\"", present("a\r\n\tb")),
        (plain(), "a\tb", refused(RejectCode::Text)),
        (plain(), "\"a\u{0},\"", refused(RejectCode::Text)),
        (plain(), "a\u{7f}", refused(RejectCode::Text)),
        (plain(), "a\u{85}", refused(RejectCode::Text)),
        (plain(), "\u{c4}\u{a0}\u{20ac}", present("\u{c4}\u{a0}\u{20ac}")),
        (left_out(), "", ABSENT),
        (left_out(), "  ", present("  ")),
        (FieldSpec { width: Some(4), ..left_out() }, "ab  ", present("ab")),
        (FieldSpec { width: Some(4), ..left_out() }, "\u{fc}  ", present("\u{fc}")),
        (FieldSpec { width: Some(4), ..left_out() }, "    ", ABSENT),
        (FieldSpec { width: Some(4), ..left_out() }, "", ABSENT_VARIANT),
        (FieldSpec { width: Some(4), ..plain() }, "abcde", refused(RejectCode::Text)),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(delimited(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
}

#[test]
fn integers() {
    let plain = || field("value", integer());
    let blanks = || FieldSpec { pad: Some(b' '), ..field("value", integer()) };
    for (spec, written, expected) in [
        (plain(), "00012", present("12")),
        (plain(), "-0012", present("-12")),
        (plain(), "00000", present("0")),
        (plain(), "   12", variant("12")),
        (plain(), "00-12", refused(RejectCode::Integer)),
        (plain(), "     ", refused(RejectCode::Integer)),
        (blanks(), "   12", present("12")),
        (blanks(), "  012", variant("12")),
        (blanks(), "12   ", variant("12")),
        (FieldSpec { align: Some(Align::Left), ..blanks() }, "-12  ", present("-12")),
        (FieldSpec { optional: true, ..plain() }, "     ", ABSENT),
        (FieldSpec { optional: true, ..plain() }, "00000", present("0")),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(fixed(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
    for (spec, written, expected) in [
        (plain(), "12", present("12")),
        (plain(), "012", variant("12")),
        (plain(), "", refused(RejectCode::Integer)),
        (plain(), "+5", variant("5")),
        (plain(), " 5 ", variant("5")),
        (FieldSpec { optional: true, ..plain() }, "", ABSENT),
        (FieldSpec { optional: true, ..plain() }, "  ", ABSENT_VARIANT),
        (FieldSpec { width: Some(6), ..plain() }, "-00012", present("-12")),
        (FieldSpec { width: Some(6), ..plain() }, "12", refused(RejectCode::Integer)),
        (FieldSpec { width: Some(6), optional: true, ..plain() }, "", ABSENT),
        (FieldSpec { width: Some(6), optional: true, ..blanks() }, "      ", ABSENT),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(delimited(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
}

#[test]
fn decimals() {
    let comma = || field("value", kind("decimal", [("scale", 2.into()), ("point", ",".into())]));
    for (spec, written, expected) in [
        (field("value", decimal(2)), "01.50", present("1.50")),
        (field("value", decimal(2)), "-1.50", present("-1.50")),
        (field("value", implied(2)), "00150", present("1.50")),
        (field("value", implied(2)), "-0005", present("-0.05")),
        (field("value", implied(2)), "-0000", variant("0.00")),
        (FieldSpec { pad: Some(b'*'), ..comma() }, "*1,50", present("1.50")),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(fixed(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
    for (spec, written, expected) in [
        (field("value", decimal(2)), "12.50", present("12.50")),
        (field("value", decimal(0)), "12", present("12")),
        (field("value", decimal(2)), "12.5", variant("12.50")),
        (field("value", implied(2)), "5", present("0.05")),
        (comma(), "\"12,50\"", present("12.50")),
        (comma(), "\"12.50\"", refused(RejectCode::Decimal)),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(delimited(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
}

#[test]
fn dates_and_constants() {
    let day = || field("value", date("YYDDD"));
    let mark = |value: &str| field("value", constantly(value));
    for (spec, written, expected) in [
        (day(), "26031", present("2026-01-31")),
        (day(), "26366", refused(RejectCode::Date)),
        (day(), "     ", refused(RejectCode::Date)),
        (day(), "00000", refused(RejectCode::Date)),
        (FieldSpec { optional: true, ..day() }, "     ", ABSENT),
        (mark("AB"), "AB   ", present("AB")),
        (mark("AB   "), "AB   ", present("AB   ")),
        (mark("AB"), "AB  x", refused(RejectCode::Constant)),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(fixed(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
    for (spec, written, expected) in [
        (day(), "26031", present("2026-01-31")),
        (day(), "2603", refused(RejectCode::Date)),
        (FieldSpec { optional: true, ..day() }, "", ABSENT),
        (mark("AB"), "AB", present("AB")),
        (mark("AB"), "ab", refused(RejectCode::Constant)),
        (mark(""), "", present("")),
    ] {
        let (value, spelled_otherwise) = expected;
        assert_eq!(delimited(spec.clone(), written, spelled_otherwise), value, "{spec:?} {written:?}");
    }
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let row = |spec: FieldSpec, value: Option<&str>| {
        let layout = compiled(with(single(text()), |layout| {
            layout.encoding = Encoding::Latin1;
            layout.records[0].fields = vec![spec];
        }));
        render(&layout, &vec![("row".to_owned(), vec![value.map(str::to_owned)])], &FINISHED)
            .map_err(|error| error.field)
    };
    let padded = |kind| FieldSpec { width: Some(5), ..field("value", kind) };
    for (spec, value) in [
        (field("value", integer()), None),
        (field("value", text()), Some("a\u{0}")),
        (field("value", text()), Some("12 \u{20ac}")),
        (padded(text()), Some("abcdef")),
        (padded(text()), Some("abc ")),
        (padded(integer()), Some("123456")),
        (field("value", integer()), Some("012")),
        (field("value", decimal(2)), Some("1.5")),
        (field("value", date("YYYYMMDD")), Some("2026-02-30")),
        (constant("B"), Some("C")),
    ] {
        let blamed = Some(spec.name.clone());
        assert_eq!(row(spec.clone(), value).unwrap_err(), blamed, "{spec:?} {value:?}");
    }
    assert_eq!(row(constant("B"), None).unwrap(), b"B\n", "a constant needs no value");
    assert_eq!(row(field("value", text()), Some("")).unwrap(), b"\"\"\n", "a blank line is no record");
    assert_eq!(row(field("value", text()), None).unwrap(), b"\"\"\n", "a text that no event states is empty");
}
