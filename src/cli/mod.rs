//! The commands. Each has a file of its own: arguments, what it does, how it shows it.
//!
//! Exit codes of all of them: 0 fine, 1 the answer is no (rejects, a mismatch, something open), 2 an error.

mod arrivals;
mod backfill;
mod check;
pub(crate) mod cutover;
mod deliveries;
mod demo;
mod events;
mod feed;
mod ingest;
mod init;
mod layout;
mod ledger;
mod log;
mod man;
mod output;
pub(crate) mod parity;
mod place;
mod prove;
mod quarantine;
mod relay;
mod render;
mod requests;
mod run;
mod status;
mod store;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config;
use crate::domain::BusinessDate;
use crate::inbound::slot::host;
use crate::wiring::Bridge;

pub use output::Output;

/// Moves file drops to events on Kafka, exactly once.
#[derive(Debug, Parser)]
#[command(name = "dropbridge", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// The bridge's configuration.
    #[arg(long, global = true, default_value = "config/bridge.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print one JSON object a line instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// How much to log on standard error: off, error, warn, info (as usual; `demo` is off, `backfill` warn), debug, trace, or a filter
    /// by module.
    #[arg(long, global = true, env = "DROPBRIDGE_LOG", value_name = "LEVEL")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a bridge up: its genesis, its topics, and what becomes of the files that are there already.
    Init(init::InitArguments),
    /// Look for everything that is wrong with the configuration and everything it points to; writes nothing.
    Check(check::CheckArguments),
    /// Run the bridge.
    Run(run::RunArguments),
    /// Publish a file by hand, or from a pipe.
    Ingest(ingest::IngestArguments),
    /// Publish archived files of a feed, in the order of business date and sequence.
    Backfill(backfill::BackfillArguments),
    /// Prove, without publishing anything, that the events of files are enough to write them again.
    Prove(prove::ProveArguments),
    /// Write files again from their events, byte for byte.
    Render(render::RenderArguments),
    /// Compare a file that was made of a new service's events with the one that the batch job wrote.
    Parity(parity::ParityArguments),
    /// Print events.
    Events(events::EventsArguments),
    /// Look at which drops became which events.
    #[command(subcommand, after_help = "Example:\n  dropbridge ledger list --state held")]
    Ledger(ledger::LedgerCommand),
    /// Look at which files are due, which are overdue, and what was found of those that came.
    Arrivals(arrivals::ArrivalsArguments),
    /// List feeds; pause and resume one.
    #[command(subcommand, after_help = "Example:\n  dropbridge feed pause parks.bids --reason 'their job runs twice'")]
    Feed(feed::FeedCommand),
    /// Look after files that were made of events: which were delivered, and which wait for a person.
    #[command(subcommand, after_help = "Example:\n  dropbridge deliveries list --state held")]
    Deliveries(deliveries::DeliveriesCommand),
    /// Move a department to a new service, and back: stages, what blocks them, and who decided.
    #[command(subcommand, after_help = "Example:\n  dropbridge cutover status")]
    Cutover(cutover::CutoverCommand),
    /// Look after files that could not be published.
    #[command(subcommand, after_help = "Example:\n  dropbridge quarantine list")]
    Quarantine(quarantine::QuarantineCommand),
    /// Look after the files that interposed feeds pass on.
    #[command(subcommand, after_help = "Example:\n  dropbridge relay list")]
    Relay(relay::RelayCommand),
    /// Work on layouts: how the bytes of a file are records.
    #[command(
        subcommand,
        after_help = "Example:\n  dropbridge layout draft samples/BID_*.dat --output layouts/bids.toml"
    )]
    Layout(layout::LayoutCommand),
    /// Show how everything stands: feeds, what is held, slot, log, store.
    Status(status::StatusArguments),
    /// Look at the room that stored bytes take, and make some.
    #[command(subcommand, after_help = "Example:\n  dropbridge store status")]
    Store(store::StoreCommand),
    /// Watch the main job on a small estate of legacy batch jobs, with nothing to install.
    Demo(demo::DemoArguments),
    /// Write the manual pages.
    Man(man::ManArguments),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  dropbridge completions bash > /etc/bash_completion.d/dropbridge")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How a command ended, beside its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Exit code 0.
    Fine,
    /// Exit code 1.
    No,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments);
    let output = Output::new(arguments.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error).context("start"), output),
    };
    let answer = runtime.block_on(dispatch(arguments, output));
    // A thread that waits for a log or a share that is away must not keep the process.
    runtime.shutdown_background();
    match answer {
        Ok(Answer::Fine) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&error, output),
    }
}

async fn dispatch(arguments: Arguments, output: Output) -> anyhow::Result<Answer> {
    let config = &arguments.config;
    match arguments.command {
        Command::Init(own) => init::run(&open(config)?, &own, output).await,
        Command::Check(own) => check::run(config, &own, output),
        Command::Run(own) => run::run(config, &own, output).await,
        Command::Ingest(own) => ingest::run(open(config)?, &own, output).await,
        Command::Backfill(own) => backfill::run(open(config)?, &own, output).await,
        Command::Prove(own) => prove::run(config, &own, output),
        Command::Render(own) => render::run(&*open(config)?, &own, output),
        Command::Parity(own) => parity::run(config, &own, output),
        Command::Events(own) => events::run(&*open(config)?, &own, output),
        Command::Ledger(own) => ledger::run(&*open(config)?, &own, output),
        Command::Arrivals(own) => arrivals::run(&*open(config)?, &own, output),
        Command::Feed(own) => feed::run(open(config)?, &own, output).await,
        Command::Deliveries(own) => deliveries::run(open(config)?, &own, output).await,
        Command::Cutover(own) => cutover::run(open(config)?, &own, output).await,
        Command::Quarantine(own) => quarantine::run(open(config)?, &own, output).await,
        Command::Relay(own) => relay::run(config, &own, output),
        Command::Layout(own) => layout::run(&own, output),
        Command::Status(own) => status::run(open(config)?, &own, output).await,
        Command::Man(own) => man::run(Arguments::command(), &own, output),
        Command::Store(own) => store::run(open(config)?, &own, output).await,
        Command::Demo(own) => demo::run(&own, output).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "dropbridge", &mut std::io::stdout());
            Ok(Answer::Fine)
        }
    }
}

fn open(config: &Path) -> anyhow::Result<Arc<Bridge>> {
    Ok(Arc::new(Bridge::open(config::load(config)?)?))
}

/// Makes sure that what was asked for is there: an empty answer to a misspelt name would be taken for the truth.
///
/// # Errors
/// Names what was probably meant.
fn check_known<'a>(what: &str, name: Option<&str>, known: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = known.collect();
    match name {
        Some(name) if !known.contains(name) => {
            let hint = config::suggestion(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
            Err(anyhow::anyhow!("there is no {what} `{name}`{hint}"))
        }
        _ => Ok(()),
    }
}

/// Who types this, for the record.
fn person() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{name}@{}", host())
}

fn parse_date(text: &str) -> Result<BusinessDate, String> {
    BusinessDate::parse(text).ok_or_else(|| format!("`{text}` is no date (YYYY-MM-DD)"))
}

fn start_log(arguments: &Arguments) {
    let usual = match arguments.command {
        Command::Demo(_) => "off",
        // A line for each of thousands of files would hide the progress.
        Command::Backfill(_) => "warn",
        _ => "info",
    };
    log::start(arguments.log.as_deref(), usual, arguments.json);
}

fn failed(error: &anyhow::Error, output: Output) -> ExitCode {
    output.error(error);
    ExitCode::from(2)
}

/// Whoever read our output has seen enough.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
