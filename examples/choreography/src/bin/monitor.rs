//! Shows how much flows through the system, and which work orders were not completed in time.

use std::process::ExitCode;

use choreography::monitor::{self, MonitorOptions};
use clap::Parser;

/// Shows how much flows through the system, and which work orders were not completed in time
///
/// On a terminal, a table that is drawn again and again. Elsewhere it says only what is newly overdue, and at its end
/// everything. Exit codes: 0 nothing is overdue, 1 something is, 2 an error.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: MonitorOptions,
}

fn main() -> ExitCode {
    choreography::exit_code_of_answer(monitor::run(&Arguments::parse().options))
}
