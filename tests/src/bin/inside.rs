//! `inside PROGRAM ARGS…`: enters a user and network namespace of its own, then becomes the program. Test programs have
//! threads before their first test runs, which is too late to enter; so they start themselves again through this.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Result<Vec<CString>, _> = std::env::args_os().skip(1).map(|w| CString::new(w.into_vec())).collect();
    let Ok(words) = words else {
        eprintln!("inside: an argument holds a zero byte");
        return ExitCode::FAILURE;
    };
    let Some(program) = words.first() else {
        eprintln!("usage: inside PROGRAM ARGS…");
        return ExitCode::FAILURE;
    };
    if let Err(e) = pratique_lab::net::enter(pratique_lab::net::Rights::OwnUserNamespace) {
        eprintln!("inside: {e}");
        return ExitCode::FAILURE;
    }
    let Err(e) = nix::unistd::execv(program, &words);
    eprintln!("inside: {}: {e}", program.to_string_lossy());
    ExitCode::FAILURE
}
