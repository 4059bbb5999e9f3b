//! Which lanes there are, to look for invocations that take long.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::action::Lane;

/// All lanes of this server, also those of versions that do not serve any more.
#[derive(Debug, Default)]
pub(crate) struct LaneBoard {
    lanes: Mutex<Vec<Weak<Lane>>>,
}

impl LaneBoard {
    /// There is a new lane.
    pub(crate) fn add(&self, lane: &Arc<Lane>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|lane| lane.strong_count() > 0);
        lanes.push(Arc::downgrade(lane));
    }

    /// The lanes that are there.
    pub(crate) fn all(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().filter_map(Weak::upgrade).collect()
    }
}
