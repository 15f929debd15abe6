//! pratique: the daemon and its command line, in the order data flows through it:
//!
//! * [`config`]: this node's own settings; [`policy_files`]: `policies/` into a checked policy
//! * [`sources`]: reports become sightings, session lists become sessions
//! * [`engine`]: the one loop that owns the cases; [`clock`]: the time it lives in
//! * [`store`]: the hash-chained log and the tables beside it
//! * [`enforce`]: enforcers converge on the plan; nftables over netlink
//! * [`scan`]: harmless probes that check a fix; [`rescans`]: from the wish for a check to its recorded outcome
//! * [`office`]: what the engine answers to staff; [`api`], [`console`]: staff, by program and by browser
//! * [`notices`]: what subscribers are told beside the page
//! * [`desk`]: the engine behind the portal's pages; [`checks`]: the self-check: what was seen of a visitor's own line
//! * [`metrics`]: what the NOC graphs; [`daemon`]: everything started and stopped together
//! * [`cli`]: what a person types; [`lab`]: a whole Internet in namespaces to see it work
//!
//! The captive resolver and the portal are crates of their own (`pratique-dns`, `pratique-portal`); they see a view of the
//! residents and send commands, nothing else.

// `println!` panics where its reader is gone; `cli::print` bears that.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod api;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod daemon;
pub mod desk;
pub mod enforce;
pub mod engine;
pub mod lab;
pub mod metrics;
pub mod notices;
pub mod office;
pub mod policy_files;
pub mod rescans;
pub mod scan;
pub mod sources;
pub mod store;
