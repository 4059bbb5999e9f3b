//! For how many deliveries there is room: a pure decision.

use crate::domain::JobId;
use crate::ports::Room;

/// Most deliveries that are claimed at once, so that one job with a long queue does not make all others wait.
const BATCH: u32 = 200;

/// What to claim: as much as each job can take, together no more than may be held besides what is held already.
pub(super) fn room(jobs: impl IntoIterator<Item = (JobId, u32)>, held: usize, most: usize) -> Vec<Room> {
    let left = u32::try_from(most.saturating_sub(held)).unwrap_or(u32::MAX);
    let mut room: Vec<Room> = jobs
        .into_iter()
        .filter(|(_, free)| *free > 0)
        .map(|(job, free)| Room {
            job,
            deliveries: free.min(left).min(BATCH),
        })
        .filter(|room| room.deliveries > 0)
        .collect();
    // Whoever claims takes the longest due over all of them; this only has to be the same for the same jobs.
    room.sort_unstable_by_key(|room| room.job);
    room
}
