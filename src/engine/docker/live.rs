//! The containers of this server that are there, and what is known about them.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobber_actors::domain::RunnerId;
use tokio_util::sync::CancellationToken;

/// One container.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveContainer {
    /// Its start is under way: not to be reaped, not to be missed in a list.
    pub(super) starting: bool,
    /// V8 said on the standard error that its heap was exhausted.
    pub(super) heap_exhausted: Arc<AtomicBool>,
    /// Cancelled when its output has been read to the end.
    pub(super) drained: CancellationToken,
    /// Cancelled when it is over and removed.
    pub(super) over: CancellationToken,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct LiveContainers {
    by_runner: Mutex<HashMap<RunnerId, LiveContainer>>,
}

impl LiveContainers {
    fn map(&self) -> MutexGuard<'_, HashMap<RunnerId, LiveContainer>> {
        self.by_runner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announce(&self, runner: RunnerId) -> LiveContainer {
        let live = LiveContainer {
            starting: true,
            ..LiveContainer::default()
        };
        self.map().insert(runner, live.clone());
        live
    }

    pub(super) fn started(&self, runner: RunnerId) {
        if let Some(live) = self.map().get_mut(&runner) {
            live.starting = false;
        }
    }

    /// Gives the container to the one who will tell its end; `None` for everyone else.
    pub(super) fn take(&self, runner: RunnerId) -> Option<LiveContainer> {
        self.map().remove(&runner)
    }

    pub(super) fn get(&self, runner: RunnerId) -> Option<LiveContainer> {
        self.map().get(&runner).cloned()
    }

    pub(super) fn is_starting(&self, runner: RunnerId) -> bool {
        self.map().get(&runner).is_some_and(|live| live.starting)
    }

    /// Those whose start is done.
    pub(super) fn started_ones(&self) -> Vec<RunnerId> {
        self.map()
            .iter()
            .filter(|(_, live)| !live.starting)
            .map(|(&runner, _)| runner)
            .collect()
    }
}
