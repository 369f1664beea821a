//! Each wrong configuration and the exact lines that it is answered with.
//!
//! The cases stand in `wrong/*.txt`, separated by blank lines. Each begins with the example of the reference and
//! replaces a text that stands in it exactly once:
//!
//! ```text
//! @ the file
//! - the text that is replaced, on as many lines as it has
//! + what it is replaced with; without such a line it is removed
//! = a line of the answer
//! ```

use super::example::{BRIDGE_FILE, DEPARTMENT_FILE, Example, LAYOUT_FILE};
use crate::config::problems::Gathered;
use crate::config::section::Source;

/// Every case of a text, checked; all that differ are reported.
fn check(cases: &str) {
    check_from(Example::new, cases);
}

/// The same over an example of its own.
fn check_from(example: fn() -> Example, cases: &str) {
    let mut differences = String::new();
    for case in cases.split("\n\n").map(str::trim_end).filter(|case| !case.is_empty()) {
        let lines = |sign: &str| -> Vec<&str> {
            case.lines()
                .filter_map(|line| line.strip_prefix(sign))
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect()
        };
        let example = example();
        example.replace(lines("@")[0], &lines("-").join("\n"), &lines("+").join("\n"));
        let answer = example.problems();
        if answer.is_empty() || answer != lines("=") {
            let answer: String = answer.iter().map(|line| format!("= {line}\n")).collect();
            differences.push_str(&format!("\n{case}\nis answered with\n{answer}"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn bridge() {
    check(include_str!("wrong/bridge.txt"));
}

#[test]
fn calendar() {
    check(include_str!("wrong/calendar.txt"));
}

#[test]
fn a_wrong_line_of_a_file_of_holidays_is_named() {
    let example = Example::new();
    let calendar = "[calendar.city]\nzone = \"UTC\"\nholidays_file = \"city.txt\"\n\n[share.estate]";
    example.replace(BRIDGE_FILE, "[share.estate]", calendar);
    example.write("city.txt", "# by the council\n2026-12-24\n24.12.2026 Christmas Eve\n");
    assert_eq!(
        example.problems(),
        ["config/city.txt:3: `24.12.2026` is no holiday: 2026-12-24, 2026-12-24..2026-12-31, or 12-25 for every year \
          would be one"]
    );
}

#[test]
fn http() {
    check(include_str!("wrong/http.txt"));
}

#[test]
fn traces() {
    check(include_str!("wrong/traces.txt"));
}

#[cfg(feature = "smb")]
#[test]
fn smb() {
    check(include_str!("wrong/smb.txt"));
}

#[test]
fn store() {
    check(include_str!("wrong/store.txt"));
}

#[test]
fn log() {
    check(include_str!("wrong/log.txt"));
}

#[test]
fn feed() {
    check(include_str!("wrong/feed.txt"));
}

#[test]
fn rendering() {
    check(include_str!("wrong/rendering.txt"));
}

#[test]
fn cutover() {
    check(include_str!("wrong/cutover.txt"));
}

#[test]
fn parity() {
    check(include_str!("wrong/parity.txt"));
}

#[test]
fn window() {
    check_from(Example::with_window, include_str!("wrong/window.txt"));
}

#[test]
fn readiness() {
    check(include_str!("wrong/readiness.txt"));
}

#[test]
fn event() {
    check(include_str!("wrong/event.txt"));
}

#[test]
fn payload() {
    check(include_str!("wrong/payload.txt"));
}

#[test]
fn layout() {
    check(include_str!("wrong/layout.txt"));
}

#[test]
fn schema() {
    check(include_str!("wrong/schema.txt"));
}

#[test]
fn problems_of_all_files_come_at_once_in_order() {
    let example = Example::new();
    example.replace(BRIDGE_FILE, "partitions = 4", "partitions = 0");
    example.replace(DEPARTMENT_FILE, "poll_ms = 1000", "poll_ms = 1");
    example.replace(LAYOUT_FILE, "version = 1", "version = 0");
    example.write("departments/parks.toml", "department = \"parks\"\n[[feed]]\nid = \"public_works.bids\"\n");
    example.write("layouts/copy.toml", "name = \"public-works-bids\"\n");
    assert_eq!(
        example.problems(),
        [
            "config/bridge.toml:16: topics.partitions: must be from 1 to 1000, is 0",
            "config/departments/parks.toml:2: feed[1].event: is missing",
            "config/departments/parks.toml:2: feed[1].inbox: is missing",
            "config/departments/parks.toml:2: feed[1].include: is missing",
            "config/departments/parks.toml:2: feed[1].layout: is missing",
            "config/departments/parks.toml:2: feed[1].ready: is missing",
            "config/departments/parks.toml:2: feed[1].share: is missing",
            "config/departments/public_works.toml:4: feed[1].id: feed `public_works.bids` is stated at \
             config/departments/parks.toml:3 already",
            "config/departments/public_works.toml:13: feed[1].poll_ms: must be from 50 to 86400000, is 1",
            "config/layouts/copy.toml:1: encoding: is missing",
            "config/layouts/copy.toml:1: kind: is missing",
            "config/layouts/copy.toml:1: name: `public-works-bids` is not the name of its file, `copy.toml`; \
             name the file after the layout",
            "config/layouts/copy.toml:1: record: is missing",
            "config/layouts/copy.toml:1: terminator: is missing",
            "config/layouts/copy.toml:1: version: is missing",
            "config/layouts/public-works-bids.toml:1: name: layout `public-works-bids` is stated in \
             config/layouts/copy.toml already",
            "config/layouts/public-works-bids.toml:2: version: must be from 1 to 4294967295, is 0",
        ]
    );
}

#[test]
fn problems_are_serialized_for_programs() {
    let example = Example::new();
    example.replace(BRIDGE_FILE, "partitions = 4", "partitons = 4");
    let problems = example.load().unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(json[0]["line"], 16);
    assert_eq!(json[0]["key"], "topics.partitons");
    assert_eq!(json[0]["message"], "unknown key");
    assert_eq!(json[0]["hint"], "did you mean `partitions`?");
    assert_eq!(json[0]["file"], example.path(BRIDGE_FILE).display().to_string());
}

#[test]
fn a_missing_file_is_named() {
    let example = Example::new();
    std::fs::remove_file(example.path(BRIDGE_FILE)).unwrap();
    assert_eq!(example.problems(), ["config/bridge.toml: cannot be read: No such file or directory (os error 2)"]);
}

#[test]
fn a_key_of_a_compiled_layout_is_found_in_its_file() {
    let example = Example::new();
    let gathered = Gathered::default();
    let source = Source::read(&example.path(LAYOUT_FILE), &gathered).unwrap();
    for (key, line) in [
        ("max_record_bytes", 8),
        ("discriminator", 16),
        ("record[1].field[2].format", 30),
        ("record[2].field[4].scale", 39),
        ("record[2].field[9].scale", 35),
        ("record[9].role", 19),
        ("control[2].sum", 70),
        ("nothing.of[2].this", 1),
    ] {
        assert_eq!(source.locate(key).line, Some(line), "{key}");
        assert_eq!(source.locate(key).key, key);
    }
}
