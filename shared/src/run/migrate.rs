//! Stored versions: objects are moved to the storage version, by the cluster itself or by us, and the end is proved alike.
//!
//! `status.storedVersions` is a claim. Since 1.37 the cluster's own migration may trim it before it has rewritten anything, so
//! neither it nor `Succeeded` ends a migration here: a last walk with empty patches does, in which no object had to be moved.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::cluster::rewrite::{self, Way};
use crate::cluster::settle;
use crate::cluster::storage_migration::{self as own, Stand};
use crate::cluster::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::migration::{MANAGER, Walk, under_way};
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::migrate::{Migrated, MovedBy};
use crate::tools::spawn::Stop;

/// Walks until one proves that nothing is left: one that moves, one that proves, and some for what comes between.
const WALKS: usize = 6;
/// How often a trim is tried against others who write the CRD.
const TRIES: usize = 8;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Who rewrites the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The cluster where it does, else we.
    Auto,
    /// The cluster's own `StorageVersionMigration`, or nobody.
    Cluster,
    /// We, through the API.
    Own,
}

/// How migrations are done.
pub struct Migrate<'a> {
    /// Where.
    pub cluster: &'a Cluster,
    /// By whom.
    pub route: Route,
    /// How long the cluster's controller may take to begin.
    pub acts_within: Duration,
    /// The longest that one migration of the cluster's own may take.
    pub timeout: Duration,
    /// Asked by Ctrl-C.
    pub stop: &'a Stop,
    /// Where events go.
    pub emit: Emit<'a>,
}

impl Migrate<'_> {
    /// Moves every object of a CRD to its storage version, proves it, and trims the CRD's `storedVersions`.
    ///
    /// `keep` are the versions that will stay; without it, those that the CRD has. Cut off, it is simply begun again: what is
    /// moved is not moved twice.
    ///
    /// # Errors
    /// The CRD or its objects cannot be read, the wait is over, or somebody asked to stop. Objects that cannot be written are
    /// part of the answer, which then is not proved.
    pub async fn crd(&self, name: &str, keep: Option<&[String]>) -> Result<Migrated, Problem> {
        let began = Instant::now();
        let crd = self.read(name).await?;
        let mut migrated = Migrated::of(&crd);
        migrated.by = self.by_the_cluster(&crd).await?;
        self.settled(&self.read(name).await?).await?;
        for _ in 0..WALKS {
            let crd = self.read(name).await?;
            let walk = self.walk(&crd, keep, false).await?;
            migrated.add(&walk);
            if !walk.failures.is_empty() {
                break;
            }
            if walk.proves() && self.trim(&crd).await? {
                migrated.proved = true;
                break;
            }
        }
        migrated.seconds = began.elapsed().as_secs_f64();
        Ok(migrated)
    }

    /// What a migration would meet: the server is asked for each object, and writes none.
    ///
    /// # Errors
    /// As [`Migrate::crd`].
    pub async fn dry_run(&self, name: &str) -> Result<Migrated, Problem> {
        let crd = self.read(name).await?;
        let mut migrated = Migrated::of(&crd);
        migrated.dry_run = true;
        migrated.add(&self.walk(&crd, None, true).await?);
        Ok(migrated)
    }

    async fn read(&self, name: &str) -> Result<Crd, Problem> {
        let path = path(name);
        let crd = self.cluster.get(&path).await.map_err(|error| self.failed(name, error))?;
        Crd::new(crd).map_err(|_| Problem::failed(format!("the server answers with something else than CRD {name}")))
    }

    fn failed(&self, name: &str, error: ApiError) -> Problem {
        match error {
            ApiError::Refused { .. } => Problem::failed(format!("CRD {name} cannot be read or written")).because(error),
            other => other.problem(&self.cluster.context),
        }
    }

    /// A server that has not yet taken up the CRD stores in the version before it: a walk would then find nothing to move.
    async fn settled(&self, crd: &Crd) -> Result<(), Problem> {
        let goes_on = || !self.stop.asked();
        match settle::settled(self.cluster, crd, &goes_on).await {
            Ok(true) => Ok(()),
            Ok(false) if self.stop.asked() => Err(stopped("nothing was moved yet")),
            Ok(false) => {
                let text = format!("the API server does not store {} as {}", crd.name(), crd.storage_version());
                Err(Problem::new(Exit::OutOfTime, text).hint(format!("kubectl describe crd {}", crd.name())))
            }
            Err(error) => Err(self.failed(crd.name(), error)),
        }
    }

    async fn walk(&self, crd: &Crd, keep: Option<&[String]>, dry_run: bool) -> Result<Walk, Problem> {
        let all: Vec<String> = crd.versions().map(|version| version.name.to_owned()).collect();
        let way = Way { crd, keep: keep.unwrap_or(&all), to: crd.storage_version(), dry_run };
        let tell = |done: u64, total: u64| {
            if total > 0 {
                let (step, detail) = ("migrate".to_owned(), format!("{} objects", crd.name()));
                (self.emit)(Event::Progress { step, detail, done, total });
            }
            !self.stop.asked()
        };
        match rewrite::walk(self.cluster, &way, &tell).await {
            Ok(Some(walk)) => Ok(walk),
            Ok(None) => Err(stopped("what is moved stays moved")),
            Err(error) => Err(Problem::failed(format!("the objects of {} cannot be listed", crd.name()))
                .because(error)
                .hint("objects stored in a version that the CRD has no more? put that version back (served: false), then run it again")),
        }
    }

    /// Leaves the rewriting to the cluster, where it does that.
    async fn by_the_cluster(&self, crd: &Crd) -> Result<MovedBy, Problem> {
        if self.route == Route::Own {
            self.quiet(crd.name()).await?;
            return Ok(MovedBy::Us { because: "asked for".to_owned() });
        }
        let collection = match own::served(self.cluster).await {
            Ok(Some(collection)) => collection,
            Ok(None) => return self.by_us(crd, "it serves no StorageVersionMigration".to_owned()),
            Err(error) => return Err(self.failed(crd.name(), error)),
        };
        let migration = match own::ask(self.cluster, &collection, crd).await {
            Ok(migration) => migration,
            Err(error) if error.forbidden() => return self.by_us(crd, error.to_string()),
            Err(error) => return Err(self.failed(crd.name(), error)),
        };
        let began = Instant::now();
        let goes_on = || !self.stop.asked() && began.elapsed() < self.timeout;
        let stand = own::wait(self.cluster, &migration, self.acts_within, &goes_on).await;
        let stand = stand.map_err(|error| self.failed(crd.name(), error))?;
        if stand == Stand::Running {
            return Err(if self.stop.asked() {
                stopped("the cluster goes on with it by itself")
            } else {
                self.late(crd.name(), "the cluster is still migrating it")
            });
        }
        own::clear(self.cluster, &migration).await.map_err(|error| self.failed(crd.name(), error))?;
        self.quiet(crd.name()).await?;
        match stand {
            Stand::Succeeded => Ok(MovedBy::Cluster { left_behind: 0 }),
            Stand::Failed(reason) => self.by_us(crd, format!("its migration failed: {reason}")),
            Stand::Gone => self.by_us(crd, "somebody has deleted its migration".to_owned()),
            Stand::Untouched | Stand::Running if self.stop.asked() => Err(stopped("nothing was moved yet")),
            Stand::Untouched | Stand::Running => {
                self.by_us(crd, format!("its controller did not begin within {}s", self.acts_within.as_secs()))
            }
        }
    }

    fn by_us(&self, crd: &Crd, because: String) -> Result<MovedBy, Problem> {
        match self.route {
            Route::Cluster => Err(Problem::failed(format!("the cluster does not migrate {}: {because}", crd.name()))
                .hint("--by us rewrites the objects through the API")),
            Route::Auto | Route::Own => Ok(MovedBy::Us { because }),
        }
    }

    /// Waits while the cluster says that it is migrating: what it does then to `storedVersions` must be over.
    async fn quiet(&self, name: &str) -> Result<(), Problem> {
        let began = Instant::now();
        while under_way(&self.read(name).await?) {
            if self.stop.asked() {
                return Err(stopped("the cluster goes on with it by itself"));
            }
            if began.elapsed() >= self.timeout {
                return Err(self.late(name, "its condition StorageMigrating is still True"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn late(&self, name: &str, what: &str) -> Problem {
        let text = format!("{name}: {what} after {}s", self.timeout.as_secs());
        Problem::new(Exit::OutOfTime, text).hint("kubectl get storageversionmigrations; then run it again")
    }

    /// Makes the claim true, where the CRD still is the one that was walked for. False where it is not: the walk does not count.
    async fn trim(&self, walked: &Crd) -> Result<bool, Problem> {
        let name = walked.name();
        for _ in 0..TRIES {
            let now = self.read(name).await?;
            let same = |pointer: &str| now.json().pointer(pointer) == walked.json().pointer(pointer);
            if !same("/metadata/uid") || !same("/metadata/generation") || under_way(&now) {
                self.quiet(name).await?;
                return Ok(false);
            }
            let to = now.storage_version();
            if now.stored_versions() == [to] {
                return Ok(true);
            }
            let version = &now.json()["metadata"]["resourceVersion"];
            let patch = json!({"metadata": {"resourceVersion": version}, "status": {"storedVersions": [to]}});
            let path = format!("{}/status?fieldManager={MANAGER}", path(name));
            let body = Some(("application/merge-patch+json", &patch));
            match self.cluster.request(Method::PATCH, &path, body).await {
                Ok(_) => return Ok(true),
                Err(error) if error.conflict() => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => return Err(self.failed(name, error)),
            }
        }
        Ok(false)
    }
}

fn path(name: &str) -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
}

fn stopped(so_far: &str) -> Problem {
    Problem::new(Exit::Interrupted, format!("stopped by Ctrl-C while migrating: {so_far}"))
        .hint("run the same command again: it goes on")
}
