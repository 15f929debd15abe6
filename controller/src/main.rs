//! The one binary. It starts no thread itself: the lab enters a user namespace first, which only a process with one thread
//! may do.

use std::process::ExitCode;

fn main() -> ExitCode {
    pratique::cli::main()
}
