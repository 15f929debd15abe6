//! Prints the store's table: `cargo run --release -p pratique-tests --example bench_store [DIRECTORY]`; the directory says
//! which disk is measured.

fn main() -> anyhow::Result<()> {
    let place = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    for row in pratique_tests::bench::store::run_in(&place)? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}
