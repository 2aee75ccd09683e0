//! `kubectl mural validate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_mural_validate::main()
}
