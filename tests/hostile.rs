//! Inboxes that mean no good: names, things that are no files, contents, directories that go away, too many files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use support::feeds::{FRAMED_LAYOUT, dated_orders, unnamed, with_feed_lines, with_ready};
use support::memory::{assert_bounded, idle_peak_kib};
use support::{FeedOptions, LogKind, Site, order_name, orders, strace};

/// The first reject that was published.
fn reject_code(site: &Site) -> String {
    site.committed("rejects")[0]["code"].as_str().unwrap().to_owned()
}

/// Every path below a directory.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn dots_lead_nowhere() {
    let site = Site::new(LogKind::Embedded, &unnamed("*", "ignore"));
    let outside_before = tree(&site.path("config"));
    let file = site.path("by-hand");
    fs::write(&file, dated_orders(1, 1).1).unwrap();
    let file = file.to_str().unwrap();
    for name in ["../x", "sub/../../x", "..", "/etc/x", "a//b", "./x", ""] {
        let output = site.output(&["ingest", file, "--feed", "orders", "--name", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("leads out of the inbox") || name.is_empty(), "{name}: {said}");
    }
    assert!(site.ledger().is_empty());
    // In contents they are text, and in names that begin like them nothing special.
    site.drop_file("..x", b"../../../etc/passwd|1.00|20260131\n");
    site.drop_file("..%2fy", b"../../../tmp/broken|x|20260131\n");
    site.run_until_idle(1);
    assert_eq!(site.numbers(), ["../../../etc/passwd"]);
    for what in ["../../../etc/passwd", "../../config/bridge.toml"] {
        site.exits(&["quarantine", "show", what, "--bytes"], 2);
        site.exits(&["ledger", "show", what], 1);
    }
    site.ok(&["ledger", "show", "..%252fy"]);
    for path in tree(&site.path("store")).iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".zst").unwrap_or(name);
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path:?}");
    }
    assert_eq!(tree(&site.path("config")), outside_before);
}

#[test]
fn names_that_break_lines_or_are_no_text_are_escaped() {
    let site = Site::new(LogKind::Embedded, &unnamed("ORD*", "ignore"));
    let names: [(&[u8], &str); 6] = [
        (b"ORD\nERROR all is lost\r.dat", "ORD%0AERROR all is lost%0D.dat"),
        (b"ORD\xff\xfe\xc3.dat", "ORD%FF%FE%C3.dat"),
        (b"ORD\x1b[31m\x07.dat", "ORD%1B[31m%07.dat"),
        ("ORD\u{202e}tad.exe\u{2028}".as_bytes(), "ORD%E2%80%AEtad.exe%E2%80%A8"),
        (b"ORD 100%.dat", "ORD 100%25.dat"),
        (&[b'O', b'R', b'D', 0xc3, 0xa4], "ORDä"),
    ];
    let mut numbers = Vec::new();
    for (number, (name, _)) in (0..).zip(names) {
        let (own, good) = dated_orders(number, 2);
        fs::write(site.inbox().join(OsStr::from_bytes(name)), good).unwrap();
        let bad = [name, b".bad"].concat();
        fs::write(site.inbox().join(OsStr::from_bytes(&bad)), format!("{number}|x|x\n")).unwrap();
        numbers.extend(own);
    }
    let run = site.output(&["run", "--until-idle"]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(site.numbers(), numbers);
    let list = site.output(&["ledger", "list"]);
    let quarantine = site.output(&["quarantine", "list"]);
    for text in [&run.stdout, &run.stderr, &list.stdout, &quarantine.stdout] {
        let text = std::str::from_utf8(text).expect("what is shown is text");
        let must_not_show = |character: char| {
            character.is_control() && character != '\n' || ('\u{2028}'..='\u{202e}').contains(&character)
        };
        assert!(!text.contains(must_not_show), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("ERROR all is lost")), "{text}");
    }
    for (_, escaped) in names {
        assert!(site.states().contains(&(escaped.to_owned(), "published".to_owned())), "{escaped}");
        let shown = site.ok(&["ledger", "show", escaped]);
        assert!(shown.lines().any(|line| line.trim_start().starts_with("file") && line.contains(escaped)), "{shown}");
        site.ok(&["quarantine", "show", &format!("{escaped}.bad")]);
    }
}

#[test]
fn the_longest_name_is_a_name() {
    let site = Site::new(LogKind::Embedded, &unnamed("*", "ignore"));
    let name = "x".repeat(255);
    site.drop_file(&name, &dated_orders(1, 1).1);
    site.run_until_idle(0);
    assert_eq!(site.states(), [(name, "published".to_owned())]);
}

#[test]
fn symbolic_links_are_never_followed() {
    let site = Site::new(LogKind::Embedded, &with_feed_lines("recursive = true"));
    let outside = site.path("outside");
    fs::create_dir(&outside).unwrap();
    let secret = outside.join(order_name(1));
    fs::write(&secret, orders(1, 3).1).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::open(&secret).unwrap().set_times(FileTimes::new().set_accessed(old)).unwrap();
    symlink(&secret, site.inbox().join(order_name(2))).unwrap();
    symlink("../../outside", site.inbox().join("directory")).unwrap();
    symlink("nowhere", site.inbox().join(order_name(4))).unwrap();
    symlink(order_name(5), site.inbox().join(order_name(5))).unwrap();
    let (numbers, bytes) = orders(6, 3);
    site.drop_file(&order_name(6), &bytes);
    let run = site.output(&["run", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(site.numbers(), numbers);
    assert_eq!(site.ledger().len(), 1);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(said.matches("passed over: symbolic link").count(), 4, "{said}");
    assert_eq!(fs::metadata(&secret).unwrap().atime(), 1_000_000_000, "it was read");
}

#[test]
fn a_pipe_stops_nobody() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let pipe = site.inbox().join(order_name(1));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody waits at its other end, and must go on waiting.
    let mut writer = Command::new("sh").args(["-c", "echo woken > \"$0\""]).arg(&pipe).spawn().unwrap();
    let (numbers, bytes) = orders(2, 3);
    site.drop_file(&order_name(2), &bytes);
    let run = site.output(&["run", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(site.numbers(), numbers);
    assert!(String::from_utf8(run.stderr).unwrap().contains("passed over: named pipe"));
    assert!(writer.try_wait().unwrap().is_none(), "the pipe was opened");
    writer.kill().unwrap();
    writer.wait().unwrap();
}

#[test]
fn a_line_of_a_gigabyte_is_rejected_in_bounded_memory() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut running = site.run_traced();
    let idle_kib = idle_peak_kib(&running);
    let arriving = site.path("arriving");
    File::create(&arriving).unwrap().set_len(1 << 30).unwrap();
    fs::rename(&arriving, site.inbox().join(order_name(1))).unwrap();
    running.wait_for_line(&["quarantined", "[record_too_long]"]);
    assert_bounded("a line of 1 GiB", &running, idle_kib);
    let (numbers, bytes) = orders(2, 3);
    site.drop_file(&order_name(2), &bytes);
    running.wait_for_line(&[" published ", &order_name(2)]);
    assert_eq!(site.numbers(), numbers, "the feed behind it goes on");
    running.end();
}

#[test]
fn nul_bytes_are_no_text() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    site.drop_file(&order_name(1), b"A|1.00\nB\0C|2.00\n");
    site.run_until_idle(1);
    assert!(site.events().is_empty());
    let rejects = site.committed("rejects");
    assert_eq!((&rejects[0]["code"], &rejects[0]["line"], &rejects[0]["byte"]), (&"text".into(), &2.into(), &7.into()));
    assert!(site.ok(&["quarantine", "show", "2026-01-01/0001"]).contains("U+0000"));
}

#[test]
fn zero_bytes_are_an_empty_day_or_a_reject_as_the_layout_says() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    site.drop_file(&order_name(1), b"");
    assert_eq!(site.run_until_idle(0)["tally"]["published"], 1);
    assert_eq!(site.ledger()[0]["events"], 0);

    let site =
        Site::new(LogKind::Embedded, &FeedOptions { layout: FRAMED_LAYOUT.to_owned(), ..FeedOptions::default() });
    site.drop_file(&order_name(1), b"");
    site.run_until_idle(1);
    assert_eq!(reject_code(&site), "empty");
}

#[test]
fn equal_bytes_under_several_names_are_several_drops() {
    let transaction = "memory_capture_bytes = 1000\nchunk_records = 100".to_owned();
    let site = Site::new(LogKind::Embedded, &FeedOptions { transaction, ..FeedOptions::default() });
    let (numbers, good) = orders(1, 1000);
    let bad = [good.as_slice(), b"BAD|x\n"].concat();
    for file in 0..8 {
        site.drop_file(&order_name(file), if file % 2 == 0 { &good } else { &bad });
    }
    // One object in the store serves four drops; the first that is done with it must not take it from the others.
    let tally = &site.run_until_idle(1)["tally"];
    assert_eq!((&tally["published"], &tally["quarantined"]), (&4.into(), &4.into()));
    assert_eq!(site.events().len(), 4 * numbers.len());
    for file in [1, 3, 5] {
        site.ok(&["quarantine", "discard", &order_name(file), "--reason", "a test"]);
        assert_eq!(site.output(&["quarantine", "show", &order_name(7), "--bytes"]).stdout, bad);
    }
}

#[test]
fn a_directory_that_goes_away_and_comes_back_is_gone_on_with() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut running = site.run_traced();
    let (mut numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    running.wait_for_line(&[" published ", &order_name(1)]);
    let away = site.path("share/away");
    fs::rename(site.inbox(), &away).unwrap();
    running.wait_for_line(&["ERROR", "paused", "feed=\"orders\"", "is the share mounted?"]);
    let (own, bytes) = orders(2, 3);
    fs::write(away.join(order_name(2)), bytes).unwrap();
    numbers.extend(own);
    fs::rename(&away, site.inbox()).unwrap();
    running.wait_for_line(&["goes on"]);
    running.wait_for_line(&[" published ", &order_name(2)]);
    // It wakes up again, too: what was watched is another directory by now.
    let (own, bytes) = orders(3, 3);
    site.drop_file(&order_name(3), &bytes);
    numbers.extend(own);
    running.wait_for_line(&[" published ", &order_name(3)]);
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn what_went_away_with_its_directory_is_missed() {
    let site = Site::new(LogKind::Embedded, &with_ready("marker = \"{name}.done\""));
    let mut running = site.run_traced();
    site.drop_file(&order_name(1), &orders(1, 3).1);
    running.wait_for_line(&["seen", &order_name(1)]);
    fs::remove_dir_all(site.inbox()).unwrap();
    running.wait_for_line(&["ERROR", "paused"]);
    fs::create_dir(site.inbox()).unwrap();
    running.wait_for_line(&["quarantined", "disappeared before its marker file came", &order_name(1)]);
    assert!(site.events().is_empty());
    running.end();
}

#[test]
fn a_file_that_may_not_be_read_does_not_stop_those_behind_it() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let (closed, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    let path = site.inbox().join(order_name(1));
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let (numbers, bytes) = orders(2, 3);
    site.drop_file(&order_name(2), &bytes);
    // Root may read everything, unless it gives that up.
    let plain = site.command(&["--json", "run", "--until-idle"]);
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(plain.get_program()).args(plain.get_args());
    let run = if rustix::process::geteuid().is_root() {
        command.output()
    } else {
        site.command(&["--json", "run", "--until-idle"]).output()
    };
    let run = run.expect("the test needs Debian's util-linux");
    let (answer, said) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(answer.contains("permission to read it"), "{answer}");
    assert!(said.contains("it cannot be read") && said.contains(&order_name(1)), "{said}");
    assert_eq!(site.numbers(), numbers);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    site.run_until_idle(0);
    assert_eq!(site.numbers(), [closed, numbers].concat());
}

#[test]
fn a_hundred_thousand_old_files_are_a_baseline() {
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions::default());
    let name = |number: u32| {
        format!("ORD_2025{:02}{:02}_{:04}.dat", 1 + number / 10_000, 1 + number / 1000 % 10, number % 1000)
    };
    for number in 0..100_000 {
        fs::write(site.inbox().join(name(number)), b"OLD|1.00\n").unwrap();
    }
    let said = site.ok(&["init", "--baseline", "skip"]);
    assert!(said.contains("100000"), "{said}");
    assert_eq!(site.run_until_idle(0)["tally"]["events"], 0);
    let (numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    assert_eq!(site.run_until_idle(0)["tally"]["events"], 3);
    assert_eq!(site.numbers(), numbers);
    if strace::is_there("that old files are not read again") {
        let (code, calls) = strace::trace(&site.command(&["run", "--until-idle"]), "openat,openat2");
        assert_eq!(code, Some(0));
        assert!(calls.iter().any(|call| call.arguments.contains("events.sqlite")), "the calls were seen");
        let opened = calls.iter().filter(|call| call.arguments.contains(".dat")).count();
        assert_eq!(opened, 0, "a restart reads nothing again");
    }
}
