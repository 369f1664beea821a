//! Files with bad records: held whole, or published without them where the feed allows it; and values that are shown
//! nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use support::{FeedOptions, ORDERS_LAYOUT, Site, logs, order_name};

/// Allows two bad records, and not more than half of the file.
const ALLOWED: &str = "rejects = { max_records = 2, max_percent = 50 }\n";

fn allowing(feed: &str) -> FeedOptions {
    let usual = FeedOptions::default();
    FeedOptions { feed: format!("{}\n{feed}", usual.feed), ..usual }
}

fn good(number: u32) -> String {
    format!("{number:06}|{number}.00\n")
}

#[test]
fn good_records_are_published_and_bad_ones_kept_in_the_manifest() {
    for log in logs() {
        let site = Site::new(log, &allowing(ALLOWED));
        let file = [good(1), "000002|x\n".to_owned(), good(3), good(4), "a|b|c\n".to_owned()].concat();
        site.drop_file(&order_name(1), file.as_bytes());
        site.run_until_idle(0);
        assert_eq!(site.numbers(), ["000001", "000003", "000004"], "{log:?}");

        let rejects = site.committed("rejects");
        let told: Vec<_> = rejects.iter().map(|reject| (&reject["record"], &reject["line"], &reject["code"])).collect();
        let (two, five) = (Value::from(2), Value::from(5));
        assert_eq!(told, [(&two, &two, &"decimal".into()), (&five, &five, &"field_count".into())], "{log:?}");

        let manifest = &site.committed("manifests")[0];
        let summary = &manifest["file"];
        assert_eq!(summary["verdict"], "exact_with_exceptions", "{log:?}");
        let raw: Vec<_> =
            summary["exceptions"].as_array().unwrap().iter().map(|exception| &exception["changes"]).collect();
        let whole = |raw: &str| serde_json::json!([{ "whole": { "raw": raw } }]);
        assert_eq!(raw, [&whole("000002|x"), &whole("a|b|c")], "{log:?}");
        assert_eq!(summary["rejects"].as_array().unwrap().len(), 2);
        let counts: Value = serde_json::from_str(&site.ok(&["ledger", "verdicts", "--json"])).unwrap();
        assert_eq!((&counts["exact_with_exceptions"], &counts["rejects"]), (&1.into(), &2.into()), "{log:?}");
    }
}

#[test]
fn a_file_with_more_bad_records_than_allowed_publishes_nothing() {
    for (bad, of) in [(3, 20), (2, 3)] {
        let site = Site::new(support::LogKind::Embedded, &allowing(ALLOWED));
        let records = (1..=of).map(|number| if number <= bad { format!("{number:06}|x\n") } else { good(number) });
        site.drop_file(&order_name(1), records.collect::<String>().as_bytes());
        site.run_until_idle(1);
        assert!(site.events().is_empty());
        let reject = &site.committed("rejects")[0];
        assert_eq!((&reject["code"], &reject["record"]), (&"too_many_rejects".into(), &1.into()), "{reject}");
        assert!(reject["reason"].as_str().unwrap().contains("is no number"), "it names the first: {reject}");
    }
}

#[test]
fn a_large_file_is_published_in_chunks_without_its_bad_records() {
    let options = FeedOptions { transaction: "chunk_records = 10".to_owned(), ..allowing(ALLOWED) };
    let site = Site::new(support::LogKind::Embedded, &options);
    let records = (1..=95).map(|number| if number == 50 { "bad\n".to_owned() } else { good(number) });
    site.drop_file(&order_name(1), records.collect::<String>().as_bytes());
    site.run_until_idle(0);
    assert_eq!(site.numbers().len(), 94);
    assert_eq!(site.committed("rejects").len(), 1);
    assert_eq!(site.committed("manifests")[0]["file"]["exceptions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_feed_may_demand_that_its_files_can_be_written_again() {
    let layout = ORDERS_LAYOUT.to_owned();
    for (least, spelling, code) in [
        ("exact", "+1.00", 1),
        ("exact", "1.00", 0),
        ("exact-with-exceptions", "+1.00", 0),
        ("replay-only", "+1.00", 0),
    ] {
        let feed = format!("least_verdict = \"{least}\"\n");
        let site = Site::new(support::LogKind::Embedded, &FeedOptions { layout: layout.clone(), ..allowing(&feed) });
        site.drop_file(&order_name(1), format!("000001|{spelling}\n").as_bytes());
        site.run_until_idle(code);
        assert_eq!(site.events().len(), usize::from(code == 0), "{least} {spelling}");
        if code == 1 {
            let reject = &site.committed("rejects")[0];
            assert_eq!(
                (&reject["code"], &reject["byte"], &reject["field"]),
                (&"not_exact".into(), &7.into(), &"amount".into())
            );
        }
    }
}

#[test]
fn masked_values_are_shown_nowhere() {
    let layout = ORDERS_LAYOUT.replace("scale = 2", "scale = 2, masked = true");
    assert!(layout.contains("masked"));
    let site = Site::new(support::LogKind::Embedded, &FeedOptions { layout, ..FeedOptions::default() });
    site.drop_file(&order_name(1), b"000001|SECRET-77\n");
    let run = site.output(&["run", "--until-idle", "--log", "trace"]);
    assert_eq!(run.status.code(), Some(1));
    let shown = [
        String::from_utf8(run.stdout).unwrap(),
        String::from_utf8(run.stderr).unwrap(),
        site.exits(&["quarantine", "list"], 1),
        site.ok(&["quarantine", "show", "2026-01-01/0001"]),
        site.ok(&["ledger", "show", "2026-01-01/0001", "--json"]),
        serde_json::to_string(&site.committed("rejects")).unwrap(),
    ];
    for text in &shown {
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert!(
        shown[3].contains("masked") && shown[3].contains("amount"),
        "it says where, and why not what: {}",
        shown[3]
    );
}

#[test]
fn a_bad_line_takes_its_order_with_it_and_a_bad_order_not_the_one_before() {
    let layout = r#"
name = "orders"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
[delimited]
delimiter = "|"
[discriminator]
column = 1
[[record]]
name = "order"
match = "O"
field = [
  { name = "mark", type = "constant", value = "O" }, { name = "number", type = "text" },
  { name = "amount", type = "decimal", scale = 2 },
]
[[record]]
name = "line"
match = "L"
parent = "order"
field = [ { name = "mark", type = "constant", value = "L" }, { name = "pieces", type = "integer" } ]
"#;
    let feed = "rejects = { max_records = 9 }\n";
    let site =
        Site::uninitialised(support::LogKind::Embedded, &FeedOptions { layout: layout.to_owned(), ..allowing(feed) });
    let department = site.path("config/departments/sales.toml");
    let stated = std::fs::read_to_string(&department).unwrap()
        + "lines = { each = \"line\", data = { pieces = \"line.pieces\" } }\n";
    std::fs::write(&department, stated).unwrap();
    let schema = site.path("config/schemas/OrderTaken.schema.json");
    let looser = std::fs::read_to_string(&schema).unwrap().replace("\"additionalProperties\":false,", "");
    std::fs::write(&schema, looser).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    let file = "O|000001|1.00\nL|1\nO|000002|x\nL|2\nO|000003|3.00\nL|x\nL|3\nO|000004|4.00\nL|4\n";
    site.drop_file(&order_name(1), file.as_bytes());
    site.run_until_idle(0);
    assert_eq!(site.numbers(), ["000001", "000004"]);
    let rejects = site.committed("rejects");
    let mut lines: Vec<u64> = rejects.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [3, 4, 5, 6, 7], "each record that no event carries is told: {rejects:#?}");
}
