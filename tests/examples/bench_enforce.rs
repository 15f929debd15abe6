//! Prints the wall's table: `cargo run --release -p pratique-tests --example bench_enforce`. Needs root: in a user namespace
//! the peer, `nft`, cannot send 100,000 elements at once. Works in a network namespace of its own all the same.

use pratique::lab::net::{Rights, enter};

fn main() -> anyhow::Result<()> {
    enter(Rights::AsWeAre)?;
    for row in pratique_tests::bench::enforce::run()? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}
