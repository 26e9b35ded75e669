//! The `clickbank-gateway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    clickbank_gateway::process::shut_in();
    clickbank_gateway::cli::run()
}
