//! Keeps an invoice for each completion: reads WorkOrderCompleted.

use std::process::ExitCode;

use choreography::invoices::Invoicer;
use choreography::options::ServiceOptions;
use choreography::service::{self, Input, Service};
use clap::Parser;

/// Keeps an invoice for each completion: reads WorkOrderCompleted
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: ServiceOptions,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    let input = Input::Topic(format!("{}{}", options.common.prefix, Invoicer::INPUT));
    choreography::exit_code(service::run(&Invoicer, &options, &input))
}
