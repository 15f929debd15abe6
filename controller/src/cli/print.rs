//! The one place where the command line writes to its terminal or pipe.
//!
//! A reader that goes away (`pratique case list | head -1`) does not change what a command does: the command finishes its
//! work, what nobody reads is dropped without a word, and the exit code is that of the work. A command that imports ten files
//! or releases every line must not stop in the middle because a pager was closed. Any other failed write (a full disk) is an
//! error: a file that looks whole and is not would mislead.
//!
//! `clippy::print_stdout` and `clippy::print_stderr` are denied in this crate, so that nothing else prints: `println!` panics
//! where the reader is gone.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::sync::{Mutex, PoisonError};

/// Why standard output does not take what is written, where that is more than a reader who left.
static FAILED: Mutex<Option<String>> = Mutex::new(None);

/// A line on standard output: what was asked for.
macro_rules! say {
    ($($said:tt)*) => { $crate::cli::print::out(format_args!($($said)*)) };
}

/// A line on standard error: what goes wrong, or what a person who waits should know.
macro_rules! complain {
    ($($said:tt)*) => { $crate::cli::print::err(format_args!($($said)*)) };
}

pub(crate) use {complain, say};

/// See `say!`.
pub fn out(said: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    note(out.write_fmt(said).and_then(|()| out.write_all(b"\n")));
}

/// See `complain!`. Where this fails, nobody is left to hear of it.
pub fn err(said: fmt::Arguments<'_>) {
    let mut err = io::stderr().lock();
    let _nobody_hears = err.write_fmt(said).and_then(|()| err.write_all(b"\n"));
}

/// A question on standard error, without an end of line.
pub fn ask(question: &str) {
    let mut err = io::stderr().lock();
    let _nobody_hears = write!(err, "{question}: ").and_then(|()| err.flush());
}

/// Writes what waits still.
///
/// # Errors
/// When something that was written did not arrive, but for a reader who left.
pub fn finish() -> Result<(), String> {
    note(io::stdout().lock().flush());
    match FAILED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(why) => Err(format!("standard output did not take everything: {why}")),
        None => Ok(()),
    }
}

fn note(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        }
        _ => {}
    }
}
