//! The demonstration, as a user runs it: its numbers are held against awk over the files that it leaves, and against
//! `sqlite3` over its log.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Feed, inbox, name pattern for the shell, and the awk pattern of a line that makes an event. Files of January 29 and
/// 30 are old ones, 0046 is the one with the wrong trailer.
const FEEDS: [(&str, &str, &str, &str); 9] = [
    ("public_works.bids", "public_works/bids", "BID_20260131_004[2-5].dat", "^B[|]"),
    ("public_works.work_orders", "public_works/work_orders", "PWWO2026013[1].txt PWWO20260202.txt", "^WO"),
    ("public_works.completions", "public_works/completions", "PWCMP.*", "^5"),
    ("parks.bids", "parks/bids", "*.csv", "^PK/"),
    ("parks.work_orders", "parks/work_orders", "*/*.csv */*/*.csv", "^\"ORD\""),
    ("parks.completions", "parks/completions", "completions.csv", "^PKW-"),
    ("facilities.bids", "facilities/bids", "*.csv", "^A;"),
    ("facilities.work_orders", "facilities/work_orders", "*.psv", "^W[|]"),
    ("facilities.completions", "facilities/completions", "FMC*", "^C1"),
];

fn demo(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dropbridge"));
    command.args(arguments).arg("demo").arg("--directory").arg(directory);
    command.env_remove("DROPBRIDGE_LOG").env_remove("DROPBRIDGE_FAILPOINT").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn shell(command: &str, directory: &Path) -> Output {
    Command::new("sh").args(["-c", command]).current_dir(directory).env("LC_ALL", "C").output().unwrap()
}

fn number(output: &Output) -> u64 {
    text(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with<'a>(objects: &'a [Value], key: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object.get(key).is_some()).collect()
}

#[test]
fn its_numbers_are_those_of_the_files_it_leaves_and_its_advice_works() {
    let scratch = tempfile::tempdir().unwrap();
    let estate = scratch.path().join("an estate");
    let output = demo(&estate, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no log lines beside the story");
    let told = objects(&output);
    let log = estate.join("var/state/events.sqlite");
    let mut total = 0;
    for (feed, inbox, names, lead) in FEEDS {
        let program = format!("cat {names} | awk '/{}/ {{ n++ }} END {{ print n + 0 }}'", lead.replace('/', "\\/"));
        let counted = number(&shell(&program, &estate.join("var/estate").join(inbox)));
        let query = format!(
            "SELECT count(*) FROM committed_records WHERE CAST(value AS TEXT) LIKE '%\"source\":\"/dropbridge/example/{feed}\"%'"
        );
        let published = number(&Command::new("sqlite3").arg("-readonly").arg(&log).arg(query).output().unwrap());
        let rows = told.iter().filter(|object| object["feed"] == feed && object.get("files").is_some());
        let stated: Vec<u64> = rows.map(|row| row["events"].as_u64().unwrap()).collect();
        assert_eq!((published, stated), (counted, vec![counted]), "{feed}");
        total += counted;
    }
    let check = &with(&told, "check")[0]["check"];
    assert_eq!((&check["events"], &check["expected_events"]), (&total.into(), &total.into()));
    assert_eq!(check["problems"], Value::Array(Vec::new()));
    let sum = |key: &str| with(&told, "files").iter().map(|row| row[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("repeats"), sum("old")), (1, 3));
    // What the consumers got, against the files that the jobs dropped; invoicing has deleted its own.
    let received: Vec<(&str, u64)> = with(&told, "received")
        .iter()
        .map(|row| (row["consumer"].as_str().unwrap(), row["received"].as_u64().unwrap()))
        .collect();
    let share = estate.join("var/estate");
    let count = |pattern: &str| number(&shell(&format!("ls {pattern} | wc -l"), &share));
    assert_eq!(
        received,
        [
            ("invoicing job", count("public_works/completions/PWCMP.*")),
            ("work desk", count("facilities/work_orders/*.psv"))
        ]
    );
    assert_eq!(count("invoicing/completions"), 0);
    let same = shell(
        "cd facilities/work_orders && for file in *.psv; do cmp $file ../../work_desk/orders/$file || exit 1; done",
        &share,
    );
    assert!(same.status.success(), "{}", text(&same.stdout));
    let held: Vec<String> = with(&told, "files")
        .iter()
        .flat_map(|row| row["held"].as_array().unwrap().clone())
        .map(|held| held.as_str().unwrap().to_owned())
        .collect();
    assert!(held.len() == 1 && held[0].contains("0046") && held[0].contains("trailer.total_amount"), "{held:?}");
    follow_its_advice(&told, &estate);
}

fn follow_its_advice(told: &[Value], estate: &Path) {
    let steps = with(told, "next");
    assert!(steps.len() >= 6);
    for step in steps {
        let command = step["command"].as_str().unwrap();
        let output = shell(command, estate);
        let code = if command.contains("quarantine retry") { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{command}\n{}", text(&output.stderr));
        assert_eq!(output.stdout.is_empty(), command.starts_with("cp "), "{command}");
    }
}

#[test]
fn it_is_made_anew_on_its_own_ground_and_never_on_another() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("letter.txt"), "mine").unwrap();
    let refused = demo(scratch.path(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("is not empty"), "{}", text(&refused.stderr));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing was written");

    let estate = scratch.path().join("estate");
    for _ in 0..2 {
        let output = demo(&estate, &[]);
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        let shown = text(&output.stdout);
        let commands = shown.find("What to try next").unwrap();
        let wide: Vec<&str> = shown[..commands].lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{wide:#?}");
        assert!(shown.contains("as it should be"));
    }
}

#[test]
fn an_interrupted_one_claims_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dropbridge"));
    command.arg("demo").arg("--directory").arg(scratch.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.any(|line| line.contains("events published")), "it ended before anything was published");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(told.all(|line| !line.contains("as it should be")));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("before its jobs were done"), "{}", text(&output.stderr));
}
