//! The journey of one department, as a user runs it: its numbers are held against `sqlite3` over the log that it leaves,
//! and its pages are there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn rows(log: &Path, query: &str) -> Vec<String> {
    let output = Command::new("sqlite3").arg("-readonly").arg(log).arg(query).output().expect("Debian's sqlite3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_department_leaves_its_batch_job_and_nothing_is_lost_or_doubled() {
    let scratch = tempfile::tempdir().unwrap();
    let estate = scratch.path().join("estate");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dropbridge"));
    command.args(["--json", "demo", "--journey", "--directory"]).arg(&estate);
    let output = command.env_remove("DROPBRIDGE_LOG").env_remove("DROPBRIDGE_FAILPOINT").output().unwrap();
    let (told, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(0), "{told}{errors}");
    let objects: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    // By its own account.
    let departments: Vec<&Value> = objects.iter().filter(|object| object.get("facts").is_some()).collect();
    assert_eq!(departments.len(), 3, "{told}");
    for counts in &departments {
        for none in ["lost", "doubled", "wrong", "wrong_files"] {
            assert_eq!(counts[none], 0, "{counts}");
        }
        assert_eq!(counts["facts"].as_u64().unwrap(), 5 * counts["files"].as_u64().unwrap(), "{counts}");
    }
    let days: Vec<&Value> = objects.iter().filter(|object| object.get("stage").is_some()).collect();
    let stages: Vec<&str> = days.iter().map(|day| day["stage"].as_str().unwrap()).collect();
    let mut passed = stages.clone();
    passed.dedup();
    assert_eq!(passed, ["observe", "shadow", "live", "shadow", "live"], "{told}");
    let refused = objects.iter().find(|object| object.get("refused").is_some()).unwrap();
    assert!(refused["refused"].to_string().contains("0 business days of parity"), "{refused}");
    assert!(days[1]["parity"].as_str().unwrap().starts_with("different"), "the defect is found: {}", days[1]);

    // By somebody else's: each bid once, from the side that spoke for its date.
    let log = estate.join("var/state/events.sqlite");
    let facts = "SELECT json_extract(CAST(value AS TEXT), '$.department'), json_extract(CAST(value AS TEXT), \
                 '$.businessdate'), json_extract(CAST(value AS TEXT), '$.provenance'), COUNT(*), COUNT(DISTINCT \
                 json_extract(CAST(value AS TEXT), '$.data.bid_number')) FROM committed_records WHERE topic = \
                 'city.BidProcessed' GROUP BY 1, 2, 3 ORDER BY 2";
    let found = rows(&log, facts);
    for (day, stage) in days.iter().zip(&stages) {
        let date = day["date"].as_str().unwrap();
        for department in ["parks", "facilities", "public_works"] {
            let speaker = if department == "parks" && *stage == "live" { "native" } else { "legacy" };
            let expected = format!("{department}|{date}|{speaker}|5|5");
            let of_date: Vec<&String> =
                found.iter().filter(|row| row.starts_with(&format!("{department}|{date}|"))).collect();
            assert_eq!(of_date, [&expected], "{found:?}");
        }
    }
    for page in objects.iter().filter_map(|object| object.get("page")) {
        let page = std::fs::read_to_string(page.as_str().unwrap()).unwrap();
        assert!(page.contains("parks"), "{page}");
    }
}
