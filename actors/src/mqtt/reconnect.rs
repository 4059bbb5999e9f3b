//! When a lost connection is tried again: a pure decision.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that lived this long was a good one: the next pause is the first again.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// The pauses between the tries to connect. There is no last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reconnect {
    failures: u32,
}

impl Reconnect {
    /// A connection ended that was made at `connected`, or was not made at all. How long to wait before the next try; `chance` is
    /// a random number from 0 to 1.
    pub(super) fn pause(&mut self, connected: Option<Instant>, now: Instant, chance: f64) -> Duration {
        if connected.is_some_and(|since| now.saturating_duration_since(since) >= GOOD_LIFE) {
            self.failures = 0;
        }
        let factor = 2u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = FIRST_PAUSE.checked_mul(factor).unwrap_or(LONGEST_PAUSE);
        // Half of it is chance: clients that lost their broker together do not come back together.
        pause
            .min(LONGEST_PAUSE)
            .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}
