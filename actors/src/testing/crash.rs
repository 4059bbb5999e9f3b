//! Actors that crash when a test says so.

use std::cell::RefCell;

use actix::{Actor, AsyncContext, Handler, Message, Recipient};
use jobber_kernel::{Child, Context, tell};

use crate::action::Action;
use crate::admin::Admin;
use crate::delivery::Deliveries;
use crate::engine::EngineWatch;
use crate::gateway::Gateway;
use crate::job::Job;
use crate::jobs::Jobs;
use crate::ledger::Ledger;
use crate::log_sink::LogSink;
use crate::mqtt::{Connection, Mqtt};
use crate::pool::Pool;
use crate::pulse::Pulse;
use crate::runner::Runner;
use crate::runner_manager::RunnerManager;
use crate::scheduler::Scheduler;
use crate::trigger::{HttpTrigger, MqttTrigger, ScheduleTrigger};

/// Its handler panics.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Crash;

struct Victim {
    kind: &'static str,
    path: String,
    address: Recipient<Crash>,
}

thread_local! {
    /// A test and all its actors run on one thread, and each test on its own.
    static VICTIMS: RefCell<Vec<Victim>> = const { RefCell::new(Vec::new()) };
}

/// Every actor calls this when it starts.
pub(crate) fn register<A>(ctx: &Context<A>)
where
    A: Child + Actor<Context = Context<A>> + Handler<Crash>,
{
    let victim = Victim {
        kind: A::KIND,
        path: ctx.path().as_str().to_owned(),
        address: ctx.address().recipient(),
    };
    VICTIMS.with_borrow_mut(|victims| {
        victims.retain(|other| other.address.connected() && other.path != victim.path);
        victims.push(victim);
    });
}

/// The paths of the actors of this kind (`Child::KIND`) that have not ended, in the order of their last start.
#[must_use]
pub fn victims(kind: &str) -> Vec<String> {
    VICTIMS.with_borrow(|victims| {
        let alive = victims
            .iter()
            .filter(|victim| victim.kind == kind && victim.address.connected());
        alive.map(|victim| victim.path.clone()).collect()
    })
}

/// Crashes the actor at this path. `false` if there is none.
pub fn crash(path: &str) -> bool {
    VICTIMS.with_borrow(|victims| {
        let victim = victims
            .iter()
            .find(|victim| victim.path == path && victim.address.connected());
        if let Some(victim) = victim {
            tell(&victim.address, Crash);
        }
        victim.is_some()
    })
}

macro_rules! crashes {
    ($($actor:ty),*) => {$(
        impl Handler<Crash> for $actor {
            type Result = ();

            fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
                // A panic as any other, but for the hook that would print each of hundreds.
                std::panic::resume_unwind(Box::new("a test wants it so"));
            }
        }
    )*};
}

crashes!(
    Action,
    Admin,
    Connection,
    Deliveries,
    EngineWatch,
    Gateway,
    HttpTrigger,
    Job,
    Jobs,
    Ledger,
    LogSink,
    Mqtt,
    MqttTrigger,
    Pool,
    Pulse,
    Runner,
    RunnerManager,
    ScheduleTrigger,
    Scheduler
);
