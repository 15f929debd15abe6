//! Tests and measurements of the whole: `bench` compares pratique with its peers in one run.

pub mod bench;
