//! The same program as `pratique`, built beside the tests that start and kill it, so that they never meet an older one.

fn main() -> std::process::ExitCode {
    pratique::cli::main()
}
