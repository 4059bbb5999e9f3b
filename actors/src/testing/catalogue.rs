//! What should exist, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::archives::FILE;
use super::{FakePackage, locked};
use crate::domain::{
    ActionId, ArchiveDigest, DesiredJob, DesiredTrigger, Environment, ImportState, JobId, JobVersion,
    TriggerId, Variable, VersionId,
};
use crate::manifest::TriggerKey;
use crate::ports::{Catalogue, CatalogueError};

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<JobId, DesiredJob>,
    versions: HashMap<VersionId, Arc<JobVersion>>,
    /// Stable over versions.
    triggers: HashMap<(JobId, TriggerKey), TriggerId>,
    imports: HashMap<VersionId, ImportState>,
}

/// A catalogue that a test changes, as the API would.
#[derive(Debug, Default)]
pub struct FakeCatalogue {
    state: Mutex<State>,
    unreachable: AtomicBool,
}

impl FakeCatalogue {
    /// Keeps a version of a package without letting it serve. A job of its name is made if there is none.
    #[must_use]
    pub fn publish(&self, package: &FakePackage) -> Arc<JobVersion> {
        let manifest = package.manifest();
        let mut state = locked(&self.state);
        let named = |job: &&DesiredJob| &*job.name == manifest.name.as_str();
        let job = match state.jobs.values().find(named) {
            Some(job) => job.id,
            None => {
                let id = JobId::generate();
                let job = DesiredJob {
                    id,
                    name: manifest.name.as_str().into(),
                    enabled: true,
                    active: None,
                    environment: Arc::default(),
                };
                state.jobs.insert(id, job);
                id
            }
        };
        let triggers = manifest.triggers.iter().enumerate().map(|(index, trigger)| {
            let known = state.triggers.entry((job, trigger.key()));
            let id = *known.or_insert_with(TriggerId::generate);
            DesiredTrigger { id, index }
        });
        let triggers: Vec<DesiredTrigger> = triggers.collect();
        let version = Arc::new(JobVersion {
            id: VersionId::generate(),
            job,
            action: ActionId::generate(),
            name: manifest.version.as_str().into(),
            manifest: Arc::new(manifest),
            archive: ArchiveDigest::from([7; 32]),
            files: 1,
            bytes: FILE.len() as u64,
            triggers,
            import: ImportState::Untried,
        });
        state.versions.insert(version.id, Arc::clone(&version));
        version
    }

    /// Says that this version should serve.
    pub fn activate(&self, version: &Arc<JobVersion>) {
        self.change(version.job, |job| job.active = Some(Arc::clone(version)));
    }

    /// Says that the job should have runners and routes, or none.
    pub fn enable(&self, job: JobId, enabled: bool) {
        self.change(job, |job| job.enabled = enabled);
    }

    /// Gives the job these variables.
    pub fn set_environment(&self, job: JobId, variables: &[(&str, &str)]) {
        let variable = |(name, value): &(&str, &str)| {
            let value = Variable {
                secret: false,
                value: (*value).into(),
            };
            ((*name).to_owned(), value)
        };
        let environment = Environment::new(variables.iter().map(variable).collect());
        self.change(job, |job| job.environment = Arc::new(environment));
    }

    /// Says that the job should not exist.
    pub fn delete(&self, job: JobId) {
        locked(&self.state).jobs.remove(&job);
    }

    /// From now on the catalogue does not answer, or does again.
    pub fn unreachable(&self, unreachable: bool) {
        self.unreachable.store(unreachable, Ordering::SeqCst);
    }

    fn change(&self, job: JobId, change: impl FnOnce(&mut DesiredJob)) {
        if let Some(job) = locked(&self.state).jobs.get_mut(&job) {
            change(job);
        }
    }

    fn answer<T>(&self, read: impl FnOnce(&mut State) -> T) -> Result<T, CatalogueError> {
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(CatalogueError("a test wants it so".into()));
        }
        Ok(read(&mut locked(&self.state)))
    }
}

#[async_trait]
impl Catalogue for FakeCatalogue {
    async fn jobs(&self) -> Result<Vec<DesiredJob>, CatalogueError> {
        self.answer(|state| state.jobs.values().cloned().collect())
    }

    async fn job(&self, job: JobId) -> Result<Option<DesiredJob>, CatalogueError> {
        self.answer(|state| state.jobs.get(&job).cloned())
    }

    async fn version(&self, version: VersionId) -> Result<Option<Arc<JobVersion>>, CatalogueError> {
        self.answer(|state| state.versions.get(&version).cloned())
    }

    async fn record_import(&self, version: VersionId, import: ImportState) -> Result<(), CatalogueError> {
        self.answer(|state| {
            state.imports.insert(version, import);
        })
    }
}
