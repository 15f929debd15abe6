//! The resolver on real sockets of loopback: what residents and strangers get, from which upstreams, and over which transports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what cannot be started fails its test")]

mod allowed;
mod at_home;
mod captive;
mod doh;
mod dot;
mod forward;
mod gardens;
mod inward;
mod lab;
mod over_tls;
mod stale;
mod unaltered;
