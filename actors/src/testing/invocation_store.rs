//! Records of invocations in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::locked;
use crate::domain::{InvocationId, ServerId};
use crate::ports::{InvocationRecord, InvocationStore, InvocationStoreError};

/// A record of invocations that keeps everything, and fails when it is told to.
#[derive(Debug, Default)]
pub struct FakeInvocationStore {
    records: Mutex<Vec<InvocationRecord>>,
    failures: AtomicU32,
}

impl FakeInvocationStore {
    /// What is recorded, in the order in which it was first.
    #[must_use]
    pub fn records(&self) -> Vec<InvocationRecord> {
        locked(&self.records).clone()
    }

    /// What is recorded of the attempts at one invocation.
    #[must_use]
    pub fn of(&self, id: InvocationId) -> Vec<InvocationRecord> {
        let mut records = self.records();
        records.retain(|record| record.id == id);
        records
    }

    /// The next so many batches are refused.
    pub fn fail(&self, batches: u32) {
        self.failures.store(batches, Ordering::SeqCst);
    }
}

#[async_trait]
impl InvocationStore for FakeInvocationStore {
    async fn append(&self, _: ServerId, records: &[InvocationRecord]) -> Result<(), InvocationStoreError> {
        let refuses = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if refuses {
            return Err(InvocationStoreError("a test wants it so".into()));
        }
        let mut kept = locked(&self.records);
        for record in records {
            let same =
                |known: &&mut InvocationRecord| (known.id, known.attempt) == (record.id, record.attempt);
            match kept.iter_mut().find(same) {
                Some(known) if known.status.is_final() => {}
                Some(known) => known.clone_from(record),
                None => kept.push(record.clone()),
            }
        }
        Ok(())
    }
}
