//! What can be stated of fixed-width files, both ways.

use super::specs::*;
use super::*;

/// Three letters, then from byte 5 a number of four digits.
fn code_and_number() -> Vec<FieldSpec> {
    vec![at(1, 3, field("code", text())), at(5, 4, optional("number", integer()))]
}

#[test]
fn blanks_at_the_end_that_are_not_written() {
    let trimmed = with(wide_rows_of(code_and_number(), |kind| kind.trimmed = true), |spec| {
        spec.records[0].fields.push(at(9, 4, optional("note", text())));
    });
    assert_files(
        &trimmed,
        &[
            ("abc 0012note\n", "abc|12|note", &[]),
            ("abc 0012\n", "abc|12|~", &[]),
            ("abc 0012no\n", "abc|12|no", &[]),
            ("ab\n", "ab|~|~", &[]),
            ("\n\n", "|~|~ / |~|~", &[]),
            ("ab  \n", "ab|~|~", &["row (end)"]),
            ("abc 12\n", "abc|12|~", &["row (end)"]),
        ],
    );
    assert_refused(&trimmed, &[("abc 0012note \n", RejectCode::RecordLength, 0, "13 bytes")]);
}

#[test]
fn ragged_records() {
    let ragged = |short, long| wide_rows_of(code_and_number(), |kind| kind.ragged = Ragged { short, long });
    assert_files(
        &ragged(true, false),
        &[("abc 0012\n", "abc|12", &[]), ("abc \n", "abc|~", &["row (end)"]), ("ab\n", "ab|~", &["row (end)"])],
    );
    assert_files(&ragged(false, true), &[("abc 0012 and more\n", "abc|12", &["row (end)"])]);
    assert_refused(&ragged(true, false), &[("abc 00\n", RejectCode::RecordLength, 4, "`number`")]);
    assert_refused(&ragged(true, false), &[("abc 00123\n", RejectCode::RecordLength, 0, "9 bytes")]);
    assert_refused(&ragged(false, true), &[("abc 001\n", RejectCode::RecordLength, 0, "7 bytes")]);
}

#[test]
fn filler_is_blank_or_kept() {
    let keep = |keep_filler| wide_rows_of(code_and_number(), |kind| kind.keep_filler = keep_filler);
    assert_files(&keep(false), &[("abc 0012\n", "abc|12", &[])]);
    assert_refused(&keep(false), &[("abcx0012\n", RejectCode::Filler, 0, "\"x\"")]);
    assert_files(&keep(true), &[("abc 0012\n", "abc|12", &[]), ("abcx0012\n", "abc|12", &["row (end)"])]);
}

#[test]
fn records_by_length() {
    let kind = |kind: &mut FixedWidthSpec| kind.record_bytes = Some(8);
    let spec = with(wide_rows_of(code_and_number(), kind), |spec| {
        spec.terminator = Terminator::None;
        spec.padding_at_end = vec![EndPadding::CtrlZ, EndPadding::Nul];
    });
    assert_files(
        &spec,
        &[("abc 0012def 0013", "abc|12 / def|13", &[]), ("abc 0012\u{1a}\0\0\0", "abc|12", &[]), ("", "", &[])],
    );
    assert_refused(&spec, &[("abc 0012def 00", RejectCode::RecordLength, 8, "6 bytes of a record of 8")]);
}

#[test]
fn signs_points_and_marks_between_thousands() {
    let number = |sign: &str, settings: fn(FieldSpec) -> FieldSpec| {
        let spec = settings(field("amount", decimal(2)).with("sign", sign));
        wide_rows_of(vec![at(1, 8, spec)], |_| ())
    };
    let implied = |spec: FieldSpec| spec.with("implied", true);
    let plain = |spec| spec;
    let grouped = |spec: FieldSpec| FieldSpec { pad: Some(b' '), ..spec.with("grouping", ",") };
    let micro_focus = |spec: FieldSpec| spec.with("implied", true).with("overpunch", "micro-focus");
    assert_files(
        &number("leading", implied),
        &[("00001250\n-0001250\n", "12.50 / -12.50", &[]), ("    1250\n", "12.50", &["row.amount"])],
    );
    assert_files(
        &number("leading-always", plain),
        &[("+0012.50\n", "12.50", &[]), ("-0000.00\n", "0.00", &["row.amount"])],
    );
    assert_files(&number("trailing", implied), &[("0001250-\n00001250\n", "-12.50 / 12.50", &[])]);
    assert_files(&number("trailing-always", plain), &[("0012.50+\n", "12.50", &[])]);
    assert_files(&number("parentheses", grouped), &[("(125.00)\n1,250.00\n", "-125.00 / 1250.00", &[])]);
    assert_files(&number("parentheses", grouped), &[(" 1250.00\n", "1250.00", &["row.amount"])]);
    assert_files(
        &number("trailing-overpunched", implied),
        &[("0000125{\n0000125N\n", "12.50 / -12.55", &[]), ("00001250\n", "12.50", &["row.amount"])],
    );
    assert_files(&number("leading-overpunched", micro_focus), &[("p0001250\n00001250\n", "-12.50 / 12.50", &[])]);
    assert_files(&number("leading-overpunched", micro_focus), &[("q0001250\n", "-100012.50", &[])]);
    assert_refused(&number("unsigned", plain), &[("-0012.50\n", RejectCode::Decimal, 0, "no number")]);
    assert_refused(
        &number("trailing-overpunched", implied),
        &[("0000125x\n", RejectCode::Decimal, 0, "digit and sign")],
    );
}

#[test]
fn spellings_of_null() {
    let mut fields = code_and_number();
    fields[1].null = vec!["9999".to_owned(), "----".to_owned()];
    fields.push(at(9, 3, FieldSpec { null: vec!["NA".to_owned()], ..optional("note", text()) }));
    assert_files(
        &wide_rows_of(fields, |_| ()),
        &[
            ("abc 9999NA \n", "abc|~|~", &[]),
            ("abc 0001   \n", "abc|1|", &[]),
            ("abc ----x  \n", "abc|~|x", &["row.number"]),
            ("abc     x  \n", "abc|~|x", &["row.number"]),
        ],
    );
}

#[test]
fn a_type_that_ends_with_blanks_is_known_where_they_are_not_written() {
    let mark = |name: &str, mark: &str| {
        record(name, Role::Detail, Some(mark), vec![at(1, 2, field("text", text())), at(3, 3, constant(mark))])
    };
    let spec = with(wide_rows_of(code_and_number(), |kind| kind.trimmed = true), |spec| {
        spec.records = vec![mark("short", "A"), mark("long", "ABC")];
        spec.discriminator = Some(DiscriminatorSpec::Bytes { start: 3, width: 3 });
    });
    assert_files(&spec, &[("xxA\nyyABC\n", "xx|A / yy|ABC", &[]), ("xxA  \n", "xx|A", &["short (end)"])]);
}
