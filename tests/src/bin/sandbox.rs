//! The sandbox command; see `mural_tests::cli`.

fn main() -> std::process::ExitCode {
    mural_tests::cli::main()
}
