//! The program: parses its arguments and runs the library.

use std::process::ExitCode;

use clap::Parser;
use nanio_orchestrator::adapters::cli::{Arguments, say};

fn main() -> ExitCode {
    // Wrong usage ends here, with status 2 and a message.
    let arguments = Arguments::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(arguments.run()),
        Err(error) => {
            say(&format!("nanio-orchestrator: cannot start the async runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}
