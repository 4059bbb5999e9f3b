//! The Job actor.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Handler};
use jobber_kernel::{ActorId, Child, ChildExit, ChildRef, Context, StopOrder, StopReason};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::brief::JobBrief;
use super::messages::{Abandon, JobChanged, PrepareError, PrepareVersion, StopJobRunner};
use super::plan::{ActionPhase, Plan, PlanView, PlannedAction, plan};
use super::triggers::Triggers;
use crate::action::{Action, ActionHandle, ActionNews, ActionReport, ActionSeed, spawn_action};
use crate::domain::{DesiredJob, Environment, ImportState, JobVersion, VersionId};
use crate::log_sink::Subject;
use crate::ports::LogLevel;
use crate::tree::Surroundings;

/// An action as its job knows it.
struct Running {
    version: Arc<JobVersion>,
    child: ChildRef<Action>,
    handle: ActionHandle,
    phase: ActionPhase,
    /// Until when the version stays although it is not wanted: somebody made it ready.
    prepared_until: Option<Instant>,
    waiting: Vec<oneshot::Sender<Result<ActionHandle, PrepareError>>>,
}

impl Running {
    fn tell_waiting(&mut self, result: &Result<(), PrepareError>) {
        for waiting in self.waiting.drain(..) {
            // Who no longer waits does not need to know.
            drop(waiting.send(result.clone().map(|()| self.handle.clone())));
        }
    }
}

/// One job.
pub struct Job {
    brief: Arc<JobBrief>,
    around: Arc<Surroundings>,
    /// By action, not by version: a version that is wanted again while it retires has two for a while.
    actions: BTreeMap<ActorId, Running>,
    serving: Option<VersionId>,
    triggers: Triggers,
    /// The variables with which the triggers were published.
    led_with: Option<Arc<Environment>>,
    waiting: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

impl Job {
    /// A job of what `brief` says now and later; [`JobChanged`] makes it look again.
    #[must_use]
    pub fn new(brief: Arc<JobBrief>, around: Arc<Surroundings>) -> Self {
        Self {
            brief,
            around,
            actions: BTreeMap::new(),
            serving: None,
            triggers: Triggers::default(),
            led_with: None,
            waiting: Vec::new(),
            stopping: false,
        }
    }

    /// Makes what is be what should be, as far as it can be now.
    fn reconcile(&mut self, ctx: &mut Context<Self>) {
        if self.stopping {
            // The ends of its own children must not bring anything back.
            return;
        }
        let desired = self.brief.get();
        let wanted = desired.active.clone().filter(|_| desired.enabled);
        if wanted.is_none() {
            // Also what a former life of this actor has left.
            self.triggers.pause(&desired, &self.around);
        }
        loop {
            let actions: Vec<_> = self.actions.values().map(planned).collect();
            let decision = plan(&PlanView {
                wanted: wanted.as_ref().map(|version| version.id),
                forced: wanted
                    .as_ref()
                    .is_some_and(|version| version.import == ImportState::Failed),
                serving: self.serving,
                actions: &actions,
            });
            if decision == Plan::default() {
                break;
            }
            self.carry_out(&decision, &desired, ctx);
        }
        for running in self.actions.values() {
            running.handle.set_environment(Arc::clone(&desired.environment));
            running.handle.hold(self.runners_held(running, wanted.as_deref()));
        }
        self.follow_environment(&desired, ctx);
        if self.serving == wanted.as_ref().map(|version| version.id) {
            self.answer_waiting(ctx);
        }
    }

    /// One runner is kept whatever the package says while somebody waits for the version to be ready, or it is to serve next.
    fn runners_held(&self, running: &Running, wanted: Option<&JobVersion>) -> u32 {
        let is_next = self.serving != Some(running.version.id)
            && (running.prepared_until.is_some()
                || wanted.is_some_and(|version| version.id == running.version.id));
        u32::from(running.phase != ActionPhase::Retired && (is_next || !running.waiting.is_empty()))
    }

    fn carry_out(&mut self, decision: &Plan, desired: &DesiredJob, ctx: &mut Context<Self>) {
        if let (Some(_), Some(version)) = (decision.start, &desired.active) {
            let hold = u32::from(self.serving.is_some());
            self.start_action(Arc::clone(version), desired, hold, ctx);
        }
        if let Some(version) = decision.serve {
            self.serve(version, desired, ctx);
        }
        if decision.withdraw {
            self.triggers.pause(desired, &self.around);
            if let Some(version) = self.serving.take().and_then(|version| self.live(version)) {
                let version = Arc::clone(&version.version);
                self.tell(
                    &version,
                    "withdrawn",
                    format!("version {} serves no more", version.name),
                );
            }
        }
        for version in &decision.retire {
            self.retire(*version);
        }
    }

    fn start_action(
        &mut self,
        version: Arc<JobVersion>,
        desired: &DesiredJob,
        hold: u32,
        ctx: &Context<Self>,
    ) {
        let seed = ActionSeed {
            job_name: Arc::clone(&desired.name),
            version: Arc::clone(&version),
            environment: Arc::clone(&desired.environment),
            hold,
            job: ctx.address(),
        };
        let (child, handle) = spawn_action(&ctx.scope(), seed, &self.around);
        let running = Running {
            version,
            handle,
            phase: ActionPhase::Warming,
            prepared_until: None,
            waiting: Vec::new(),
            child: child.clone(),
        };
        self.actions.insert(child.id(), running);
    }

    fn serve(&mut self, version: VersionId, desired: &DesiredJob, ctx: &Context<Self>) {
        let Some(running) = self.live(version) else { return };
        running.prepared_until = None;
        let (version, handle) = (Arc::clone(&running.version), running.handle.clone());
        self.lead_to(desired, &version, &handle, ctx);
        let before = self.serving.replace(version.id);
        tracing::info!(job = %desired.name, version = %version.name, "a version serves");
        let before = self.actions.values().find(|running| {
            before.is_some_and(|before| before != version.id && running.version.id == before)
        });
        let message = match before {
            Some(before) => format!(
                "version {} serves now, and {} no more",
                version.name, before.version.name
            ),
            None => format!("version {} serves", version.name),
        };
        self.tell(&version, "deployed", message);
    }

    /// Says something about a version in the job's log.
    fn tell(&self, version: &JobVersion, event: &'static str, message: String) {
        let subject = Subject {
            job: version.job,
            version: Some(version.id),
            runner: None,
        };
        self.around
            .log_intake
            .tell(subject, LogLevel::Info, event, message);
    }

    fn lead_to(
        &mut self,
        desired: &DesiredJob,
        version: &JobVersion,
        handle: &ActionHandle,
        ctx: &Context<Self>,
    ) {
        self.triggers
            .lead_to(desired, version, handle, &ctx.scope(), &self.around);
        self.led_with = Some(Arc::clone(&desired.environment));
    }

    /// Triggers may speak of variables, too (a broker's password).
    fn follow_environment(&mut self, desired: &DesiredJob, ctx: &Context<Self>) {
        let same = |known: &Arc<Environment>| **known == *desired.environment;
        if self.led_with.as_ref().is_none_or(same) {
            return;
        }
        let Some(running) = self.serving.and_then(|version| self.live(version)) else {
            return;
        };
        let (version, handle) = (Arc::clone(&running.version), running.handle.clone());
        self.lead_to(desired, &version, &handle, ctx);
    }

    fn retire(&mut self, version: VersionId) {
        if let Some(running) = self.live(version) {
            running.phase = ActionPhase::Retired;
            running.tell_waiting(&Err(PrepareError::Unavailable("the version was replaced".into())));
            running.handle.retire();
        }
    }

    fn live(&mut self, version: VersionId) -> Option<&mut Running> {
        self.actions
            .values_mut()
            .find(|running| running.version.id == version && running.phase != ActionPhase::Retired)
    }

    /// Answers those who wait for what is wanted now, once the routes are compiled.
    fn answer_waiting(&mut self, ctx: &Context<Self>) {
        if self.waiting.is_empty() {
            return;
        }
        let (waiting, board) = (std::mem::take(&mut self.waiting), Arc::clone(&self.around.routes));
        let edition = board.edition();
        ctx.tasks().spawn_on(&self.around.io, "await routes", async move {
            board.serves(edition).await;
            for waiting in waiting {
                // Who no longer waits does not need to know.
                let _: Result<(), ()> = waiting.send(());
            }
        });
    }

    /// A version that was made ready and that nobody decided upon does not stay for ever, unless somebody tries it out.
    fn expire_prepared(&mut self, action: ActorId, ctx: &mut Context<Self>) {
        let now = Instant::now();
        if let Some(running) = self.actions.get_mut(&action)
            && running.prepared_until.is_some_and(|until| until <= now)
        {
            if running.handle.gauge().is_idle() {
                running.prepared_until = None;
                self.reconcile(ctx);
            } else {
                self.keep_prepared(action, ctx);
            }
        }
    }

    /// Keeps a version that was made ready for a while from now on.
    fn keep_prepared(&mut self, action: ActorId, ctx: &mut Context<Self>) {
        let keep = self.around.settings.prepared_time;
        if let Some(running) = self.actions.get_mut(&action) {
            running.prepared_until = Some(Instant::now() + keep);
            ctx.run_later(keep, move |job, ctx| job.expire_prepared(action, ctx));
        }
    }
}

fn planned(running: &Running) -> PlannedAction {
    PlannedAction {
        version: running.version.id,
        phase: running.phase,
        prepared: running.prepared_until.is_some(),
    }
}

impl Actor for Job {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.reconcile(ctx);
    }
}

impl Child for Job {
    const KIND: &'static str = "job";
    const STOP_CHILDREN: StopOrder = StopOrder::Together;

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        self.triggers.ended(exit.id);
        if let Some(mut ended) = self.actions.remove(&exit.id) {
            ended.tell_waiting(&Err(PrepareError::Unavailable(exit.reason.to_string())));
            if self.serving == Some(ended.version.id) && ended.phase != ActionPhase::Retired {
                // Its routes lead nowhere until the next one takes them over.
                self.serving = None;
            }
        }
        self.reconcile(ctx);
    }

    fn stop_requested(&mut self, reason: &StopReason, ctx: &mut Context<Self>) {
        self.stopping = true;
        // A job that only loses its parent comes back with it: until then its callers are told to try again, and not that
        // there is no such function.
        if *reason != StopReason::PARENT_CRASHED {
            self.triggers.stop(&self.brief.get(), &self.around);
        }
        ctx.stop();
    }

    fn observe(&self) -> serde_json::Value {
        let desired = self.brief.get();
        json!({
            "job": desired.name,
            "enabled": desired.enabled,
            "wanted": desired.active.as_ref().map(|version| &version.name),
            "serving": self.actions.values().find(|running| {
                Some(running.version.id) == self.serving && running.phase != ActionPhase::Retired
            }).map(|running| &running.version.name),
        })
    }
}

impl Handler<JobChanged> for Job {
    type Result = ();

    fn handle(&mut self, changed: JobChanged, ctx: &mut Context<Self>) {
        self.waiting.extend(changed.served);
        self.waiting.retain(|waiting| !waiting.is_closed());
        self.reconcile(ctx);
    }
}

impl Handler<PrepareVersion> for Job {
    type Result = ();

    fn handle(&mut self, prepare: PrepareVersion, ctx: &mut Context<Self>) {
        let desired = self.brief.get();
        let id = prepare.version.id;
        if self.live(id).is_none() {
            self.start_action(prepare.version, &desired, 1, ctx);
        }
        let Some(running) = self.live(id) else { return };
        if running.phase == ActionPhase::Ready {
            running.waiting.push(prepare.ready);
            running.tell_waiting(&Ok(()));
        } else {
            if running.phase == ActionPhase::Failed {
                // Somebody asks for another try: the wait for the next one is cut short.
                running.phase = ActionPhase::Warming;
                running.handle.reconsider();
            }
            running.waiting.push(prepare.ready);
        }
        let action = running.child.id();
        self.keep_prepared(action, ctx);
        self.reconcile(ctx);
    }
}

impl Handler<Abandon> for Job {
    type Result = ();

    fn handle(&mut self, Abandon(version): Abandon, ctx: &mut Context<Self>) {
        if let Some(running) = self.live(version) {
            running.prepared_until = None;
            self.reconcile(ctx);
        }
    }
}

impl Handler<ActionReport> for Job {
    type Result = ();

    fn handle(&mut self, report: ActionReport, ctx: &mut Context<Self>) {
        let Some(running) = self
            .actions
            .get_mut(&report.action)
            .filter(|running| running.phase != ActionPhase::Retired)
        else {
            return;
        };
        let result = match report.news {
            ActionNews::Ready => {
                running.phase = ActionPhase::Ready;
                Ok(())
            }
            // One runner of many that fails does not make a version that serves a failed one.
            _ if running.phase == ActionPhase::Ready => return,
            ActionNews::LoadFailed(error) => Err(PrepareError::LoadFailed(error)),
            ActionNews::StartFailed(detail) => Err(PrepareError::Engine(detail)),
        };
        if result.is_err() {
            running.phase = ActionPhase::Failed;
        }
        running.tell_waiting(&result);
        self.reconcile(ctx);
    }
}

impl Handler<StopJobRunner> for Job {
    type Result = ();

    fn handle(&mut self, StopJobRunner { version, stop }: StopJobRunner, _: &mut Context<Self>) {
        for running in self
            .actions
            .values()
            .filter(|running| running.version.id == version)
        {
            running.handle.stop_runner(stop);
        }
    }
}
