//! The one binary. Opens the doors between the command line and the rooms behind it, and starts no thread itself: the lab
//! enters a user namespace first, which only a process with one thread may do.

use std::process::ExitCode;

use pratique::cli::{self, Rooms};

fn main() -> ExitCode {
    cli::main(&Rooms::default())
}
