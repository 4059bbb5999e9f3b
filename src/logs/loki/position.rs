//! Where a line stands: a nanosecond of its own, as far as possible.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jobber_actors::domain::JobId;

use crate::logs::LogCursor;

/// Moments of jobs that are remembered. Lines of a moment that was forgotten share nanoseconds with those before.
const MOMENTS: usize = 2_048;
/// Nanoseconds of a microsecond, which is what the cursor's time has.
const NANOSECONDS: i64 = 1_000;
/// A cursor's sequence is a nanosecond within its microsecond, counted from 1, above so many bits of the tie.
const TIE_BITS: u32 = 32;

/// A place among a job's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// Since 1970.
    pub(super) nanosecond: i64,
    /// Tells lines apart that share a nanosecond, which those of two servers may.
    pub(super) tie: u32,
}

impl Position {
    pub(super) fn cursor(self) -> LogCursor {
        let time = DateTime::from_timestamp_micros(self.nanosecond.div_euclid(NANOSECONDS));
        let within = self.nanosecond.rem_euclid(NANOSECONDS) + 1;
        LogCursor {
            time: time.unwrap_or(DateTime::UNIX_EPOCH),
            sequence: (within << TIE_BITS) | i64::from(self.tie),
        }
    }
}

/// The nanosecond at which a cursor is.
pub(super) fn nanosecond_of(cursor: LogCursor) -> i64 {
    let within = ((cursor.sequence >> TIE_BITS) - 1).clamp(0, NANOSECONDS - 1);
    nanosecond_at(cursor.time).saturating_add(within)
}

/// The first nanosecond of a moment.
pub(super) fn nanosecond_at(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros().saturating_mul(NANOSECONDS)
}

/// Gives lines their positions. Lines of one moment and job get nanoseconds in a row. Cheap to clone, so that those of a push that
/// failed can be taken back.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    /// How many lines there were of each moment.
    counts: Arc<HashMap<(JobId, i64), i64>>,
    /// The moments, the oldest first.
    order: Arc<VecDeque<(JobId, i64)>>,
    tie: u32,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            counts: Arc::default(),
            order: Arc::default(),
            tie: rand::random(),
        }
    }
}

impl Positions {
    pub(super) fn next(&mut self, job: JobId, time: DateTime<Utc>) -> Position {
        let moment = (job, nanosecond_at(time));
        let counts = Arc::make_mut(&mut self.counts);
        let count = counts.entry(moment).or_insert(0);
        let nanosecond = moment.1.saturating_add(*count);
        *count += 1;
        if *count == 1 {
            let order = Arc::make_mut(&mut self.order);
            order.push_back(moment);
            if order.len() > MOMENTS
                && let Some(oldest) = order.pop_front()
            {
                counts.remove(&oldest);
            }
        }
        self.tie = self.tie.wrapping_add(1);
        Position {
            nanosecond,
            tie: self.tie,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(microsecond: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(microsecond).unwrap()
    }

    #[test]
    fn lines_of_one_moment_have_nanoseconds_of_their_own() {
        let (job, other) = (JobId::generate(), JobId::generate());
        let mut positions = Positions::default();
        let mut of = |job, time| positions.next(job, moment(time)).nanosecond;
        assert_eq!(
            [of(job, 5), of(job, 5), of(job, 6), of(job, 5)],
            [5_000, 5_001, 6_000, 5_002]
        );
        assert_eq!(of(other, 5), 5_000);
    }

    #[test]
    fn what_is_taken_back_is_given_again() {
        let job = JobId::generate();
        let mut positions = Positions::default();
        positions.next(job, moment(5));
        let before = positions.clone();
        let first = positions.next(job, moment(5));
        assert_eq!(before.clone().next(job, moment(5)), first);
    }

    #[test]
    fn only_so_many_moments_are_remembered() {
        let job = JobId::generate();
        let mut positions = Positions::default();
        for microsecond in 0..10_000 {
            positions.next(job, moment(microsecond));
        }
        assert_eq!(
            (positions.counts.len(), positions.order.len()),
            (MOMENTS, MOMENTS)
        );
    }

    #[test]
    fn cursors_sort_as_positions_do_and_lead_back() {
        let position = |nanosecond, tie| Position { nanosecond, tie };
        let positions = [
            position(1_700_000_000_123_456_000, 7),
            position(1_700_000_000_123_456_000, u32::MAX),
            position(1_700_000_000_123_456_999, 0),
            position(1_700_000_000_123_457_000, 3),
        ];
        let cursors = positions.map(Position::cursor);
        assert!(cursors.is_sorted());
        for (position, cursor) in positions.into_iter().zip(cursors) {
            assert_eq!(nanosecond_of(cursor), position.nanosecond);
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let moment = LogCursor::at(moment(1_700_000_000_123_456));
        assert!(moment < cursors[0]);
        assert_eq!(nanosecond_of(moment), positions[0].nanosecond);
    }
}
