//! The `clickbank-gateway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    clickbank_gateway::cli::run()
}
