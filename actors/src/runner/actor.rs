//! The Runner actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, SpawnHandle};
use chrono::Utc;
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::messages::Done;
use super::{RunnerNews, RunnerReport};
use crate::action::Action;
use crate::domain::RunnerId;
use crate::invocation::{FunctionError, LostReason};
use crate::log_sink::Subject;
use crate::ports::{ColdStart, EngineError, LogLevel, Resources, RunnerExit, RunnerSpec};
use crate::protocol::LoadPhase;
use crate::runner_manager::{Registration, RunnerStage, RunnerStatus, RunnerToken};
use crate::session::{AssignError, Assignment, Orphans, SessionOwner};
use crate::tree::Surroundings;

/// A runner that is asked to exit has this long before it is killed.
const EXIT_GRACE: Duration = Duration::from_secs(2);
/// Session and process end together, and are heard of one after the other: this is how long the first waits for the other.
const EXIT_NEWS_TIME: Duration = Duration::from_secs(1);

/// A runner that is to end while the engine starts it waits this long to hear of it, so that it leaves nothing behind.
pub(super) const START_NEWS_TIME: Duration = Duration::from_secs(5);
/// The engine has this long to remove a runner; after that it is the reaper's.
const REMOVE_TIME: Duration = Duration::from_secs(30);

/// What a runner is made of.
#[derive(Clone, Debug)]
pub struct RunnerParts {
    /// Its id.
    pub id: RunnerId,
    /// What it will run.
    pub assignment: Assignment,
    /// What it may use.
    pub resources: Resources,
    /// Whom to report to.
    pub action: Addr<Action>,
}

/// One runner.
pub struct Runner {
    pub(super) parts: RunnerParts,
    around: Arc<Surroundings>,
    pub(super) stage: RunnerStage,
    registration: Option<Registration>,
    pub(super) session: Option<SessionOwner>,
    /// When it was launched, and when it had dialled in.
    launched: Instant,
    connected: Option<Instant>,
    /// The timer of the present stage, if it may not take for ever.
    timer: Option<SpawnHandle>,
    exit: Option<RunnerExit>,
    lost: LostReason,
    /// What was under way when the session ended; waits to hear how the process ended.
    orphans: Orphans,
    /// Whether the engine has been asked to start it and has not answered yet.
    pub(super) starting: bool,
    pub(super) removed: bool,
}

impl Runner {
    /// A runner that is not started yet.
    #[must_use]
    pub fn new(parts: RunnerParts, around: Arc<Surroundings>) -> Self {
        Self {
            parts,
            around,
            stage: RunnerStage::Starting,
            registration: None,
            session: None,
            launched: Instant::now(),
            connected: None,
            timer: None,
            exit: None,
            lost: LostReason::RunnerStopped,
            orphans: Orphans::default(),
            starting: false,
            removed: false,
        }
    }

    /// What its start took, when it is ready.
    pub(super) fn cold_start(&self) -> ColdStart {
        let connected = self.connected.unwrap_or(self.launched);
        ColdStart {
            connect: connected - self.launched,
            load: connected.elapsed(),
        }
    }

    pub(super) fn report(&self, news: RunnerNews) {
        tell(
            &self.parts.action,
            RunnerReport {
                runner: self.parts.id,
                news,
            },
        );
    }

    pub(super) fn set_stage(&mut self, stage: RunnerStage) {
        self.stage = stage;
        if let Some(registration) = &self.registration {
            registration.set_stage(stage);
        }
    }

    pub(super) fn set_timer(
        &mut self,
        time: Duration,
        ctx: &mut Context<Self>,
        f: fn(&mut Self, &mut Context<Self>),
    ) {
        self.clear_timer(ctx);
        self.timer = Some(ctx.run_later(time, f));
    }

    pub(super) fn clear_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
    }

    fn launch(&mut self, ctx: &mut Context<Self>) {
        let token = RunnerToken::generate();
        let version = &self.parts.assignment.version;
        let status = RunnerStatus {
            id: self.parts.id,
            job_id: version.job,
            version_id: version.id,
            action_id: version.action,
            stage: RunnerStage::Starting,
            created: Utc::now(),
            ready: None,
        };
        self.registration = Some(self.around.registry.register(status, &token, ctx.address()));
        let spec = RunnerSpec {
            runner: self.parts.id,
            job: Some((version.job, Arc::clone(&self.parts.assignment.job_name))),
            runtime: version.manifest.engines.runtime,
            resources: self.parts.resources,
            docker: version.manifest.action.runner_docker_arguments.clone(),
            token: token.expose(),
        };
        let (engine, me) = (Arc::clone(&self.around.engine), ctx.address());
        self.starting = true;
        ctx.tasks().spawn_on(&self.around.io, "start", async move {
            tell(&me, Done::Started(engine.start(spec).await));
        });
        self.set_timer(self.around.settings.runner_start_time, ctx, |runner, ctx| {
            let time = runner.around.settings.runner_start_time.as_secs();
            runner.fail_to_start(format!("it did not dial in within {time} s"), ctx);
        });
    }

    /// Jobber's or the engine's trouble, not the function's.
    pub(super) fn fail_to_start(&mut self, detail: String, ctx: &mut Context<Self>) {
        if self.stage == RunnerStage::Ending {
            return;
        }
        self.note("start-failed", format!("a runner could not be started: {detail}"));
        self.report(RunnerNews::Failed(detail));
        self.end(true, ctx);
    }

    pub(super) fn load(&mut self, owner: SessionOwner, ctx: &mut Context<Self>) {
        let session = Arc::clone(&owner);
        self.session = Some(owner);
        self.connected = Some(Instant::now());
        self.set_stage(RunnerStage::Loading);
        let (around, assignment, me) = (
            Arc::clone(&self.around),
            self.parts.assignment.clone(),
            ctx.address(),
        );
        ctx.tasks().spawn_on(&self.around.io, "assign", async move {
            let assigned = match around.archives.files(assignment.version.archive).await {
                Ok(files) => session.assign(&assignment, files).await,
                Err(error) => Err(AssignError::from(error)),
            };
            tell(&me, Done::Assigned(assigned));
        });
        self.set_timer(self.around.settings.runner_load_time, ctx, |runner, ctx| {
            let time = runner.around.settings.runner_load_time.as_secs();
            runner.fail_to_load(format!("the module was not imported within {time} s"), ctx);
        });
    }

    /// The function's own trouble: its module does not come to an end, or ends the process.
    fn fail_to_load(&mut self, message: String, ctx: &mut Context<Self>) {
        let error = FunctionError {
            name: "ImportFailed".into(),
            message,
            code: Some("import-failed".into()),
            ..FunctionError::default()
        };
        self.on_rejected(LoadPhase::Import, error, ctx);
    }

    pub(super) fn on_rejected(&mut self, phase: LoadPhase, error: FunctionError, ctx: &mut Context<Self>) {
        let text = if error.stack.is_empty() {
            &error.message
        } else {
            &error.stack
        };
        self.note("load-failed", format!("the function could not be loaded: {text}"));
        self.report(RunnerNews::Rejected(phase, error));
        self.end(self.session.is_none(), ctx);
    }

    /// Begins the end: no more invocations, then the process goes. A forceful end overtakes a gentle one.
    pub(super) fn end(&mut self, forceful: bool, ctx: &mut Context<Self>) {
        let already = self.stage == RunnerStage::Ending;
        if already && !forceful {
            return;
        }
        self.clear_timer(ctx);
        if !already {
            self.set_stage(RunnerStage::Ending);
            self.report(RunnerNews::Ending);
        }
        let grace = if forceful { Duration::ZERO } else { EXIT_GRACE };
        if let Some(session) = &self.session {
            session.shut_down(grace);
        }
        self.remove(grace, ctx);
    }

    fn remove(&self, grace: Duration, ctx: &Context<Self>) {
        let (engine, me, runner) = (Arc::clone(&self.around.engine), ctx.address(), self.parts.id);
        ctx.tasks().spawn_on(&self.around.io, "remove", async move {
            let removed = timeout(grace + REMOVE_TIME, engine.stop(runner, grace))
                .await
                .unwrap_or_else(|_| Err(EngineError::Unreachable("it did not answer in time".into())));
            tell(&me, Done::Removed(removed));
        });
    }

    pub(super) fn on_session_ended(
        &mut self,
        detail: String,
        broken: bool,
        orphans: Orphans,
        ctx: &mut Context<Self>,
    ) {
        self.session = None;
        self.orphans.append(orphans);
        if self.stage == RunnerStage::Ending {
            // It was asked to end; what was under way hears of it when the process is gone.
            if self.exit.is_some() || self.removed {
                self.conclude(ctx);
            } else {
                // An engine that does not answer keeps nobody waiting.
                self.set_timer(EXIT_NEWS_TIME, ctx, |runner, _| runner.answer_orphans());
            }
            return;
        }
        if broken {
            self.note("runner-lost", detail.clone());
        }
        self.lost = LostReason::SessionEnded { detail };
        if self.stage == RunnerStage::Ready {
            // Before it is known how it ended: it can take nothing more, and another one is needed now.
            self.report(RunnerNews::Ending);
        }
        if self.exit.is_some() || broken {
            self.conclude(ctx);
        } else {
            // The engine will say in a moment how it ended.
            self.set_timer(EXIT_NEWS_TIME, ctx, Self::conclude);
        }
    }

    pub(super) fn on_exit(&mut self, exit: RunnerExit, ctx: &mut Context<Self>) {
        if self.stage != RunnerStage::Ending || exit.out_of_memory {
            self.note("runner-lost", describe(&exit));
        }
        self.exit = Some(exit);
        if self.session.is_some() {
            // What the process had still written is on its way through the connection.
            self.set_timer(EXIT_NEWS_TIME, ctx, |runner, _| {
                if let Some(session) = &runner.session {
                    session.close();
                }
            });
        } else {
            self.conclude(ctx);
        }
    }

    /// All is known that will be known: the action and the callers are told, and what is left of the runner goes.
    fn conclude(&mut self, ctx: &mut Context<Self>) {
        self.clear_timer(ctx);
        let detail = match (&self.exit, &self.lost) {
            (Some(exit), _) => describe(exit),
            (None, LostReason::SessionEnded { detail }) => detail.clone(),
            (None, _) => "the runner ended".into(),
        };
        match self.stage {
            RunnerStage::Starting => self.fail_to_start(detail, ctx),
            RunnerStage::Loading => self.fail_to_load(format!("{detail} while it was imported"), ctx),
            RunnerStage::Ready => self.end(true, ctx),
            RunnerStage::Ending => {}
        }
        self.answer_orphans();
        if self.removed {
            ctx.stop();
        }
    }

    /// The engine has removed the runner: the session ends with it, and the actor once it has.
    pub(super) fn leave(&mut self, ctx: &mut Context<Self>) {
        match &self.session {
            Some(session) => session.close(),
            None => {
                self.answer_orphans();
                ctx.stop();
            }
        }
    }

    pub(super) fn on_started(&mut self, started: Result<(), EngineError>, ctx: &mut Context<Self>) {
        self.starting = false;
        match started {
            // It was to end before it was there; there may have been nothing to remove then.
            Ok(()) if self.stage == RunnerStage::Ending => self.remove(Duration::ZERO, ctx),
            Ok(()) => {}
            Err(_) if self.removed => self.leave(ctx),
            Err(error) => self.fail_to_start(error.to_string(), ctx),
        }
    }

    fn answer_orphans(&mut self) {
        let reason = match (&self.lost, self.exit.clone()) {
            (LostReason::RunnerStopped, Some(exit)) if !exit.out_of_memory => LostReason::RunnerStopped,
            (_, Some(exit)) => LostReason::RunnerExited { exit },
            (lost, None) => lost.clone(),
        };
        std::mem::take(&mut self.orphans).answer(&reason);
    }

    /// Says something about this runner in its job's log.
    fn note(&self, event: &'static str, message: String) {
        let version = &self.parts.assignment.version;
        let subject = Subject {
            job: version.job,
            version: Some(version.id),
            runner: Some(self.parts.id),
        };
        self.around
            .log_intake
            .tell(subject, LogLevel::Error, event, message);
    }
}

fn describe(exit: &RunnerExit) -> String {
    match (exit.out_of_memory, exit.code, exit.signal) {
        (true, ..) => "the runner was ended: out of memory".into(),
        (_, _, Some(signal)) => format!("the runner was ended by signal {signal}"),
        (_, Some(code), _) => format!("the runner exited with code {code}"),
        _ => "the runner ended".into(),
    }
}

impl Actor for Runner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.launch(ctx);
    }
}

impl Child for Runner {
    const KIND: &'static str = "runner";

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        // The action lets a runner finish before it asks; who asks now wants it gone.
        self.end(false, ctx);
    }

    fn observe(&self) -> serde_json::Value {
        let running = self.session.as_ref().map_or(0, |session| session.open_streams());
        json!({ "id": self.parts.id, "stage": self.stage, "running": running })
    }
}
