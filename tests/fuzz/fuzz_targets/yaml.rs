//! Any text: read without a panic, and what was read survives being written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mural::model::yaml::{ErrorDetail, parse_documents, write};

fuzz_target!(|text: &str| {
    for document in parse_documents(text, ErrorDetail::Snippet).unwrap_or_default() {
        let written = write(&document).expect("a value that was read can be written");
        let again = parse_documents(&written, ErrorDetail::LocationOnly).expect("what we wrote can be read");
        // An empty document is no document; a map may be empty.
        assert_eq!(again, [document], "{written}");
    }
});
