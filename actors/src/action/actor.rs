//! The Action actor.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, SpawnHandle};
use jobber_kernel::{Child, ChildExit, Context, StopOrder, StopReason, tell};
use serde_json::json;
use tokio::time::Instant;

use super::intent::ActionIntent;
use super::lane::Lane;
use super::members::Member;
use super::messages::{ActionNews, ActionReport, Wake};
use super::recovery::{Recovery, StartFailure};
use super::scaling::{RunnerPhase, RunnerView, ScalingPolicy, ScalingView, decide};
use super::slots::LaneSweep;
use crate::domain::{JobVersion, RunnerId};
use crate::invocation::Refusal;
use crate::job::Job;
use crate::tree::{ActionSettings, Surroundings};

/// A retired action waits at least this long for requests that had looked up the route before it was swapped.
const LINGER: Duration = Duration::from_secs(1);

/// What an action is made of.
#[derive(Clone)]
pub struct ActionParts {
    /// The job's name.
    pub job_name: Arc<str>,
    /// The version that it runs.
    pub version: Arc<JobVersion>,
    /// What its job wants of it.
    pub intent: Arc<ActionIntent>,
    /// What of it survives the actor.
    pub lane: Arc<Lane>,
    /// Whom to report to.
    pub job: Addr<Job>,
}

/// How one version runs.
pub struct Action {
    pub(super) parts: ActionParts,
    pub(super) around: Arc<Surroundings>,
    pub(super) settings: ActionSettings,
    /// In the order in which they were started.
    pub(super) members: BTreeMap<RunnerId, Member>,
    pub(super) recovery: Recovery,
    timer: Option<(Instant, SpawnHandle)>,
    pub(super) stopping: bool,
}

impl Action {
    /// An action without runners yet.
    #[must_use]
    pub fn new(parts: ActionParts, around: Arc<Surroundings>) -> Self {
        let settings = ActionSettings::of(&parts.version.manifest, &around.settings);
        // Differs from action to action, or many that failed together would come back together.
        let seed = around.settings.seed ^ parts.version.action.as_uuid().as_u64_pair().1;
        Self {
            parts,
            around,
            settings,
            members: BTreeMap::new(),
            recovery: Recovery::new(seed),
            timer: None,
            stopping: false,
        }
    }

    fn is_leaving(&self) -> bool {
        self.stopping || self.parts.intent.retired_at().is_some()
    }

    fn policy(&self) -> ScalingPolicy {
        ScalingPolicy {
            min: if self.is_leaving() {
                0
            } else {
                self.settings.scaling.min
            },
            ..self.settings.scaling
        }
    }

    /// Looks at everything, and does what is to be done.
    pub(super) fn act(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let LaneSweep { stuck, next } = self.parts.lane.sweep(now);
        for runner in stuck {
            // One that is being ended already is killed by its engine.
            if self
                .members
                .get(&runner)
                .is_some_and(|member| member.phase != RunnerPhase::Ending)
            {
                tracing::warn!(%runner, job = %self.parts.job_name, "a handler does not let go; its runner is killed");
                self.tell_killed(runner);
                self.end_runner(runner, true);
            }
        }
        self.arm(next, ctx);
        self.scale(now, ctx);
    }

    /// Decides how many runners there should be, and does it.
    pub(super) fn scale(&mut self, now: Instant, ctx: &mut Context<Self>) {
        // Watched while the decision is made: a runner that falls idle, or an invocation that has to wait, between the look
        // and the end of this would be missed otherwise.
        self.parts.lane.watch_idle(true);
        self.parts.lane.watch_queue(true);
        self.parts.lane.set_troubled(self.recovery.failures() > 0);
        if !self.can_serve()
            && let Some(refusal) = self.recovery.refusal(now)
        {
            self.parts.lane.refuse_waiting(&refusal);
        }
        let queued = self.parts.lane.advance(now).queued;
        let runners = self.views(now);
        let view = ScalingView {
            runners: &runners,
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            hold: if self.is_leaving() {
                0
            } else {
                self.parts.intent.hold()
            },
            not_before: self.recovery.not_before(),
            now,
        };
        let decision = decide(&self.policy(), &view);
        self.parts.lane.watch_idle(decision.watch_idle || self.stopping);
        self.parts.lane.watch_queue(decision.watch_queue);
        self.tell_scaled(&decision);
        for runner in decision.end {
            let busy = runners.iter().any(|view| view.id == runner && view.running > 0);
            self.end_runner(runner, busy);
        }
        for runner in &decision.retire {
            self.retire_runner(*runner);
        }
        if !self.stopping {
            for _ in 0..decision.start {
                self.start_runner(ctx);
            }
        }
        self.arm(decision.next, ctx);
        if decision
            .retire
            .iter()
            .any(|id| runners.iter().any(|view| view.id == *id && view.running == 0))
        {
            // One that is idle already ends in the next decision, which no change would bring about.
            tell(&ctx.address(), Wake);
        }
        self.leave_if_done(now, ctx);
    }

    fn views(&self, now: Instant) -> Vec<RunnerView> {
        let loads: HashMap<_, _> = self
            .parts
            .lane
            .loads()
            .into_iter()
            .map(|load| (load.runner, load))
            .collect();
        let environment = self.parts.intent.environment();
        let view = |(id, member): (&RunnerId, &Member)| {
            let load = loads.get(id);
            RunnerView {
                id: *id,
                phase: member.phase,
                outdated: !Arc::ptr_eq(&member.environment, &environment),
                running: load.map_or(0, |load| load.running),
                served: load.map_or(0, |load| load.served),
                idle_since: load.map_or(now, |load| load.idle_since),
            }
        };
        self.members.iter().map(view).collect()
    }

    pub(super) fn report(&self, news: ActionNews, ctx: &Context<Self>) {
        let action = ctx.id();
        tell(&self.parts.job, ActionReport { action, news });
    }

    /// Whether a runner serves now.
    pub(super) fn can_serve(&self) -> bool {
        self.members
            .values()
            .any(|member| matches!(member.phase, RunnerPhase::Ready { .. }))
    }

    /// Has `act` called at the given time, unless it will be called before.
    pub(super) fn arm(&mut self, at: Option<Instant>, ctx: &mut Context<Self>) {
        let Some(at) = at else { return };
        if let Some((armed, handle)) = self.timer {
            if armed <= at {
                return;
            }
            ctx.cancel_future(handle);
        }
        // A millisecond more, so that what is due then is due when it is looked at.
        let wait = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let handle = ctx.run_later(wait, |action, ctx| {
            action.timer = None;
            action.act(ctx);
        });
        self.timer = Some((at, handle));
    }

    /// A retired or stopping action ends when nothing is left to do.
    fn leave_if_done(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let gauge = self.parts.lane.gauge();
        let idle = gauge.running == 0 && gauge.waiting == 0;
        if self.stopping && gauge.running == 0 {
            ctx.stop();
            return;
        }
        let Some(retired_at) = self.parts.intent.retired_at() else {
            return;
        };
        let lingered = retired_at + LINGER;
        let overdue = retired_at + self.around.settings.drain_time;
        if now >= overdue {
            self.parts.lane.close(&Refusal::ShuttingDown);
            self.leave(ctx);
        } else if now >= lingered && self.parts.lane.close_if_idle(&Refusal::ShuttingDown) {
            self.leave(ctx);
        } else {
            // Nobody is told when a permit that never reached the queue comes back.
            let next = if idle { lingered } else { now + LINGER };
            self.arm(Some(next.min(overdue)), ctx);
        }
    }
}

impl Actor for Action {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        // After a crash what waits in the lane is still there.
        let me = ctx.address();
        self.parts.lane.on_change(move || tell(&me, Wake));
        self.act(ctx);
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        // They end with it: what comes from now on waits for those of its next life.
        self.parts.lane.remove_all_runners();
    }
}

impl Child for Action {
    const KIND: &'static str = "action";
    const STOP_CHILDREN: StopOrder = StopOrder::Together;

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        let gone: Vec<RunnerId> = self
            .members
            .iter()
            .filter(|(_, member)| member.child.id() == exit.id)
            .map(|(runner, _)| *runner)
            .collect();
        for runner in gone {
            self.parts.lane.remove_runner(runner);
            self.note_if_lost(runner);
            let starting = self
                .members
                .get(&runner)
                .is_some_and(|member| member.phase == RunnerPhase::Starting);
            if !exit.reason.is_clean() && starting {
                self.start_failed(runner, StartFailure::Engine(exit.reason.to_string()), ctx);
            }
            self.members.remove(&runner);
        }
        self.act(ctx);
    }

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        self.stopping = true;
        self.parts.lane.close(&Refusal::ShuttingDown);
        // A little before the supervisor loses patience, so that the runners are ended and not abandoned.
        let patience = self.around.settings.drain_time;
        ctx.run_later(patience, |_, ctx| ctx.stop());
        self.act(ctx);
    }

    fn observe(&self) -> serde_json::Value {
        let gauge = self.parts.lane.gauge();
        json!({
            "version": self.parts.version.name,
            "lane": gauge,
            "starting": self.members.values().filter(|member| member.phase == RunnerPhase::Starting).count(),
            "failedStarts": self.recovery.failures(),
            "retired": self.parts.intent.retired_at().is_some(),
        })
    }
}
