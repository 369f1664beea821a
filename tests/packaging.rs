//! What stands in `packaging/` fits the program: numbers that alerts are about are there, the configuration of the
//! compose file is right, and the programs that read these files take them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use dropbridge::config;
use dropbridge::metrics::{FeedState, Metrics};
use regex::Regex;

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file)
}

fn rules() -> String {
    fs::read_to_string(packaging("prometheus/dropbridge.rules.yml")).unwrap()
}

/// What the program says at `/metrics` with one feed. Numbers that come with the first thing to count are asked for.
fn metrics() -> String {
    let metrics = Metrics::new();
    metrics.declare_feed("orders");
    metrics.feeds.set_open("orders", "held", 1);
    metrics.relays.set("orders", FeedState::Ok, 0, 0);
    metrics.relays.set_stuck("orders", Duration::ZERO);
    metrics.deliveries.declare("orders.mirror");
    metrics.arrivals.set("orders", 1, 1, None);
    metrics.store.set_contents([("orders", "kept", 1, 100)].into_iter());
    metrics.text()
}

#[test]
fn every_number_that_a_rule_names_is_one_of_the_program() {
    let text = metrics();
    let named: BTreeSet<String> =
        Regex::new("dropbridge_[a-z_]+").unwrap().find_iter(&rules()).map(|found| found.as_str().to_owned()).collect();
    assert!(named.len() >= 8, "the rules name {named:?} alone");
    for name in named {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let is_there = [&name, family].iter().any(|name| text.contains(&format!("# TYPE {name} ")));
        assert!(is_there, "the program has no {name}:\n{text}");
    }
}

#[test]
fn every_outcome_and_state_that_a_rule_names_is_one_of_the_program() {
    let text = metrics();
    let selectors = Regex::new(
        r#"(dropbridge_(?:files_total|feed_state|relay_state|rendering_state))\{((?:outcome|state)="[a-z_]+")\}"#,
    )
    .unwrap();
    let rules = rules();
    let mut count = 0;
    for found in selectors.captures_iter(&rules) {
        let (name, label) = (&found[1], &found[2]);
        let is_there = text.lines().any(|line| line.starts_with(name) && line.contains(label));
        assert!(is_there, "no line of {name} has {label}:\n{text}");
        count += 1;
    }
    assert!(count >= 6, "the rules select {count} labels alone");
}

#[test]
fn the_bridge_of_the_compose_file_is_configured_right() {
    let settings = config::load(&packaging("compose/bridge.toml")).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(settings.feeds.len() > 3, "the departments of the sample are missing");
    let compose = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml")).unwrap();
    for part in ["kafka:9092", "/mnt/estate:ro", "/var/lib/dropbridge", "read_only: true"] {
        assert!(compose.contains(part), "compose.yaml lacks {part}");
    }
}

#[test]
fn promtool_takes_the_rules_and_each_alert_fires_when_it_should() {
    for arguments in [
        ["check", "rules", "dropbridge.rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "dropbridge.rules.test.yml"],
    ] {
        let mut command = Command::new("promtool");
        let Some(output) = run(command.args(arguments).current_dir(packaging("prometheus"))) else { return };
        assert!(output.status.success(), "promtool {arguments:?}:\n{}", told(&output));
    }
    let rules = rules();
    let tests = fs::read_to_string(packaging("prometheus/dropbridge.rules.test.yml")).unwrap();
    let operating = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let operating = fs::read_to_string(operating).unwrap();
    for alert in Regex::new("alert: ([A-Za-z]+)").unwrap().captures_iter(&rules) {
        assert!(tests.contains(&alert[1]), "no test makes {} fire", &alert[1]);
        assert!(operating.contains(&alert[1]), "docs/operating.md does not say what to do about {}", &alert[1]);
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("dropbridge.service");
    let text = fs::read_to_string(packaging("systemd/dropbridge.service")).unwrap();
    let installed = "ExecStart=/usr/bin/dropbridge ";
    assert!(text.contains(installed));
    // The program need not be installed where this runs.
    fs::write(&unit, text.replace(installed, &format!("ExecStart={} ", env!("CARGO_BIN_EXE_dropbridge")))).unwrap();
    let Some(output) = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit)) else { return };
    assert!(output.status.success() && told(&output).trim().is_empty(), "{}", told(&output));
    // Exposure in tenths: 0 is none, 100 is all.
    let mut security = Command::new("systemd-analyze");
    let Some(output) = run(security.args(["security", "--offline=yes", "--threshold=20"]).arg(&unit)) else { return };
    assert!(output.status.success(), "{}", told(&output));
}

/// Runs a program; without it the test is skipped by name, and fails where nothing may be skipped.
fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            let strict =
                std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
            assert!(!strict, "{command:?}: {error}: run `cargo xtask test`");
            eprintln!("skipped: {command:?}: {error}; `cargo xtask test` brings it");
            None
        }
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
