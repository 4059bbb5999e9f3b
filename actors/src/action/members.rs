//! The runners of an action: how each of them begins, serves and ends.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use actix::AsyncContext;
use jobber_kernel::{ChildRef, ChildSpec, Context};
use tokio::time::Instant;

use super::actor::Action;
use super::messages::ActionNews;
use super::recovery::StartFailure;
use super::scaling::{RunnerPhase, ScalingPolicy};
use crate::domain::{Environment, RunnerId};
use crate::ports::ColdStart;
use crate::runner::{EndRunner, Runner, RunnerParts};
use crate::session::{Assignment, Session};

/// A runner has this long to end before it is killed by its supervisor.
const RUNNER_STOP_GRACE: Duration = Duration::from_secs(10);

/// A runner as its action knows it.
pub(super) struct Member {
    pub(super) child: ChildRef<Runner>,
    pub(super) phase: RunnerPhase,
    pub(super) environment: Arc<Environment>,
}

impl Member {
    /// Whether it serves or will, and nobody has told it to end.
    pub(super) const fn counts(&self) -> bool {
        matches!(self.phase, RunnerPhase::Starting | RunnerPhase::Ready { .. })
    }
}

impl Action {
    /// Has another runner made ready, with the variables of now.
    pub(super) fn start_runner(&mut self, ctx: &Context<Self>) {
        let id = RunnerId::generate();
        let environment = self.parts.intent.environment();
        let parts = RunnerParts {
            id,
            assignment: Assignment {
                job_name: Arc::clone(&self.parts.job_name),
                version: Arc::clone(&self.parts.version),
                environment: Arc::clone(&environment),
                runner_limits: self.settings.runner_limits,
                invocation_limits: self.settings.invocation_limits,
            },
            resources: self.settings.resources,
            action: ctx.address(),
        };
        let around = Arc::clone(&self.around);
        let spec = ChildSpec::temporary(format!("runner {id}")).stop_grace(RUNNER_STOP_GRACE);
        let child = ctx.spawn_child(spec, move || Runner::new(parts.clone(), Arc::clone(&around)));
        self.members.insert(
            id,
            Member {
                child,
                phase: RunnerPhase::Starting,
                environment,
            },
        );
    }

    /// Gives it no more work; it ends once it is idle.
    pub(super) fn retire_runner(&mut self, runner: RunnerId) {
        self.parts.lane.stop_accepting(runner);
        if let Some(member) = self.members.get_mut(&runner)
            && let RunnerPhase::Ready { since } = member.phase
        {
            member.phase = RunnerPhase::Retiring { since };
        }
    }

    /// Ends it now, at once if `forceful` and with its handlers otherwise.
    pub(super) fn end_runner(&mut self, runner: RunnerId, forceful: bool) {
        self.parts.lane.stop_accepting(runner);
        if let Some(member) = self.members.get_mut(&runner) {
            member.phase = RunnerPhase::Ending;
            member.child.tell(EndRunner { forceful });
        }
    }

    /// It has loaded the package and serves from here on.
    pub(super) fn runner_ready(
        &mut self,
        runner: RunnerId,
        session: Arc<Session>,
        start: ColdStart,
        ctx: &mut Context<Self>,
    ) {
        let now = Instant::now();
        let Some(member) = self.members.get(&runner) else {
            return;
        };
        if member.phase != RunnerPhase::Starting {
            return;
        }
        if self.is_superseded(runner) {
            self.end_runner(runner, false);
            self.act(ctx);
            return;
        }
        if let Some(member) = self.members.get_mut(&runner) {
            member.phase = RunnerPhase::Ready { since: now };
        }
        let ScalingPolicy {
            concurrency,
            run_once,
            ..
        } = self.settings.scaling;
        let lane = &self.parts.lane;
        lane.tally().runners().add_ready();
        lane.add_runner(session, start, concurrency, run_once, now);
        self.recovery.succeeded();
        self.report(ActionNews::Ready, ctx);
        self.act(ctx);
    }

    /// Whether one that was started later, with other variables, serves already. A caller who has seen the new variables at
    /// work must not meet the old ones again because a runner took longer to start than its successor.
    fn is_superseded(&self, runner: RunnerId) -> bool {
        self.members.get(&runner).is_some_and(|member| {
            self.members
                .range((Bound::Excluded(runner), Bound::Unbounded))
                .filter(|(_, later)| matches!(later.phase, RunnerPhase::Ready { .. }))
                .any(|(_, later)| !Arc::ptr_eq(&later.environment, &member.environment))
        })
    }

    /// A runner that was started with variables that are no longer wanted failed: that says nothing about the next one.
    fn is_outdated(&self, runner: RunnerId) -> bool {
        let environment = self.parts.intent.environment();
        self.members
            .get(&runner)
            .is_some_and(|member| !Arc::ptr_eq(&member.environment, &environment))
    }

    /// It will not serve.
    pub(super) fn start_failed(&mut self, runner: RunnerId, failure: StartFailure, ctx: &mut Context<Self>) {
        if self.is_outdated(runner) {
            return;
        }
        self.parts.lane.tally().runners().add_failed();
        let now = Instant::now();
        self.recovery.failed(failure.clone(), now);
        if !self.can_serve()
            && let Some(refusal) = self.recovery.refusal(now)
        {
            self.parts.lane.refuse_waiting(&refusal);
        }
        let news = match failure {
            StartFailure::Load(error) => ActionNews::LoadFailed(error),
            StartFailure::Engine(detail) => ActionNews::StartFailed(detail),
        };
        self.report(news, ctx);
        self.act(ctx);
    }

    /// Counts a runner that ends although nobody has told it to.
    pub(super) fn note_if_lost(&self, runner: RunnerId) {
        let phase = self.members.get(&runner).map(|member| member.phase);
        let served = matches!(
            phase,
            Some(RunnerPhase::Ready { .. } | RunnerPhase::Retiring { .. })
        );
        if served && !self.stopping {
            self.parts.lane.tally().runners().add_lost();
        }
    }
}
