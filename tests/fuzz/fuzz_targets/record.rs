//! The Secret of a release, with any bytes in it, raw or packed as helm packs them: refused or read, never a panic.

#![no_main]

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use mural::model::release::read_record;
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    let raw = String::from_utf8_lossy(bytes).into_owned();
    for release in [raw, packed(bytes)] {
        let secret = json!({"metadata": {"name": "sh.helm.release.v1.mural.v1", "labels": {"name": "mural", "version": "1"}},
            "type": "helm.sh/release.v1", "data": {"release": release}});
        if let Ok(record) = read_record(&secret) {
            let _ = record.manifest_objects();
        }
    }
});

/// JSON, gzip, base64 by helm, base64 by the API server.
fn packed(bytes: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory takes all");
    STANDARD.encode(STANDARD.encode(gzip.finish().expect("memory takes all")))
}
