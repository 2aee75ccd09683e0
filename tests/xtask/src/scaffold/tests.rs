//! Runs the tasks in a copy of the source files that they edit.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The checks and guards of the repository in a folder of their own.
fn copied_sources() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in [CHECKS, GUARDS] {
        copy_folder(&repository().join(folder), &copy.path().join(folder));
    }
    copy
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap()
}

/// How often a text is in a file of the copy, and in the same file of the repository.
fn counts(root: &Path, file: &str, text: &str) -> (usize, usize) {
    (read(root, file).matches(text).count(), read(&repository(), file).matches(text).count())
}

#[test]
fn a_check_is_created_in_every_section() {
    for section in &SECTIONS {
        let copy = copied_sources();
        let answer = create_check(copy.path(), section, "sample-state").unwrap();
        let file = format!("{CHECKS}/{}/sample_state.rs", section.folder);
        assert!(answer.contains(&file) && answer.contains("check_examples.rs"), "{answer}");
        let text = read(copy.path(), &file);
        assert!(text.contains("id: \"sample-state\"") && text.contains(&format!("Section::{},", section.variant)));
        assert!(!text.contains('@'), "{text}");
        let modules = read(copy.path(), &format!("{CHECKS}/{}/mod.rs", section.folder));
        assert!(modules.contains("pub mod sample_state;\n"), "{modules}");
        let list = read(copy.path(), &format!("{CHECKS}/health_checks.rs"));
        assert!(list.contains(&format!("    {}::sample_state,\n", section.folder)), "{list}");
        let examples = format!("{CHECKS}/examples/check_examples.rs");
        assert_eq!(counts(copy.path(), &examples, "\"sample-state\""), (1, 0));
    }
}

#[test]
fn a_guard_is_created_with_its_list_entry_and_examples() {
    let copy = copied_sources();
    let answer = create_guard(copy.path(), "sample-state").unwrap();
    assert!(answer.contains("guards/sample_state.rs") && answer.contains("tests/examples.rs"), "{answer}");
    let list = read(copy.path(), &format!("{GUARDS}/mod.rs"));
    assert!(list.contains("pub mod sample_state;\n") && list.contains("    sample_state::GUARD,\n];"), "{list}");
    assert_eq!(counts(copy.path(), &format!("{GUARDS}/tests/examples.rs"), "\"sample-state\""), (1, 0));
}

#[test]
fn lengths_of_the_arrays_grow_by_one() {
    let copy = copied_sources();
    let length = |root: &Path, file: &str, head: &str| -> usize {
        let text = read(root, file);
        let (_, rest) = text.split_once(head).unwrap();
        rest.split_once(']').unwrap().0.parse().unwrap()
    };
    create_guard(copy.path(), "sample-state").unwrap();
    create_check(copy.path(), Section::parse("webhooks").unwrap(), "sample-state").unwrap();
    for (file, head) in [
        (format!("{GUARDS}/mod.rs"), "ALL: [Guard; "),
        (format!("{GUARDS}/tests/examples.rs"), "EXAMPLES: [GuardExample; "),
        (format!("{CHECKS}/health_checks.rs"), "HEALTH_CHECKS: [HealthCheck; "),
        (format!("{CHECKS}/examples/check_examples.rs"), "EXAMPLES: [Example; "),
    ] {
        assert_eq!(length(copy.path(), &file, head), length(&repository(), &file, head) + 1, "{file}");
    }
}

#[test]
fn an_existing_or_invalid_name_changes_nothing() {
    let copy = copied_sources();
    let before = read(copy.path(), &format!("{GUARDS}/mod.rs"));
    for id in ["installed", "Sample", "sample_state", "-sample", "sample--state", "", "1st"] {
        assert!(create_guard(copy.path(), id).is_err(), "{id:?}");
    }
    assert_eq!(read(copy.path(), &format!("{GUARDS}/mod.rs")), before);
    assert!(Section::parse("webhook").unwrap_err().contains("webhooks"));
}
