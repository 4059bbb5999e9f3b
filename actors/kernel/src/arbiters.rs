//! Threads for actors.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Arbiter, ArbiterHandle};

use crate::exit::Failure;
use crate::tasks::spawn_blocking;

/// A fixed number of arbiters. Each is a thread with a runtime of its own.
#[derive(Debug)]
pub struct ArbiterPool {
    arbiters: Vec<Arbiter>,
    next: AtomicUsize,
}

impl ArbiterPool {
    /// Starts `count` arbiters, at least one.
    ///
    /// # Errors
    /// If the system gives no more threads.
    ///
    /// # Panics
    /// If the caller does not run in an actix system.
    pub fn new(count: usize) -> io::Result<Self> {
        let arbiters = (0..count.max(1))
            .map(|_| Arbiter::try_new())
            .collect::<io::Result<_>>()?;
        Ok(Self {
            arbiters,
            next: AtomicUsize::new(0),
        })
    }

    /// How many arbiters there are.
    pub fn count(&self) -> usize {
        self.arbiters.len()
    }

    /// The arbiters in turn.
    pub fn next(&self) -> ArbiterHandle {
        self.arbiters[self.next.fetch_add(1, Ordering::Relaxed) % self.arbiters.len()].handle()
    }

    /// All arbiters, in their order.
    pub fn all(&self) -> impl Iterator<Item = ArbiterHandle> {
        self.arbiters.iter().map(Arbiter::handle)
    }

    /// The same arbiter for the same key.
    pub fn for_key(&self, key: &impl Hash) -> ArbiterHandle {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = hasher.finish() % self.arbiters.len() as u64;
        self.arbiters[place as usize].handle()
    }

    /// Stops all arbiters and waits for their threads. Actors that still run on them are killed: shut the
    /// tree down first.
    ///
    /// # Errors
    /// If the thread of an arbiter had panicked.
    pub async fn shutdown(self) -> Result<(), Failure> {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        spawn_blocking("join arbiters", move || {
            let mut joined = Ok(());
            for arbiter in self.arbiters {
                // All are joined, whatever became of the ones before.
                joined = joined.and(arbiter.join());
            }
            joined.map_err(|_| Failure::new("the thread of an arbiter panicked"))
        })
        .await?
    }
}
