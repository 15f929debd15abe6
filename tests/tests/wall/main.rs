//! The wall in the kernel, each test in network namespaces of its own: its rules, and what passes them. `tests/debian-kernel` runs
//! this program again on an older kernel.

mod driver;
mod flows;
mod forged;
mod nat;
mod packets;
mod portals;
mod rules;
mod ways;
