//! All services at once, from bids to invoices.

use choreography::contracts::Contract;
use choreography::event::{CONTENT_TYPE, derived_id};
use serde_json::{Value, json};

use crate::processes::{Process, wait_until};
use crate::site::{Site, TYPES, awarded, bid_number, bids, is_awarded};

const BIDS: usize = 120;

#[test]
fn every_bid_goes_down_the_chain_once() {
    let Some(site) = Site::new(3) else { return };
    let services = ["bid-processor", "work-order-service", "completion-desk", "invoicer", "monitor"];
    let mut running: Vec<Process> = services
        .iter()
        .map(|service| {
            let mut command = site.command(service, service);
            match *service {
                "invoicer" => &mut command,
                "monitor" => command.arg("--json").stdout(std::process::Stdio::null()),
                _ => command.args(["--topic-suffix", ""]),
            };
            Process::start(&mut command)
        })
        .collect();
    let invoices = || usize::try_from(site.number("invoicer", "SELECT count(*) FROM invoices")).unwrap();
    site.broker.write(&site.bids(), &bids(0..BIDS / 2));
    wait_until("half of the invoices", || invoices() == awarded(BIDS / 2));
    site.broker.write(&site.bids(), &bids(BIDS / 2..BIDS));
    wait_until("all invoices", || invoices() == awarded(BIDS));
    for process in &mut running {
        assert!(process.terminate().success());
    }
    assert_eq!(site.data_of(&site.topic("BidProcessed"), "bid_number"), (0..BIDS).map(bid_number).collect());
    let awarded_bids = || (0..BIDS).filter(|index| is_awarded(*index)).map(bid_number).collect();
    for event_type in &TYPES[1..] {
        assert_eq!(site.data_of(&site.topic(event_type), "bid_number"), awarded_bids(), "{event_type}");
    }
    let keys = ["bid_number", "work_order_number", "work_order_number"];
    for (event_type, key) in TYPES.into_iter().zip(keys) {
        assert_wire_format(&site, event_type, key);
    }
    // Nothing but a bid's sum, unchanged, is on its invoice.
    let sum = "SELECT sum(CAST(replace(total, '.', '') AS INTEGER)) FROM invoices";
    let expected: usize = (0..BIDS).filter(|index| is_awarded(*index)).map(|index| (100 + index) * 100 + 50).sum();
    assert_eq!(usize::try_from(site.number("invoicer", sum)).unwrap(), expected);
    let (report, exit_code) = site.monitor(&[]);
    let counted: Vec<_> = report["topics"].as_array().unwrap().iter().map(|topic| &topic["events"]).collect();
    assert_eq!((counted, exit_code), (vec![&json!(BIDS), &json!(awarded(BIDS)), &json!(awarded(BIDS))], Some(0)));
    assert_eq!(report["work_orders"]["completed"], json!(awarded(BIDS)));
}

/// Each record is what `docs/consumers.md` asks of events of services, and its data fits the schema.
fn assert_wire_format(site: &Site, event_type: &str, key: &str) {
    let contract = Contract::of(event_type).unwrap();
    let records = site.broker.read(&site.topic(event_type));
    assert!(!records.is_empty());
    for record in records {
        let event: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(contract.check(&event["data"]), Ok(()), "{event}");
        assert_eq!(record.headers["content-type"], CONTENT_TYPE);
        assert_eq!((&event["subject"], &event["data"][key]), (&json!(record.key), &json!(record.key)));
        assert_eq!((&event["type"], &event["specversion"]), (&json!(event_type), &json!("1.0")));
        assert_eq!((&event["provenance"], &event["department"]), (&json!("native"), &json!("parks")));
        assert_eq!((&event["businessdate"], &event["dataschema"]), (&json!("2026-01-31"), &json!(contract.id())));
    }
}

#[test]
fn a_file_of_bids_is_read_once_however_often_it_is_given() {
    let Some(site) = Site::new(2) else { return };
    let mut text: Vec<u8> = bids(0..10).into_iter().flat_map(|bid| [bid.value, b"\n".to_vec()].concat()).collect();
    text.extend_from_slice(b"\n{\"no\": \"bid\"}\n");
    std::fs::write(site.path("bids.jsonl"), text).unwrap();
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut command = std::process::Command::new(crate::site::program("bid-processor"));
        command.args(["--bootstrap-servers", &site.broker.address, "--prefix", &site.prefix, "--state"]);
        command.arg(site.path("state")).arg("--from-file").arg(site.path("bids.jsonl"));
        let output = command.output().unwrap();
        crate::site::assert_success(&output);
        said.push(String::from_utf8(output.stderr).unwrap());
    }
    assert!(said[0].contains("10 new, 0 passed over, 0 repeated, 1 set aside"), "{said:?}");
    assert!(said[0].contains("bids.jsonl:12: not an event"), "{said:?}");
    assert!(said[1].contains("0 new, 0 passed over, 10 repeated, 1 set aside"), "{said:?}");
    assert_eq!(site.broker.read(&site.candidates("BidProcessed")).len(), 10);
    let ids: Vec<_> = site.events(&site.candidates("BidProcessed")).into_keys().collect();
    assert!(ids.contains(&derived_id("bid-3", "BidProcessed")), "{ids:?}");
}
