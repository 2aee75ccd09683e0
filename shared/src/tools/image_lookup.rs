//! Checks whether container images exist in their registries, from this workstation.
//!
//! A result that cannot be determined only warns: the cluster's nodes may have access that this machine does not have.
//! The image list comes from the rendered charts; `guards/images` judges the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use oci_client::Reference;

use super::registry::{Registry, RegistryError};
use crate::ask::RegistryAccess;
use crate::model::container_images::ImageAvailability;

/// Time limit per registry: a lookup that only warns must not delay the plan.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Concurrent requests per registry.
const MAX_CONCURRENT_REQUESTS: usize = 8;

/// Checks every image. Plain HTTP is used only for `chart_hosts`, the registries that the flags refer to.
///
/// A registry that does not answer the first request gets no other.
pub async fn check_images(
    images: &BTreeSet<String>,
    access: &RegistryAccess,
    helm_config: Option<&Path>,
    chart_hosts: &[String],
) -> BTreeMap<String, ImageAvailability> {
    let mut answers = BTreeMap::new();
    let mut by_host: BTreeMap<String, Vec<(String, Reference)>> = BTreeMap::new();
    for image in images {
        match image.parse::<Reference>() {
            Ok(reference) => {
                by_host.entry(reference.registry().to_owned()).or_default().push((image.clone(), reference));
            }
            Err(_) => {
                let reason = "it is not a reference to an image".to_owned();
                answers.insert(image.clone(), ImageAvailability::Undetermined { host: image.clone(), reason });
            }
        }
    }
    let hosts = by_host.into_iter().map(|(host, images)| {
        let plain_http = access.plain_http && chart_hosts.contains(&host);
        let access = RegistryAccess { plain_http, ..access.clone() };
        async move { check_host(&host, images, &access, helm_config).await }
    });
    answers.extend(join_all(hosts).await.into_iter().flatten());
    answers
}

async fn check_host(
    host: &str,
    images: Vec<(String, Reference)>,
    access: &RegistryAccess,
    helm_config: Option<&Path>,
) -> Vec<(String, ImageAvailability)> {
    let ask = |(image, reference): (String, Reference)| async move {
        let answer = check_image(host, &reference, access, helm_config).await;
        (image, answer)
    };
    let mut images = images.into_iter();
    let Some(first_answer) = images.next() else { return Vec::new() };
    let first_answer = ask(first_answer).await;
    let mut answers = match &first_answer.1 {
        ImageAvailability::Undetermined { .. } => images.map(|(image, _)| (image, first_answer.1.clone())).collect(),
        ImageAvailability::Available { .. } | ImageAvailability::Missing => {
            stream::iter(images).map(ask).buffered(MAX_CONCURRENT_REQUESTS).collect::<Vec<_>>().await
        }
    };
    answers.push(first_answer);
    answers
}

async fn check_image(
    host: &str,
    reference: &Reference,
    access: &RegistryAccess,
    helm_config: Option<&Path>,
) -> ImageAvailability {
    let unknown = |reason: String| ImageAvailability::Undetermined { host: host.to_owned(), reason };
    let registry = match Registry::new(&format!("{host}/{}", reference.repository()), access, helm_config) {
        Ok(registry) => registry,
        Err(error) => return unknown(error.to_string()),
    };
    match tokio::time::timeout(REGISTRY_TIMEOUT, registry.resolve_image(reference)).await {
        Ok(Ok(digest)) => ImageAvailability::Available { digest },
        Ok(Err(RegistryError::NoSuchVersion { .. })) => ImageAvailability::Missing,
        Ok(Err(error)) => unknown(error.to_string()),
        Err(_) => unknown(format!("{host} does not answer within {} s", REGISTRY_TIMEOUT.as_secs())),
    }
}
