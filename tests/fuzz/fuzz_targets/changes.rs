//! Two CRDs of any shape: compared without a panic, and alike in both directions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mural::diff::{crd_changes, schema_changes};
use mural::model::yaml::{Quote, documents};

fuzz_target!(|text: &str| {
    let all = documents(text, Quote::Nothing).unwrap_or_default();
    for old in &all {
        assert!(crd_changes(old, old).is_empty(), "{old} differs from itself");
        assert!(schema_changes(old, old).is_empty(), "{old} differs from itself");
    }
    for (old, new) in all.iter().zip(all.iter().skip(1)) {
        assert_eq!(crd_changes(old, new).is_empty(), crd_changes(new, old).is_empty(), "{old}\n{new}");
        assert_eq!(schema_changes(old, new).is_empty(), schema_changes(new, old).is_empty(), "{old}\n{new}");
    }
});
