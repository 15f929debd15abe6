//! What the tests share: a place to run in.

pub mod namespaces;
