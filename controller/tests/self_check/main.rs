//! The self-check from the browser's socket to the store: a real portal, a real engine with its store, lines at loopback
//! addresses of their own. Sessions and sightings go straight to the engine, for lists with loopback addresses are refused.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod figures;
#[path = "../servers/home.rs"]
mod home;
mod house;
mod mails;
mod page;
mod scans;
#[path = "../servers/mod.rs"]
mod servers;
mod staff;
mod storm;
mod warned;
