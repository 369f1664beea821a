//! Asking a running bridge over HTTP, without a library.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{DEADLINE, Running, wait_for_or};

/// Where a bridge that was started with `--http 127.0.0.1:0` answers.
pub fn address(bridge: &Running) -> String {
    let mut address = None;
    wait_for_or(
        "the bridge to listen",
        || bridge.log(),
        || {
            let log = bridge.log();
            let line = log.lines().find(|line| line.contains("answering over HTTP"));
            address = line.and_then(|line| Some(line.split("address=").nth(1)?.split_whitespace().next()?.to_owned()));
            address.is_some()
        },
    );
    address.unwrap()
}

/// Status code and content of a path; `None` where nobody answers.
pub fn try_get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Status code and content of a path.
pub fn get(address: &str, path: &str) -> (u16, String) {
    try_get(address, path).unwrap_or_else(|| panic!("{address} does not answer {path}"))
}

/// The numbers of `/metrics`, by name with labels.
pub fn metrics(address: &str) -> BTreeMap<String, f64> {
    let (status, text) = get(address, "/metrics");
    assert_eq!(status, 200, "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no number: {line}"));
            (name.to_owned(), number.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
        })
        .collect()
}
