//! The tree tests itself: who may import whom, what must not stand in it, and that nothing in it is dead.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each module of `src/`, the modules that it may use. Whoever adds one decides it here, for all to see.
///
/// Order of the layers, from above: `cli ↔ demo → runner → wiring → outbound | relay → inbound → ledger → config → capture → mapping →
/// layout → domain`; `clock`, `stop`, `metrics` and `draft` stand beside them,
/// `health` between `inbound` and `ledger`, `http` above `health`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("layout", &["domain"]),
    ("mapping", &["domain", "layout"]),
    ("draft", &["domain", "layout"]),
    ("clock", &["domain"]),
    ("stop", &[]),
    ("metrics", &[]),
    ("arrivals", &["domain"]),
    ("window", &["domain"]),
    ("parity", &["domain", "layout"]),
    ("cutover", &["domain", "window"]),
    ("capture", &["domain"]),
    ("config", &["arrivals", "capture", "cutover", "domain", "layout", "mapping", "parity", "window"]),
    ("ledger", &["arrivals", "config", "cutover", "domain", "layout", "window"]),
    ("health", &["arrivals", "clock", "domain", "ledger", "metrics"]),
    ("http", &["health", "metrics"]),
    ("traces", &["domain", "http"]),
    (
        "inbound",
        &[
            "arrivals", "capture", "clock", "config", "cutover", "domain", "health", "layout", "ledger", "mapping",
            "metrics", "stop", "traces", "window",
        ],
    ),
    (
        "outbound",
        &["capture", "config", "cutover", "domain", "inbound", "layout", "ledger", "mapping", "stop", "window"],
    ),
    ("relay", &["capture", "config", "domain", "inbound"]),
    (
        "wiring",
        &[
            "capture", "clock", "config", "domain", "health", "inbound", "ledger", "mapping", "metrics", "outbound",
            "stop", "traces",
        ],
    ),
    ("runner", &["capture", "config", "health", "inbound", "ledger", "metrics", "outbound", "relay", "stop", "wiring"]),
    (
        "demo",
        &[
            "cli", "clock", "config", "cutover", "domain", "health", "inbound", "ledger", "relay", "runner", "stop",
            "wiring",
        ],
    ),
    (
        "cli",
        &[
            "arrivals", "capture", "config", "cutover", "demo", "domain", "draft", "health", "http", "inbound",
            "layout", "ledger", "outbound", "parity", "relay", "runner", "traces", "wiring", "stop",
        ],
    ),
    ("main", &[]),
];

/// Modules that touch no file, clock, network or configuration: they are given what they work on.
const PURE: [&str; 8] = ["domain", "layout", "mapping", "draft", "arrivals", "window", "parity", "cutover"];

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &str) -> Vec<PathBuf> {
    let mut found = files(below);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!found.is_empty(), "no Rust below {below}: the test looks in the wrong place");
    found
}

fn files(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut places = vec![tree().join(below)];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(place);
        }
    }
    found
}

fn short(path: &Path) -> String {
    path.strip_prefix(tree()).unwrap().display().to_string()
}

/// The code of a file without its comments and its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let text = text.split("#[cfg(all(test, ").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// Modules of `src/` that a file names: as `crate::X`, or by as many `super::` as lead there.
fn used_modules(path: &Path) -> BTreeSet<String> {
    let code = code(path);
    let relative = path.strip_prefix(tree().join("src")).unwrap();
    let depth = relative.components().count() - usize::from(relative.ends_with("mod.rs"));
    let to_the_root = "super::".repeat(depth);
    let word = |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    let mut used: BTreeSet<String> = code.split(to_the_root.as_str()).skip(1).map(word).collect();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for name in names {
            let end =
                name.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(name.len());
            used.insert(name[..end].to_owned());
        }
    }
    used
}

#[test]
fn modules_use_only_those_below_them() {
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let (mut wrong, mut uses) = (Vec::new(), BTreeSet::new());
    for path in rust_files("src").iter().filter(|path| !is_test_file(path)) {
        let relative = path.strip_prefix(tree().join("src")).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let allowed =
            rules.get(module.as_str()).unwrap_or_else(|| panic!("{module}: say in this test what it may use"));
        for used in used_modules(path).into_iter().filter(|used| *used != module) {
            if rules.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} must not use {used}", short(path)));
            }
            uses.insert((module.clone(), used));
        }
    }
    for (module, allowed) in MAY_USE {
        let unused = allowed.iter().filter(|used| !uses.contains(&((*module).to_owned(), (**used).to_owned())));
        wrong.extend(unused.map(|used| format!("{module} does not use {used}: take it out of the rules")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let outside = [
        "std::fs",
        "std::net",
        "std::env",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "tokio::",
        "tracing::",
    ];
    let mut wrong = Vec::new();
    for module in PURE {
        for path in rust_files(&format!("src/{module}")).iter().filter(|path| !is_test_file(path)) {
            let code = code(path);
            wrong.extend(
                outside.iter().filter(|what| code.contains(**what)).map(|what| format!("{}: {what}", short(path))),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_module_names_the_adapters() {
    for path in rust_files("src") {
        let names = [
            "dropbridge_local",
            "dropbridge_kafka",
            "dropbridge_sqlite",
            "dropbridge_cache",
            "dropbridge_sftp",
            "dropbridge_smb",
            "dropbridge_ftp",
        ]
        .iter()
        .any(|name| code(&path).contains(name));
        let is_wiring = path.ends_with("src/wiring.rs") || path.starts_with(tree().join("src/wiring"));
        assert!(!names || is_wiring, "{} names an adapter", short(&path));
    }
}

#[test]
fn adapters_know_the_port_alone() {
    let mut adapters = 0;
    for entry in fs::read_dir(tree().join("adapters")).unwrap() {
        let directory = entry.unwrap().path();
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        let manifest: toml_edit::DocumentMut = manifest.parse().unwrap();
        let is_port = directory.ends_with("port");
        let is_common = ["remote", "conformance"].iter().any(|name| directory.ends_with(name));
        // What those of servers have in common; and the suite that is run over every adapter, for their tests.
        let common = if is_common { "" } else { "dropbridge-remote" };
        let tables =
            [("dependencies", common), ("dev-dependencies", "dropbridge-conformance"), ("build-dependencies", "")];
        for (table, also) in tables {
            let Some(table) = manifest.get(table).and_then(|table| table.as_table()) else { continue };
            for (name, _) in table.iter().filter(|(name, _)| name.starts_with("dropbridge")) {
                let allowed = !is_port && (name == "dropbridge-port" || name == also);
                assert!(allowed, "{} depends on {name}", short(&directory));
            }
        }
        adapters += 1;
    }
    assert!(adapters >= 5);
}

/// A team copies an example: what it takes from the tree must be little, and the bridge is none of it.
#[test]
fn examples_depend_on_nothing_of_ours() {
    let manifest = fs::read_to_string(tree().join("examples/choreography/Cargo.toml")).unwrap();
    let manifest: toml_edit::DocumentMut = manifest.parse().unwrap();
    for table in ["dependencies", "dev-dependencies"] {
        let names: Vec<&str> = manifest[table].as_table().unwrap().iter().map(|(name, _)| name).collect();
        assert!(!names.is_empty() && names.iter().all(|name| !name.starts_with("dropbridge")), "{table}: {names:?}");
    }
}

#[test]
fn nothing_is_left_over() {
    // Put together here, so that this file does not find itself.
    let leftovers = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["dbg", "!("], ["todo", "!("], ["#[ign", "ore]"]]
        .map(|parts| parts.concat());
    let machine = [["/wo", "rk/"], ["/ro", "ot/"], ["/home", "/"]].map(|parts| parts.concat());
    let mut wrong = Vec::new();
    let written = ["src", "adapters", "examples", "xtask", "tests", "config", "docs", "fixtures", ".ci", ".cargo"];
    let single = ["Cargo.toml", "Dockerfile", "README.md"].map(|file| tree().join(file));
    for path in written.into_iter().flat_map(files).chain(single) {
        // Legacy files are what they are, and not all of them text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let found = leftovers.iter().chain(&machine).filter(|what| text.contains(*what));
        wrong.extend(found.map(|what| format!("{}: {what}", short(&path))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_of_a_size_that_can_be_read() {
    const MOST_LINES: usize = 600;
    for directory in ["src", "adapters", "examples", "xtask", "tests"] {
        for path in rust_files(directory) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines: split it along its nouns", short(&path));
        }
    }
}

#[test]
fn no_file_is_dead() {
    let mut roots = vec![tree().join("src"), tree().join("xtask/src"), tree().join("examples/choreography/src")];
    roots.extend(
        ["port", "local", "kafka", "sqlite", "cache", "sftp", "smb", "ftp", "conformance"]
            .map(|adapter| tree().join("adapters").join(adapter).join("src")),
    );
    for root in roots {
        let below = root.strip_prefix(tree()).unwrap().display().to_string();
        for path in rust_files(&below) {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            // Cargo finds programs by their place.
            if ["lib", "main"].contains(&stem) || path.parent().unwrap().ends_with("src/bin") {
                continue;
            }
            let (name, directory) = if stem == "mod" {
                let directory = path.parent().unwrap();
                (directory.file_name().unwrap().to_str().unwrap().to_owned(), directory.parent().unwrap().to_owned())
            } else {
                (stem.to_owned(), path.parent().unwrap().to_owned())
            };
            let beside = directory.with_extension("rs");
            let parents = [directory.join("mod.rs"), directory.join("lib.rs"), directory.join("main.rs"), beside];
            let declared = parents.iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
                // Field types are declared by the list that they stand in.
                text.lines().any(|line| {
                    line.trim_start().trim_start_matches("pub").contains(&format!("mod {name};"))
                        || line.ends_with(&format!(" in {name},"))
                })
            });
            assert!(declared, "{}: no module declares it", short(&path));
        }
    }
}

#[test]
fn every_failpoint_is_passed_somewhere() {
    let mut code_text = String::new();
    for directory in [
        "src",
        "adapters/local/src",
        "adapters/sqlite/src",
        "adapters/kafka/src",
        "adapters/sftp/src",
        "adapters/smb/src",
        "adapters/ftp/src",
    ] {
        for path in rust_files(directory) {
            code_text.push_str(&code(&path));
        }
    }
    for point in dropbridge_port::failpoint::Failpoint::ALL {
        assert!(code_text.contains(&format!("Failpoint::{point:?}")), "no code passes {point:?}");
    }
}

#[test]
fn every_key_that_the_sample_uses_is_in_the_reference() {
    let reference = fs::read_to_string(tree().join("docs/configuration.md")).unwrap();
    let mut samples = vec![tree().join("config/bridge.toml")];
    for directory in ["config/departments", "config/layouts"] {
        samples.extend(fs::read_dir(tree().join(directory)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let layouts = fs::read_to_string(tree().join("docs/layouts.md")).unwrap();
    let mut missing = BTreeSet::new();
    for sample in samples {
        let mut in_payload = false;
        for line in fs::read_to_string(&sample).unwrap().lines() {
            if line.starts_with('[') {
                // Names within a payload are the schema's, not ours.
                in_payload = line.contains(".data") || line.contains("properties");
            }
            let Some((key, _)) =
                line.split_once(" = ").filter(|_| !in_payload && !line.starts_with(['#', ' ', '{', '[', '"']))
            else {
                continue;
            };
            if !reference.contains(&format!("`{key}`")) && !layouts.contains(&format!("`{key}`")) {
                missing.insert(key.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "docs/configuration.md does not explain {missing:?}");
}
