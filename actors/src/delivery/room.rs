//! For how many deliveries of each job there is room: a pure decision.

use crate::domain::JobId;
use crate::ports::Room;

/// Deliveries of one job that are claimed at once, most and least: with many jobs there are fewer of each.
const MOST_OF_A_JOB: u32 = 200;
const LEAST_OF_A_JOB: u32 = 8;
/// What is looked at for one claim, over all jobs.
const LOOKED_AT: u32 = 4_000;

/// As much as each job can take now, within the limits of one claim.
pub(super) fn room(jobs: Vec<(JobId, u32)>) -> Vec<Room> {
    let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX).max(1);
    let most = (LOOKED_AT / count).clamp(LEAST_OF_A_JOB, MOST_OF_A_JOB);
    jobs.into_iter()
        .filter(|(_, free)| *free > 0)
        .map(|(job, free)| Room {
            job,
            deliveries: free.min(most),
        })
        .collect()
}
