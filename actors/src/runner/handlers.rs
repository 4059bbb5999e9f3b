//! What the Runner actor does with each message.

use std::sync::Arc;

use actix::Handler;
use jobber_kernel::Context;

use super::actor::{Runner, START_NEWS_TIME};
use super::messages::Done;
use super::{EndRunner, EngineExit, RunnerNews, SessionNews, SessionOpened};
use crate::runner_manager::RunnerStage;
use crate::session::{AssignError, SessionEvent};

impl Handler<Done> for Runner {
    type Result = ();

    fn handle(&mut self, done: Done, ctx: &mut Context<Self>) {
        match done {
            Done::Started(started) => self.on_started(started, ctx),
            Done::Assigned(Ok(())) => {}
            // A session that ended says so itself, and says why.
            Done::Assigned(Err(AssignError::Closed(_))) => {}
            Done::Assigned(Err(error)) => self.fail_to_start(error.to_string(), ctx),
            Done::Removed(removed) => {
                if let Err(error) = removed {
                    tracing::warn!(runner = %self.parts.id, %error, "a runner was not removed; the reaper will try again");
                }
                self.removed = true;
                if self.starting {
                    // What the engine is about to start is not there yet, and would stay.
                    self.set_timer(START_NEWS_TIME, ctx, Self::leave);
                } else {
                    self.leave(ctx);
                }
            }
        }
    }
}

impl Handler<SessionOpened> for Runner {
    type Result = ();

    fn handle(&mut self, SessionOpened(session): SessionOpened, ctx: &mut Context<Self>) {
        match self.stage {
            RunnerStage::Starting => self.load(session, ctx),
            // Too late: it is being ended.
            _ => drop(session),
        }
    }
}

impl Handler<SessionNews> for Runner {
    type Result = ();

    fn handle(&mut self, SessionNews(event): SessionNews, ctx: &mut Context<Self>) {
        match event {
            SessionEvent::Ready(ready) if self.stage == RunnerStage::Loading => {
                self.clear_timer(ctx);
                self.set_stage(RunnerStage::Ready);
                tracing::debug!(runner = %self.parts.id, import_ms = ready.import_ms, "a runner is ready");
                if let Some(session) = &self.session {
                    self.report(RunnerNews::Ready(Arc::clone(session), self.cold_start()));
                }
            }
            SessionEvent::Ready(_) => {}
            SessionEvent::Rejected(phase, error) => self.on_rejected(phase, error, ctx),
            SessionEvent::Ended {
                detail,
                protocol_broken,
                orphans,
            } => {
                self.on_session_ended(detail, protocol_broken, orphans, ctx);
            }
        }
    }
}

impl Handler<EngineExit> for Runner {
    type Result = ();

    fn handle(&mut self, EngineExit(exit): EngineExit, ctx: &mut Context<Self>) {
        self.on_exit(exit, ctx);
    }
}

impl Handler<EndRunner> for Runner {
    type Result = ();

    fn handle(&mut self, end: EndRunner, ctx: &mut Context<Self>) {
        self.end(end.forceful, ctx);
    }
}
