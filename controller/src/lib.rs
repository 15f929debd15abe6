//! pratique: the daemon and its command line, in the order data flows through it:
//!
//! * [`config`]: this node's own settings; [`stores`]: which store it has
//! * [`rescans`]: from the wish for a check to its recorded outcome
//! * [`desk`]: the engine behind the portal's pages; [`checks`]: the self-check: what was seen of a visitor's own line
//! * [`daemon`]: everything started and stopped together; `log`: what it says on standard error
//! * [`cli`]: what a person types
//!
//! Rooms with crates of their own, none of which knows this one:
//!
//! * `pratique-core`: cases, directory, plan and view, pure
//! * `pratique-policy`: `policies/` becomes a checked policy
//! * `pratique-store`: what is kept: the hash-chained log and the tables beside it; `pratique-sqlite`: the same in SQLite
//! * `pratique-engine`: the one loop that owns the cases, and the time it lives in
//! * `pratique-ingest`: reports become sightings, session lists become sessions
//! * `pratique-scan`: harmless probes that check a fix
//! * `pratique-enforce`: the dataplane becomes what the plan says; nftables over netlink
//! * `pratique-notices`: mails and webhooks to subscribers, beside the portal's page
//! * `pratique-metrics`: what the NOC graphs
//! * `pratique-staff`: what the NOC may see and do; `pratique-web`: the same over HTTP, by program and by browser
//! * `pratique-dns`, `pratique-portal`: see a view of the residents and send commands, nothing else
//! * `pratique-tls`: certificates that follow their files
//! * `pratique-lab`: a whole Internet in namespaces to see it work

// `println!` panics where its reader is gone; `cli::print` bears that.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod checks;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod desk;
mod log;
pub mod rescans;
mod stores;
