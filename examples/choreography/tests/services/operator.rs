//! What the operator is told.

use std::process::{Command, Output};

use crate::broker::variable;
use crate::processes::{Process, wait_until};
use crate::site::{Site, bids, program};

const SERVICES: [&str; 5] = ["bid-processor", "work-order-service", "completion-desk", "invoicer", "monitor"];

fn error_of(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    told
}

#[test]
fn help_fits_a_terminal_and_wrong_options_are_refused() {
    for service in SERVICES {
        let output = Command::new(program(service)).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("--bootstrap-servers") && help.contains("--state"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        error_of(&Command::new(program(service)).arg("--no-such-option").output().unwrap());
    }
    let rest = ["--bootstrap-servers", "localhost:1", "--state", "/nowhere/at/all"];
    let output = Command::new(program("bid-processor")).args(rest).args(["--award-up-to", "50000"]).output().unwrap();
    assert!(error_of(&output).contains("two digits after the point"));
    let output = Command::new(program("invoicer")).args(rest).output().unwrap();
    assert!(error_of(&output).contains("open the state /nowhere/at/all"));
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let Some(site) = Site::new(1) else { return };
    for (service, topic) in [
        ("work-order-service", "elsewhere.WorkOrderCreated.candidate"),
        ("invoicer", "elsewhere.WorkOrderCompleted"),
        ("monitor", "elsewhere.BidProcessed"),
    ] {
        let output = Command::new(program(service))
            .args(["--bootstrap-servers", &site.broker.address, "--prefix", "elsewhere.", "--state"])
            .arg(site.path(service))
            .output()
            .unwrap();
        let told = error_of(&output);
        assert!(told.contains(&format!("there is no topic `{topic}`")) && told.contains("--prefix"), "{told}");
    }
}

#[test]
fn a_state_belongs_to_one_process() {
    let Some(site) = Site::new(1) else { return };
    let mut first = Process::start(&mut site.command("invoicer", "state"));
    wait_until("the first has its state", || site.number("state", "SELECT count(*) FROM instance") == 1);
    let told = error_of(&site.command("invoicer", "state").output().unwrap());
    assert!(told.contains("another process works with it") && told.contains("--state"), "{told}");
    assert!(first.terminate().success());
}

#[test]
fn a_service_logs_in_with_what_its_file_of_properties_says() {
    let Some(site) = Site::new(1) else { return };
    let Some(address) = variable("DROPBRIDGE_TEST_KAFKA_SASL") else { return };
    let (Some(ca), Some(user), Some(password)) = (
        variable("DROPBRIDGE_TEST_KAFKA_SASL_CA"),
        variable("DROPBRIDGE_TEST_KAFKA_SASL_USER"),
        variable("DROPBRIDGE_TEST_KAFKA_SASL_PASSWORD"),
    ) else {
        return;
    };
    site.broker.write(&site.bids(), &bids(1..4));
    let run = |password: &str| {
        let text = format!(
            "security.protocol=SASL_SSL\nssl.ca.location={ca}\nsasl.mechanism=SCRAM-SHA-256\nsasl.username={user}\n\
             sasl.password={password}\n"
        );
        std::fs::write(site.path("client.properties"), text).unwrap();
        let mut command = site.command_at(&address, &site.group("bid-processor"), "bid-processor", "state");
        command.args(["--until-idle", "--client-properties"]);
        command.arg(site.path("client.properties")).output().unwrap()
    };
    let told = error_of(&run("wrong-password"));
    assert!(told.contains("--client-properties") && !told.contains("wrong-password"), "{told}");
    crate::site::assert_success(&run(&password));
    assert_eq!(site.broker.read(&site.candidates("BidProcessed")).len(), 3);
}
