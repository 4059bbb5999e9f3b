//! The scaling decision: what follows from each picture, and what holds however a story goes.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::action::{RunnerPhase, RunnerView, ScalingDecision, ScalingPolicy, ScalingView, decide};
use crate::domain::RunnerId;

const fn seconds(seconds: u64) -> Duration {
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

fn runner(phase: RunnerPhase, running: u32, now: Instant) -> RunnerView {
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

/// A story of one action: the decisions are carried out, and everything else happens at random.
struct Story {
    policy: ScalingPolicy,
    runners: Vec<RunnerView>,
    queued: u32,
    now: Instant,
    not_before: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrives(u32),
    OneStarts,
    OneFailsToStart,
    OneFinishes(usize),
    OneDies(usize),
    EnvironmentChanges,
    TimePasses(u64),
}

impl Story {
    fn tell(&mut self, event: Event) {
        match event {
            Event::Arrives(count) => self.queued = (self.queued + count).min(50),
            Event::OneStarts => {
                let now = self.now;
                if let Some(starting) = self.starting() {
                    starting.phase = RunnerPhase::Ready { since: now };
                    starting.idle_since = now;
                }
            }
            Event::OneFailsToStart => {
                if let Some(id) = self.starting().map(|starting| starting.id) {
                    self.runners.retain(|runner| runner.id != id);
                    self.not_before = Some(self.now + seconds(2));
                }
            }
            Event::OneFinishes(which) => {
                let count = self.runners.len().max(1);
                if let Some(runner) = self.runners.get_mut(which % count)
                    && runner.running > 0
                {
                    runner.running -= 1;
                    runner.idle_since = self.now;
                }
            }
            Event::OneDies(which) => {
                if !self.runners.is_empty() {
                    self.runners.remove(which % self.runners.len());
                }
            }
            Event::EnvironmentChanges => self.runners.iter_mut().for_each(|runner| runner.outdated = true),
            Event::TimePasses(time) => self.now += seconds(time),
        }
    }

    fn starting(&mut self) -> Option<&mut RunnerView> {
        self.runners
            .iter_mut()
            .find(|runner| runner.phase == RunnerPhase::Starting)
    }

    fn dispatch(&mut self) {
        for runner in &mut self.runners {
            let capacity = if self.policy.run_once {
                1
            } else {
                self.policy.concurrency
            };
            let takes = matches!(runner.phase, RunnerPhase::Ready { .. })
                && !(self.policy.run_once && runner.served > 0);
            while takes && self.queued > 0 && runner.running < capacity {
                runner.running += 1;
                runner.served += 1;
                self.queued -= 1;
            }
        }
    }

    fn decide(&mut self) -> ScalingDecision {
        let view = ScalingView {
            runners: &self.runners,
            queued: self.queued,
            hold: 0,
            not_before: self.not_before,
            now: self.now,
        };
        decide(&self.policy, &view)
    }

    fn carry_out(&mut self, decision: &ScalingDecision) {
        self.runners.retain(|runner| !decision.end.contains(&runner.id));
        for runner in &mut self.runners {
            if let (true, RunnerPhase::Ready { since }) = (decision.retire.contains(&runner.id), runner.phase)
            {
                runner.phase = RunnerPhase::Retiring { since };
            }
        }
        for _ in 0..decision.start {
            self.runners.push(runner(RunnerPhase::Starting, 0, self.now));
        }
    }

    fn check(&self, decision: &ScalingDecision) {
        let count = |matches: &dyn Fn(&RunnerView) -> bool| {
            u32::try_from(self.runners.iter().filter(|runner| matches(runner)).count()).expect("few")
        };
        let too_old = |since: Instant| self.policy.max_age.is_some_and(|age| since + age <= self.now);
        let useful = count(&|runner| match runner.phase {
            RunnerPhase::Starting => !runner.outdated,
            RunnerPhase::Ready { since } => !runner.outdated && !too_old(since),
            RunnerPhase::Retiring { .. } => self.policy.run_once && runner.running > 0,
            RunnerPhase::Ending => false,
        });
        if decision.start > 0 {
            assert!(
                self.not_before.is_none_or(|at| at <= self.now),
                "started before its time"
            );
            let most = self.policy.max.unwrap_or(u32::MAX).max(self.policy.min);
            assert!(
                useful <= most,
                "{useful} useful runners, {most} allowed: {:?}",
                self.runners
            );
        }
        for id in &decision.retire {
            let retired = self
                .runners
                .iter()
                .find(|runner| runner.id == *id)
                .expect("it is there");
            let spare = retired.running == 0;
            let stale = retired.outdated
                || self.policy.run_once
                || matches!(retired.phase, RunnerPhase::Retiring { since } if too_old(since));
            assert!(
                spare || stale,
                "a fresh runner was retired while it works: {retired:?}"
            );
        }
        if count(&|runner| matches!(runner.phase, RunnerPhase::Retiring { .. }) && runner.running > 0) > 0 {
            assert!(
                decision.watch_idle,
                "nobody would notice that a retired runner falls idle"
            );
        }
        if let Some(next) = decision.next {
            assert!(next > self.now, "a look into the past would spin");
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1_u32..8).prop_map(Event::Arrives),
        4 => Just(Event::OneStarts),
        1 => Just(Event::OneFailsToStart),
        4 => any::<usize>().prop_map(Event::OneFinishes),
        1 => any::<usize>().prop_map(Event::OneDies),
        1 => Just(Event::EnvironmentChanges),
        3 => (1_u64..40).prop_map(Event::TimePasses),
    ]
}

fn any_policy() -> impl Strategy<Value = ScalingPolicy> {
    (
        0_u32..3,
        0_u32..5,
        1_u32..4,
        any::<(bool, bool, bool, bool)>(),
        1_u32..5,
    )
        .prop_map(
            |(min, more, concurrency, (idles, ages, hard, run_once), max_starting)| ScalingPolicy {
                min,
                max: (more < 4).then_some(min + more.max(1)),
                concurrency,
                max_idle_age: idles.then_some(seconds(10)),
                max_age: ages.then_some(seconds(100)),
                max_age_hard: hard.then_some(seconds(120)),
                run_once,
                max_starting,
            },
        )
}

proptest! {
    #[test]
    fn however_the_story_goes_the_decisions_keep_to_the_policy_and_come_to_rest(
        policy in any_policy(),
        events in proptest::collection::vec(event(), 0..80),
    ) {
        run_paused(async {
            let mut story = Story { policy, runners: Vec::new(), queued: 0, now: Instant::now(), not_before: None };
            for event in events {
                story.tell(event);
                story.dispatch();
                let decision = story.decide();
                story.carry_out(&decision);
                story.check(&decision);
            }
            // Nothing more happens to it: it serves all that waits, and settles at its minimum.
            for _ in 0..400 {
                story.tell(Event::TimePasses(5));
                while story.starting().is_some() {
                    story.tell(Event::OneStarts);
                }
                story.dispatch();
                for which in 0..story.runners.len() {
                    for _ in 0..story.policy.concurrency {
                        story.tell(Event::OneFinishes(which));
                    }
                }
                let decision = story.decide();
                story.carry_out(&decision);
                story.check(&decision);
            }
            assert_eq!(story.queued, 0, "what waited was served");
            assert!(story.runners.len() >= story.policy.min as usize, "{:?}", story.runners);
            if story.policy.max_idle_age.is_some() {
                // As many more may be there to replace those that are too old.
                assert!(story.runners.len() <= 2 * story.policy.min as usize, "{:?}", story.runners);
            }
        });
    }
}
