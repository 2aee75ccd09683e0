//! Lets the API server convert live objects with the conversion webhooks that CRDs use now.
//!
//! Only the API server reaches a webhook by the path that counts: a workstation is in another network. It calls the webhook when an
//! object is read in a version other than the stored one. A webhook that only a planned CRD names cannot be tried before the CRD is
//! applied. `guards/conversion_webhook_ready.rs` judges the answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::admission_policies::ConversionAnswer;
use crate::model::crd::Crd;

/// Reads one object of each CRD in each served version that is not stored.
pub async fn read_conversions(cluster: &Cluster, crds: &[&Crd]) -> BTreeMap<String, ConversionAnswer> {
    let read = crds.iter().map(|crd| async move { (crd.name().to_owned(), read_conversion(cluster, crd).await) });
    futures::future::join_all(read).await.into_iter().collect()
}

async fn read_conversion(cluster: &Cluster, crd: &Crd) -> ConversionAnswer {
    let storage = crd.storage_version();
    let mut answer = ConversionAnswer::NoObjects;
    for version in crd.versions().filter(|version| version.served && version.name != storage) {
        let page = cluster.get(&format!("{}?limit=1", crd.collection_path(version.name))).await;
        match to_answer(page) {
            ConversionAnswer::NoObjects => {}
            ConversionAnswer::Converted => answer = ConversionAnswer::Converted,
            failure => return failure,
        }
    }
    answer
}

fn to_answer(page: Result<Value, ApiError>) -> ConversionAnswer {
    match page {
        Ok(page) if page["items"].as_array().is_none_or(Vec::is_empty) => ConversionAnswer::NoObjects,
        Ok(_) => ConversionAnswer::Converted,
        Err(ApiError::Rejected { code: 500.., message, .. }) if message.contains("conversion webhook for") => {
            ConversionAnswer::Failed(message)
        }
        Err(error) => ConversionAnswer::Unread(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api_server::{Answer, FakeApiServer};

    fn crd() -> Crd {
        let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage});
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "depots.a.b"},
            "spec": {"group": "a.b", "names": {"plural": "depots"}, "versions": [version("v1", false), version("v2", true)]}}))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_is_what_the_server_says_of_an_object_in_the_other_version() {
        let words =
            "conversion webhook for a.b/v2, Kind=Depot failed: Post \"https://127.0.0.1:9/c\": connection refused";
        let cases = [
            (Answer::json(&json!({"items": [{}]})), ConversionAnswer::Converted),
            (Answer::json(&json!({"items": []})), ConversionAnswer::NoObjects),
            (Answer::status(500, words), ConversionAnswer::Failed(words.into())),
            (Answer::status(403, "forbidden"), ConversionAnswer::Unread("forbidden".into())),
        ];
        for (answer, expected) in cases {
            let server = FakeApiServer::new().answer("GET", "/apis/a.b/v1/depots", [answer]);
            let found = read_conversions(&server.start(), &[&crd()]).await;
            assert_eq!(found["depots.a.b"], expected);
            assert_eq!(
                server.requests(),
                ["GET /apis/a.b/v1/depots?limit=1"],
                "the stored version needs no conversion"
            );
        }
    }
}
