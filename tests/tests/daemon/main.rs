//! The real daemon with the real wall, each test in network namespaces of its own: killed and halted, and as residents and
//! their devices meet it.

mod captive_portal;
mod crash;
mod garden;
mod halt;
mod position;

/// Built beside these tests, so that they never meet an older one.
const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
