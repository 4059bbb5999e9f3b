//! The scaling decision over time: what holds however a story goes.

use jobber_kernel::testing::run_paused;
use proptest::prelude::*;
use tokio::time::Instant;

use super::decisions::{runner, seconds};
use crate::action::{RunnerPhase, RunnerView, ScalingDecision, ScalingPolicy, ScalingView, decide};

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

    fn decide(&self, queued: u32) -> ScalingDecision {
        let view = ScalingView {
            runners: &self.runners,
            queued,
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
        if !decision.watch_queue {
            let unheard = self.decide(self.queued + 1_000);
            assert_eq!(
                unheard.start, 0,
                "nobody would notice that more runners are needed"
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
                let decision = story.decide(story.queued);
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
                let decision = story.decide(story.queued);
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
