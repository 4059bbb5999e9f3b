//! What an action says in its job's log.

use actix::ActorContext;
use jobber_kernel::Context;

use super::actor::Action;
use super::members::Member;
use super::scaling::{RunnerPhase, ScalingDecision};
use crate::domain::RunnerId;
use crate::log_sink::{Recurring, Subject};
use crate::ports::LogLevel;

impl Action {
    fn subject(&self, runner: Option<RunnerId>) -> Subject {
        Subject {
            job: self.parts.version.job,
            version: Some(self.parts.version.id),
            runner,
        }
    }

    pub(super) fn tell_killed(&self, runner: RunnerId) {
        let message = "a handler does not let go; its runner is killed".to_owned();
        let subject = self.subject(Some(runner));
        self.around
            .log_intake
            .tell(subject, LogLevel::Error, "runner-killed", message);
    }

    /// How many runners come and go is told, but for those that each invocation has for itself.
    pub(super) fn tell_scaled(&self, decision: &ScalingDecision) {
        if self.settings.scaling.run_once {
            return;
        }
        // One that retires is told of then, and not again when it has nothing left to do.
        let ended = decision.retire.iter().chain(&decision.end);
        let ended = ended
            .filter(|runner| self.members.get(*runner).is_some_and(Member::counts))
            .count();
        let started = if self.stopping {
            0
        } else {
            u64::from(decision.start)
        };
        let logs = &self.around.log_intake;
        logs.count(self.subject(None), Recurring::RunnersStarted, started);
        self.tell_ended(ended);
    }

    fn tell_ended(&self, runners: usize) {
        let runners = u64::try_from(runners).unwrap_or(u64::MAX);
        let logs = &self.around.log_intake;
        logs.count(self.subject(None), Recurring::RunnersEnded, runners);
    }

    /// Ends for good, and the runners that are left with it.
    pub(super) fn leave(&mut self, ctx: &mut Context<Self>) {
        let left = self.members.values_mut().filter(|member| member.counts());
        let ended = left.map(|member| member.phase = RunnerPhase::Ending).count();
        if !self.settings.scaling.run_once {
            self.tell_ended(ended);
        }
        ctx.stop();
    }
}
