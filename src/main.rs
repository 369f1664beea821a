//! The `dropbridge` command.

use std::process::ExitCode;

// Events are many small pieces of memory that one thread makes and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dropbridge::cli::main()
}
