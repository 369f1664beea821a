//! Orders the work of each awarded bid: reads BidProcessed, emits WorkOrderCreated.

use std::process::ExitCode;

use choreography::options::ServiceOptions;
use choreography::service::{self, Input, Service};
use choreography::work_orders::WorkOrderService;
use clap::Parser;

/// Orders the work of each awarded bid: reads BidProcessed, emits WorkOrderCreated
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: ServiceOptions,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    let input = Input::Topic(format!("{}{}", options.common.prefix, WorkOrderService::INPUT));
    choreography::exit_code(service::run(&WorkOrderService, &options, &input))
}
