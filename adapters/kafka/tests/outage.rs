//! A broker that dies in the middle of transactions and comes back. Each test has a broker of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::{KafkaBench, PrivateNode};
use dropbridge_conformance::event_log::Bench;
use dropbridge_conformance::event_log::bench::{read, record, texts, topic, wait_until};
use dropbridge_kafka::KafkaLog;
use dropbridge_port::{ErrorKind, EventLog, Isolation, Polled, StartAt, Writer};

const PATIENCE: Duration = Duration::from_secs(120);

/// A log whose calls give up soon.
fn impatient(bench: &KafkaBench) -> KafkaLog {
    let mut settings = bench.settings();
    settings.call_timeout_ms = 5_000;
    KafkaLog::connect(settings).unwrap()
}

/// The first writer on a new broker takes longer than such a call: the broker creates its topic of transactions for it.
fn first_writer(bench: &KafkaBench, log: &KafkaLog) -> Box<dyn Writer> {
    let id = bench.unique("writer");
    let mut writer = None;
    wait_until("the first writer has its id", || {
        writer = log.writer(&id).ok();
        writer.is_some()
    });
    writer.unwrap()
}

#[test]
fn a_commit_of_unknown_outcome_is_answered_truly_when_asked_again() {
    let Some(node) = PrivateNode::start("outage") else { return };
    let bench = node.bench();
    let log = impatient(&bench);
    let topic = topic(&bench, &*bench.open(), 1);
    let mut writer = first_writer(&bench, &log);
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "once")).unwrap();
    writer.settle().unwrap();
    node.kill();
    let error = writer.commit().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert_eq!(writer.begin().unwrap_err().kind, ErrorKind::Bug, "the outcome is not known");
    assert_eq!(writer.abort().unwrap_err().kind, ErrorKind::Bug, "it may be committed already");
    node.restart();
    commit(&mut *writer).unwrap();
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "next")).unwrap();
    commit(&mut *writer).unwrap();
    assert_eq!(texts(&read(&*bench.open(), Isolation::ReadCommitted, &[&topic], 2)), ["once", "next"]);
}

#[test]
fn while_the_broker_is_away_calls_are_transient_and_say_so() {
    let Some(node) = PrivateNode::start("away") else { return };
    let bench = node.bench();
    let log = impatient(&bench);
    let topic = topic(&bench, &*bench.open(), 1);
    let mut writer = first_writer(&bench, &log);
    let mut reader = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Beginning)]).unwrap();
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "aborted")).unwrap();
    writer.settle().unwrap();
    node.kill();
    writer.send(record(&topic, 0, "aborted")).unwrap();
    let transient = |error: dropbridge_port::PortError| assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    transient(writer.settle().unwrap_err());
    transient(writer.abort().unwrap_err());
    transient(log.watermarks(&topic).unwrap_err());
    transient(log.writer(&bench.unique("writer")).err().unwrap());
    wait_until("the reader hears of it", || match reader.poll(Duration::from_millis(100)) {
        Ok(_) => false,
        Err(error) => {
            transient(error);
            true
        }
    });
    node.restart();
    wait_until("the abort goes through", || writer.abort().is_ok());
    let error = writer.begin().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fenced, "nobody knows which records the broker has: {error}");
    let mut writer = first_writer(&bench, &log);
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "after")).unwrap();
    commit(&mut *writer).unwrap();
    let mut read = Vec::new();
    wait_until("the old reader goes on", || {
        if let Ok(Polled::Record(record)) = reader.poll(Duration::from_millis(100)) {
            read.push(record);
        }
        texts(&read) == ["after"]
    });
}

/// Numbers are written, one transaction each, while the broker is killed at moments drawn from a seed.
#[test]
fn every_transaction_is_there_once_however_often_the_broker_dies() {
    const KILLS: u32 = 4;
    let Some(node) = PrivateNode::start("kills") else { return };
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let bench = node.bench();
    let topics = [topic(&bench, &*bench.open(), 1), topic(&bench, &*bench.open(), 1)];
    let (written, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        // Also when a kill fails: the scope waits for the writing thread.
        let ending = StopAtEnd(&stop);
        let writing = scope.spawn(|| {
            let log = impatient(&bench);
            let mut once = Once { log: &log, id: bench.unique("writer"), topics: &topics, writer: None };
            while !stop.load(Ordering::SeqCst) {
                once.write(written.load(Ordering::SeqCst));
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut random = seed | 1;
        for _ in 0..KILLS {
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let goal = written.load(Ordering::SeqCst) + 1 + (random % 97) as u32;
            wait_until("transactions go on", || written.load(Ordering::SeqCst) >= goal || writing.is_finished());
            node.kill();
            node.restart();
        }
        drop(ending);
    });
    let count = written.load(Ordering::SeqCst);
    let expected: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    for topic in &topics {
        assert_eq!(texts(&read(&*bench.open(), Isolation::ReadCommitted, &[topic], expected.len())), expected);
    }
}

/// Asks the writing thread to stop.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writes numbers as the bridge writes files: all or none, once.
struct Once<'a> {
    log: &'a KafkaLog,
    id: String,
    topics: &'a [String; 2],
    writer: Option<Box<dyn Writer>>,
}

impl Once<'_> {
    fn write(&mut self, number: u32) {
        let deadline = Instant::now() + PATIENCE;
        while !self.attempt(number) {
            assert!(Instant::now() < deadline, "{number} cannot be written");
        }
    }

    /// Whether it is there now.
    fn attempt(&mut self, number: u32) -> bool {
        let value = number.to_string();
        if self.writer.is_none() {
            self.writer = self.log.writer(&self.id).ok();
            // With the id comes the truth: nothing is open any more.
            return self.writer.is_some() && self.is_there(&value);
        }
        let Some(writer) = &mut self.writer else { return false };
        let settled = writer.begin().and_then(|()| {
            self.topics.iter().try_for_each(|topic| writer.send(record(topic, 0, &value)))?;
            writer.settle()
        });
        let outcome = match settled {
            Ok(_) => commit(&mut **writer),
            Err(error) => abort(&mut **writer).and(Err(error)),
        };
        match outcome {
            Ok(()) => true,
            Err(error) if error.kind == ErrorKind::Fenced => {
                self.writer = None;
                false
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Transient, "{error}");
                false
            }
        }
    }

    fn is_there(&self, value: &str) -> bool {
        let mut newest = BTreeMap::new();
        for topic in self.topics {
            let mut high = None;
            wait_until("the end of the topic is told", || {
                high = self.log.watermarks(topic).ok().map(|ends| ends[0].high);
                high.is_some()
            });
            let mut reader = self.log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap();
            wait_until("the topic is read to its end", || match reader.poll(Duration::from_millis(100)) {
                Ok(Polled::Record(record)) => {
                    newest.insert(topic, record.value.unwrap());
                    false
                }
                Ok(Polled::End { .. }) => true,
                _ => false,
            });
        }
        let here = newest.values().filter(|newest| **newest == value.as_bytes()).count();
        assert!(here == 0 || here == 2, "{value} is half there");
        here == 2
    }
}

/// Commits, and asks again as long as the outcome is not known.
fn commit(writer: &mut dyn Writer) -> dropbridge_port::Result<()> {
    until_known(|| writer.commit())
}

fn abort(writer: &mut dyn Writer) -> dropbridge_port::Result<()> {
    until_known(|| writer.abort())
}

fn until_known(mut call: impl FnMut() -> dropbridge_port::Result<()>) -> dropbridge_port::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call() {
            Err(error) if error.kind == ErrorKind::Transient => assert!(Instant::now() < deadline, "{error}"),
            answer => return answer,
        }
    }
}
