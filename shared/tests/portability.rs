//! The plugins compile on macOS: what only one system has is in one module per need, beside an alternative for the others.
//!
//! Reads the source files of `shared/src` and `plugins/`, comments left out. The sandbox in `tests/` needs Linux and is not read.

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod source_files;

use source_files::{repository, rust_files};

/// What only some systems have, and the files that may use it.
const SYSTEM_SPECIFIC: [(&str, &[&str]); 7] = [
    ("std::os::linux", &[]),
    ("std::os::macos", &[]),
    ("std::os::windows", &[]),
    ("\"/proc", &["shared/src/cli/boot_identity.rs"]),
    ("\"/sys/", &[]),
    ("target_os", &["shared/src/cli/boot_identity.rs", "shared/src/tools/parent_death.rs"]),
    ("set_parent_process_death_signal", &["shared/src/tools/parent_death.rs"]),
];

#[test]
fn system_specific_code_is_in_its_module() {
    let mut violations = Vec::new();
    for file in rust_files(&["shared/src", "plugins"]) {
        let name = file.strip_prefix(repository()).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for (words, owners) in SYSTEM_SPECIFIC {
                if line.contains(words) && !owners.contains(&name.as_str()) {
                    violations.push(format!("{name}:{}: {words}", number + 1));
                }
            }
        }
    }
    assert!(violations.is_empty(), "move them to the module of the need:\n{}", violations.join("\n"));
}

#[test]
fn every_owner_uses_what_it_owns() {
    for (words, owners) in SYSTEM_SPECIFIC {
        for owner in owners {
            let text = std::fs::read_to_string(repository().join(owner)).unwrap();
            assert!(text.contains(words), "{owner} does not use {words}: remove it from the list");
        }
    }
}
