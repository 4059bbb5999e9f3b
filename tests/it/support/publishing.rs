//! Publishing with everything real but the runners.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jobber::archive::{ArchiveLimits, DiskArchiveStore};
use jobber::publish::{
    PrepareFailure, PublishError, PublishOptions, Published, Publisher, PublisherConfig, ReconcileFailure,
    Rollout,
};
use jobber::sealing::{KeySource, Keys};
use jobber::store::{JobStore, Listing, PostgresCatalogue, PublishStore, VersionFilter, VersionSummary};
use jobber_actors::domain::{JobId, VersionId};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::{Package, TestDatabase};

/// Answers as it was told, and remembers what it was asked.
#[derive(Default)]
pub struct ScriptedRollout {
    answers: Mutex<VecDeque<Result<(), PrepareFailure>>>,
    asked: Mutex<Vec<String>>,
    panics: AtomicBool,
    meeting: Mutex<Option<Arc<Barrier>>>,
}

impl ScriptedRollout {
    /// The next import ends like this; imports that nothing was said about succeed.
    pub fn next_import(&self, answer: Result<(), PrepareFailure>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// The next import takes its task with it.
    pub fn panic_at_next_import(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    /// From now on an import goes on only when as many as the barrier wants have come to it.
    pub fn meet_at(&self, barrier: &Arc<Barrier>) {
        *self.meeting.lock().unwrap() = Some(Arc::clone(barrier));
    }

    /// What was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn ask(&self, what: &str) {
        self.asked.lock().unwrap().push(what.to_owned());
    }
}

#[async_trait]
impl Rollout for ScriptedRollout {
    async fn prepare(&self, _: JobId, _: VersionId, _: Duration) -> Result<(), PrepareFailure> {
        self.ask("prepare");
        assert!(!self.panics.swap(false, Ordering::Relaxed), "told to");
        let meeting = self.meeting.lock().unwrap().clone();
        match meeting {
            Some(barrier) => {
                barrier.wait().await;
            }
            // Long enough for one that does not wait for its turn to show.
            None => tokio::time::sleep(Duration::from_millis(30)).await,
        }
        self.ask("prepared");
        let answer = self.answers.lock().unwrap().pop_front();
        answer.unwrap_or(Ok(()))
    }

    fn abandon(&self, _: JobId, _: VersionId) {
        self.ask("abandon");
    }

    async fn reconcile(&self, _: JobId, _: Duration) -> Result<(), ReconcileFailure> {
        self.ask("reconcile");
        Ok(())
    }
}

/// A publisher with its stores.
pub struct Publishing {
    pub db: TestDatabase,
    pub data: TempDir,
    pub rollout: Arc<ScriptedRollout>,
    pub publisher: Publisher,
    pub catalogue: PostgresCatalogue,
    pub keys: Arc<Keys>,
    pub key_folder: TempDir,
    pub versions: PublishStore,
    pub jobs: JobStore,
}

impl Publishing {
    pub async fn new() -> Self {
        Self::limited(ArchiveLimits::default()).await
    }

    pub async fn limited(archive: ArchiveLimits) -> Self {
        let db = TestDatabase::new().await;
        let data = tempfile::tempdir().unwrap();
        let rollout = Arc::new(ScriptedRollout::default());
        let config = PublisherConfig {
            archive,
            ..PublisherConfig::default()
        };
        let archives = DiskArchiveStore::open(data.path()).unwrap();
        let publisher = Publisher::new(config, db.database.clone(), archives, Arc::clone(&rollout) as _);
        let key_folder = tempfile::tempdir().unwrap();
        let keys = KeySource::File(key_folder.path().join("master-key"));
        let keys = Arc::new(Keys::load(keys).unwrap());
        Self {
            catalogue: PostgresCatalogue::new(db.database.clone(), Arc::clone(&keys)),
            keys,
            key_folder,
            versions: PublishStore::new(db.database.clone()),
            jobs: JobStore::new(db.database.clone()),
            db,
            data,
            rollout,
            publisher,
        }
    }

    /// The versions of a job, the newest first.
    pub async fn versions_of(&self, job: JobId) -> Vec<VersionSummary> {
        let all = VersionFilter::default();
        let page = self.jobs.versions(job, &all, &Listing::default()).await;
        page.unwrap().items
    }

    /// Publishes as most people do.
    pub async fn publish(&self, package: &Package) -> Result<Published, PublishError> {
        self.publish_zip(&package.zip(), PublishOptions::default()).await
    }

    pub async fn publish_zip(&self, zip: &[u8], options: PublishOptions) -> Result<Published, PublishError> {
        let mut writer = self.publisher.upload().await.unwrap();
        writer.write(zip).await.unwrap();
        self.publisher
            .publish(writer.finish().await.unwrap(), options)
            .await
    }

    /// The name of the version that serves, if one does.
    pub async fn active(&self, job: &str) -> Option<String> {
        self.jobs.find(job).await.unwrap()?.version
    }

    /// Rows and files: all that publishing may leave behind.
    pub async fn leftovers(&self) -> (i64, i64, usize) {
        let jobs = self.db.count("select count(*) from jobs").await;
        let versions = self.db.count("select count(*) from versions").await;
        (jobs, versions, files_below(self.data.path()))
    }
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}
