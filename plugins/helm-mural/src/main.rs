//! `helm mural`.

use std::process::ExitCode;

fn main() -> ExitCode {
    helm_mural::main()
}
