//! Numbers, read and written back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const INTEGER: NumberFormat =
    NumberFormat { scale: Some(0), point: None, grouping: None, sign: Sign::Leading, zeros_to: None };
const FILLED: NumberFormat = NumberFormat { zeros_to: Some(6), ..INTEGER };
const POINT: NumberFormat = NumberFormat { scale: Some(2), point: Some(b'.'), ..INTEGER };
const COMMA: NumberFormat = NumberFormat { scale: Some(3), point: Some(b','), ..INTEGER };
const IMPLIED: NumberFormat = NumberFormat { scale: Some(2), ..INTEGER };
const IMPLIED_FILLED: NumberFormat = NumberFormat { zeros_to: Some(7), ..IMPLIED };
const POINT_FILLED: NumberFormat = NumberFormat { zeros_to: Some(8), ..POINT };
const ANY: NumberFormat = NumberFormat { scale: None, ..POINT };
const GROUPED: NumberFormat = NumberFormat { grouping: Some(b'.'), point: Some(b','), ..POINT };

const fn signed(format: NumberFormat, sign: Sign) -> NumberFormat {
    NumberFormat { sign, ..format }
}

#[test]
fn numbers_are_read_and_written_back() {
    for (format, written, canonical) in [
        (INTEGER, "0", "0"),
        (INTEGER, "-12", "-12"),
        (INTEGER, "123456789012345678901234567890123456789012345", "123456789012345678901234567890123456789012345"),
        (FILLED, "000000", "0"),
        (FILLED, "-00012", "-12"),
        (FILLED, "123456", "123456"),
        (POINT, "12.50", "12.50"),
        (POINT, "-0.05", "-0.05"),
        (POINT, "0.00", "0.00"),
        (COMMA, "1,500", "1.500"),
        (IMPLIED, "0", "0.00"),
        (IMPLIED, "5", "0.05"),
        (IMPLIED, "-50", "-0.50"),
        (IMPLIED, "1250", "12.50"),
        (IMPLIED_FILLED, "0000005", "0.05"),
        (IMPLIED_FILLED, "-001250", "-12.50"),
        (IMPLIED_FILLED, "0000000", "0.00"),
        (POINT_FILLED, "00012.50", "12.50"),
        (POINT_FILLED, "-0000.50", "-0.50"),
        (ANY, "4.50", "4.50"),
        (ANY, "-7", "-7"),
        (ANY, "0.125", "0.125"),
        (GROUPED, "1.234.567,80", "1234567.80"),
        (GROUPED, "-999,00", "-999.00"),
        (signed(POINT, Sign::LeadingAlways), "+1.00", "1.00"),
        (signed(FILLED, Sign::LeadingAlways), "+00012", "12"),
        (signed(INTEGER, Sign::Trailing), "12-", "-12"),
        (signed(FILLED, Sign::TrailingAlways), "00012+", "12"),
        (signed(FILLED, Sign::TrailingAlways), "00012-", "-12"),
        (signed(POINT, Sign::Parentheses), "(12.50)", "-12.50"),
        (signed(POINT, Sign::Unsigned), "12.50", "12.50"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "000125{", "12.50"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "000125}", "-12.50"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "000125R", "-12.59"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::MicroFocus)), "0001250", "12.50"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::MicroFocus)), "000125p", "-12.50"),
        (signed(FILLED, Sign::LeadingOverpunched(Overpunch::Ebcdic)), "J00012", "-100012"),
        (signed(POINT, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "1.2}", "-1.20"),
        (signed(ANY, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "1.2C", "1.23"),
        (signed(ANY, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "1L", "-13"),
        (signed(FILLED, Sign::LeadingOverpunched(Overpunch::Ebcdic)), "{00012", "12"),
    ] {
        let (mut parsed, mut back) = (String::new(), String::new());
        format.parse(written, &mut parsed).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(parsed, canonical, "{written}");
        format.render(&parsed, &mut back).unwrap();
        assert_eq!(back, written, "{canonical}");
    }
}

#[test]
fn other_spellings_of_a_number_are_that_number() {
    for (format, written, canonical) in [
        (INTEGER, "+5", "5"),
        (INTEGER, "007", "7"),
        (INTEGER, "-0", "0"),
        (INTEGER, "-00", "0"),
        (POINT, "12.5", "12.50"),
        (POINT, "12.500", "12.50"),
        (POINT, "12.", "12.00"),
        (POINT, ".5", "0.50"),
        (POINT, "-.5", "-0.50"),
        (POINT, "012.50", "12.50"),
        (POINT, "-0.00", "0.00"),
        (POINT, "+1.00", "1.00"),
        (ANY, "007.0", "7.0"),
        (ANY, ".5", "0.5"),
        (IMPLIED, "00", "0.00"),
        (IMPLIED, "-0005", "-0.05"),
        (GROUPED, "1234567,80", "1234567.80"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "0001250", "12.50"),
        (signed(IMPLIED_FILLED, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "000000}", "0.00"),
    ] {
        let mut parsed = String::new();
        format.parse(written, &mut parsed).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(parsed, canonical, "{written}");
    }
}

#[test]
fn what_could_mean_two_things_is_refused() {
    for (format, written, reason) in [
        (INTEGER, "", "no digits"),
        (INTEGER, "-", "no digits"),
        (INTEGER, "1.0", "is no number"),
        (INTEGER, "12a4", "is no number"),
        (INTEGER, " 5", "is no number"),
        (INTEGER, "--5", "is no number"),
        (INTEGER, "5-", "is no number"),
        (INTEGER, "\u{661}", "is no number"),
        (FILLED, "00-012", "is no number"),
        (POINT, "12", "no digits after a `.`"),
        (POINT, ".", "no digits"),
        (POINT, "12.505", "3 digits after the point"),
        (POINT, "1,234.50", "is no number"),
        (POINT, "1.2.3", "is no number"),
        (COMMA, "1.500", "is no number"),
        (GROUPED, "1.23,00", "between thousands"),
        (GROUPED, ".234,00", "between thousands"),
        (GROUPED, "1234.567,00", "between thousands"),
        (signed(INTEGER, Sign::Unsigned), "-5", "is no number"),
        (signed(INTEGER, Sign::Parentheses), "(5", "is no number"),
        (signed(INTEGER, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "12p", "digit and sign"),
        (signed(INTEGER, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "1A2", "is no number"),
        (signed(POINT, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "12}", "no digits after a `.`"),
        (signed(POINT, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "}", "no point"),
        (signed(INTEGER, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "", "no digits"),
        (signed(INTEGER, Sign::TrailingOverpunched(Overpunch::Ebcdic)), "1\u{e9}", "digit and sign"),
    ] {
        let error = format.parse(written, &mut String::new()).expect_err(written);
        assert!(error.contains(reason), "{written}: {error}");
    }
}

#[test]
fn only_canonical_numbers_are_written() {
    for (format, canonical) in [
        (POINT, "12.5"),
        (POINT, "12"),
        (POINT, "012.50"),
        (POINT, "-0.00"),
        (POINT, "1e3"),
        (POINT, "12.50."),
        (INTEGER, "12.00"),
        (INTEGER, "12."),
        (INTEGER, ""),
        (ANY, "12."),
        (signed(INTEGER, Sign::Unsigned), "-1"),
    ] {
        assert!(format.render(canonical, &mut String::new()).is_err(), "{canonical}");
    }
}

#[test]
fn units_are_exact_up_to_their_limit() {
    for (canonical, value, scale) in [
        ("0.00", 0, 2),
        ("-0.05", -5, 2),
        ("12.50", 1250, 2),
        ("123456789012345678901234567.89", 12_345_678_901_234_567_890_123_456_789, 2),
        ("-7", -7, 0),
    ] {
        assert_eq!(units(canonical, scale), Some(value));
        assert_eq!(from_units(value, scale), canonical);
    }
    assert_eq!(units("3", 2), Some(300));
    assert_eq!(units("3.125", 2), None);
    assert_eq!(units(&i128::MAX.to_string(), 0), Some(i128::MAX));
    assert_eq!(units("170141183460469231731687303715884105728", 0), None);
}
