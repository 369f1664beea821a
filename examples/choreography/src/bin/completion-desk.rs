//! Reports ordered work as done: reads WorkOrderCreated, emits WorkOrderCompleted.

use std::process::ExitCode;

use choreography::completions::CompletionDesk;
use choreography::options::ServiceOptions;
use choreography::service::{self, Input, Service};
use clap::Parser;

/// Reports ordered work as done: reads WorkOrderCreated, emits WorkOrderCompleted
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: ServiceOptions,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    let input = Input::Topic(format!("{}{}", options.common.prefix, CompletionDesk::INPUT));
    choreography::exit_code(service::run(&CompletionDesk, &options, &input))
}
