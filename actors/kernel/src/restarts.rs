//! Whether and when to restart: arithmetic without actors.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::spec::{Backoff, Intensity};

/// What to do about an actor that ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    RestartAfter(Duration),
    GiveUp,
}

/// The restarts of one actor.
#[derive(Debug, Default)]
pub(crate) struct RestartLog {
    /// When it was restarted, the window's length back.
    recent: VecDeque<Instant>,
    /// Failures in a row, without a recovery between them.
    streak: u32,
    total: u32,
}

impl RestartLog {
    /// Decides about an actor that ended at `now` after it `lived` that long. `seed` makes the jitter.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        lived: Duration,
        intensity: Intensity,
        backoff: Backoff,
        seed: u64,
    ) -> Verdict {
        if intensity != Intensity::UNLIMITED {
            while self
                .recent
                .front()
                .is_some_and(|at| now.duration_since(*at) >= intensity.within)
            {
                self.recent.pop_front();
            }
            if self.recent.len() >= intensity.max_restarts as usize {
                return Verdict::GiveUp;
            }
            self.recent.push_back(now);
        }
        if lived >= backoff.reset_after {
            self.streak = 0;
        }
        let wait = wait(backoff, self.streak, seed ^ u64::from(self.total).rotate_left(32));
        self.streak = self.streak.saturating_add(1);
        self.total = self.total.saturating_add(1);
        Verdict::RestartAfter(wait)
    }

    /// How often the actor has been restarted in its life.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }
}

/// The wait after `streak` earlier failures in a row.
fn wait(backoff: Backoff, streak: u32, seed: u64) -> Duration {
    let max = backoff.max.as_secs_f64();
    // The exponent is bounded so that the power stays finite; the bound is far beyond any `max`.
    let grown = backoff.initial.as_secs_f64() * backoff.factor.max(1.0).powi(streak.min(1000) as i32);
    let longest = grown.min(max);
    let jitter = backoff.jitter.clamp(0.0, 1.0) * StdRng::seed_from_u64(seed).random::<f64>();
    Duration::try_from_secs_f64(longest * (1.0 - jitter)).unwrap_or(backoff.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: Backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(1),
        factor: 2.0,
        jitter: 0.0,
        reset_after: Duration::from_secs(60),
    };

    fn waits(log: &mut RestartLog, backoff: Backoff, seed: u64, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| {
                match log.judge(
                    Instant::now(),
                    Duration::ZERO,
                    Intensity::UNLIMITED,
                    backoff,
                    seed,
                ) {
                    Verdict::RestartAfter(wait) => wait.as_millis(),
                    Verdict::GiveUp => panic!("an unlimited intensity gave up"),
                }
            })
            .collect()
    }

    #[test]
    fn waits_double_up_to_the_maximum() {
        assert_eq!(
            waits(&mut RestartLog::default(), STEADY, 0, 6),
            [100, 200, 400, 800, 1000, 1000]
        );
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        assert_eq!(
            waits(&mut RestartLog::default(), STEADY, 0, 3000).last(),
            Some(&1000)
        );
    }

    #[test]
    fn a_long_life_begins_the_waits_again() {
        let mut log = RestartLog::default();
        waits(&mut log, STEADY, 0, 4);
        let verdict = log.judge(
            Instant::now(),
            Duration::from_secs(60),
            Intensity::UNLIMITED,
            STEADY,
            0,
        );
        assert_eq!(verdict, Verdict::RestartAfter(Duration::from_millis(100)));
    }

    #[test]
    fn jitter_is_repeatable_and_only_shortens() {
        let backoff = Backoff {
            jitter: 0.5,
            ..STEADY
        };
        let first = waits(&mut RestartLog::default(), backoff, 7, 6);
        assert_eq!(first, waits(&mut RestartLog::default(), backoff, 7, 6));
        assert_ne!(first, waits(&mut RestartLog::default(), backoff, 8, 6));
        for (wait, longest) in first.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!(
                (longest / 2 - 1..=longest).contains(wait),
                "{wait} is not within half of {longest}"
            );
        }
    }

    #[test]
    fn the_window_slides() {
        let intensity = Intensity {
            max_restarts: 2,
            within: Duration::from_secs(10),
        };
        let start = Instant::now();
        let mut log = RestartLog::default();
        let mut at = |seconds| {
            log.judge(
                start + Duration::from_secs(seconds),
                Duration::ZERO,
                intensity,
                Backoff::NONE,
                0,
            )
        };
        let restart = Verdict::RestartAfter(Duration::ZERO);
        assert_eq!(at(0), restart);
        assert_eq!(at(5), restart);
        assert_eq!(at(10), restart, "the restart at 0 has left the window");
        assert_eq!(at(11), Verdict::GiveUp);
    }
}
