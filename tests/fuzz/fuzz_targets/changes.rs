//! Two CRDs of any shape: compared without a panic, and alike in both directions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mural::diff::{compare_crds, compare_schemas};
use mural::model::yaml::{ErrorDetail, parse_documents};

fuzz_target!(|text: &str| {
    let all = parse_documents(text, ErrorDetail::LocationOnly).unwrap_or_default();
    for old in &all {
        assert!(compare_crds(old, old).is_empty(), "{old} differs from itself");
        assert!(compare_schemas(old, old).is_empty(), "{old} differs from itself");
    }
    for (old, new) in all.iter().zip(all.iter().skip(1)) {
        assert_eq!(compare_crds(old, new).is_empty(), compare_crds(new, old).is_empty(), "{old}\n{new}");
        assert_eq!(compare_schemas(old, new).is_empty(), compare_schemas(new, old).is_empty(), "{old}\n{new}");
    }
});
