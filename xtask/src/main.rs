//! The project's own tooling: `cargo xtask <command>`.

mod bench;
mod cargo_test;
mod certificates;
mod interrupt;
mod kafka_jars;
mod kafka_node;
mod kafka_protocol;
mod licences;
mod programs;
mod sabotage;
mod soak;
mod test;
mod test_binaries;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use kafka_node::{KafkaNode, StartOptions};

#[derive(Parser)]
#[command(name = "xtask", about = "The tooling of dropbridge", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts Apache Kafka, runs every test of the workspace with it, and stops it
    Test {
        /// Run only tests whose names contain this
        filter: Option<String>,
    },
    /// Checks the licences of all dependencies, and that none is there in two versions
    Licences,
    /// Breaks the bridge in three ways, and checks that a test notices each
    Sabotage,
    /// Measures something against something else, in one run
    Bench {
        #[command(subcommand)]
        what: Benchmark,
    },
    /// Runs a bridge and its standby under load and under trouble, and counts; exits with 1 on any difference
    Soak(soak::SoakArguments),
    /// Starts, stops or shows a real Apache Kafka for tests
    Kafka {
        #[command(subcommand)]
        action: KafkaAction,
    },
}

#[derive(Subcommand)]
enum Benchmark {
    /// Parsing, proving and rendering, against the loop of the csv crate and against sha256sum
    Layouts,
    /// A ledger of ten million drops: start, memory, questions; a pass over 100,000 files against a bare listing
    Ledger,
    /// Files to events on a real Kafka, against kcat and bare transactions; writes docs/performance.md when asked
    Forward(bench::ForwardOptions),
    /// Events of a real Kafka back to files, against kcat and bare transactions; writes docs/performance.md when asked
    Reverse(bench::ReverseOptions),
    /// Shares on SFTP, FTP and Samba servers of this machine, against their own clients
    Shares(bench::SharesOptions),
}

#[derive(Subcommand)]
enum KafkaAction {
    /// Starts a node, waits until it answers, and prints the variables that the tests read
    Start {
        #[command(flatten)]
        node: NodeName,
        /// Go on with the data and the ports that the node had (after a kill, for one)
        #[arg(long)]
        keep_data: bool,
        /// Port of the plain listener; a free one unless told
        #[arg(long)]
        port: Option<u16>,
    },
    /// Stops a node; its data stays until the next start without --keep-data
    Stop {
        #[command(flatten)]
        node: NodeName,
        /// Remove the node's directory too
        #[arg(long)]
        remove: bool,
    },
    /// Says whether a node is up, and prints the variables that the tests read; exits with 1 when it is down
    Status {
        #[command(flatten)]
        node: NodeName,
    },
}

#[derive(Args)]
struct NodeName {
    /// Which node: tests that kill theirs start one of their own
    #[arg(long, default_value = "shared")]
    name: String,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Test { filter } => test::run(filter.as_deref()),
        Command::Licences => licences::run(),
        Command::Sabotage => sabotage::run(),
        Command::Bench { what: Benchmark::Layouts } => bench::run("layouts"),
        Command::Bench { what: Benchmark::Ledger } => bench::run("ledger"),
        Command::Bench { what: Benchmark::Forward(options) } => bench::forward(&options),
        Command::Bench { what: Benchmark::Reverse(options) } => bench::reverse(&options),
        Command::Bench { what: Benchmark::Shares(options) } => bench::shares(&options),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Kafka { action } => kafka(action),
    }
}

fn kafka(action: KafkaAction) -> Result<ExitCode> {
    match action {
        KafkaAction::Start { node, keep_data, port } => {
            let node = KafkaNode::named(&node.name)?;
            node.start(StartOptions { keep_data, port, owner: kafka_node::owner_from_environment() })?;
            print_exports(&node)?;
        }
        KafkaAction::Stop { node, remove } => {
            let node = KafkaNode::named(&node.name)?;
            node.stop()?;
            if remove {
                node.remove()?;
            }
        }
        KafkaAction::Status { node } => {
            let node = KafkaNode::named(&node.name)?;
            if !node.answers() {
                eprintln!("Kafka node `{}` is down", node.name());
                return Ok(ExitCode::from(1));
            }
            print_exports(&node)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what `eval "$(cargo xtask kafka start)"` takes.
fn print_exports(node: &KafkaNode) -> Result<()> {
    for (name, value) in node.environment()? {
        println!("export {name}='{value}'");
    }
    Ok(())
}
