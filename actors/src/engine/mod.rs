//! The Engine actor: hears the engine's events and removes what nobody answers for.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message};
use chrono::Utc;
use jobber_kernel::{Child, Context, tell};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

use crate::ports::{EngineError, EngineEvent, LogLevel, LogLine, OutputStream};
use crate::runner::EngineExit;
use crate::runner_manager::RunnerRegistry;
use crate::tree::Surroundings;

/// How often orphans are looked for.
const REAP_EVERY: Duration = Duration::from_secs(60);

/// The engine's events. Outside of the actor, since the engine gives them once.
pub type EngineEvents = Arc<Mutex<mpsc::Receiver<EngineEvent>>>;

/// Hears the engine's events and removes what nobody answers for.
pub struct EngineWatch {
    events: Option<EngineEvents>,
    around: Arc<Surroundings>,
    reaped: usize,
    last_error: Option<String>,
}

impl EngineWatch {
    /// An engine watch over these events.
    #[must_use]
    pub fn new(events: Option<EngineEvents>, around: Arc<Surroundings>) -> Self {
        Self {
            events,
            around,
            reaped: 0,
            last_error: None,
        }
    }

    fn reap(&self, ctx: &Context<Self>) {
        let (around, me) = (Arc::clone(&self.around), ctx.address());
        ctx.tasks().spawn_on(&self.around.io, "reap", async move {
            let reaped = around.engine.reap(&around.registry.ids()).await;
            tell(&me, Reaped(reaped));
        });
    }
}

/// A look for orphans is done.
#[derive(Message)]
#[rtype(result = "()")]
struct Reaped(Result<usize, EngineError>);

impl Actor for EngineWatch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.reap(ctx);
        ctx.run_interval(REAP_EVERY, |watch, ctx| watch.reap(ctx));
        if let Some(events) = self.events.clone() {
            let around = Arc::clone(&self.around);
            ctx.tasks().spawn_on(&self.around.io, "events", async move {
                while let Some(event) = events.lock().await.recv().await {
                    on_event(&around, event);
                }
            });
        }
    }
}

fn on_event(around: &Surroundings, event: EngineEvent) {
    match event {
        EngineEvent::Exited { runner, exit } => {
            // Nobody answers for a runner that was removed on purpose.
            if let Some(address) = around.registry.find(runner) {
                tell(&address, EngineExit(exit));
            }
        }
        EngineEvent::Output { runner, stream, line } => {
            if let Some(line) = as_log_line(&around.registry, runner, stream, line) {
                around.log_intake.written(line);
            }
        }
    }
}

fn as_log_line(
    registry: &RunnerRegistry,
    runner: crate::domain::RunnerId,
    stream: OutputStream,
    message: String,
) -> Option<LogLine> {
    let status = registry.status(runner)?;
    Some(LogLine {
        time: Utc::now(),
        job: status.job_id,
        version: Some(status.version_id),
        runner: Some(runner),
        invocation: None,
        stream,
        level: if stream == OutputStream::Stderr {
            LogLevel::Error
        } else {
            LogLevel::Info
        },
        message: message.replace('\0', "\u{fffd}"),
        fields: None,
    })
}

impl Child for EngineWatch {
    const KIND: &'static str = "engine";

    fn observe(&self) -> serde_json::Value {
        json!({ "engine": self.around.engine.kind(), "orphansRemoved": self.reaped, "lastError": self.last_error })
    }
}

impl Handler<Reaped> for EngineWatch {
    type Result = ();

    fn handle(&mut self, Reaped(reaped): Reaped, _: &mut Context<Self>) {
        match reaped {
            Ok(count) => {
                self.reaped += count;
                self.last_error = None;
                if count > 0 {
                    tracing::info!(count, "runners that nobody answers for were removed");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "orphans could not be looked for");
                self.last_error = Some(error.to_string());
            }
        }
    }
}
