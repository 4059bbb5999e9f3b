//! Which runners there are, and how each may be reached. Lives outside of every actor: sessions go on while the
//! RunnerManager is restarted, and the reaper knows whom to leave alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::{ActionId, JobId, RunnerId, VersionId};
use crate::runner::Runner;

/// What proves a runner: 256 random bits, valid for one connection.
#[derive(Debug)]
pub struct RunnerToken {
    token: SecretString,
    hash: [u8; 32],
}

impl RunnerToken {
    /// A new token.
    #[must_use]
    pub fn generate() -> Self {
        let bytes: [u8; 32] = rand::random();
        let token = hex::encode(bytes);
        Self {
            hash: hash(&token),
            token: token.into(),
        }
    }

    /// The token itself, for the runner's standard input.
    #[must_use]
    pub fn expose(&self) -> SecretString {
        SecretString::from(self.token.expose_secret())
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// How far a runner has come, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerStage {
    /// The engine creates it.
    Starting,
    /// It dialled in and loads its package.
    Loading,
    /// It serves.
    Ready,
    /// It is being ended.
    Ending,
}

impl RunnerStage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Loading, Self::Ready, Self::Ending];

    /// What people and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Ending => "ending",
        }
    }
}

/// What is known about a runner.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunnerStatus {
    /// The runner.
    pub id: RunnerId,
    /// Its job.
    pub job_id: JobId,
    /// Its version.
    pub version_id: VersionId,
    /// Its action.
    pub action_id: ActionId,
    /// How far it has come.
    pub stage: RunnerStage,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When it began to serve.
    pub ready: Option<DateTime<Utc>>,
}

struct Entry {
    address: Addr<Runner>,
    /// `None` once it was used.
    token_hash: Option<[u8; 32]>,
    status: RunnerStatus,
}

/// All runners that an actor answers for.
#[derive(Default)]
pub struct RunnerRegistry {
    entries: Mutex<HashMap<RunnerId, Entry>>,
}

impl std::fmt::Debug for RunnerRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerRegistry")
            .field("runners", &self.lock().len())
            .finish()
    }
}

impl RunnerRegistry {
    fn lock(&self) -> MutexGuard<'_, HashMap<RunnerId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a runner, before it is started. It leaves when the registration is dropped.
    pub fn register(
        self: &Arc<Self>,
        status: RunnerStatus,
        token: &RunnerToken,
        address: Addr<Runner>,
    ) -> Registration {
        let runner = status.id;
        self.lock().insert(
            runner,
            Entry {
                address,
                token_hash: Some(token.hash),
                status,
            },
        );
        Registration {
            registry: Arc::clone(self),
            runner,
        }
    }

    /// Whose token this is. It is worth nothing afterwards.
    #[must_use]
    pub fn claim(&self, token: &str) -> Option<(RunnerId, Addr<Runner>)> {
        let claimed = hash(token);
        let mut entries = self.lock();
        // Every entry is compared, and in constant time, so that the time tells nothing about any token.
        let mut found = None;
        for (runner, entry) in entries.iter() {
            if let Some(expected) = &entry.token_hash
                && bool::from(expected.ct_eq(&claimed))
            {
                found = Some(*runner);
            }
        }
        let runner = found?;
        let entry = entries.get_mut(&runner)?;
        entry.token_hash = None;
        Some((runner, entry.address.clone()))
    }

    /// The actor that answers for a runner.
    #[must_use]
    pub fn find(&self, runner: RunnerId) -> Option<Addr<Runner>> {
        self.lock().get(&runner).map(|entry| entry.address.clone())
    }

    /// What is known about a runner.
    #[must_use]
    pub fn status(&self, runner: RunnerId) -> Option<RunnerStatus> {
        self.lock().get(&runner).map(|entry| entry.status.clone())
    }

    /// Every runner that an actor answers for.
    #[must_use]
    pub fn ids(&self) -> Vec<RunnerId> {
        self.lock().keys().copied().collect()
    }

    /// What is known about each, the oldest first.
    #[must_use]
    pub fn statuses(&self) -> Vec<RunnerStatus> {
        let mut statuses: Vec<_> = self.lock().values().map(|entry| entry.status.clone()).collect();
        statuses.sort_by_key(|status| status.created);
        statuses
    }
}

/// A runner's entry; dropping it takes the runner out.
#[derive(Debug)]
pub struct Registration {
    registry: Arc<RunnerRegistry>,
    runner: RunnerId,
}

impl Registration {
    /// The runner has come further.
    pub fn set_stage(&self, stage: RunnerStage) {
        if let Some(entry) = self.registry.lock().get_mut(&self.runner) {
            entry.status.stage = stage;
            if stage == RunnerStage::Ready {
                entry.status.ready = Some(Utc::now());
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.runner);
    }
}
