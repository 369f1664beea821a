//! Decides on bids: reads BidSubmitted, emits BidProcessed.

use std::path::PathBuf;
use std::process::ExitCode;

use choreography::bids::{BidProcessor, hundredths};
use choreography::options::ServiceOptions;
use choreography::service::{self, Input};
use clap::Parser;

/// Decides on bids: reads BidSubmitted, emits BidProcessed
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: ServiceOptions,

    /// The topic that bids come in by; its name has no prefix, since it is not the bridge's
    #[arg(long, value_name = "TOPIC", default_value = "bids")]
    bids: String,

    /// Read bids from this file instead, an event on each line, and end at its end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bids", "group"])]
    from_file: Option<PathBuf>,

    /// The highest sum that is awarded, with two digits after the point. The same for all that run side by side
    #[arg(long, value_name = "AMOUNT", default_value = "50000.00", value_parser = amount)]
    award_up_to: i64,
}

fn main() -> ExitCode {
    let Arguments { options, bids, from_file, award_up_to } = Arguments::parse();
    let input = from_file.map_or(Input::Topic(bids), Input::File);
    choreography::exit_code(service::run(&BidProcessor { award_up_to }, &options, &input))
}

fn amount(text: &str) -> Result<i64, String> {
    hundredths(text).ok_or_else(|| "an amount has two digits after the point: 50000.00".to_owned())
}
