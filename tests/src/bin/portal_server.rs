//! The server of ours that `bench portal` measures as a process of its own: the portal alone. Ends when its standard input
//! ends.

use clap::Parser as _;
use pratique_tests::bench::portal::server::{Wanted, run};

fn main() -> anyhow::Result<()> {
    run(&Wanted::parse())
}
