//! What the NOC may see and do, whatever it looks through: API, console and command line stand on this. No HTTP and no HTML here.
//!
//! * [`roles`]: who asks, in which role; [`tokens`]: the file that says so; [`token_hash`]: how a token is kept and named
//! * [`office`]: the one facade of the engine for staff; [`queries`]: its answers, from a running engine
//! * [`commands`]: what staff may look at and do, with role, scope and text rules; [`error`]: why something was not done
//! * [`models`]: the shapes of answers
//! * [`troubles`], [`elsewhere`], [`words`]: what is wrong, how enforcers are, and everything else in words for people
//! * [`when`]: times as people read them; [`plain`]: hostile text made harmless to look at

// `println!` panics where its reader is gone.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod commands;
pub mod elsewhere;
pub mod error;
pub mod models;
pub mod office;
pub mod plain;
pub mod queries;
pub mod roles;
pub mod token_hash;
pub mod tokens;
pub mod troubles;
pub mod when;
pub mod words;
