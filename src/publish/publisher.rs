//! The use case of publishing, step by step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jobber_actors::domain::{ArchiveDigest, ImportState, JobId, VersionId};
use jobber_actors::manifest::Manifest;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::answer::{Change, Published, Warning};
use super::docker::DockerGrants;
use super::error::PublishError;
use super::package::Package;
use super::rollout::{PrepareFailure, Rollout};
use super::spans;
use crate::archive::{ArchiveLimits, DiskArchiveStore, Inspection, Upload, inspect};
use crate::store::{Database, JobLock, JobStore, KnownVersion, NewVersion, PublishStore, PublishedBy};

/// How publishing behaves.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// What an archive may be.
    pub archive: ArchiveLimits,
    /// Most packages that are published at the same moment; others wait.
    pub concurrency: usize,
    /// Longest wait for other publishes.
    pub wait: Duration,
    /// Longest time for a runner to start and import a version.
    pub prepare: Duration,
    /// Longest time until an active version serves.
    pub reconcile: Duration,
    /// Where the gateway is reached, without a slash at the end; for the answer's URLs.
    pub gateway_url: String,
    /// What packages get of what they ask of Docker; for the answer's warnings.
    pub docker: DockerGrants,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self {
            archive: ArchiveLimits::default(),
            concurrency: 4,
            wait: Duration::from_secs(60),
            prepare: Duration::from_secs(60),
            reconcile: Duration::from_secs(30),
            gateway_url: "http://localhost:3001".to_owned(),
            docker: DockerGrants::Kinds(BTreeSet::new()),
        }
    }
}

/// What to do with a package besides keeping it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// Make it the active version.
    pub activate: bool,
    /// Make it the active version even if it can not be imported.
    pub force: bool,
    /// Who publishes it, if that is known.
    pub by: Option<PublishedBy>,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            activate: true,
            force: false,
            by: None,
        }
    }
}

/// Publishes packages and activates versions. One per server, cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: PublisherConfig,
    database: Database,
    pub(super) jobs: JobStore,
    pub(super) versions: PublishStore,
    pub(super) archives: DiskArchiveStore,
    pub(super) rollout: Arc<dyn Rollout>,
    slots: Semaphore,
    /// Owns what must go on when nobody waits for it any more.
    tasks: TaskTracker,
}

impl Publisher {
    /// A publisher over these stores.
    #[must_use]
    pub fn new(
        config: PublisherConfig,
        database: Database,
        archives: DiskArchiveStore,
        rollout: Arc<dyn Rollout>,
    ) -> Self {
        let slots = Semaphore::new(config.concurrency);
        let (jobs, versions) = (
            JobStore::new(database.clone()),
            PublishStore::new(database.clone()),
        );
        let tasks = TaskTracker::new();
        Self {
            shared: Arc::new(Shared {
                config,
                database,
                jobs,
                versions,
                archives,
                rollout,
                slots,
                tasks,
            }),
        }
    }

    /// Where archives are kept.
    #[must_use]
    pub fn archives(&self) -> &DiskArchiveStore {
        &self.shared.archives
    }

    /// How long a version may take to be made ready.
    #[must_use]
    pub fn prepare_deadline(&self) -> Duration {
        self.shared.config.prepare
    }

    /// Publishes an uploaded archive. Goes on to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`PublishError`]; each says what was kept.
    pub async fn publish(&self, upload: Upload, options: PublishOptions) -> Result<Published, PublishError> {
        let shared = Arc::clone(&self.shared);
        let publish = async move { spans::ended(shared.publish(upload, options).await) };
        self.run(publish.instrument(spans::publish())).await
    }

    /// Makes a version that was published before the active one. Goes on to its end even if the caller stops
    /// waiting.
    ///
    /// # Errors
    /// [`PublishError`]; then the version that was active still is, unless it says otherwise.
    pub async fn activate(
        &self,
        job: JobId,
        job_name: &str,
        version: VersionId,
        force: bool,
    ) -> Result<(), PublishError> {
        let (shared, job_name) = (Arc::clone(&self.shared), job_name.to_owned());
        self.run(async move { shared.activate_known(job, &job_name, version, force).await })
            .await
    }

    /// The zip of a version, and how many bytes it has; `None` if it is not here.
    ///
    /// # Errors
    /// When the disk can not be read.
    pub async fn archive(&self, archive: ArchiveDigest) -> std::io::Result<Option<(tokio::fs::File, u64)>> {
        self.shared.archives.zip(archive).await
    }

    /// Begins an upload of at most as many bytes as an archive may have.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn upload(&self) -> std::io::Result<crate::archive::UploadWriter> {
        self.shared
            .archives
            .upload(self.shared.config.archive.packed_bytes)
            .await
    }

    /// Waits until everything that was begun has ended. Nothing may be begun afterwards.
    pub async fn shutdown(&self) {
        self.shared.slots.close();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, PublishError>> + Send + 'static,
    ) -> Result<T, PublishError> {
        self.shared.tasks.spawn(work).await.unwrap_or_else(|error| {
            Err(PublishError::Unavailable(format!(
                "publishing ended early: {error}"
            )))
        })
    }
}

impl Shared {
    async fn publish(&self, upload: Upload, options: PublishOptions) -> Result<Published, PublishError> {
        let _slot = self.slot().await?;
        let inspection = inspect(upload.path(), self.config.archive).await?;
        let mut package = Package::read(&inspection).map_err(PublishError::Manifest)?;
        package
            .warnings
            .extend(self.config.docker.warnings(&package.docker));
        spans::package(&package.name, &package.version);
        let _lock = self.lock(&package.name).await?;

        let known = self.versions.find(&package.name, &package.version).await?;
        if let Some(known) = &known
            && known.archive != inspection.digest
        {
            return Err(PublishError::VersionTaken {
                job: package.name,
                version: package.version,
            });
        }
        let conflicts = self
            .versions
            .conflicts(&package.name, &package.route_keys())
            .await?;
        if !conflicts.is_empty() {
            return Err(PublishError::RoutesTaken(package.locate(conflicts)));
        }

        let is_new = known.is_none();
        let known = self
            .keep(upload, &inspection, &package, options.by.clone(), known)
            .await?;
        let settled = known.active && known.import == ImportState::Succeeded;
        let mut published = Published::of(&known, &package, &self.config.gateway_url);
        if is_new {
            published.change = Change::Published;
        }
        if !options.activate || settled {
            return Ok(published);
        }
        let forced = self.activate(&known, options.force).await;
        let forced = match forced {
            // Only a refusal of the package as such leaves nothing behind.
            Err(PublishError::RoutesTaken(conflicts)) => {
                if is_new {
                    self.forget(known.version, inspection.digest).await;
                }
                return Err(PublishError::RoutesTaken(package.locate(conflicts)));
            }
            other => other?,
        };
        published.warnings.extend(forced);
        published.active = true;
        if !is_new {
            published.change = Change::Activated;
        }
        Ok(published)
    }

    async fn activate_known(
        &self,
        job: JobId,
        job_name: &str,
        version: VersionId,
        force: bool,
    ) -> Result<(), PublishError> {
        let _slot = self.slot().await?;
        let _lock = self.lock(job_name).await?;
        let known = self
            .versions
            .find_by_id(job, version)
            .await?
            .ok_or(PublishError::NoSuchVersion)?;
        // It may have been published when more was allowed than today. Then no runner could ever be started for it.
        let manifest = self.versions.manifest(version).await?;
        Manifest::check(&manifest.ok_or(PublishError::NoSuchVersion)?).map_err(PublishError::Manifest)?;
        if known.active && known.import == ImportState::Succeeded {
            return Ok(());
        }
        self.activate(&known, force).await?;
        Ok(())
    }

    async fn slot(&self) -> Result<tokio::sync::SemaphorePermit<'_>, PublishError> {
        match tokio::time::timeout(self.config.wait, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(PublishError::Unavailable("the server is stopping".to_owned())),
            Err(_) => Err(PublishError::Busy),
        }
    }

    pub(super) async fn lock(&self, job_name: &str) -> Result<JobLock, PublishError> {
        let lock = JobLock::acquire(&self.database, &self.tasks, job_name, self.config.wait).await?;
        lock.ok_or(PublishError::Busy)
    }

    /// Keeps the archive, and the version if it is new. The archive of a known version is kept again, which repairs
    /// one that was lost.
    async fn keep(
        &self,
        upload: Upload,
        inspection: &Inspection,
        package: &Package,
        by: Option<PublishedBy>,
        known: Option<KnownVersion>,
    ) -> Result<KnownVersion, PublishError> {
        let held = self.archives.hold_references().await;
        self.archives.keep(upload, inspection.digest, &held).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        let inserted = self
            .versions
            .insert(&NewVersion {
                job_name: &package.name,
                version_name: &package.version,
                manifest: &package.json,
                archive: inspection.digest,
                files: u32::try_from(inspection.paths.len()).unwrap_or(u32::MAX),
                bytes: inspection.bytes,
                packed_bytes: inspection.packed_bytes,
                triggers: package.new_triggers(),
                by,
            })
            .await;
        drop(held);
        match inserted {
            Ok(inserted) => Ok(KnownVersion {
                job: inserted.job,
                version: inserted.version,
                action: inserted.action,
                archive: inspection.digest,
                import: ImportState::Untried,
                active: false,
                enabled: inserted.enabled,
                triggers: inserted.triggers,
            }),
            Err(error) => {
                self.remove_archives(&[inspection.digest]).await;
                Err(error.into())
            }
        }
    }

    /// Makes a version ready, then the active one, then serves it. Returns warnings.
    async fn activate(&self, known: &KnownVersion, force: bool) -> Result<Vec<Warning>, PublishError> {
        let deploy = async { spans::ended(self.deploy(known, force).await) };
        deploy.instrument(spans::deploy(known.job, known.version)).await
    }

    async fn deploy(&self, known: &KnownVersion, force: bool) -> Result<Vec<Warning>, PublishError> {
        let prepared = self
            .rollout
            .prepare(known.job, known.version, self.config.prepare)
            .await;
        let imported = prepared.is_ok();
        let warnings = match prepared {
            Ok(()) => Vec::new(),
            Err(PrepareFailure::Import(error)) => {
                self.versions.record_import_error(known.version, &error).await?;
                if !force {
                    return Err(PublishError::ImportFailed {
                        job: known.job,
                        version: known.version,
                        error,
                    });
                }
                let message = format!(
                    "activated although it can not be imported: {}: {}",
                    error.name, error.message
                );
                vec![Warning::new("import-failed", message)]
            }
            Err(failure) if force => {
                let message = format!("activated without having been imported: {failure}");
                vec![Warning::new("import-untried", message)]
            }
            Err(PrepareFailure::Engine(reason)) => return Err(PublishError::NoRunner(reason)),
            Err(PrepareFailure::TimedOut(after)) => {
                self.rollout.abandon(known.job, known.version);
                return Err(PublishError::ImportTimedOut(after));
            }
            Err(PrepareFailure::Unavailable(reason)) => return Err(PublishError::Unavailable(reason)),
        };
        if let Err(error) = self.versions.activate(known.job, known.version, imported).await {
            self.rollout.abandon(known.job, known.version);
            return Err(error.into());
        }
        self.rollout
            .reconcile(known.job, self.config.reconcile)
            .await
            .map_err(|failure| PublishError::NotServedYet(failure.to_string()))?;
        Ok(warnings)
    }
}
