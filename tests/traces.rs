//! Traces, taken by a collector of our own: a span for each file and its stages, and the trace on its events.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::Value;
use support::{FeedOptions, LogKind, Site, logs, order_name, orders, wait_for_or};

/// Takes what is posted, for as long as the test runs.
struct Collector {
    address: String,
    messages: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let messages: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let taken = Arc::clone(&messages);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                let (head, body) = loop {
                    let read = stream.read(&mut buffer).unwrap();
                    bytes.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
                    });
                    if body.len() >= length.expect("a length") {
                        break (head.to_owned(), body.to_owned());
                    }
                };
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").unwrap();
                let path = head.split(' ').nth(1).unwrap().to_owned();
                taken.lock().unwrap().push((path, serde_json::from_str(&body).unwrap()));
            }
        });
        Self { address, messages }
    }

    fn spans(&self) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        let spans = messages.iter().flat_map(|(path, message)| {
            assert_eq!(path, "/v1/traces");
            message["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
        });
        spans.collect()
    }
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a str {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|attribute| attribute["key"] == name).unwrap_or_else(|| panic!("{name}: {span}"));
    found["value"]["stringValue"].as_str().or(found["value"]["intValue"].as_str()).unwrap()
}

/// Headers of all committed events, as text in which only what is printable counts.
fn headers(site: &Site) -> String {
    let topic = format!("{}OrderTaken", site.prefix);
    let output = match site.log {
        LogKind::Embedded => Command::new("sqlite3")
            .args(["-readonly", site.path("state/events.sqlite").to_str().unwrap()])
            .arg("SELECT hex(headers) FROM records WHERE headers IS NOT NULL")
            .output(),
        LogKind::Kafka => Command::new("kcat")
            .args(["-C", "-q", "-e", "-b", &site.brokers, "-t", &topic, "-o", "beginning", "-f", "%h\n"])
            .output(),
    };
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_file_is_a_span_and_its_events_carry_the_trace() {
    for log in logs() {
        let collector = Collector::start();
        let site = Site::new(log, &FeedOptions::default());
        let file = site.path("config/bridge.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let traces = format!("[traces]\notlp_endpoint = \"http://{}\"\n", collector.address);
        std::fs::write(&file, text + &traces).unwrap();
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.drop_file(&order_name(2), b"ORD-1|no amount\n");
        // What was handed over is sent before the process ends.
        site.run_until_idle(1);
        let spans = collector.spans();
        let files: Vec<&Value> = spans.iter().filter(|span| span["name"] == "file").collect();
        assert_eq!(files.len(), 2, "{log:?}: {spans:?}");
        let published = files.iter().find(|span| attribute(span, "dropbridge.outcome") == "published").unwrap();
        assert_eq!(attribute(published, "file.path"), order_name(1));
        assert_eq!((attribute(published, "dropbridge.events"), published.get("status")), ("3", None), "{log:?}");
        let bad = files.iter().find(|span| attribute(span, "dropbridge.outcome") == "quarantined").unwrap();
        assert_eq!(bad["status"]["code"], 2, "{log:?}: {bad}");
        for file in &files {
            let id = |span: &Value, name: &str| span[name].as_str().unwrap_or_default().to_owned();
            let own: Vec<&Value> = spans.iter().filter(|span| id(span, "parentSpanId") == id(file, "spanId")).collect();
            let names: BTreeSet<&str> = own.iter().map(|span| span["name"].as_str().unwrap()).collect();
            assert_eq!(names, BTreeSet::from(["commit", "examine", "queue", "settle", "take"]), "{log:?}");
            let time = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<i128>().unwrap();
            for span in own {
                assert_eq!(span["traceId"], file["traceId"], "{log:?}");
                let (from, to) = (time(span, "startTimeUnixNano"), time(span, "endTimeUnixNano"));
                let within = time(file, "startTimeUnixNano") <= from && to <= time(file, "endTimeUnixNano");
                assert!(from <= to && within, "{log:?}: {span} in {file}");
            }
        }
        let id = |name: &str| published[name].as_str().unwrap();
        let parent = format!("00-{}-{}-01", id("traceId"), id("spanId"));
        let wanted = match log {
            LogKind::Kafka => format!("traceparent={parent}"),
            LogKind::Embedded => parent.bytes().map(|byte| format!("{byte:02X}")).collect(),
        };
        assert_eq!(headers(&site).matches(&wanted).count(), 3, "{log:?}: each event of the file: {wanted}");
        assert_eq!(site.events().len(), 3, "{log:?}");
    }
}

#[test]
fn a_collector_that_is_away_costs_traces_and_nothing_else() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let file = site.path("config/bridge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "[traces]\notlp_endpoint = \"http://127.0.0.1:1\"\n").unwrap();
    let mut bridge = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    wait_for_or("the file", || bridge.log(), || site.numbers().len() == 3);
    wait_for_or("the line", || bridge.log(), || bridge.log().contains("traces are not taken"));
    site.drop_file(&order_name(2), &orders(2, 3).1);
    wait_for_or("the next file", || bridge.log(), || site.numbers().len() == 6);
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    assert_eq!(bridge.log().matches("traces are not taken").count(), 1, "said once: {}", bridge.log());
}
