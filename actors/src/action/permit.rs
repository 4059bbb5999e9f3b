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

    /// Gives the places back, and the lane of the last one. Who does so sees to it that they are [handed out](Lane::hand_out)
    /// again.
    pub(crate) fn give_back_all(permits: impl Iterator<Item = Self>) -> Option<Arc<Lane>> {
        let mut together: Option<(Arc<Lane>, Place, u32)> = None;
        for mut permit in permits {
            let Some(place) = permit.place.take() else {
                continue;
            };
            match &mut together {
                Some((lane, known, places)) if *known == place && Arc::ptr_eq(lane, &permit.lane) => {
                    *places += 1;
                }
                other => {
                    let before = other.replace((Arc::clone(&permit.lane), place, 1));
                    release(before);
                }
            }
        }
        release(together)
    }
}

/// Gives so many places in a lane back, and the lane.
fn release(together: Option<(Arc<Lane>, Place, u32)>) -> Option<Arc<Lane>> {
    let (lane, place, places) = together?;
    // What waits is looked for when it is handed out.
    let _: bool = lane.release(place, places);
    Some(lane)
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.lane.dropped(place);
        }
    }
}
