//! Every command as a person or a script meets it: what it prints, and its exit code: 0 fine, 1 the answer is no,
//! 2 an error.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use support::fixtures::Case;
use support::{FeedOptions, LogKind, Site, logs, order_name, orders, wait_for};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command that has to end in an error, and answers what it says on standard error.
fn refused(site: &Site, arguments: &[&str]) -> String {
    let output = site.output(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The words of a text, however a table has broken it into lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A second feed in the site's department, with an inbox of its own.
fn add_returns(site: &Site) {
    let file = site.path("config/departments/sales.toml");
    let text = fs::read_to_string(&file).unwrap();
    let feed = text[text.find("[[feed]]").unwrap()..].replace("\"orders\"", "\"returns\"");
    fs::write(&file, text + &feed.replace("layout = \"returns\"", "layout = \"orders\"")).unwrap();
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = |command: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dropbridge")).args(command).arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        stdout(&output)
    };
    let subcommands = |text: &str| -> Vec<String> {
        let list = text.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap();
        // A description that goes on is indented further than a name.
        let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names.filter(|name| !["", "help"].contains(name)).map(str::to_owned).collect()
    };
    let mut seen = 0;
    for command in subcommands(&help(&[])) {
        let text = help(&[&command]);
        let mut texts = vec![(command.clone(), text.clone())];
        texts.extend(subcommands(&text).into_iter().map(|sub| (format!("{command} {sub}"), help(&[&command, &sub]))));
        for (name, text) in texts {
            seen += 1;
            assert!(text.contains("Example") && text.contains(&format!("  dropbridge {name}")), "{name}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{name}: {text}");
        }
    }
    assert!(seen >= 15, "{seen} commands were found");
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(env!("CARGO_BIN_EXE_dropbridge")).args(["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("quarantine"), "{shell}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    let output = Command::new(env!("CARGO_BIN_EXE_dropbridge")).arg("man").arg(&pages).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for page in ["dropbridge", "dropbridge-run", "dropbridge-quarantine", "dropbridge-quarantine-retry"] {
        let text = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".TH") && text.contains(".SH NAME"), "{page}: {text}");
    }
    let retry = fs::read_to_string(pages.join("dropbridge-quarantine-retry.1")).unwrap();
    assert!(retry.contains("Example") && retry.contains("as\\-correction"), "{retry}");
}

#[test]
fn init_can_be_run_again_and_gives_new_feeds_their_baseline() {
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions::default());
    site.drop_file(&order_name(1), &orders(1, 3).1);
    let first = objects(&site.ok(&["--json", "init"]));
    assert_eq!((&first[0]["feed"], &first[0]["entries"]), (&"orders".into(), &1.into()), "skip is the default");
    assert!(site.ok(&["init", "--baseline", "take"]).contains("every feed has its baseline"));
    assert_eq!(site.run_until_idle(0)["tally"]["events"], 0, "what the first init skipped stays skipped");

    add_returns(&site);
    // Its inbox is missing: it gets no baseline, and `init` says so.
    let missing = site.exits(&["init"], 1);
    assert!(words(&missing).contains("is the share mounted"), "{missing}");
    fs::create_dir_all(site.path("share/returns")).unwrap();
    fs::write(site.path("share/returns").join(order_name(2)), orders(2, 3).1).unwrap();
    site.drop_file(&order_name(3), &orders(3, 3).1);
    let said = refused(&site, &["run", "--until-idle"]);
    assert!(said.contains("returns: it has no baseline") && said.contains("dropbridge init --baseline"), "{said}");
    assert_eq!(site.numbers(), orders(3, 3).0, "the other feed went on, this one did not");
    let second = objects(&site.ok(&["--json", "init", "--baseline", "take"]));
    assert_eq!((second.len(), &second[0]["feed"]), (1, &"returns".into()));
    site.run_until_idle(0);
    assert_eq!(site.events().len(), 6);
}

#[test]
fn a_baseline_from_a_date_takes_what_is_of_that_date_and_later() {
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions::default());
    // Names of 1, 2 and 3 January.
    for file in [1, 1001, 2001] {
        site.drop_file(&order_name(file), &orders(file, 2).1);
    }
    let said = refused(&site, &["init", "--baseline", "from=2026-1-2"]);
    assert!(said.contains("YYYY-MM-DD"), "{said}");
    assert!(refused(&site, &["init", "--baseline", "all"]).contains("skip, take or from=YYYY-MM-DD"));
    let baseline = objects(&site.ok(&["--json", "init", "--baseline", "from=2026-01-02"]));
    assert_eq!(baseline[0]["entries"], 1);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), [orders(1001, 2).0, orders(2001, 2).0].concat());
}

#[test]
fn init_plan_lists_what_an_administrator_has_to_set_up_and_sets_up_nothing() {
    for log in logs() {
        let site = Site::uninitialised(log, &FeedOptions::default());
        let plan = site.ok(&["init", "--plan"]);
        if log == LogKind::Kafka {
            for topic in ["ledger", "control", "manifests", "rejects", "arrivals", "OrderTaken"] {
                assert!(plan.contains(&format!("{}{topic}", site.prefix)), "{topic}: {plan}");
            }
            assert!(plan.contains("cleanup.policy=compact") && plan.contains("kafka-acls"), "{plan}");
            assert!(plan.contains("--transactional-id") && plan.contains("slot-0"), "{plan}");
            assert_eq!(objects(&site.ok(&["--json", "init", "--plan"])).len(), plan.lines().count());
        } else {
            assert!(plan.contains("nothing has to be set up"), "{plan}");
        }
        assert!(refused(&site, &["run", "--until-idle"]).contains("dropbridge init"), "{log:?}: nothing was made");
    }
}

#[test]
fn a_bridge_never_initialised_says_so() {
    for log in logs() {
        let site = Site::uninitialised(log, &FeedOptions::default());
        let file = site.path("ORD_20260101_0001.dat");
        fs::write(&file, orders(1, 1).1).unwrap();
        let ingest = ["ingest", file.to_str().unwrap()];
        let commands: [&[&str]; 7] = [
            &["run", "--until-idle"],
            &["events"],
            &["ledger", "list"],
            &["ledger", "show", "x"],
            &["quarantine", "list"],
            &["quarantine", "retry", "x"],
            &ingest,
        ];
        for command in commands {
            let said = refused(&site, command);
            assert!(said.contains("dropbridge init"), "{log:?} {command:?}: {said}");
        }
        assert!(site.exits(&["check"], 1).contains("dropbridge init"), "{log:?}");
        assert!(fs::read_dir(site.inbox()).unwrap().next().is_none());
    }
}

#[test]
fn check_lists_all_problems_at_once() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    assert!(site.ok(&["check"]).trim_end().ends_with("ready to run"));
    add_returns(&site);
    fs::remove_dir_all(site.path("store")).unwrap();
    fs::write(site.path("store"), b"no directory").unwrap();
    let text = site.exits(&["check"], 1);
    let found = objects(&site.exits(&["--json", "check"], 1));
    let wrong: Vec<&str> = found
        .iter()
        .filter(|finding| finding["ok"] == false)
        .map(|finding| finding["subject"].as_str().unwrap())
        .collect();
    assert_eq!(wrong, ["returns", "store", "returns"], "{text}");
    for part in ["3 problems", "is no directory", "has no baseline", "No such file or directory"] {
        assert!(words(&text).contains(part), "{part}: {text}");
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_every_place_in_it() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let change = |file: &str, from: &str, to: &str| {
        let file = site.path(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
    };
    change("config/bridge.toml", "takeover_after_ms", "takover_after_ms");
    change("config/departments/sales.toml", "layout = \"orders\"", "layout = \"order\"");
    change("config/layouts/orders.toml", "kind = \"delimited\"", "kind = \"delimted\"");
    let expected = [
        ("bridge.toml", "slot.takover_after_ms", "did you mean `takeover_after_ms`?"),
        ("departments/sales.toml", "feed[1].layout", "did you mean `orders`?"),
        ("layouts/orders.toml", "kind", "delimited"),
    ];
    let commands: [&[&str]; 8] = [
        &["init"],
        &["check"],
        &["run"],
        &["ingest", "x"],
        &["events"],
        &["ledger", "list"],
        &["quarantine", "list"],
        &["init", "--plan"],
    ];
    for command in commands {
        let said = refused(&site, command);
        for (file, key, hint) in expected {
            let line = said.lines().find(|line| line.contains(file)).unwrap_or_else(|| panic!("{file}: {said}"));
            let place = line.split(file).nth(1).unwrap();
            let number = place.trim_start_matches(':').split(':').next().unwrap();
            assert!(
                number.parse::<u32>().is_ok() && place.contains(&format!(": {key}: ")) && line.contains(hint),
                "{line}"
            );
        }
    }
    let output = site.output(&["--json", "run"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()));
    let problems = objects(&stderr(&output));
    assert_eq!(problems.len(), 3);
    assert_eq!(problems[0]["error"], "configuration");
    assert_eq!(problems[0]["problem"]["key"], "slot.takover_after_ms");
    assert!(problems[0]["problem"]["line"].is_u64());

    let none = site.path("nowhere.toml");
    let output =
        Command::new(env!("CARGO_BIN_EXE_dropbridge")).arg("check").arg("--config").arg(&none).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.toml: cannot be read"));
}

#[test]
fn names_that_do_not_exist_are_told_from_empty_answers() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let wrong: [(&[&str], &str); 8] = [
        (&["events", "--type", "OrderTakn"], "did you mean `OrderTaken`?"),
        (&["events", "--department", "sale"], "did you mean `sales`?"),
        (&["ledger", "list", "--feed", "order"], "did you mean `orders`?"),
        (&["ledger", "list", "--department", "sale"], "did you mean `sales`?"),
        (&["ledger", "list", "--state", "hold"], "held"),
        (&["quarantine", "show", "x", "--feed", "order"], "did you mean `orders`?"),
        (&["quarantine", "discard", "x", "--reason", "y"], "quarantine list"),
        (&["ingest", "/dev/null", "--name", "x", "--feed", "order"], "did you mean `orders`?"),
    ];
    for (command, hint) in wrong {
        let said = refused(&site, command);
        assert!(said.contains(hint), "{command:?}: {said}");
    }
    let said = refused(&site, &["--json", "events", "--type", "x"]);
    assert!(objects(&said)[0]["error"].as_str().unwrap().contains("no event type `x`"), "{said}");
    assert!(site.exits(&["ledger", "show", "x"], 1).contains("no drop"));
    assert_eq!(site.ok(&["events"]), "");
    assert!(site.ok(&["ledger", "list", "--state", "held"]).contains("no such drops"));
    assert!(site.ok(&["quarantine", "list"]).contains("nothing is held"));
}

#[test]
fn run_ends_at_once_and_well_when_it_is_asked_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let site = Site::new(LogKind::Embedded, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 3);
        let mut run = site.spawn(&["run"], None);
        site.drop_file(&order_name(1), &bytes);
        wait_for("the events", || site.events().len() == 3);
        run.signal(signal);
        assert_eq!(run.wait().code(), Some(0), "{}", run.log());
        assert!(run.log().contains("published 3 events from 1 file"), "{}", run.log());
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 0, "and everything was said");
        assert_eq!(site.numbers(), numbers);
    }
}

/// Hands bytes over on standard input.
fn ingest_from_pipe(site: &Site, arguments: &[&str], bytes: &[u8]) -> Output {
    let mut command = site.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn ingest_publishes_by_hand_with_and_without_a_bridge_that_runs() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        for running in [false, true] {
            let bridge = running.then(|| site.spawn(&["run"], None));
            if let Some(bridge) = &bridge {
                wait_for("the bridge to have the slot", || bridge.log().contains("holding the slot"));
            }
            let file = 1 + u32::from(running) * 10;
            let path = site.path(&order_name(file));
            fs::write(&path, orders(file, 2).1).unwrap();
            let first = site.ok(&["ingest", path.to_str().unwrap()]);
            assert!(first.contains("published") && first.contains("2 events from 2 records"), "{log:?}: {first}");
            let again = objects(&site.ok(&["--json", "ingest", path.to_str().unwrap()]));
            assert_eq!(
                (&again[0]["state"], &again[0]["repeats"]),
                (&"published".into(), &Value::Null),
                "{log:?}: the same arrival"
            );

            let name = order_name(file + 1);
            for repeats in [Value::Null, 1.into()] {
                let arguments = ["--json", "ingest", "-", "--name", &name];
                let piped = ingest_from_pipe(&site, &arguments, &orders(file + 1, 3).1);
                assert_eq!(piped.status.code(), Some(0), "{log:?}: {}", stderr(&piped));
                assert_eq!(objects(&stdout(&piped))[0]["repeats"], repeats, "{log:?}: it came again");
            }
            let bad = ingest_from_pipe(&site, &["ingest", "-", "--name", &order_name(file + 2)], b"A|1\n");
            assert_eq!(bad.status.code(), Some(1), "{log:?}: {}", stderr(&bad));
            assert!(stdout(&bad).contains("quarantined") && stdout(&bad).contains("amount"), "{}", stdout(&bad));
            let misnamed = ingest_from_pipe(&site, &["ingest", "-", "--name", "x", "--feed", "orders"], b"A|1.00\n");
            assert_eq!(misnamed.status.code(), Some(1), "{log:?}: {}", stderr(&misnamed));
            if let Some(mut bridge) = bridge {
                assert!(bridge.child.try_wait().unwrap().is_none(), "the bridge was not fenced: {}", bridge.log());
                bridge.signal(Signal::TERM);
                assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
            }
        }
        let expected = [(1, 2), (2, 3), (11, 2), (12, 3)].map(|(file, count)| orders(file, count).0).concat();
        assert_eq!(site.numbers(), expected, "{log:?}");
        assert!(refused(&site, &["ingest", "-"]).contains("--name NAME"));
        assert!(refused(&site, &["ingest", "/dev/null"]).contains("no feed takes the name"));
        let directory = site.inbox();
        assert!(
            refused(&site, &["ingest", directory.to_str().unwrap(), "--feed", "orders"]).contains("no regular file")
        );
    }
}

/// Without and with a bridge that runs: the request that makes the difference goes through the log, so on Kafka the
/// second is enough.
fn ways(log: LogKind) -> Vec<bool> {
    if log == LogKind::Kafka { vec![true] } else { vec![false, true] }
}

#[test]
fn quarantine_is_looked_after_with_and_without_a_bridge_that_runs() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        for running in ways(log) {
            let first = 1 + u32::from(running) * 10;
            let bad = b"A|1.00\nB|x\n";
            for file in [first, first + 1] {
                site.drop_file(&order_name(file), bad);
            }
            site.run_until_idle(1);
            let key = |file: u32| format!("2026-01-01/{file:04}");
            let listed = objects(&site.exits(&["--json", "quarantine", "list"], 1));
            assert_eq!(listed.len(), 2, "{log:?}");
            assert_eq!((&listed[0]["reject"]["byte"], &listed[0]["reject"]["line"]), (&9.into(), &2.into()));
            // By key, by name, by hash.
            let hash = listed[0]["sha256"].as_str().unwrap();
            let shown = site.ok(&["quarantine", "show", &key(first)]);
            assert!(shown.contains("byte 9, line 2, record 2") && shown.contains("amount"), "{shown}");
            assert_eq!(shown, site.ok(&["quarantine", "show", &order_name(first)]));
            assert!(refused(&site, &["quarantine", "show", &hash[..10]]).contains("fits several"));
            assert_eq!(site.output(&["quarantine", "show", &key(first), "--bytes"]).stdout, bad);

            let mut bridge = running.then(|| site.spawn(&["run"], None));
            if let Some(bridge) = &bridge {
                wait_for("the bridge to have the slot", || bridge.log().contains("holding the slot"));
            }
            let retried = site.exits(&["quarantine", "retry", &key(first), "--feed", "orders"], 1);
            assert!(retried.contains("quarantined") && retried.contains("2 times"), "{log:?}: {retried}");
            let gone = site.ok(&["quarantine", "discard", &key(first), "--reason", "sent by mistake"]);
            assert!(gone.contains("discarded") && gone.contains("sent by mistake"), "{log:?}: {gone}");
            assert!(refused(&site, &["quarantine", "retry", &key(first)]).contains("quarantine list"));
            site.ok(&["quarantine", "discard", &order_name(first + 1), "--reason", "so was this"]);
            assert!(site.ok(&["quarantine", "list"]).contains("nothing is held"));
            if let Some(bridge) = &mut bridge {
                assert!(bridge.child.try_wait().unwrap().is_none(), "the bridge was not fenced: {}", bridge.log());
                bridge.signal(Signal::TERM);
                assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
            }
        }
        assert_eq!(site.events().len(), 0, "{log:?}");
        let states: Vec<String> = site.states().into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, vec!["discarded"; 2 * ways(log).len()], "{log:?}");
    }
}

#[test]
fn events_and_ledger_answer_filters_and_follow() {
    for log in logs() {
        let site = Site::estate(log);
        let cases: Vec<Case> = Case::all().into_iter().filter(|case| case.name == "typical-day").collect();
        for case in &cases {
            site.drop_case(case);
        }
        site.run_until_idle(0);
        let total = |matches: &dyn Fn(&Value) -> bool| {
            cases.iter().flat_map(Case::expected_events).filter(|event| matches(event)).count()
        };
        let events = |arguments: &[&str]| objects(&site.ok(&[&["--json", "events"], arguments].concat())).len();
        assert_eq!(events(&[]), total(&|_| true), "{log:?}");
        assert_eq!(events(&["--type", "BidProcessed"]), total(&|event| event["type"] == "BidProcessed"));
        assert_eq!(events(&["--department", "parks"]), total(&|event| event["department"] == "parks"));
        let both = ["--type", "BidProcessed", "--type", "WorkOrderCreated", "--department", "facilities"];
        let of_both = |event: &Value| event["department"] == "facilities" && event["type"] != "WorkOrderCompleted";
        assert_eq!(events(&both), total(&of_both));
        let text = site.ok(&["events", "--department", "parks", "--type", "BidProcessed"]);
        assert!(text.lines().all(|line| line.contains("BidProcessed") && line.contains("parks")), "{text}");

        let ledger = |arguments: &[&str]| objects(&site.ok(&[&["--json", "ledger", "list"], arguments].concat()));
        assert_eq!(ledger(&[]).len(), 9);
        assert_eq!(ledger(&["--department", "parks"]).len(), 3);
        assert_eq!(ledger(&["--feed", "parks.bids", "--state", "published"]).len(), 1);
        assert_eq!(ledger(&["--state", "quarantined"]).len(), 0);
        assert!(site.ok(&["ledger", "list", "--limit", "2"]).contains("7 older ones are not shown"));
        let drop = &ledger(&["--feed", "public_works.bids"])[0];
        let shown = site.ok(&["ledger", "show", &drop["sha256"].as_str().unwrap()[..12]]);
        assert!(shown.contains("BID_20260131_0042.dat") && shown.contains("2026-01-31/0042"), "{shown}");
        assert_eq!(shown, site.ok(&["ledger", "show", "BID_20260131_0042.dat"]));

        let mut follower = site.spawn(&["--json", "events", "--follow", "--type", "BidProcessed"], None);
        let lines = |log: &str| log.lines().filter(|line| line.starts_with("{\"specversion\"")).count();
        wait_for("what is there", || lines(&follower.log()) == total(&|event| event["type"] == "BidProcessed"));
        let before = lines(&follower.log());
        let one = Case::all().into_iter().find(|case| case.path() == "public_works/bids/one-record").unwrap();
        site.drop_case(&one);
        site.run_until_idle(0);
        wait_for("what came since", || lines(&follower.log()) == before + one.expected_events().len());
        follower.kill();
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    site.drop_file(&order_name(1), &orders(1, 3000).1);
    site.run_until_idle(0);
    let mut child = site.command(&["--json", "events"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn no_line_of_a_table_is_wider_than_100_columns() {
    let site = Site::uninitialised_estate(LogKind::Embedded);
    let department = site.path("config/departments/public_works.toml");
    let longer = "public_works.bids_of_the_office_for_bridges_and_tunnels_and_other_structures";
    let text = fs::read_to_string(&department).unwrap();
    fs::write(&department, text.replace("id = \"public_works.bids\"", &format!("id = \"{longer}\""))).unwrap();
    let mut tables = vec![site.exits(&["check"], 1), site.ok(&["init", "--baseline", "take"]), site.ok(&["check"])];
    for case in
        Case::all().into_iter().filter(|case| case.name.starts_with("bad-") || case.name == "multi-line-descriptions")
    {
        site.drop_case(&case);
    }
    let deep = site.path("estate/parks/work_orders/the_garden_behind_the_old_town_hall/northern_part/beds_of_roses");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("WO_20260131_001.csv"), b"").unwrap();
    fs::write(deep.join("WO_20260131_001.ok"), b"").unwrap();
    site.run_until_idle(1);
    tables.push(site.ok(&["ledger", "list"]));
    tables.push(site.exits(&["quarantine", "list"], 1));
    tables.push(site.ok(&["check"]));
    fs::remove_dir_all(site.path("estate/parks/bids")).unwrap();
    tables.push(site.exits(&["check"], 1));
    for table in tables {
        // A table's lines begin with a blank; what is said before and after it does not.
        let lines = table.lines().filter(|line| line.starts_with(' '));
        let widest = lines.max_by_key(|line| line.chars().count()).expect("a table");
        assert!(widest.chars().count() <= 100, "{widest}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    if Command::new("script").arg("--version").output().is_err() {
        let strict = std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
        assert!(!strict, "the test needs Debian's bsdutils (script)");
        eprintln!("skipped: colours_are_for_terminals_that_want_them: no `script` for a pseudo-terminal");
        return;
    }
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut file = 0;
    let mut on_terminal = |no_color: Option<&str>| {
        file += 1;
        site.drop_file(&order_name(file), &orders(file, 1).1);
        let program = env!("CARGO_BIN_EXE_dropbridge");
        let line = format!("{program} --config {} run --until-idle", site.path("config/bridge.toml").display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("DROPBRIDGE_LOG").env("TERM", "xterm");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("published"), "{text}");
        text.contains('\x1b')
    };
    assert!(on_terminal(None), "a terminal gets colours");
    assert!(on_terminal(Some("")), "an empty NO_COLOR says nothing");
    assert!(!on_terminal(Some("1")), "NO_COLOR is heeded");
    site.drop_file(&order_name(9), &orders(9, 1).1);
    let output = site.output(&["run", "--until-idle"]);
    assert!(stderr(&output).contains("published") && !stderr(&output).contains('\x1b'), "a pipe gets none");
}

#[test]
fn secrets_are_never_printed() {
    const SECRET: &str = "s3cr3t-of-the-broker";
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions::default());
    let file = site.path("config/bridge.toml");
    let text = fs::read_to_string(&file).unwrap();
    // A broker that refuses this password; where there is none, a port that nobody listens on.
    let variable = |name: &str| std::env::var(format!("DROPBRIDGE_TEST_KAFKA_{name}")).ok();
    let brokers = variable("SASL").unwrap_or_else(|| "127.0.0.1:1".to_owned());
    let authority = variable("SASL_CA").map(|path| format!("\"ssl.ca.location\" = \"{path}\"\n")).unwrap_or_default();
    let with = |password: &str| {
        // librdkafka is told to say all that it can.
        let log = format!(
            "kind = \"kafka\"\n[log.kafka]\nbrokers = \"{brokers}\"\n[log.kafka.properties]\n{authority}\
             \"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"SCRAM-SHA-256\"\n\
             \"sasl.username\" = \"bridge\"\n\"sasl.password\" = {password}\n\"debug\" = \"all\"\n\
             \"ssl.keystore.password\" = {{ file = \"../secret\" }}"
        );
        fs::write(&file, text.replace("kind = \"embedded\"", &log)).unwrap();
    };
    fs::write(site.path("secret"), format!("{SECRET}-of-the-key\n")).unwrap();
    with("{ env = \"DROPBRIDGE_TEST_SECRET\" }");
    let commands: [&[&str]; 4] =
        [&["check"], &["init", "--plan"], &["run", "--until-idle"], &["--json", "ledger", "list"]];
    thread::scope(|scope| {
        for command in commands {
            let mut run = site.command(&[&["--log", "trace"], command].concat());
            run.env("DROPBRIDGE_TEST_SECRET", SECRET).env("RUST_LOG", "trace");
            let brokers = &brokers;
            scope.spawn(move || {
                let output = run.output().unwrap();
                let said = stdout(&output) + &stderr(&output);
                assert!(said.contains(brokers), "{command:?}: it did not try: {said}");
                assert!(!said.contains(SECRET), "{command:?} prints the secret");
            });
        }
    });
    // A variable that is missing is named; a secret in the file itself is refused, and not repeated.
    let said = refused(&site, &["check"]);
    assert!(said.contains("DROPBRIDGE_TEST_SECRET"), "{said}");
    with(&format!("\"{SECRET}\""));
    let said = refused(&site, &["check"]);
    assert!(said.contains("sasl.password") && said.contains("env") && !said.contains(SECRET), "{said}");
}
