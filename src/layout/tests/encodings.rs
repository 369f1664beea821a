//! Each encoding, both ways, and where a fault stands in a file of UTF-16.

use super::specs::*;
use super::*;

#[test]
fn each_encoding() {
    for (encoding, word) in [
        (Encoding::Utf8, "Stra\u{df}e \u{20ac} \u{1f332}"),
        (Encoding::Utf16Le, "Stra\u{df}e \u{20ac} \u{1f332}"),
        (Encoding::Utf16Be, "\u{1f332}\u{10ffff}\u{fffd}"),
        (Encoding::Latin1, "Stra\u{df}e \u{a3}"),
        (Encoding::Cp1252, "Stra\u{df}e \u{20ac}"),
        (Encoding::Cp850, "Stra\u{df}e \u{a3}"),
        (Encoding::Cp437, "Stra\u{df}e \u{2500}"),
    ] {
        let spec = with(single(text()), |spec| spec.encoding = encoding);
        assert_files(&spec, &[(&format!("{word}\n\"{word}, {word}\"\n"), &format!("{word} / {word}, {word}"), &[])]);
    }
}

#[test]
fn files_of_utf_16() {
    let spec =
        with(table(), |spec| (spec.encoding, spec.padding_at_end) = (Encoding::Utf16Le, vec![EndPadding::CtrlZ]));
    assert_files(
        &spec,
        &[
            ("\u{feff}id,full name\r\n1,\u{1f332}\r\n", "1|\u{1f332}", &[]),
            ("\"id\",full name\r\n1,\"\u{e4}\"\r\n+2,b\u{1a}\u{1a}", "1|\u{e4} / 2|b", &["row.full name", "row.id"]),
        ],
    );
    // Bytes are those of the file: 13 characters of names with their end are 28 bytes.
    assert_refused(
        &spec,
        &[
            ("id,full name\r\n\u{1f332},b\r\n", RejectCode::Integer, 28, "no number"),
            ("id,full name\r\n1,\u{1f332}\u{7}\r\n", RejectCode::Text, 32, "control character"),
            ("id,full nam\u{e9}\r\n", RejectCode::Constant, 6, "column 2"),
            ("id,full name\r\n1,\"\u{1f332}", RejectCode::UnterminatedQuote, 28, "byte 32 of the file"),
        ],
    );
    let layout = compiled(spec);
    let mut file = Vec::new();
    "id,full name\r\n1,a\r\n2,".encode_utf16().for_each(|unit| file.extend(unit.to_le_bytes()));
    let start = file.len() as u64;
    file.extend(b"\x00\xD8b\0\r\0\n\0");
    let reject = parse(&layout, &file).unwrap_err();
    assert_eq!((reject.code, reject.byte, reject.record, reject.line), (RejectCode::Encoding, start, 2, 3), "{reject}");
}

#[test]
fn the_end_of_a_file_of_utf_16() {
    let layout = compiled(with(delimited(), |spec| spec.encoding = Encoding::Utf16Be));
    let encode = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let file = encode("H|20260131\nB|1|\u{1f332}|\nT|1|0.00\n");
    assert!(layout.ends_with_trailer(&file));
    assert!(!layout.ends_with_trailer(&file[..file.len() - 6]));
    // A tail may begin anywhere, within a pair of surrogates too.
    for from in 0..file.len() - 18 {
        assert!(layout.ends_with_trailer(&file[from..]), "from {from}");
    }
}
