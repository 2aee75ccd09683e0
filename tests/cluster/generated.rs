//! Generated CRDs and custom resources: our schema engine and the sandbox's API server must agree on each of them.
//!
//! The generator is that of the differential tier, which compares with the API server's Go code instead. The seed is
//! printed; `MURAL_SEED` chooses another one, and `MURAL_GENERATED` sets the number of CRDs (four objects each).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use mural::cluster::{ApiError, Cluster};
use mural::model::crd::Crd;
use mural::schema::crd_rules::predict_schema_rejections;
use mural::schema::{Schema, ServerVersion, Validity};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::migrate::client;
use crate::random::Random;
use crate::test_cluster::TestCluster;
use crate::{generated_crds as crds, generated_objects as objects};

pub const TESTS: &[Test] = &[("generated::the_api_server_agrees_with_us", the_api_server_agrees_with_us)];

/// Seed of an ordinary run; it once showed a default of an int-or-string field that the API server takes.
const DEFAULT_SEED: u64 = 24374;
const CRDS: usize = 25;
const OBJECTS: usize = 4;
const COLLECTION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

/// What came of it.
#[derive(Default)]
struct Table {
    taken: usize,
    refused: usize,
    predicted: usize,
    objects: usize,
    invalid: usize,
    undetermined: usize,
    misses: Vec<String>,
}

fn the_api_server_agrees_with_us(test_cluster: &TestCluster) -> Result<()> {
    let seed = number("MURAL_SEED", DEFAULT_SEED);
    let count = usize::try_from(number("MURAL_GENERATED", CRDS as u64))?;
    let (mut random, (sources, from)) = (Random::new(seed), crds::sources());
    let mut table = Table::default();
    client(test_cluster, async |cluster| {
        let mut taken = Vec::new();
        while taken.len() < count {
            let mut crd = random.pick(&sources).clone();
            let Some((version, done)) = crds::mutate(&mut crd, &mut random) else { continue };
            alone(&mut crd, &version, taken.len());
            if table.crd(cluster, &crd, &done).await? {
                taken.push((crd, version, done));
            }
        }
        for (crd, version, done) in &taken {
            table.objects(cluster, crd, version, done, &mut random).await?;
        }
        Ok(())
    })?;
    test_cluster
        .run(User::Admin, "kubectl", &["delete", "crd", "--selector", "generated=yes", "--timeout=120s"])?
        .expect_code(0)?;
    println!(
        "seed {seed}, from {from}: {} CRDs taken, {} refused ({} known offline); {} objects, {} invalid, {} undetermined here",
        table.taken, table.refused, table.predicted, table.objects, table.invalid, table.undetermined
    );
    ensure!(table.misses.is_empty(), "{} disagreements:\n{}", table.misses.len(), table.misses.join("\n"));
    Ok(())
}

/// One version, in a group of its own, without what would ask for a webhook.
fn alone(crd: &mut Value, version: &str, at: usize) {
    let group = format!("g{at}.generated.example.com");
    let plural = crd["spec"]["names"]["plural"].as_str().unwrap_or_default().to_owned();
    crd["metadata"] = json!({"name": format!("{plural}.{group}"), "labels": {"generated": "yes"}});
    crd["spec"]["group"] = json!(group);
    if let Some(spec) = crd["spec"].as_object_mut() {
        spec.remove("conversion");
    }
    if let Some(versions) = crd["spec"]["versions"].as_array_mut() {
        versions.retain(|one| one["name"] == version);
        versions.iter_mut().for_each(|one| (one["served"], one["storage"]) = (json!(true), json!(true)));
    }
    if let Some(crd) = crd.as_object_mut() {
        crd.remove("status");
    }
}

fn was_refused<T>(answer: Result<T, ApiError>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ApiError::Rejected { code: 400 | 422, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Table {
    /// Whether the server takes the CRD.
    async fn crd(&mut self, cluster: &Cluster, crd: &Value, done: &[String]) -> Result<bool> {
        let ours = predict_schema_rejections(None, crd);
        let path = format!("{COLLECTION}?fieldValidation=Ignore");
        let answer = was_refused(cluster.request(Method::POST, &path, Some(("application/json", crd))).await)?;
        if answer.is_none() {
            self.refused += 1;
            self.predicted += usize::from(!ours.is_empty());
            return Ok(false);
        }
        self.taken += 1;
        if let Some(words) = ours.first() {
            self.misses.push(format!(
                "{} with {}: taken, and we say {words}",
                crd["metadata"]["name"],
                done.join("; ")
            ));
        }
        Ok(true)
    }

    async fn objects(
        &mut self,
        cluster: &Cluster,
        crd: &Value,
        version: &str,
        done: &[String],
        random: &mut Random,
    ) -> Result<()> {
        let whole = Crd::new(crd.clone()).map_err(|_| anyhow::anyhow!("no CRD"))?;
        let namespace = if whole.is_namespaced() { "default" } else { "" };
        let path = whole.namespaced_collection_path(version, namespace);
        served(cluster, &path).await?;
        let schema = Schema::from_crd(&whole, version, ServerVersion::NEWEST).context("its schema")?;
        let raw = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let has_status = crd["spec"]["versions"][0]["subresources"]["status"].is_object();
        for _ in 0..OBJECTS {
            let mut object = objects::resource(crd, version, raw, random);
            // With a status subresource the server drops it at a create, before it looks.
            if let Some(fields) = object.as_object_mut().filter(|_| has_status) {
                fields.remove("status");
            }
            let dry = format!("{path}?dryRun=All&fieldValidation=Ignore");
            let theirs = was_refused(cluster.request(Method::POST, &dry, Some(("application/json", &object))).await)?;
            self.compare(&schema, &object, theirs.as_ref(), &format!("{} with {}", whole.name(), done.join("; ")));
        }
        Ok(())
    }

    fn compare(&mut self, schema: &Schema, object: &Value, theirs: Option<&Value>, place: &str) {
        self.objects += 1;
        self.invalid += usize::from(theirs.is_none());
        let ours = schema.validate(object);
        if ours.create == Validity::Undetermined {
            self.undetermined += 1;
            return;
        }
        if (ours.create == Validity::Valid) != theirs.is_some() {
            self.misses.push(format!("{place}: we say {:?} {:?}\n  object {object}", ours.create, ours.errors));
        }
        let kept = plain(&schema.to_persisted(object));
        if let Some(theirs) = theirs.map(plain).filter(|theirs| *theirs != kept) {
            self.misses.push(format!("{place}: kept otherwise\n  ours   {kept}\n  theirs {theirs}"));
        }
    }
}

/// The discovery of a new kind takes a moment.
async fn served(cluster: &Cluster, path: &str) -> Result<()> {
    for _ in 0..200 {
        if cluster.get(path).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{path} is not served")
}

/// Without metadata, which the server completes; numbers as Go writes them.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("metadata");
    }
    numbers(&object)
}

fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(numbers).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), numbers(value))).collect())
        }
        other => other.clone(),
    }
}
