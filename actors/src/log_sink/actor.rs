//! The LogSink actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message};
use futures_util::future::BoxFuture;
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;

use crate::changes::Topic;
use crate::ports::{LogError, LogLine};
use crate::sink::{Keeper, Setback, StopSignal, Writer};
use crate::tree::Surroundings;

/// Most lines of one batch.
const BATCH_LINES: usize = 5_000;
/// After the first line of a batch, others have this long to join it.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// A batch that the store refuses is tried this often before it is dropped and counted.
const TRIES: u32 = 8;

/// What happens often is told this often.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Takes lines out of the ring and gives them to the log store, in order.
pub struct LogSink {
    around: Arc<Surroundings>,
    stop: StopSignal,
    lost_batches: u64,
}

impl LogSink {
    /// A sink that has not begun.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            stop: StopSignal::default(),
            lost_batches: 0,
        }
    }

    fn flush(&self) {
        let tallies = &self.around.tallies;
        let is_there = |job| tallies.get(job).is_some();
        self.around.log_intake.flush(is_there);
    }
}

/// The log store, as the end of the ring.
struct Store(Arc<Surroundings>);

impl Keeper<LogLine> for Store {
    type Error = LogError;

    fn keep<'a>(&'a self, lines: &'a [LogLine]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async {
            self.0.log_trouble.asked();
            let answer = self.0.log_store.append(lines).await;
            let failure = answer.as_ref().err();
            self.0.log_trouble.answered(failure.map(ToString::to_string));
            if failure.is_none_or(|error| error.kept > 0) {
                let jobs = lines.iter().map(|line| line.job);
                self.0.changes.tell_of(Topic::Logs, jobs);
            }
            answer
        })
    }

    fn setback(&self, error: &LogError) -> Setback {
        Setback {
            kept: error.kept,
            unreachable: error.unreachable,
            retry_after: error.retry_after,
        }
    }
}

/// Lines could not be kept.
#[derive(Message)]
#[rtype(result = "()")]
struct BatchLost;

/// All that there was is kept.
#[derive(Message)]
#[rtype(result = "()")]
struct Drained;

impl Actor for LogSink {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        ctx.run_interval(FLUSH_EVERY, |sink, _| sink.flush());
        let ring = Arc::clone(&self.around.logs);
        let store = Store(Arc::clone(&self.around));
        let writer = Writer::new("log lines", BATCH_LINES, BATCH_TIME, Some(TRIES), &self.stop);
        let me = ctx.address();
        ctx.tasks().spawn_on(&self.around.io, "write", async move {
            let lost = || tell(&me, BatchLost);
            writer.run(&ring, &store, lost).await;
            tell(&me, Drained);
        });
    }
}

impl Child for LogSink {
    const KIND: &'static str = "log-sink";

    fn stop_requested(&mut self, _: &StopReason, _: &mut Context<Self>) {
        self.flush();
        self.stop.give();
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "ring": self.around.logs.gauge(), "lostBatches": self.lost_batches })
    }
}

impl Handler<BatchLost> for LogSink {
    type Result = ();

    fn handle(&mut self, _: BatchLost, _: &mut Context<Self>) {
        self.lost_batches += 1;
    }
}

impl Handler<Drained> for LogSink {
    type Result = ();

    fn handle(&mut self, _: Drained, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
