//! The first share of the README, as it stands there: every file under the name it is given, every command.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Files that the README shows: a path in brackets at the end of a paragraph, then a block of code.
fn shown_files(readme: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut rest = readme;
    while let Some(at) = rest.find("(`config/") {
        rest = &rest[at + 2..];
        let path = &rest[..rest.find('`').unwrap()];
        let block = &rest[rest.find("```").unwrap() + 3..];
        let code = &block[block.find('\n').unwrap() + 1..];
        let end = code.find("```").unwrap();
        files.push((path.to_owned(), code[..end].to_owned()));
        rest = &code[end..];
    }
    files
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dropbridge"));
    command.args(arguments).current_dir(directory);
    command.env_remove("DROPBRIDGE_LOG").env_remove("DROPBRIDGE_FAILPOINT").output().unwrap()
}

#[test]
fn the_first_share_of_the_readme_works() {
    let scratch = tempfile::tempdir().unwrap();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let files = shown_files(&readme);
    assert_eq!(files.len(), 4);
    for (path, text) in files {
        let path = scratch.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Where the share is and how long the test waits are the only things that differ.
        let text = text.replace("/mnt/nas", "../nas").replace("quiet_ms = 5000", "quiet_ms = 50");
        fs::write(path, text).unwrap();
    }
    let inbox = scratch.path().join("nas/sales/orders");
    fs::create_dir_all(&inbox).unwrap();
    fs::write(inbox.join("ORD_20260130_0001.csv"), "number;amount\nA-0;1.00\n").unwrap();
    let said = |arguments: &[&str], code: i32| {
        let output = run(scratch.path(), arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&["check"], 1).contains("dropbridge init"));
    assert!(said(&["init"], 0).contains("sales.orders"));
    assert!(said(&["check"], 0).contains("ready to run"));
    fs::write(inbox.join("ORD_20260131_0001.csv"), "number;amount\nA-1;12.50\nA-2;3.10\n").unwrap();
    assert!(said(&["run", "--until-idle"], 0).contains("published 2 events"));
    let events = said(&["events"], 0);
    assert!(events.contains("A-1") && events.contains("A-2") && !events.contains("A-0"), "{events}");
}
