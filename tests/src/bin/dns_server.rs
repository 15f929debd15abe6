//! The servers of ours that `bench dns` measures as processes of their own: the captive resolver with many residents, and
//! the least that any server can do, a bare echo. Ends when its standard input ends.

use clap::Parser as _;
use pratique_tests::bench::dns::server::{Wanted, run};

fn main() -> anyhow::Result<()> {
    run(&Wanted::parse())
}
