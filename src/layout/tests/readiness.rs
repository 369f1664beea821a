//! Whether the tail of a file ends with its trailer.

use super::specs::*;
use super::*;

#[test]
fn only_a_whole_trailer_at_the_end_counts() {
    let layout = compiled(delimited());
    for (tail, expected) in [
        ("H|20260131\nB|1|x|\nT|1|0.00\n", true),
        ("H|20260131\nB|1|x|\nT|1|0.00", true),
        ("H|20260131\nB|1|x|\n\"T\"|1|0.00\n", true),
        ("T|1|0.00\n", true),
        ("H|20260131\nB|1|x|\nT|1|0.0", false),
        ("H|20260131\nB|1|x|\nT|1\n", false),
        ("H|20260131\nB|1|x|\nT", false),
        ("H|20260131\nB|1|x|\n", false),
        ("H|20260131\nB|1|x|\nT|1|0.00\n\n", false),
        ("H|20260131\nB|1|x|\nT|1|0.00\r\n", false),
        ("H|20260131\nB|1|x|\nXT|1|0.00\n", false),
        ("B|1|\"T|1|0.00", false),
        ("\n", false),
        ("", false),
    ] {
        assert_eq!(layout.ends_with_trailer(tail.as_bytes()), expected, "{tail:?}");
    }
}

#[test]
fn another_record_that_looks_like_it_does_not_count() {
    let layout = compiled(with(delimited(), |spec| {
        spec.records.iter_mut().for_each(|record| record.fields[0] = field("record_type", text()));
        spec.records[1].fields.remove(2);
    }));
    assert!(layout.ends_with_trailer(b"T|1|0.00\n"));
    assert!(!layout.ends_with_trailer(b"B|1|0.00\n"));
    let too_long = format!("T|{}|0.00\n", "1".repeat(200));
    assert!(!layout.ends_with_trailer(too_long.as_bytes()));
}

#[test]
fn the_terminator_counts_where_it_is_stated() {
    let file = b"H|20260131\nT|0|0.00\n";
    for (presence, whole, without) in
        [(Presence::Required, true, false), (Presence::Optional, true, true), (Presence::Absent, false, true)]
    {
        let layout = compiled(with(delimited(), |spec| spec.final_terminator = presence));
        assert_eq!(layout.ends_with_trailer(file), whole, "{presence:?}");
        assert_eq!(layout.ends_with_trailer(&file[..file.len() - 1]), without, "{presence:?}");
    }
    let crlf = compiled(with(delimited(), |spec| spec.terminator = Terminator::CrLf));
    assert!(crlf.ends_with_trailer(b"T|0|0.00\r\n"));
    assert!(!crlf.ends_with_trailer(b"T|0|0.00\n"));
    assert!(!crlf.ends_with_trailer(b"T|0|0.00\r"));
}

#[test]
fn every_prefix_of_a_fixed_width_file_but_the_whole_is_unfinished() {
    let layout = compiled(fixed_width());
    let file = b"H260131                 \nB0001roof      0000250  \nT0001000000250          \n";
    let finished: Vec<_> = (0..=file.len()).filter(|end| layout.ends_with_trailer(&file[..*end])).collect();
    assert_eq!(finished, [file.len() - 1, file.len()]);
}

#[test]
fn a_layout_without_trailer_never_says_so() {
    assert!(!compiled(table()).ends_with_trailer(b"id,full name\r\n1,x\r\n"));
}
