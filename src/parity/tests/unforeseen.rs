//! Bytes changed anywhere, in layouts of every kind: without a rule no difference is ever taken for parity, and each is
//! of a kind that says what it is.

use super::*;
use crate::config::layout_from_text;

const FIXED: &str = r#"
name = "fixed"
version = 1
kind = "fixed-width"
encoding = "latin-1"
terminator = "mixed"
final_terminator = "optional"
padding_at_end = ["ctrl-z"]

[fixed_width]
trimmed = true
keep_filler = true
ragged = ["long"]

[[record]]
name = "row"
field = [
  { name = "number", type = "text", start = 1, width = 3 },
  { name = "amount", type = "decimal", start = 6, width = 6, scale = 2, optional = true },
  { name = "text", type = "text", start = 13, width = 6, optional = true },
]
"#;

const TABLE: &str = r##"
name = "table"
version = 1
kind = "delimited"
encoding = "utf-16le"
terminator = "mixed"
final_terminator = "optional"
byte_order_mark = "optional"

[delimited]
delimiter = ","
column_names = "any-order"
trailing_delimiter = "optional"

[lines]
preamble = 1
blank = true
comment = "#"

[[record]]
name = "row"
field = [
  { name = "number", type = "text" },
  { name = "amount", type = "decimal", scale = "any", optional = true },
  { name = "text", type = "text", optional = true },
]
"##;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn another_end_of_the_column_names_is_told() {
    let layout = layout_from_text("table.toml", TABLE).unwrap_or_else(|problems| panic!("{problems}"));
    let table = |end: &str| utf16(&format!("title\r\nnumber,text,amount{end}1,a,2.5\r\n"));
    let (outcome, found) = compared(&layout, &RulesSpec::default(), &table("\n"), &table("\r\n"), 4000);
    assert_eq!(outcome.verdict, Verdict::Different);
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!((finding.kind, finding.subject().as_str()), (Kind::BesideRecords, "terminator of the column names"));
    let value = |seen: &Option<Seen>| seen.as_ref().and_then(|seen| seen.value.clone()).unwrap_or_default();
    assert_eq!((value(&finding.legacy), value(&finding.candidate)), ("lf".to_owned(), "crlf".to_owned()));
}

#[test]
fn no_difference_is_taken_for_parity_and_none_is_unexplained() {
    let mut random = Random::seeded();
    let table = utf16("title\r\nnumber,text,amount\n1,a,2.5\r\n\n# c\n2,\"b, ü\",\n3,,+7\n");
    let fixed = b"001  001.50 abc\r\n002 x-02.00 de\n003\r004  000.00y\xFCz     \n".to_vec();
    let day = b"H|20260131|A\n# c\nB|1|v|1.00|\nL|1|x|1.00\nN|n\nB|2|\"w\"|1.00|20260102\nT|2|2.00\n".to_vec();
    let (mut told, mut unreadable) = (0, 0);
    for (text, file, bytes) in [(LAYOUT, "day.toml", day), (FIXED, "fixed.toml", fixed), (TABLE, "table.toml", table)] {
        let layout = layout_from_text(file, text).unwrap_or_else(|problems| panic!("{problems}"));
        let (outcome, _) = compared(&layout, &RulesSpec::default(), &bytes, &bytes, 4000);
        assert!(outcome.legacy.reject.is_none(), "{file}: {:?}", outcome.legacy.reject);
        for _ in 0..3000 {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(2) {
                change(&mut random, &mut changed);
            }
            let (outcome, found) = compared(&layout, &RulesSpec::default(), &bytes, &changed, 4000);
            let shown = || format!("{file}: {:?}\n{outcome:?}\n{found:?}", String::from_utf8_lossy(&changed));
            assert_eq!(outcome.verdict == Verdict::Identical, bytes == changed, "{}", shown());
            match outcome.verdict {
                Verdict::Identical => {}
                Verdict::Unreadable => unreadable += 1,
                Verdict::Different => {
                    told += 1;
                    assert!(found.iter().all(|finding| finding.kind != Kind::Unexplained), "{}", shown());
                    let seen =
                        found.iter().flat_map(|finding| [(&finding.legacy, &bytes), (&finding.candidate, &changed)]);
                    for (seen, file) in seen {
                        let inside = seen.as_ref().is_none_or(|seen| seen.byte <= file.len() as u64);
                        assert!(inside, "{}", shown());
                    }
                }
                _ => panic!("{}", shown()),
            }
        }
    }
    assert!(told > 100 && unreadable > 100, "{told} told, {unreadable} unreadable");
}

/// A byte, or a whole stretch, replaced, removed, doubled or moved.
fn change(random: &mut Random, bytes: &mut Vec<u8>) {
    let from = random.below(bytes.len());
    // Even numbers, so that UTF-16 is often still some.
    let length = [1, 2, 2, 4, 14, 22][random.below(6)].min(bytes.len() - from);
    match random.below(5) {
        0 => bytes[from] = b" |,\n#x01+\r\"\x1A"[random.below(12)],
        1 => drop(bytes.drain(from..from + length)),
        2 => {
            let copy = bytes[from..from + length].to_vec();
            bytes.splice(from..from, copy);
        }
        3 => {
            let moved: Vec<u8> = bytes.drain(from..from + length).collect();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, moved);
        }
        _ => bytes.insert(from, b" 0\n|"[random.below(4)]),
    }
    if bytes.is_empty() {
        bytes.push(b'x');
    }
}
