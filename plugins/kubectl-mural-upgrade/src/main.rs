//! `kubectl mural upgrade`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_mural_upgrade::main()
}
