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
    /// `None` once it was given back.
    place: Option<Place>,
}

impl Permit {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            place: Some(Place::Waiting),
        }
    }

    /// The lane itself has already counted the move.
    pub(super) fn moved_to(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Gives the place back. Who does so sees to it that it is [handed out](Lane::hand_out) again.
    pub(crate) fn give_back(mut self) -> Arc<Lane> {
        if let Some(place) = self.place.take() {
            // What waits is looked for when it is handed out.
            let _: bool = self.lane.release(place);
        }
        Arc::clone(&self.lane)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.lane.dropped(place);
        }
    }
}
