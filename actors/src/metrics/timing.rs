//! How the time of an invocation divides: a pure function of a few instants.

use std::time::Duration;

use tokio::time::Instant;

use crate::ports::ColdStart;

/// A runner that an invocation had to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewRunner {
    /// When it became ready.
    pub(crate) ready: Instant,
    /// What that took, from its creation on.
    pub(crate) start: ColdStart,
}

/// The time of an invocation, from its admission to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// All of it.
    pub(crate) total: Duration,
    /// Of one that a runner has got. The parts and the total are the same time.
    pub(crate) parts: Option<Parts>,
}

/// What the time of an invocation went to that a runner has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// It waited for room, not for a new runner.
    pub(crate) queue: Duration,
    /// It waited for a new runner.
    pub(crate) cold: Option<ColdWait>,
    /// From there on the runner had it.
    pub(crate) handler: Duration,
}

/// The part of a runner's start that an invocation has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColdWait {
    /// Until the runner had dialled in.
    pub(crate) connect: Duration,
    /// From there until its module was imported.
    pub(crate) load: Duration,
}

impl Timing {
    /// Of an invocation that is over now.
    pub(crate) fn of(
        admitted: Instant,
        dispatched: Option<Instant>,
        new_runner: Option<NewRunner>,
        now: Instant,
    ) -> Self {
        let parts = dispatched.map(|dispatched| {
            let waited = dispatched.saturating_duration_since(admitted);
            let cold = new_runner.map(|runner| ColdWait::of(admitted, dispatched, runner));
            Parts {
                queue: waited.saturating_sub(cold.map_or(Duration::ZERO, ColdWait::total)),
                cold,
                handler: now.saturating_duration_since(dispatched),
            }
        });
        Self {
            total: now.saturating_duration_since(admitted),
            parts,
        }
    }
}

impl ColdWait {
    /// A runner may have been asked for before the invocation came: then only the rest of its start was waited for.
    fn of(admitted: Instant, dispatched: Instant, NewRunner { ready, start }: NewRunner) -> Self {
        let waited = ready.min(dispatched).saturating_duration_since(admitted);
        let load = waited.min(start.load);
        Self {
            connect: (waited - load).min(start.connect),
            load,
        }
    }

    /// Both.
    pub(crate) fn total(self) -> Duration {
        self.connect + self.load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ColdStart = ColdStart {
        connect: Duration::from_millis(300),
        load: Duration::from_millis(200),
    };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Of an invocation that came at 1000, when a runner became ready at `ready` and got it at `dispatched`; it ended at 3000.
    fn parts(ready: Option<u64>, dispatched: u64) -> Parts {
        let begin = Instant::now();
        let new_runner = ready.map(|ready| NewRunner {
            ready: begin + ms(ready),
            start: START,
        });
        let at = |milliseconds| begin + ms(milliseconds);
        let timing = Timing::of(at(1_000), Some(at(dispatched)), new_runner, at(3_000));
        let parts = timing.parts.expect("a runner has got it");
        let cold = parts.cold.map_or(Duration::ZERO, ColdWait::total);
        assert_eq!(
            parts.queue + cold + parts.handler,
            timing.total,
            "nothing is lost or doubled"
        );
        assert_eq!(timing.total, ms(2_000));
        parts
    }

    #[test]
    fn a_warm_runner_lets_wait_in_the_queue_only() {
        let parts = parts(None, 1_040);
        assert_eq!(
            (parts.queue, parts.cold, parts.handler),
            (ms(40), None, ms(1_960))
        );
    }

    #[test]
    fn a_runner_that_was_asked_for_by_the_invocation_lets_wait_for_all_of_its_start() {
        let parts = parts(Some(1_510), 1_530);
        let cold = ColdWait {
            connect: ms(300),
            load: ms(200),
        };
        assert_eq!((parts.queue, parts.cold), (ms(30), Some(cold)));
    }

    #[test]
    fn of_a_runner_that_was_under_way_only_the_rest_is_waited_for() {
        let while_connecting = ColdWait {
            connect: ms(50),
            load: ms(200),
        };
        assert_eq!(parts(Some(1_250), 1_250).cold, Some(while_connecting));
        let while_loading = ColdWait {
            connect: ms(0),
            load: ms(80),
        };
        assert_eq!(parts(Some(1_080), 1_100).cold, Some(while_loading));
        assert_eq!(parts(Some(1_080), 1_100).queue, ms(20));
    }

    #[test]
    fn what_no_runner_has_got_has_a_total_only() {
        let begin = Instant::now();
        let timing = Timing::of(begin, None, None, begin + ms(30_000));
        assert_eq!((timing.total, timing.parts), (ms(30_000), None));
    }
}
