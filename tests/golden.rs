//! Every case of `fixtures/legacy-files` becomes what is written beside it, through the real program with the tree's
//! own `config/`; and the scripts that wrote the expectations still write the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use dropbridge::config::{self, Settings};
use dropbridge::inbound::manifest::FileSummary;
use dropbridge::inbound::plan::FeedPlan;
use dropbridge::inbound::rewrite::{RewriteError, Rewriter};
use dropbridge::mapping::EventSchema;
use serde_json::{Map, Value};
use support::fixtures::{Case, hundredths};
use support::{LogKind, Site, logs, tree};

/// What an expected event states of an event.
const STATED: [&str; 9] =
    ["type", "subject", "department", "businessdate", "logicalkey", "capturehash", "ordinal", "byterange", "data"];

#[test]
fn every_case_becomes_what_is_written_beside_it() {
    // Each case stands alone in its feed: a bridge takes one of every feed, and the bridges run side by side.
    let mut rounds: Vec<Vec<Case>> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for case in Case::all() {
        let round = seen.entry(case.feed_id()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(case);
        *round += 1;
    }
    assert!(rounds.iter().map(Vec::len).sum::<usize>() >= 70, "cases got lost");
    let problems: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = rounds.iter().map(|cases| scope.spawn(|| run(LogKind::Embedded, cases))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_sample_of_the_cases_on_kafka() {
    if !logs().contains(&LogKind::Kafka) {
        return;
    }
    let typical: Vec<Case> = Case::all().into_iter().filter(|case| case.name == "typical-day").collect();
    assert_eq!(typical.len(), 9);
    let mut bad: BTreeMap<String, Case> = BTreeMap::new();
    for case in Case::all().into_iter().filter(|case| !case.is_good()) {
        bad.insert(case.feed_id(), case);
    }
    let bad: Vec<Case> = bad.into_values().collect();
    let mut problems = run(LogKind::Kafka, &typical);
    problems.extend(run(LogKind::Kafka, &bad));
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

/// Takes cases of different feeds, and says what differs.
fn run(log: LogKind, cases: &[Case]) -> Vec<String> {
    let site = Site::estate(log);
    for case in cases {
        site.drop_case(case);
    }
    site.run_until_idle(i32::from(!cases.iter().all(Case::is_good)));
    let mut events: Vec<Value> = ["BidProcessed", "WorkOrderCreated", "WorkOrderCompleted"]
        .into_iter()
        .flat_map(|topic| site.committed(topic))
        .collect();
    events.sort_by_key(|event| event["ordinal"].as_u64());
    let found = Found {
        events,
        rejects: site.committed("rejects"),
        manifests: site.committed("manifests"),
        ledger: site.ledger(),
    };
    let mut problems = Vec::new();
    for case in cases {
        let mut report = Report { case, problems: &mut problems };
        if case.is_good() {
            good(&found, &mut report);
        } else {
            bad(&found, &mut report);
        }
        counted(&found, &mut report);
        if case.is_good() {
            written_again(&found, &mut report);
        }
    }
    let taken = cases.iter().map(|case| case.expected_events().len()).sum::<usize>();
    if found.events.len() != taken || found.ledger.len() != cases.len() {
        problems.push(format!(
            "{} events and {} drops in all, not {taken} and {}",
            found.events.len(),
            found.ledger.len(),
            cases.len()
        ));
    }
    problems
}

/// What independent consumers read of a bridge that took one case of each feed.
struct Found {
    events: Vec<Value>,
    rejects: Vec<Value>,
    manifests: Vec<Value>,
    ledger: Vec<Value>,
}

impl Found {
    fn events_of(&self, case: &Case) -> Vec<&Value> {
        let source = format!("/{}", case.feed_id());
        self.events.iter().filter(|event| event["source"].as_str().unwrap().ends_with(&source)).collect()
    }

    fn of<'a>(records: &'a [Value], case: &Case) -> Vec<&'a Value> {
        records.iter().filter(|record| record["feed"] == case.feed_id()).collect()
    }
}

struct Report<'a> {
    case: &'a Case,
    problems: &'a mut Vec<String>,
}

impl Report<'_> {
    fn equal(&mut self, what: &str, found: &impl PartialEqDebug, expected: &impl PartialEqDebug) {
        let (found, expected) = (found.shown(), expected.shown());
        if found != expected {
            self.problems.push(format!("{}: {what}\n   found    {found}\n   expected {expected}", self.case.path()));
        }
    }
}

/// Compared by what is shown: JSON objects with their members sorted.
trait PartialEqDebug {
    fn shown(&self) -> String;
}

impl<T: serde::Serialize> PartialEqDebug for T {
    fn shown(&self) -> String {
        sorted(serde_json::to_value(self).unwrap()).to_string()
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(elements) => elements.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn good(found: &Found, report: &mut Report<'_>) {
    let case = report.case;
    let stated = |event: &&Value| -> Value {
        STATED.iter().map(|name| ((*name).to_owned(), event[name].clone())).collect::<Map<_, _>>().into()
    };
    let events: Vec<Value> = found.events_of(case).iter().map(stated).collect();
    let expected = case.expected_events();
    report.equal("number of events", &events.len(), &expected.len());
    for (event, expected) in events.iter().zip(&expected) {
        report.equal("event", event, expected);
    }
    report.equal("rejects", &Found::of(&found.rejects, case), &[(); 0]);
    let states: Vec<&Value> = Found::of(&found.ledger, case).iter().map(|entry| &entry["state"]).collect();
    report.equal("state", &states, &["published"]);
}

fn bad(found: &Found, report: &mut Report<'_>) {
    let case = report.case;
    report.equal("events of a refused file", &found.events_of(case), &[(); 0]);
    let expected: Vec<Value> = case.expected_rejects();
    let rejects = Found::of(&found.rejects, case);
    report.equal("number of rejects", &rejects.len(), &1);
    for reject in rejects {
        let stated = ["code", "byte", "line", "record", "record_type", "field"]
            .map(|name| (name.to_owned(), in_words_of_a_fixture(reject, name)));
        report.equal("reject", &Value::Object(stated.into_iter().collect()), &expected[0]);
        if reject["reason"].as_str().is_none_or(|reason| reason.len() < 10) {
            report.equal("reason", &reject["reason"], &"words for a person");
        }
    }
    let states: Vec<&Value> = Found::of(&found.ledger, case).iter().map(|entry| &entry["state"]).collect();
    report.equal("state", &states, &["quarantined"]);
    report.equal("manifests of a refused file", &Found::of(&found.manifests, case), &[(); 0]);
}

/// A fixture says `null` where a place has no meaning. The bridge says the beginning of the file where the fault is the
/// whole file's, and record 0 for the line of column names.
fn in_words_of_a_fixture(reject: &Value, name: &str) -> Value {
    let whole_file = ["checksum", "file_name"].iter().any(|code| reject["code"] == *code);
    let meaningless = match name {
        "byte" => whole_file && reject["byte"] == 0,
        "line" => whole_file && reject["line"] == 1,
        "record" => whole_file && reject["record"] == 1 || reject["record"] == 0,
        _ => false,
    };
    if meaningless { Value::Null } else { reject[name].clone() }
}

/// What awk and sha256sum counted agrees with what ledger, manifest and events say.
fn counted(found: &Found, report: &mut Report<'_>) {
    let case = report.case;
    let counts = case.counts();
    for entry in Found::of(&found.ledger, case) {
        report.equal("path in the ledger", &entry["entry"]["path"], &counts.file);
        report.equal("size in the ledger", &entry["entry"]["size"], &counts.bytes);
        report.equal("hash in the ledger", &entry["sha256"], &counts.sha256);
    }
    if !case.is_good() {
        return;
    }
    let events = found.events_of(case);
    report.equal("events counted", &(events.len() as u64), &counts.events);
    let total: i64 = events.iter().map(|event| hundredths(event["data"]["total"]["value"].as_str().unwrap())).sum();
    report.equal("sum of the events' totals", &total, &counts.total);
    let manifests = Found::of(&found.manifests, case);
    report.equal("number of manifests", &manifests.len(), &1);
    // A line of column names is no record.
    let records: Map<String, Value> = counts
        .records
        .iter()
        .filter(|(name, _)| name != "names")
        .map(|(name, count)| (name.clone(), (*count).into()))
        .collect();
    for manifest in manifests {
        report.equal("records in the manifest", &manifest["file"]["records"], &Value::Object(records.clone()));
        report.equal("events in the manifest", &manifest["events"], &counts.events);
        report.equal("status of the manifest", &manifest["status"], &"complete");
        report.equal("hash in the manifest", &manifest["sha256"], &counts.sha256);
    }
}

#[test]
fn the_independent_count_agrees() {
    check("count.sh", "sh", "awk");
}

#[test]
fn the_independent_reader_agrees() {
    check("expect.py", "python3", "python3");
}

/// Runs a script of the fixtures with `--check`. Without what it needs the test is skipped by name; in CI that fails.
fn check(script: &str, interpreter: &str, needs: &str) {
    let there = Command::new(interpreter).args(["-c", ""]).output().is_ok()
        && Command::new("sh")
            .args(["-c", &format!("command -v {needs}")])
            .output()
            .is_ok_and(|found| found.status.success());
    if !there {
        let strict = std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
        assert!(!strict, "fixtures/{script} --check needs {needs}");
        eprintln!("skipped: fixtures/{script} --check: no {needs}");
        return;
    }
    let output = Command::new(interpreter).arg(tree().join("fixtures").join(script)).arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Cases whose events and manifest alone do not give the file, and why.
const WITH_EXCEPTIONS: [(&str, &str); 1] =
    [("public_works/bids/typical-day", "the clerks' notes are in `ignore`: no event carries them")];

/// Events and manifest, as they stand in the log, give the file again.
fn written_again(found: &Found, report: &mut Report<'_>) {
    let case = report.case;
    let with_exceptions = WITH_EXCEPTIONS.iter().any(|(path, _)| *path == case.path());
    let verdict = if with_exceptions { "exact_with_exceptions" } else { "exact" };
    let settings = config::load(&tree().join("config/bridge.toml")).unwrap();
    let plan = plan_of(case, &settings);
    for entry in Found::of(&found.ledger, case) {
        report.equal("verdict in the ledger", &entry["verdict"], &verdict);
    }
    for manifest in Found::of(&found.manifests, case) {
        report.equal("verdict in the manifest", &manifest["file"]["verdict"], &verdict);
        report.equal("exceptions", &manifest["file"]["exceptions"].is_array(), &with_exceptions);
        let summary: FileSummary = serde_json::from_value(manifest["file"].clone()).unwrap();
        match rewritten(&plan, &summary, &found.events_of(case)) {
            Ok(written) => report.equal(
                "the file, written again",
                &written.escape_ascii().to_string(),
                &case.bytes().escape_ascii().to_string(),
            ),
            Err(error) => report.equal("writing the file again", &error.to_string(), &"no error"),
        }
    }
}

fn plan_of(case: &Case, settings: &Settings) -> FeedPlan {
    let feed = settings.feeds.iter().find(|feed| feed.id == case.feed_id()).unwrap();
    let schemas = settings
        .events
        .iter()
        .map(|(name, event)| (name.clone(), Arc::new(EventSchema::compile(&event.schema).unwrap())));
    FeedPlan::new(Arc::clone(feed), &schemas.collect(), &settings.events).unwrap()
}

fn rewritten(plan: &FeedPlan, summary: &FileSummary, events: &[&Value]) -> Result<Vec<u8>, RewriteError> {
    let mut rewriter = Rewriter::new(plan, summary);
    let mut written = Vec::new();
    rewriter.begin(&mut written)?;
    for event in events {
        rewriter.event(&serde_json::to_vec(event).unwrap(), &mut written)?;
    }
    rewriter.finish(&mut written)?;
    Ok(written)
}
