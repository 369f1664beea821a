//! `parity` compares the file of a new service with that of the batch job: verdict, exit code, what is shown, and the page.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{FeedOptions, LogKind, ORDERS_LAYOUT, Site, order_name, orders};

fn site(rules: &str) -> Site {
    let ready = format!("quiet_ms = 50\n{rules}");
    Site::uninitialised(LogKind::Embedded, &FeedOptions { ready, ..FeedOptions::default() })
}

/// Both files beside the inbox, under the name that they would have there.
fn write(site: &Site, legacy: &str, candidate: &str) -> (String, String) {
    let path = |directory: &str, content: &str| {
        fs::create_dir_all(site.path(directory)).unwrap();
        let path = site.path(directory).join("ORD_20260131_0042.dat");
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    (path("archive", legacy), path("new", candidate))
}

fn compared(site: &Site, legacy: &str, candidate: &str, further: &[&str]) -> (i32, String) {
    let (legacy, candidate) = write(site, legacy, candidate);
    let arguments = [&["parity", "--feed", "orders", &legacy, &candidate], further].concat();
    let output = site.output(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() != Some(2), "{errors}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn report(site: &Site, legacy: &str, candidate: &str) -> (i32, Value) {
    let (code, text) = compared(site, legacy, candidate, &["--json"]);
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[test]
fn each_verdict_has_its_exit_code() {
    let site = site("");
    let (code, said) = report(&site, "a|1.00\nb|2.00\n", "a|1.00\nb|2.00\n");
    let file = &said["files"][0];
    assert_eq!((code, &said["parity"], &file["verdict"]), (0, &json!(true), &json!("identical")), "{said}");
    assert_eq!((&file["business_date"], &file["sequence"]), (&json!("2026-01-31"), &json!("0042")), "{said}");
    assert_eq!((&said["department"], &file["outcome"]["legacy"]["records"]), (&json!("sales"), &json!(2)));

    let (code, said) = report(&site, "a|1.00\nb|2.00\nc|3.00\n", "b|2.50\na|1.00\nd|3.00\n");
    let file = &said["files"][0];
    assert_eq!((code, &said["parity"], &file["verdict"]), (1, &json!(false), &json!("different")), "{said}");
    let counted = json!({ "missing": 1, "extra": 1, "different": 1, "out_of_order": 1 });
    assert_eq!(file["outcome"]["tally"]["findings"], counted, "{said}");
    let different = file["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "different").unwrap();
    let expected = json!({
        "kind": "different", "record_type": "order", "key": "b", "field": "amount",
        "legacy": { "byte": 9, "line": 2, "record": 2, "value": "2.00" },
        "candidate": { "byte": 2, "line": 1, "record": 1, "value": "2.50" },
    });
    assert_eq!(different, &expected);

    let (code, said) = report(&site, "a|1.00\n", "a|1.0x\n");
    assert_eq!((code, &said["files"][0]["verdict"]), (1, &json!("unreadable")), "{said}");
    assert_eq!(said["files"][0]["outcome"]["candidate"]["reject"]["field"], "amount", "{said}");
}

#[test]
fn what_rules_expect_is_parity_and_counted() {
    let site = site("[feed.parity]\norder = \"any\"\ntolerance = { order.amount = \"0.01\" }");
    let (code, said) = report(&site, "a|1.00\nb|2.00\nc|1.00\n", "b|2.01\nc|0.99\na|1.00\n");
    let file = &said["files"][0];
    assert_eq!((code, &file["verdict"]), (0, &json!("expected")), "{said}");
    let rules: Vec<_> = file["outcome"]["expected"].as_array().unwrap().iter().collect();
    let told = |rule: &Value| (rule["rule"].clone(), rule["subject"].clone(), rule["count"].clone());
    let expected = [(json!("order"), json!("order"), json!(1)), (json!("tolerance"), json!("order.amount"), json!(2))];
    assert_eq!(rules.into_iter().map(told).collect::<Vec<_>>(), expected, "{said}");
    let (code, text) = compared(&site, "a|1.00\n", "a|1.01\n", &[]);
    assert_eq!(code, 0);
    assert!(text.contains("tolerance") && text.contains("`1.00`") && text.contains("`1.01`"), "{text}");
    let (code, _) = report(&site, "a|1.00\n", "a|1.02\n");
    assert_eq!(code, 1, "a cent more");
}

#[test]
fn a_feed_that_takes_bad_records_has_the_good_ones_compared() {
    let feed = format!("{}\nrejects = {{ max_records = 2 }}", FeedOptions::default().feed);
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions { feed, ..FeedOptions::default() });
    let (good, bad) = ("a|1.00\nc|3.00\n", "a|1.00\nb|x\nc|3.00\n");
    for (what, legacy, candidate, code, verdict, findings) in [
        ("a bad legacy record is in no event", bad, good, 0, "expected", json!({})),
        ("a candidate is to have none", good, bad, 1, "different", json!({ "bad_record": 1 })),
        ("what is good still counts", bad, "a|1.00\nc|4.00\n", 1, "different", json!({ "different": 1 })),
        ("too many", "a|1.00\nb|x\nb|x\nb|x\nc|3.00\n", good, 1, "unreadable", json!({})),
        ("the same bytes", bad, bad, 0, "identical", json!({})),
    ] {
        let (found, said) = report(&site, legacy, candidate);
        let file = &said["files"][0];
        assert_eq!((found, &file["verdict"]), (code, &json!(verdict)), "{what}: {said}");
        assert_eq!(file["outcome"]["tally"]["findings"], findings, "{what}: {said}");
        let is_bad = |side: &str| file["outcome"][side]["bad_records"] == 1;
        let read = verdict != "unreadable";
        assert_eq!(
            (is_bad("legacy"), is_bad("candidate")),
            (read && legacy == bad, read && candidate == bad),
            "{what}: {said}"
        );
    }
    let (_, said) = report(&site, bad, good);
    let rule = &said["files"][0]["outcome"]["expected"][0];
    assert_eq!(
        (&rule["rule"], &rule["subject"], &rule["count"]),
        (&json!("rejects"), &json!("order"), &json!(1)),
        "{said}"
    );
    assert_eq!(rule["example"]["legacy"], json!({ "byte": 9, "line": 2, "record": 2 }), "{said}");
    let (_, text) = compared(&site, bad, good, &[]);
    assert!(text.contains("1 bad one passed over") && text.contains("line 2"), "{text}");
}

#[test]
fn the_table_shows_kind_key_place_and_both_values_within_a_hundred_columns() {
    let site = site("");
    let key = "ORDER-WITH-A-RATHER-LONG-NUMBER-0001";
    let (code, text) = compared(&site, &format!("{key}|1.00\n{key}2|1.00\n"), &format!("{key}|7.00\n"), &[]);
    assert_eq!(code, 1);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(
        text.starts_with("orders 2026-01-31/0042: different: not the same, beyond what the rules expect\n"),
        "{text}"
    );
    for word in ["orders 2026-01-31/0042: different", "different value", "`7.00`", "@37", "missing"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let many: String = (0..40).map(|number| format!("{number}|1.00\n")).collect();
    let (_, text) = compared(&site, &many, "x|1.00\n", &["--show", "5"]);
    assert!(text.contains("and 36 differences more"), "{text}");
}

#[test]
fn two_names_of_one_file_and_what_is_not_there_are_errors() {
    let site = site("");
    let (legacy, candidate) = write(&site, "a|1.00\n", "a|1.00\n");
    let link = site.path("link.dat").display().to_string();
    fs::hard_link(&legacy, &link).unwrap();
    let inbox = site.inbox().display().to_string();
    for (arguments, said) in [
        (["--feed", "orders", &legacy, &link], "the same file"),
        (["--feed", "order", &legacy, &candidate], "did you mean `orders`?"),
        (["--feed", "orders", &legacy, &inbox], "no regular file"),
        (["--feed", "orders", &legacy, "nowhere.dat"], "nowhere.dat"),
    ] {
        let output = site.output(&[&["parity"], &arguments[..]].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn nothing_is_written_but_the_page() {
    let site = site("");
    let scratch = site.path("scratch");
    fs::create_dir_all(&scratch).unwrap();
    let page = site.path("page.html");
    let (scratch_argument, page_argument) = (scratch.display().to_string(), page.display().to_string());
    let further = ["--scratch", &scratch_argument, "--html", &page_argument];
    let (code, said) = compared(&site, "a|1.00\n", "a|2.00\n", &further);
    assert_eq!(code, 1);
    assert!(said.contains("page.html"), "{said}");
    assert!(!site.path("state").exists() && !site.path("store").exists(), "no log, no state and no store");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn what_comes_from_files_is_text_on_the_page_and_what_is_masked_is_nowhere() {
    let layout = ORDERS_LAYOUT.replace(
        "{ name = \"amount\",",
        "{ name = \"salary\", type = \"text\", masked = true }, { name = \"note\", type = \"text\" }, { name = \"amount\",",
    );
    let options = FeedOptions { layout, ..FeedOptions::default() };
    let site = Site::uninitialised(LogKind::Embedded, &options);
    let page = site.path("page.html").display().to_string();
    let evil = "<script src=http://evil.example/x.js></script><img src=x onerror=alert(1)>\"'&amp;";
    let (code, text) = compared(
        &site,
        &format!("{evil}|secret-1|{evil}|1.00\n"),
        &format!("{evil}|secret-2|other|1.00\n"),
        &["--html", &page],
    );
    assert_eq!(code, 1);
    let html = fs::read_to_string(&page).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img") && html.contains("&lt;script"), "{html}");
    for said in [&text, &html] {
        assert!(!said.contains("secret") && said.contains("(masked)"), "{said}");
    }
}

#[test]
fn a_department_is_compared_with_the_files_of_a_directory() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let candidates = site.path("candidates");
    fs::create_dir_all(&candidates).unwrap();
    let file = |number: u32| orders(number, 3).1;
    for number in [1, 2, 3] {
        site.drop_file(&order_name(number), &file(number));
    }
    site.run_until_idle(0);
    let shown = candidates.display().to_string();
    let compare = |further: &[&str], code: i32| -> Value {
        let arguments = [&["--json", "parity", "sales", "--candidates", &shown], further].concat();
        serde_json::from_str(&site.exits(&arguments, code)).unwrap()
    };
    let verdicts = |report: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let files = report["files"].as_array().unwrap().iter();
        files.map(|file| (text(&file["sequence"]), text(&file["verdict"]))).collect()
    };
    let expected = |verdicts: &[(&str, &str)]| -> Vec<(String, String)> {
        verdicts.iter().map(|(number, verdict)| ((*number).to_owned(), (*verdict).to_owned())).collect()
    };
    let none = compare(&[], 1);
    assert_eq!(verdicts(&none), expected(&[("0001", "missing"), ("0002", "missing"), ("0003", "missing")]), "{none}");
    for number in [1, 2, 3] {
        fs::write(candidates.join(order_name(number)), file(number)).unwrap();
    }
    // The legacy files themselves are not needed any more.
    fs::remove_dir_all(site.inbox()).unwrap();
    let all = compare(&[], 0);
    assert_eq!(
        verdicts(&all),
        expected(&[("0001", "identical"), ("0002", "identical"), ("0003", "identical")]),
        "{all}"
    );
    let changed = String::from_utf8(file(2)).unwrap().replacen("12.50", "12.51", 1);
    fs::write(candidates.join(order_name(2)), changed).unwrap();
    fs::write(candidates.join(order_name(4)), file(4)).unwrap();
    let some = compare(&["--date", "2026-01-01"], 1);
    let by_number = [("0001", "identical"), ("0002", "different"), ("0003", "identical"), ("0004", "extra")];
    assert_eq!(verdicts(&some), expected(&by_number), "{some}");
    let finding = &some["files"][1]["findings"][0];
    assert_eq!((&finding["legacy"]["value"], &finding["candidate"]["value"]), (&json!("12.50"), &json!("12.51")));
    assert_eq!(compare(&["--date", "2025-12-31"], 1)["files"], json!([]), "no file is no parity");
    // In a directory of the feed's own.
    fs::create_dir_all(candidates.join("orders")).unwrap();
    let own = compare(&[], 1);
    assert_eq!(verdicts(&own), expected(&[("0001", "missing"), ("0002", "missing"), ("0003", "missing")]), "{own}");
    let page = site.path("page.html").display().to_string();
    site.exits(&["parity", "sales", "--candidates", &shown, "--html", &page], 1);
    assert!(fs::read_to_string(&page).unwrap().contains("3 files: no candidate"));
    for (arguments, said) in [
        (vec!["parity", "sale", "--candidates", &shown], "did you mean `sales`?"),
        (vec!["parity", "sales"], "--candidates DIRECTORY"),
        (vec!["parity", "sales", "--candidates", &shown, "--feed", "order"], "did you mean `orders`?"),
        (vec!["parity", "one", "two"], "--feed ID"),
    ] {
        let output = site.output(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn a_candidate_after_the_deadline_is_late_and_before_it_nothing_is_missing() {
    let calendar = "[calendar.city]\nzone = \"UTC\"\n";
    let ready = "quiet_ms = 50\n[feed.expect]\ncalendar = \"city\"\nby = \"06:00\"\ndays = \"every\"".to_owned();
    let options = FeedOptions { ready, store: format!("\n{calendar}"), ..FeedOptions::default() };
    let site = Site::new(LogKind::Embedded, &options);
    let candidates = site.path("candidates");
    fs::create_dir_all(&candidates).unwrap();
    let at = |path: &std::path::Path, date: &str| {
        let time: jiff::Timestamp = date.parse().unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time.into()).unwrap();
    };
    let (name, content) = ("ORD_20260131_0001.dat", orders(1, 3).1);
    site.drop_file(name, &content);
    at(&site.inbox().join(name), "2026-01-31T05:00:00Z");
    site.run_until_idle(0);
    fs::write(candidates.join(name), &content).unwrap();
    let verdict = || {
        let shown = candidates.display().to_string();
        let output = site.output(&["--json", "parity", "sales", "--candidates", &shown]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), report["files"][0]["verdict"].as_str().unwrap().to_owned())
    };
    at(&candidates.join(name), "2026-01-31T06:00:00Z");
    assert_eq!(verdict(), (0, "identical".to_owned()));
    at(&candidates.join(name), "2026-01-31T06:00:01Z");
    assert_eq!(verdict(), (1, "late".to_owned()));
    fs::remove_file(candidates.join(name)).unwrap();
    assert_eq!(verdict(), (1, "missing".to_owned()));
}
