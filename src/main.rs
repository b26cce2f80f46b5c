//! The `keyturner` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyturner::cli::main()
}
