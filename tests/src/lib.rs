//! What the tests share: a place to run in. And [`bench`]: measurements against peers in one run.

pub mod bench;
pub mod namespaces;
