//! The Deliveries actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Handler, Message};
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::Instrument;
use tracing::field::Empty;

use super::desk::DeliveryDesk;
use super::room::room;
use crate::changes::{Changes, Topic};
use crate::ports::{DurableQueue, QueueError, Settlement};
use crate::tree::Surroundings;

/// A claim lasts this long, and is renewed when a third of it is over. A server that dies lets go of its deliveries after it.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// Most deliveries in this server's hands, but for those whose time has not come.
const MOST_HELD: usize = 1_000;
/// Nothing more is claimed while the bodies and answers of those have this many bytes.
const MOST_BYTES_HELD: usize = 64 << 20;
/// Most rows of one write.
const BATCH: usize = 500;
/// The queue is looked into this often, whatever the hints say.
const SWEEP: Duration = Duration::from_secs(30);
/// Between two looks into the queue there is at least this long, so that many small changes cost one look.
const BREATH: Duration = Duration::from_millis(20);
/// The queue did not answer: it is asked again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Tries to write what is left, once the actor is to stop.
const LAST_TRIES: u32 = 3;

/// Claims what is due, writes what attempts came to, and renews claims.
pub struct Deliveries {
    around: Arc<Surroundings>,
    stop: watch::Sender<bool>,
    last_error: Option<String>,
}

impl Deliveries {
    /// An actor that has not begun.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            stop: watch::Sender::new(false),
            last_error: None,
        }
    }
}

/// The queue answered, or did not.
#[derive(Message)]
#[rtype(result = "()")]
struct Answered(Option<QueueError>);

/// Everything that was in the desk is written.
#[derive(Message)]
#[rtype(result = "()")]
struct Cleared;

/// What the tasks work with.
#[derive(Clone)]
struct Work {
    desk: Arc<DeliveryDesk>,
    queue: Arc<dyn DurableQueue>,
    changes: Changes,
    stop: watch::Receiver<bool>,
    me: actix::Addr<Deliveries>,
}

impl Work {
    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    async fn stopped(&mut self) {
        // The sender lives as long as the actor, and its tasks no longer: an error can only mean the same.
        drop(self.stop.wait_for(|stop| *stop).await);
    }

    fn note(&self, result: Result<(), QueueError>) -> bool {
        let ok = result.is_ok();
        tell(&self.me, Answered(result.err()));
        ok
    }

    /// Claims what an earlier life of the instance left, then whatever is due, for as long as the actor lives.
    async fn claim(mut self) {
        while let Err(error) = self.queue.recover(self.desk.server).await {
            self.note(Err(error));
            sleep(RETRY_PAUSE).await;
        }
        while !self.stopping() {
            let pause = match self.claim_once().await {
                Ok(pause) => pause,
                Err(error) => {
                    self.note(Err(error));
                    RETRY_PAUSE
                }
            };
            let desk = Arc::clone(&self.desk);
            tokio::select! {
                () = sleep(BREATH) => {}
                () = self.stopped() => return,
            }
            // A wait that is cut short is one more look; a wake that came before is not lost.
            tokio::select! {
                () = sleep(pause) => {}
                () = desk.changed() => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Claims once. Gives the time until there may be more.
    async fn claim_once(&self) -> Result<Duration, QueueError> {
        let jobs = self.desk.jobs();
        if jobs.is_empty() {
            return Ok(SWEEP);
        }
        let ids: Vec<_> = jobs.iter().map(|(job, _)| *job).collect();
        let Some(due) = self.queue.next_due(&ids).await? else {
            return Ok(SWEEP);
        };
        let wait = (due - self.desk.clock().now()).to_std().unwrap_or_default();
        if !wait.is_zero() {
            return Ok(wait.min(SWEEP));
        }
        let room = room(jobs);
        let most = u32::try_from(MOST_HELD.saturating_sub(self.desk.under_way())).unwrap_or(u32::MAX);
        if room.is_empty() || most == 0 || self.desk.bytes() > MOST_BYTES_HELD {
            // Whatever makes room is not told here.
            return Ok(RETRY_PAUSE);
        }
        let span = tracing::debug_span!(target: "jobber::deliveries", parent: None, "claim deliveries", jobber.deliveries = Empty);
        let claim = self.queue.claim(self.desk.server, &room, most, LEASE);
        let claimed = claim.instrument(span.clone()).await?;
        span.record("jobber.deliveries", claimed.len());
        drop(span);
        let pause = if claimed.is_empty() {
            RETRY_PAUSE
        } else {
            Duration::ZERO
        };
        self.desk.take(claimed);
        Ok(pause)
    }

    /// Writes what comes into the outbox.
    async fn write(mut self) {
        let mut tries = LAST_TRIES;
        let desk = Arc::clone(&self.desk);
        loop {
            let written = self.write_all().await;
            if self.stopping() {
                tries -= u32::from(!written);
                if tries == 0 || self.is_clear() {
                    return tell(&self.me, Cleared);
                }
                // What still runs has its own deadline, and this actor its grace.
                tokio::select! {
                    () = desk.outbox.filled() => {}
                    () = sleep(BREATH) => {}
                }
            }
            if written {
                tokio::select! {
                    () = desk.outbox.filled() => {}
                    () = self.stopped() => {}
                }
            } else {
                sleep(RETRY_PAUSE).await;
            }
        }
    }

    fn is_clear(&self) -> bool {
        self.desk.outbox.waiting() == (0, 0) && self.desk.len() == 0
    }

    async fn write_all(&self) -> bool {
        loop {
            let keep = self.desk.outbox.to_keep(BATCH);
            let settle = self.desk.outbox.to_settle(BATCH);
            if keep.is_empty() && settle.is_empty() {
                return true;
            }
            if !keep.is_empty() {
                let span = tracing::debug_span!(target: "jobber::deliveries", parent: None, "keep deliveries", jobber.deliveries = keep.len());
                match self.queue.keep(&keep).instrument(span).await {
                    Ok(answers) => {
                        self.desk.outbox.kept(&answers);
                        let jobs = keep.iter().map(|new| new.delivery.job);
                        self.changes.tell_of(Topic::Queue, jobs);
                    }
                    Err(error) => return self.note(Err(error)),
                }
            }
            if !settle.is_empty() && !self.settle(&settle).await {
                return false;
            }
            self.note(Ok(()));
        }
    }

    async fn settle(&self, settlements: &[Settlement]) -> bool {
        let span = tracing::debug_span!(target: "jobber::deliveries", parent: None, "settle deliveries", jobber.deliveries = settlements.len());
        match self.queue.settle(settlements).instrument(span).await {
            Ok(()) => {
                let jobs = self.desk.written(settlements);
                self.changes.tell_of(Topic::Queue, jobs);
                true
            }
            Err(error) => self.note(Err(error)),
        }
    }

    /// Renews the claims.
    async fn renew(self) {
        let mut due = interval(LEASE / 3);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let claims = self.desk.claims();
            for part in claims.chunks(BATCH) {
                match timeout(LEASE / 3, self.queue.extend(part, LEASE)).await {
                    Ok(Ok(lost)) => self.desk.lost(&lost),
                    Ok(Err(error)) => drop(self.note(Err(error))),
                    Err(_) => tracing::warn!("claims of the durable queue could not be renewed in time"),
                }
            }
        }
    }
}

impl Actor for Deliveries {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        let work = Work {
            desk: Arc::clone(&self.around.desk),
            queue: Arc::clone(&self.around.queue),
            changes: self.around.changes.clone(),
            stop: self.stop.subscribe(),
            me: actix::AsyncContext::address(ctx),
        };
        // What a former life put down and did not write is written now.
        work.desk.look();
        let (io, tasks) = (&self.around.io, ctx.tasks());
        tasks.spawn_on(io, "claim", work.clone().claim());
        tasks.spawn_on(io, "write", work.clone().write());
        tasks.spawn_on(io, "renew", work.renew());
    }
}

impl Child for Deliveries {
    const KIND: &'static str = "deliveries";

    fn stop_requested(&mut self, _: &StopReason, _: &mut Context<Self>) {
        // Nothing is claimed any more, and nobody is left who would hand over what is not due; what runs is waited for, and written.
        self.around.desk.release_ahead();
        self.stop.send_replace(true);
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "desk": self.around.desk.gauge(), "lastError": self.last_error })
    }
}

impl Handler<Answered> for Deliveries {
    type Result = ();

    fn handle(&mut self, Answered(error): Answered, _: &mut Context<Self>) {
        let error = error.map(|error| error.to_string());
        if let Some(error) = error.as_ref().filter(|_| self.last_error.is_none()) {
            tracing::warn!(error, "the durable queue does not work");
        }
        self.last_error = error;
    }
}

impl Handler<Cleared> for Deliveries {
    type Result = ();

    fn handle(&mut self, _: Cleared, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
