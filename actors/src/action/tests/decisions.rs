//! The scaling decision: what follows from each picture.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use tokio::time::Instant;

use crate::action::{RunnerPhase, RunnerView, ScalingDecision, ScalingPolicy, ScalingView, decide};
use crate::domain::RunnerId;

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy() -> ScalingPolicy {
    ScalingPolicy {
        min: 1,
        max: Some(4),
        concurrency: 2,
        max_idle_age: Some(seconds(10)),
        max_age: Some(seconds(100)),
        max_age_hard: Some(seconds(120)),
        run_once: false,
        max_starting: 4,
    }
}

pub(super) fn runner(phase: RunnerPhase, running: u32, now: Instant) -> RunnerView {
    RunnerView {
        id: RunnerId::generate(),
        phase,
        outdated: false,
        running,
        served: u64::from(running),
        idle_since: now,
    }
}

fn ready(since: Instant, running: u32) -> RunnerView {
    runner(RunnerPhase::Ready { since }, running, since)
}

fn look(policy: &ScalingPolicy, runners: &[RunnerView], queued: u32, now: Instant) -> ScalingDecision {
    let view = ScalingView {
        runners,
        queued,
        hold: 0,
        not_before: None,
        now,
    };
    decide(policy, &view)
}

#[test]
fn the_minimum_is_started_and_the_queue_brings_more_up_to_the_maximum() {
    run_paused(async {
        let now = Instant::now();
        assert_eq!(look(&policy(), &[], 0, now).start, 1);
        assert_eq!(look(&policy(), &[], 3, now).start, 2);
        assert_eq!(look(&policy(), &[], 100, now).start, 4);
        let busy = [ready(now, 2), ready(now, 2), ready(now, 2)];
        assert_eq!(look(&policy(), &busy, 100, now).start, 1);
        let starting = [runner(RunnerPhase::Starting, 0, now), ready(now, 2)];
        assert_eq!(look(&policy(), &starting, 1, now).start, 0, "one is on its way");
        let few = ScalingPolicy {
            max_starting: 2,
            ..policy()
        };
        assert_eq!(look(&few, &[], 100, now).start, 2);
        assert_eq!(look(&few, &starting, 100, now).start, 1);
        let unlimited = ScalingPolicy {
            max: None,
            max_starting: 100,
            ..policy()
        };
        assert_eq!(look(&unlimited, &[], 100, now).start, 50);
    });
}

#[test]
fn the_queue_is_watched_as_long_as_it_could_bring_another_runner() {
    run_paused(async {
        let now = Instant::now();
        let watched =
            |policy: &ScalingPolicy, runners: &[RunnerView]| look(policy, runners, 0, now).watch_queue;
        assert!(watched(&policy(), &[ready(now, 2)]));
        let starting = runner(RunnerPhase::Starting, 0, now);
        let most = [ready(now, 2), starting, starting, starting];
        assert!(!watched(&policy(), &most));
        let unlimited = ScalingPolicy {
            max: None,
            ..policy()
        };
        assert!(watched(&unlimited, &most));
        let one = ScalingPolicy {
            max: Some(1),
            ..policy()
        };
        assert!(!watched(&one, &[ready(now, 0)]));
        assert!(watched(&one, &[starting]), "it may never come");
        assert!(watched(&one, &[]));
    });
}

#[test]
fn nothing_starts_before_its_time_and_a_held_runner_is_as_good_as_a_minimum() {
    run_paused(async {
        let now = Instant::now();
        let policy = ScalingPolicy { min: 0, ..policy() };
        let mut view = ScalingView {
            runners: &[],
            queued: 5,
            hold: 0,
            not_before: Some(now + seconds(3)),
            now,
        };
        let decision = decide(&policy, &view);
        assert_eq!((decision.start, decision.next), (0, Some(now + seconds(3))));
        view.now = now + seconds(3);
        assert_eq!(decide(&policy, &view).start, 3);
        view.queued = 0;
        assert_eq!(decide(&policy, &view).start, 0);
        view.hold = 1;
        assert_eq!(decide(&policy, &view).start, 1);
    });
}

#[test]
fn idle_runners_above_the_minimum_retire_the_longest_idle_first() {
    run_paused(async {
        let now = Instant::now();
        let later = now + seconds(12);
        let mut runners = [ready(now, 0), ready(now, 0), ready(now, 1)];
        runners[0].idle_since = now + seconds(1);
        let decision = look(&policy(), &runners, 0, later);
        assert_eq!(decision.retire, [runners[1].id, runners[0].id]);
        let two = ScalingPolicy { min: 2, ..policy() };
        assert_eq!(look(&two, &runners, 0, later).retire, [runners[1].id]);
        let never = ScalingPolicy {
            max_idle_age: None,
            ..policy()
        };
        assert!(look(&never, &runners, 0, later + seconds(60)).retire.is_empty());
        let early = look(&policy(), &runners, 0, now + seconds(5));
        assert_eq!((early.retire, early.next), (vec![], Some(now + seconds(10))));
    });
}

#[test]
fn an_old_or_outdated_runner_serves_until_its_successor_does() {
    run_paused(async {
        let now = Instant::now();
        let old = ready(now, 1);
        let later = now + seconds(100);
        let first = look(&policy(), &[old], 0, later);
        assert_eq!((first.start, first.retire), (1, vec![]));
        let fresh = ready(later, 0);
        let second = look(&policy(), &[old, fresh], 0, later);
        assert_eq!(
            (second.start, &second.retire, second.watch_idle),
            (0, &vec![old.id], true)
        );
        let outdated = RunnerView {
            outdated: true,
            ..fresh
        };
        assert_eq!(look(&policy(), &[outdated], 0, later).start, 1);
        let none = ScalingPolicy { min: 0, ..policy() };
        assert_eq!(
            look(&none, &[outdated], 0, later).retire,
            [outdated.id],
            "nobody needs it"
        );
    });
}

#[test]
fn a_retired_runner_ends_when_it_is_idle_and_any_at_its_hard_age() {
    run_paused(async {
        let now = Instant::now();
        let idle = runner(RunnerPhase::Retiring { since: now }, 0, now);
        let busy = runner(RunnerPhase::Retiring { since: now }, 1, now);
        let decision = look(&policy(), &[idle, busy], 0, now + seconds(5));
        assert_eq!((&decision.end, decision.watch_idle), (&vec![idle.id], true));
        assert_eq!(look(&policy(), &[busy], 0, now + seconds(120)).end, [busy.id]);
        assert_eq!(
            look(&policy(), &[ready(now, 1)], 0, now + seconds(120)).end.len(),
            1
        );
        let patient = ScalingPolicy {
            max_age_hard: None,
            ..policy()
        };
        assert!(look(&patient, &[busy], 0, now + seconds(10_000)).end.is_empty());
    });
}

#[test]
fn runners_of_a_single_use_count_while_they_work() {
    run_paused(async {
        let now = Instant::now();
        let once = ScalingPolicy {
            run_once: true,
            concurrency: 1,
            max: Some(2),
            ..policy()
        };
        let used = ready(now, 1);
        let decision = look(&once, &[used], 5, now);
        assert_eq!((decision.start, decision.retire), (1, vec![used.id]));
        let both = [used, runner(RunnerPhase::Retiring { since: now }, 1, now)];
        assert_eq!(look(&once, &both, 5, now).start, 0);
        let done = runner(RunnerPhase::Retiring { since: now }, 0, now);
        assert_eq!(look(&once, &[done], 5, now).start, 2);
    });
}
