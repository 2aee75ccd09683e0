//! Any schema, then any objects: judged without a panic, and what the server would keep it keeps again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mural::model::crd::Crd;
use mural::model::yaml::{ErrorDetail, parse_documents};
use mural::schema::{Schema, ServerVersion};

fuzz_target!(|text: &str| {
    let mut all = parse_documents(text, ErrorDetail::LocationOnly).unwrap_or_default().into_iter();
    let Some(first) = all.next() else { return };
    let objects: Vec<_> = all.collect();
    let server = ServerVersion::NEWEST;
    let own = match Crd::new(first.clone()) {
        Ok(crd) => {
            let names: Vec<String> = crd.versions().map(|version| version.name.to_owned()).collect();
            names.iter().filter_map(|name| Schema::from_crd(&crd, name, server)).collect()
        }
        Err(_) => vec![Schema::new(&first, server)],
    };
    for (schema, object) in own.iter().flat_map(|schema| objects.iter().map(move |object| (schema, object))) {
        let _ = schema.validate(object);
        let kept = schema.to_persisted(object);
        assert_eq!(schema.to_persisted(&kept), kept, "{object}");
    }
});
