//! What becomes of an instant, given what is known of its trigger and its job.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use jobber_actors::domain::{JobId, TriggerId};
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::{Fire, MissReason};

use crate::store::durable_queue::QueueLimits;

/// Most deliveries of one trigger that wait for an earlier one.
pub(in crate::store) const MAX_WAITING: u32 = 100;

/// What there is of a trigger in the durable queue. Beyond [`MAX_WAITING`] nobody counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    /// Neither done nor given up.
    pub(super) unfinished: u32,
    /// Those of them that nobody has claimed.
    pub(super) waiting: u32,
}

/// How much there is of a job in the durable queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// What becomes of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It starts the function now.
    Claimed,
    /// It waits for an earlier one.
    Queued,
    /// It is left out.
    Skipped(MissReason),
    /// It was recorded before.
    Known,
    /// Its trigger is gone: nothing is recorded.
    Gone,
}

/// What is known before the instants are recorded. Each decision adds to it what it leads to.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// The triggers that exist.
    pub(super) triggers: HashMap<TriggerId, Backlog>,
    /// The jobs that have something in the queue.
    pub(super) usage: HashMap<JobId, Usage>,
    /// The instants that are recorded, in microseconds since 1970: Postgres keeps no more of them.
    pub(super) recorded: HashSet<(TriggerId, i64)>,
}

impl Knowledge {
    /// Decides on the next instant; `bytes` is what it takes of the job's limit.
    pub(super) fn decide(&mut self, fire: &Fire, bytes: u64, limits: QueueLimits) -> Decision {
        let Some(backlog) = self.triggers.get_mut(&fire.trigger) else {
            return Decision::Gone;
        };
        if !self.recorded.insert(key(fire.trigger, fire.at)) {
            return Decision::Known;
        }
        let waits = fire.overlap == Overlap::Queue && backlog.unfinished > 0;
        if fire.overlap == Overlap::Skip && backlog.unfinished > 0 {
            return Decision::Skipped(MissReason::Overlap);
        }
        if waits && backlog.waiting >= MAX_WAITING {
            return Decision::Skipped(MissReason::QueueFull);
        }
        let usage = self.usage.entry(fire.job).or_default();
        if usage.rows >= limits.rows || usage.bytes >= limits.bytes {
            return Decision::Skipped(MissReason::JobFull);
        }
        usage.rows += 1;
        usage.bytes += bytes;
        backlog.unfinished += 1;
        if waits {
            backlog.waiting += 1;
            Decision::Queued
        } else {
            Decision::Claimed
        }
    }
}

/// An instant as the record tells it apart from others.
pub(super) fn key(trigger: TriggerId, at: DateTime<Utc>) -> (TriggerId, i64) {
    (trigger, at.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use jobber_actors::domain::InvocationId;

    use super::*;

    struct Trigger {
        knowledge: Knowledge,
        fire: Fire,
        limits: QueueLimits,
    }

    impl Trigger {
        fn new(overlap: Overlap, backlog: Backlog) -> Self {
            let trigger = TriggerId::generate();
            let mut knowledge = Knowledge::default();
            knowledge.triggers.insert(trigger, backlog);
            Self {
                knowledge,
                fire: Fire {
                    job: JobId::generate(),
                    trigger,
                    trigger_name: None,
                    at: DateTime::UNIX_EPOCH,
                    invocation: InvocationId::generate(),
                    overlap,
                },
                limits: QueueLimits::default(),
            }
        }

        fn fires(&mut self, times: usize) -> Vec<Decision> {
            let fire = |_| {
                self.fire.at += TimeDelta::seconds(1);
                self.knowledge.decide(&self.fire, 10, self.limits)
            };
            (0..times).map(fire).collect()
        }
    }

    const NOTHING: Backlog = Backlog {
        unfinished: 0,
        waiting: 0,
    };
    const ONE_RUNS: Backlog = Backlog {
        unfinished: 1,
        waiting: 0,
    };

    #[test]
    fn of_instants_in_a_row_each_sees_the_ones_before() {
        use Decision::{Claimed, Queued, Skipped};
        let allowed = Trigger::new(Overlap::Allow, ONE_RUNS).fires(2);
        assert_eq!(allowed, [Claimed, Claimed]);
        let overlaps = Skipped(MissReason::Overlap);
        assert_eq!(
            Trigger::new(Overlap::Skip, NOTHING).fires(3),
            [Claimed, overlaps, overlaps]
        );
        assert_eq!(Trigger::new(Overlap::Skip, ONE_RUNS).fires(1), [overlaps]);
        assert_eq!(
            Trigger::new(Overlap::Queue, NOTHING).fires(3),
            [Claimed, Queued, Queued]
        );
        assert_eq!(Trigger::new(Overlap::Queue, ONE_RUNS).fires(1), [Queued]);
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut trigger = Trigger::new(
            Overlap::Queue,
            Backlog {
                unfinished: MAX_WAITING,
                waiting: MAX_WAITING - 1,
            },
        );
        let full = Decision::Skipped(MissReason::QueueFull);
        assert_eq!(trigger.fires(2), [Decision::Queued, full]);
    }

    #[test]
    fn what_the_job_may_have_counts_with_what_is_added() {
        let mut trigger = Trigger::new(Overlap::Allow, NOTHING);
        trigger.limits = QueueLimits { rows: 2, bytes: 100 };
        let full = Decision::Skipped(MissReason::JobFull);
        assert_eq!(trigger.fires(3), [Decision::Claimed, Decision::Claimed, full]);
        let mut trigger = Trigger::new(Overlap::Allow, NOTHING);
        trigger.limits = QueueLimits { rows: 100, bytes: 11 };
        assert_eq!(trigger.fires(3), [Decision::Claimed, Decision::Claimed, full]);
    }

    #[test]
    fn an_instant_counts_once_and_only_for_a_trigger_that_exists() {
        let mut trigger = Trigger::new(Overlap::Allow, NOTHING);
        let decide = |trigger: &mut Trigger| trigger.knowledge.decide(&trigger.fire, 10, trigger.limits);
        assert_eq!(decide(&mut trigger), Decision::Claimed);
        assert_eq!(decide(&mut trigger), Decision::Known);
        trigger.fire.trigger = TriggerId::generate();
        assert_eq!(decide(&mut trigger), Decision::Gone);
    }
}
