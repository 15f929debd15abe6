//! Prints the wall's table: `cargo run --release -p pratique-tests --example bench_enforce`. Needs no root.

use pratique::lab::net::{Rights, enter};

fn main() -> anyhow::Result<()> {
    enter(Rights::OwnUserNamespace)?;
    for row in pratique_tests::bench::enforce::run()? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}
