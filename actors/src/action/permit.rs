//! A place in a lane.

use std::sync::Arc;

use super::lane::Lane;
use crate::domain::RunnerId;

/// Where a permit's holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Admitted, and not with a runner.
    Waiting,
    /// With this runner.
    Running(RunnerId),
}

/// The right to be in a lane. It comes back when it is dropped, exactly once, wherever that is.
#[derive(Debug)]
pub struct Permit {
    lane: Arc<Lane>,
    place: Place,
}

impl Permit {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            place: Place::Waiting,
        }
    }

    /// The lane itself has already counted the move.
    pub(super) fn moved_to(&mut self, place: Place) {
        self.place = place;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.lane.release(self.place);
    }
}
