//! What the Action actor does with each message.

use actix::Handler;
use jobber_kernel::Context;
use tokio::time::Instant;

use super::actor::Action;
use super::messages::{Reconsider, StopRunner, Wake};
use super::recovery::StartFailure;
use super::scaling::RunnerPhase;
use crate::runner::{RunnerNews, RunnerReport};

impl Handler<Wake> for Action {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        self.parts.lane.looked_at();
        if self.parts.lane.wants_sweep() {
            self.act(ctx);
        } else {
            self.scale(Instant::now(), ctx);
        }
    }
}

impl Handler<RunnerReport> for Action {
    type Result = ();

    fn handle(&mut self, RunnerReport { runner, news }: RunnerReport, ctx: &mut Context<Self>) {
        match news {
            RunnerNews::Ready(session, start) => self.runner_ready(runner, session, start, ctx),
            RunnerNews::Rejected(_, error) => self.start_failed(runner, StartFailure::Load(error), ctx),
            RunnerNews::Failed(detail) => self.start_failed(runner, StartFailure::Engine(detail), ctx),
            RunnerNews::Ending => {
                self.parts.lane.stop_accepting(runner);
                self.note_if_lost(runner);
                if let Some(member) = self.members.get_mut(&runner) {
                    member.phase = RunnerPhase::Ending;
                }
                self.act(ctx);
            }
        }
    }
}

impl Handler<Reconsider> for Action {
    type Result = ();

    fn handle(&mut self, _: Reconsider, ctx: &mut Context<Self>) {
        // What failed under the old intent (a variable that was missing) is tried again at once.
        self.recovery.succeeded();
        self.act(ctx);
    }
}

impl Handler<StopRunner> for Action {
    type Result = bool;

    fn handle(&mut self, stop: StopRunner, ctx: &mut Context<Self>) -> bool {
        if !self.members.contains_key(&stop.runner) {
            return false;
        }
        if stop.forceful {
            self.end_runner(stop.runner, true);
        } else {
            self.retire_runner(stop.runner);
        }
        self.act(ctx);
        true
    }
}
