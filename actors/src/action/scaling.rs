//! How many runners an action should have, and which: a pure decision, without clock or I/O.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::RunnerId;

/// What the package and the operator allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// Runners kept ready.
    pub min: u32,
    /// Most runners; `None` = no limit of its own.
    pub max: Option<u32>,
    /// Invocations at once in one runner.
    pub concurrency: u32,
    /// An idle runner above the minimum is retired after this; `None` = never.
    pub max_idle_age: Option<Duration>,
    /// A runner is replaced after this, once idle; `None` = never.
    pub max_age: Option<Duration>,
    /// A runner is ended after this even if it is not idle; `None` = never.
    pub max_age_hard: Option<Duration>,
    /// A fresh runner for every invocation.
    pub run_once: bool,
    /// Most runners that start at the same time.
    pub max_starting: u32,
}

/// How far a runner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerPhase {
    /// Being created, or loading its package.
    Starting,
    /// Serving since then.
    Ready {
        /// Since when.
        since: Instant,
    },
    /// Finishing what it has; it counts for nothing.
    Retiring {
        /// When it became ready.
        since: Instant,
    },
    /// Told to end at once.
    Ending,
}

/// One runner, as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerView {
    /// Which.
    pub id: RunnerId,
    /// How far it has come.
    pub phase: RunnerPhase,
    /// Whether it has an older environment than it should.
    pub outdated: bool,
    /// Invocations in its hands.
    pub running: u32,
    /// Invocations it was given so far.
    pub served: u64,
    /// Since when it has none, if it has none.
    pub idle_since: Instant,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct ScalingView<'a> {
    /// All runners that have not ended.
    pub runners: &'a [RunnerView],
    /// Invocations in the queue.
    pub queued: u32,
    /// Runners wanted besides the minimum (one, while a new version is made ready).
    pub hold: u32,
    /// No start before this: the last one failed.
    pub not_before: Option<Instant>,
    /// Now.
    pub now: Instant,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScalingDecision {
    /// Start so many runners.
    pub start: u32,
    /// Give these no more work, and end them once they are idle.
    pub retire: Vec<RunnerId>,
    /// End these now.
    pub end: Vec<RunnerId>,
    /// When to decide again, if nothing happens before.
    pub next: Option<Instant>,
    /// Whether every runner that falls idle is worth deciding again.
    pub watch_idle: bool,
    /// Whether everything that has to wait is worth deciding again: another runner could be started for it.
    pub watch_queue: bool,
}

/// Decides.
#[must_use]
pub fn decide(policy: &ScalingPolicy, view: &ScalingView<'_>) -> ScalingDecision {
    let mut decision = ScalingDecision::default();
    end_retired(policy, view, &mut decision);
    let (fresh, stale): (Vec<&RunnerView>, Vec<&RunnerView>) = view
        .runners
        .iter()
        // One that ends now is replaced as if it were gone.
        .filter(|runner| is_ready(runner) && !decision.end.contains(&runner.id))
        .partition(|runner| !is_stale(policy, runner, view.now));
    let starting = count(view, |runner| {
        runner.phase == RunnerPhase::Starting && !runner.outdated
    });
    let demand = demand(policy, view, &fresh);
    let used_up = used_up(policy, view, &decision.end);
    let target = bounded(policy, policy.min.max(view.hold).max(demand), used_up);
    let present = number(fresh.len()) + starting;

    start_missing(policy, view, &mut decision, target, present, starting);
    retire_stale(policy, &mut decision, &stale, &fresh, target);
    retire_idle(policy, view, &mut decision, &fresh, target);
    let staying = number(
        fresh
            .iter()
            .filter(|runner| !decision.retire.contains(&runner.id))
            .count(),
    );
    // Without a runner the question may also be whether there will ever be one.
    decision.watch_queue = staying == 0 || bounded(policy, u32::MAX, used_up) > staying + starting;
    // What is retired while it works ends when it falls idle.
    decision.watch_idle |= !decision.retire.is_empty();
    for runner in &fresh {
        if let RunnerPhase::Ready { since } = runner.phase {
            decision.look_at(policy.max_age.map(|age| since + age));
        }
    }
    decision
}

impl ScalingDecision {
    fn look_at(&mut self, at: Option<Instant>) {
        self.next = [self.next, at].into_iter().flatten().min();
    }
}

fn is_ready(runner: &RunnerView) -> bool {
    matches!(runner.phase, RunnerPhase::Ready { .. })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn count(view: &ScalingView<'_>, matches: impl Fn(&RunnerView) -> bool) -> u32 {
    number(view.runners.iter().filter(|runner| matches(runner)).count())
}

fn bounded(policy: &ScalingPolicy, wanted: u32, used_up: u32) -> u32 {
    policy
        .max
        .map_or(wanted, |max| wanted.min(max.saturating_sub(used_up)))
}

/// Runners that work on their only invocation. They serve nobody else, and yet they are there: in this mode the maximum
/// limits what runs at the same time. One that ends now makes room at once. A stale runner of the other mode is replaced before it ends, above the maximum if
/// need be.
fn used_up(policy: &ScalingPolicy, view: &ScalingView<'_>, ending: &[RunnerId]) -> u32 {
    if !policy.run_once {
        return 0;
    }
    count(view, |runner| {
        matches!(
            runner.phase,
            RunnerPhase::Ready { .. } | RunnerPhase::Retiring { .. }
        ) && runner.served > 0
            && runner.running > 0
            && !ending.contains(&runner.id)
    })
}

/// Whether a ready runner should be replaced.
fn is_stale(policy: &ScalingPolicy, runner: &RunnerView, now: Instant) -> bool {
    let RunnerPhase::Ready { since } = runner.phase else {
        return false;
    };
    runner.outdated
        || (policy.run_once && runner.served > 0)
        || policy.max_age.is_some_and(|age| since + age <= now)
}

/// Runners that the present load needs: those at work, and enough for what waits.
fn demand(policy: &ScalingPolicy, view: &ScalingView<'_>, fresh: &[&RunnerView]) -> u32 {
    if view.queued == 0 {
        return 0;
    }
    let busy = number(fresh.iter().filter(|runner| runner.running > 0).count());
    busy.saturating_add(view.queued.div_ceil(policy.concurrency.max(1)))
}

/// Retiring runners end when they are idle, or at their hard age.
fn end_retired(policy: &ScalingPolicy, view: &ScalingView<'_>, decision: &mut ScalingDecision) {
    for runner in view.runners {
        let (RunnerPhase::Ready { since } | RunnerPhase::Retiring { since }) = runner.phase else {
            continue;
        };
        let hard = policy.max_age_hard.map(|age| since + age);
        let retired = matches!(runner.phase, RunnerPhase::Retiring { .. });
        if hard.is_some_and(|at| at <= view.now) || (retired && runner.running == 0) {
            decision.end.push(runner.id);
        } else {
            decision.look_at(hard);
            decision.watch_idle |= retired;
        }
    }
}

fn start_missing(
    policy: &ScalingPolicy,
    view: &ScalingView<'_>,
    decision: &mut ScalingDecision,
    target: u32,
    present: u32,
    starting: u32,
) {
    let missing = target.saturating_sub(present);
    if missing == 0 {
        return;
    }
    match view.not_before {
        Some(at) if at > view.now => decision.look_at(Some(at)),
        _ => decision.start = missing.min(policy.max_starting.saturating_sub(starting)),
    }
}

/// A stale runner serves until a fresh one does, then finishes what it has. One that nobody needs goes at once, and so
/// does one that has had its only invocation.
fn retire_stale(
    policy: &ScalingPolicy,
    decision: &mut ScalingDecision,
    stale: &[&RunnerView],
    fresh: &[&RunnerView],
    target: u32,
) {
    let mut stale: Vec<&RunnerView> = stale.to_vec();
    // The oldest go first.
    stale.sort_by_key(|runner| match runner.phase {
        RunnerPhase::Ready { since } => Some(since),
        _ => None,
    });
    let kept = if policy.run_once {
        0
    } else {
        target.saturating_sub(number(fresh.len())) as usize
    };
    let going = stale.len().saturating_sub(kept);
    decision
        .retire
        .extend(stale[..going].iter().map(|runner| runner.id));
}

fn retire_idle(
    policy: &ScalingPolicy,
    view: &ScalingView<'_>,
    decision: &mut ScalingDecision,
    fresh: &[&RunnerView],
    target: u32,
) {
    let Some(idle_age) = policy.max_idle_age else {
        return;
    };
    let mut spare = number(fresh.len()).saturating_sub(target.max(policy.min));
    let mut idle: Vec<&&RunnerView> = fresh.iter().collect();
    idle.sort_by_key(|runner| runner.idle_since);
    for runner in idle {
        if spare == 0 {
            break;
        }
        // A busy runner can be idle for this long only after this long.
        let due = if runner.running == 0 {
            runner.idle_since + idle_age
        } else {
            view.now + idle_age
        };
        if runner.running == 0 && due <= view.now {
            decision.retire.push(runner.id);
            spare -= 1;
        } else {
            decision.look_at(Some(due));
        }
    }
}
