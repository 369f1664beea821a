//! After a power cut nothing was delivered twice or by half. A kill cannot show it, since the kernel lives on: the order
//! of system calls does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::relayed::{options, outbox, site};
use support::strace::{self, SystemCall};
use support::{LogKind, order_name, orders};

const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat";

struct Trace(Vec<SystemCall>);

impl Trace {
    fn find(&self, what: &str, fits: impl Fn(&SystemCall) -> bool) -> &SystemCall {
        let found = self.0.iter().find(|call| call.returned != "-1" && !call.returned.starts_with("-1 ") && fits(call));
        found.unwrap_or_else(|| panic!("no call is {what}"))
    }

    fn sync_of(&self, path: &str, after: &SystemCall) -> &SystemCall {
        self.find(&format!("a sync of {path} after {}({})", after.name, after.arguments), |call| {
            matches!(call.name.as_str(), "fsync" | "fdatasync") && is_on(call, path) && after.is_before(call)
        })
    }
}

fn is_on(call: &SystemCall, path: &str) -> bool {
    call.arguments.split_once('<').is_some_and(|(_, rest)| rest.split('>').next() == Some(path))
}

/// Each part: written, synced, witnessed, its names synced; then the intent, synced; then the names in their order, each
/// with its directory synced; then the receipt, synced; and only then the witnesses go.
#[test]
fn bytes_names_intent_and_receipt_reach_the_disk_in_their_order() {
    if !strace::is_there("the order of syncs in an outbox") {
        return;
    }
    let site = site(LogKind::Embedded, &options("", "marker = \"{name}.done\""));
    site.drop_file(&order_name(1), &orders(1, 3).1);
    site.drop_file(&format!("{}.done", order_name(1)), b"done");
    let (code, calls) = strace::trace(&site.command(&["run", "--until-idle"]), CALLS);
    assert_eq!(code, Some(0));
    let trace = Trace(calls);
    let out = outbox(&site).canonicalize().unwrap().display().to_string();
    let staging = format!("{out}/.dropbridge");
    let journal = site.path("state/relay/orders.journal").canonicalize().unwrap().display().to_string();
    let record = |kind: &str| {
        let text = format!("\\\"record\\\":\\\"{kind}\\\"");
        trace.find(kind, |call| call.name == "pwrite64" && is_on(call, &journal) && call.arguments.contains(&text))
    };
    let (intent, receipt) = (record("intent"), record("receipt"));
    let (intent_synced, receipt_synced) = (trace.sync_of(&journal, intent), trace.sync_of(&journal, receipt));
    let mut renames = Vec::new();
    for name in [order_name(1), format!("{}.done", order_name(1))] {
        let rename = trace.find(&format!("the rename to {name}"), |call| {
            call.name == "renameat2" && call.arguments.contains(&format!("\"{name}\", RENAME_NOREPLACE"))
        });
        let temporary = rename.arguments.split('"').nth(1).unwrap();
        let staged = format!("{staging}/{temporary}");
        let created = trace.find(&format!("the making of {temporary}"), |call| {
            call.name == "openat" && call.arguments.contains(temporary) && call.arguments.contains("O_EXCL")
        });
        let written =
            trace.find(&format!("a write to {temporary}"), |call| call.name == "write" && is_on(call, &staged));
        assert!(created.is_before(written));
        let last = trace.0.iter().rfind(|call| call.name == "write" && is_on(call, &staged)).unwrap();
        let synced = trace.sync_of(&staged, last);
        let witnessed = trace.find(&format!("the witness of {temporary}"), |call| {
            call.name == "linkat" && call.arguments.contains(&format!("{temporary}.witness"))
        });
        assert!(synced.is_before(witnessed), "{name}: witnessed before it was synced");
        let names_synced = trace.sync_of(&staging, witnessed);
        assert!(names_synced.is_before(intent), "{name}: the intent comes before the names are durable");
        assert!(intent_synced.is_before(rename), "{name}: renamed before the intent is durable");
        let placed = trace.sync_of(&out, rename);
        let removed = trace.sync_of(&staging, rename);
        assert!(placed.is_before(receipt), "{name}: the receipt comes before the name is durable");
        assert!(removed.is_before(receipt), "{name}: the receipt comes before the temporary name is gone for good");
        let forgotten = trace.find(&format!("the end of the witness of {temporary}"), |call| {
            call.name == "unlinkat" && call.arguments.contains(&format!("{temporary}.witness"))
        });
        assert!(receipt_synced.is_before(forgotten), "{name}: the witness goes before the receipt is durable");
        renames.push(rename);
    }
    assert!(trace.sync_of(&out, renames[0]).is_before(renames[1]), "the marker comes before its file is durable");
}
