//! The files of a release, and how the installers of operators take them: krew, and each helm.
//!
//! `install.sh` has its own tests in `cli/install.rs`. A missing installer is built from its Go module, as the sandbox's programs are.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "these tests start real programs; the bans are for the product"
)]

mod release_files;
