//! The Ledger actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message};
use futures_util::future::BoxFuture;
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;
use tokio::time::Instant;

use crate::changes::{Changes, Topic};
use crate::domain::ServerId;
use crate::ports::{InvocationRecord, InvocationStore, InvocationStoreError};
use crate::sink::{Keeper, StopSignal, Writer};
use crate::tree::Surroundings;

/// Most records of one batch.
const BATCH_RECORDS: usize = 5_000;
/// After the first record of a batch, others have this long to join it.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// What is under way for as long as this is put down, so that it can be seen, and is not forgotten should the server be killed.
const PUT_DOWN_AGE: Duration = Duration::from_secs(1);

/// Takes records out of the ring and has them kept, and puts down what takes long.
pub struct Ledger {
    around: Arc<Surroundings>,
    stop: StopSignal,
    lost_batches: u64,
}

impl Ledger {
    /// A ledger that has not begun.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            stop: StopSignal::default(),
            lost_batches: 0,
        }
    }

    fn put_down(&mut self, _: &mut Context<Self>) {
        let now = Instant::now();
        for lane in self.around.lanes.all() {
            lane.put_down(now, PUT_DOWN_AGE);
        }
    }
}

/// The store of the records, as the end of the ring.
struct Store {
    server: ServerId,
    store: Arc<dyn InvocationStore>,
    changes: Changes,
}

impl Keeper<InvocationRecord> for Store {
    type Error = InvocationStoreError;

    fn keep<'a>(&'a self, records: &'a [InvocationRecord]) -> BoxFuture<'a, Result<(), Self::Error>> {
        Box::pin(async {
            self.store.append(self.server, records).await?;
            let jobs = records.iter().map(|record| record.job);
            self.changes.tell_of(Topic::Invocations, jobs);
            Ok(())
        })
    }
}

/// Records could not be kept.
#[derive(Message)]
#[rtype(result = "()")]
struct BatchLost;

/// All that there was is kept.
#[derive(Message)]
#[rtype(result = "()")]
struct Drained;

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        let Some(ring) = self.around.records.clone() else {
            return;
        };
        ctx.run_interval(PUT_DOWN_AGE, Self::put_down);
        let store = Store {
            server: self.around.desk.server,
            store: Arc::clone(&self.around.invocation_store),
            changes: self.around.changes.clone(),
        };
        // What Postgres has for records it takes: tried until it is there. The ring is what is bounded.
        let writer = Writer::new(
            "records of invocations",
            BATCH_RECORDS,
            BATCH_TIME,
            None,
            &self.stop,
        );
        let me = ctx.address();
        ctx.tasks().spawn_on(&self.around.io, "write", async move {
            let lost = || tell(&me, BatchLost);
            writer.run(&ring, &store, lost).await;
            tell(&me, Drained);
        });
    }
}

impl Child for Ledger {
    const KIND: &'static str = "ledger";

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        if self.around.records.is_none() {
            return ctx.stop();
        }
        self.stop.give();
    }

    fn observe(&self) -> serde_json::Value {
        let ring = self.around.records.as_ref().map(|records| records.gauge());
        json!({ "ring": ring, "lostBatches": self.lost_batches })
    }
}

impl Handler<BatchLost> for Ledger {
    type Result = ();

    fn handle(&mut self, _: BatchLost, _: &mut Context<Self>) {
        self.lost_batches += 1;
    }
}

impl Handler<Drained> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Drained, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
