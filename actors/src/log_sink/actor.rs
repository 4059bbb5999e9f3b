//! The LogSink actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message};
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;
use tokio::sync::watch;

use super::ring::LogRing;
use crate::ports::{LogLine, LogStore};
use crate::tree::Surroundings;

/// Most lines of one batch.
const BATCH_LINES: usize = 5_000;
/// After the first line of a batch, others have this long to join it.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// A batch is tried this often before it is dropped and counted: the ring fills meanwhile, and drops by itself.
const TRIES: u32 = 8;
/// The same, once the sink is to stop.
const TRIES_WHEN_STOPPING: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Takes lines out of the ring and gives them to the log store, in order.
pub struct LogSink {
    around: Arc<Surroundings>,
    stop: watch::Sender<bool>,
    lost_batches: u64,
}

impl LogSink {
    /// A sink that has not begun.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            stop: watch::Sender::new(false),
            lost_batches: 0,
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
        let (ring, store) = (Arc::clone(&self.around.logs), Arc::clone(&self.around.log_store));
        let (mut stop, me) = (self.stop.subscribe(), ctx.address());
        ctx.tasks().spawn_on(&self.around.io, "write", async move {
            loop {
                let stopping = tokio::select! {
                    () = ring.filled() => unless_stopped(&mut stop, BATCH_TIME).await,
                    () = stopped(&mut stop) => true,
                };
                loop {
                    let batch = ring.take(BATCH_LINES);
                    if batch.lines().is_empty() {
                        break;
                    }
                    if !keep(&ring, &*store, batch.lines(), &mut stop).await {
                        tell(&me, BatchLost);
                    }
                    batch.done();
                }
                if stopping {
                    tell(&me, Drained);
                    return;
                }
            }
        });
    }
}

/// Keeps a batch, trying again for a while. `false` if it had to be dropped.
async fn keep(
    ring: &LogRing,
    store: &dyn LogStore,
    lines: &[LogLine],
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let mut pause = FIRST_PAUSE;
    let mut left = TRIES;
    loop {
        let Err(error) = store.append(lines).await else {
            return true;
        };
        if *stop.borrow() {
            left = left.min(TRIES_WHEN_STOPPING);
        }
        left -= 1;
        if left == 0 {
            tracing::error!(%error, lines = lines.len(), "log lines were dropped");
            return false;
        }
        tracing::warn!(%error, lines = lines.len(), waiting = ring.gauge().waiting, "log lines wait");
        if *stop.borrow() {
            tokio::time::sleep(FIRST_PAUSE).await;
        } else {
            unless_stopped(stop, pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Resolves when the sink is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the actor, and its tasks no longer: an error can only mean the same.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Waits this long; at once `true` when the sink is to stop.
async fn unless_stopped(stop: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::time::timeout(time, stopped(stop)).await.is_ok()
}

impl Child for LogSink {
    const KIND: &'static str = "log-sink";

    fn stop_requested(&mut self, _: &StopReason, _: &mut Context<Self>) {
        self.stop.send_replace(true);
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
