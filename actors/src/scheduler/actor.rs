//! The Scheduler actor.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message, SpawnHandle};
use chrono::{DateTime, TimeDelta, Utc};
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;

use super::board::{ScheduleSeed, ScheduleStatus};
use super::plan::{lead, plan};
use super::recording::Batch;
use crate::domain::TriggerId;
use crate::ports::{QueueError, ScheduleCursor};
use crate::tree::Surroundings;

/// Schedules whose instants are recorded by one call.
const BATCH: usize = 50;
/// The timer is set to at most this: a clock that was put forward is noticed then.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The record did not answer: it is asked again after this.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A schedule that runs.
pub(super) struct Tracked {
    pub(super) seed: Arc<ScheduleSeed>,
    /// Instants up to this one are dealt with; `None` until the record has said so.
    handled: Option<DateTime<Utc>>,
    /// What is being recorded for it.
    recording: bool,
    /// When it is looked at next: as long before its next instant as that can be decided about.
    look: Option<DateTime<Utc>>,
}

/// One timer for all schedules. It looks at those that are due, or are soon, decides what their instants come to, has that recorded, and
/// has the desk hand over the deliveries that this makes when their time has come.
pub struct Scheduler {
    pub(super) around: Arc<Surroundings>,
    pub(super) tracked: HashMap<TriggerId, Tracked>,
    /// When each schedule is to be looked at.
    due: BTreeSet<(DateTime<Utc>, TriggerId)>,
    timer: Option<(DateTime<Utc>, SpawnHandle)>,
    /// What is decided and not on its way to the record, the oldest first.
    pub(super) decided: VecDeque<Batch>,
    /// Calls that are under way.
    pub(super) recording: usize,
    pub(super) counts: Counts,
    last_error: Option<String>,
    /// Nothing is decided any more.
    pub(super) stopping: bool,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) fired: u64,
    pub(super) skipped: u64,
    pub(super) missed: u64,
    pub(super) latest: TimeDelta,
}

impl Scheduler {
    /// A scheduler that has not begun.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            tracked: HashMap::new(),
            due: BTreeSet::new(),
            timer: None,
            decided: VecDeque::new(),
            recording: 0,
            counts: Counts::default(),
            last_error: None,
            stopping: false,
        }
    }

    /// Takes over what is published.
    fn read_board(&mut self, ctx: &mut Context<Self>) {
        let published = self.around.schedules.all();
        let gone: Vec<TriggerId> = self
            .tracked
            .iter()
            .filter(|(id, tracked)| published.get(id).is_none_or(|seed| **seed != *tracked.seed))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.forget(id);
        }
        for (id, seed) in published {
            self.tracked.entry(id).or_insert(Tracked {
                seed,
                handled: None,
                recording: false,
                look: None,
            });
        }
        self.ask_for_cursors(ctx);
        self.look(ctx);
    }

    fn forget(&mut self, id: TriggerId) {
        if let Some(Tracked { look: Some(look), .. }) = self.tracked.remove(&id) {
            self.due.remove(&(look, id));
        }
    }

    /// Asks the record up to when the instants of new schedules are dealt with.
    fn ask_for_cursors(&mut self, ctx: &mut Context<Self>) {
        let mut unknown = Vec::new();
        for (id, tracked) in &mut self.tracked {
            if tracked.handled.is_none() && !tracked.recording {
                tracked.recording = true;
                unknown.push((*id, tracked.seed.text()));
            }
        }
        for part in unknown.chunks(BATCH) {
            let (part, me, now) = (part.to_vec(), ctx.address(), self.around.settings.clock.now());
            let store = Arc::clone(&self.around.schedule_store);
            ctx.tasks()
                .spawn_on(&self.around.io, "begin schedules", async move {
                    let cursors = store.begin(&part, now).await;
                    tell(&me, Begun { asked: part, cursors });
                });
        }
    }

    /// Hands over what is due, deals with what can be decided about, and sets the timer to what comes next. One that is to stop only hands
    /// over what is recorded, and ends after the last of it.
    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
        self.hand_over_due();
        if !self.stopping {
            self.decide(ctx);
        } else if self.recording == 0 && self.around.desk.next_ahead().is_none() {
            ctx.stop();
            return;
        }
        self.arm(ctx);
    }

    /// Has recorded what can be decided about.
    fn decide(&mut self, ctx: &mut Context<Self>) {
        let now = self.around.settings.clock.now();
        let mut batch = Batch::default();
        while let Some(&(at, id)) = self.due.first() {
            if at > now {
                break;
            }
            self.due.pop_first();
            if let Some(tracked) = self.tracked.get_mut(&id) {
                tracked.look = None;
                tracked.recording = true;
                if let Some(handled) = tracked.handled {
                    let config = &tracked.seed.config;
                    let plan = plan(
                        &config.schedule(),
                        config.catch_up,
                        handled,
                        now,
                        lead(config.overlap),
                    );
                    batch.add(&tracked.seed, plan);
                }
            }
            if batch.handled.len() == BATCH {
                self.record(std::mem::take(&mut batch), ctx);
            }
        }
        if !batch.handled.is_empty() {
            self.record(batch, ctx);
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let look = self.due.first().map(|(at, _)| *at).filter(|_| !self.stopping);
        let Some(at) = look.into_iter().chain(self.around.desk.next_ahead()).min() else {
            return;
        };
        if let Some((armed, handle)) = self.timer {
            if armed <= at {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = (at - self.around.settings.clock.now())
            .to_std()
            .unwrap_or_default();
        // A timer counts milliseconds and may be early by less than one.
        let wait = wait.min(LONGEST_SLEEP) + Duration::from_millis(1);
        let handle = ctx.run_later(wait, |scheduler, ctx| {
            scheduler.timer = None;
            scheduler.look(ctx);
        });
        self.timer = Some((at, handle));
    }

    /// All instants of a schedule up to this one are dealt with; `ahead` is one of them that is to come.
    pub(super) fn handled(
        &mut self,
        id: TriggerId,
        seed: &Arc<ScheduleSeed>,
        handled: DateTime<Utc>,
        ahead: Option<DateTime<Utc>>,
    ) {
        let Some(tracked) = self.tracked.get_mut(&id) else {
            return;
        };
        // A schedule that was published anew meanwhile has begun anew.
        if !Arc::ptr_eq(&tracked.seed, seed) {
            return;
        }
        tracked.recording = false;
        tracked.handled = Some(handled);
        let config = &tracked.seed.config;
        let next = config.schedule().next_after(handled);
        tracked.look = next.map(|next| next - lead(config.overlap));
        if let Some(look) = tracked.look {
            self.due.insert((look, id));
        }
        let status = ScheduleStatus { ahead, next };
        self.around.schedules.set_status(id, status);
    }

    pub(super) fn failed(&mut self, error: Option<QueueError>) {
        let trouble = error.map(|error| error.to_string());
        if let Some(error) = trouble.as_ref().filter(|_| self.last_error.is_none()) {
            tracing::warn!(error, "the record of schedules does not work; instants wait");
        }
        if trouble.is_some() != self.last_error.is_some() {
            let since = self.around.settings.clock.now();
            let published = trouble.clone().map(|error| (since, error));
            self.around.schedules.set_trouble(published);
        }
        self.last_error = trouble;
    }
}

/// Other schedules are published than before.
#[derive(Message)]
#[rtype(result = "()")]
struct BoardChanged;

/// The record said where schedules begin.
#[derive(Message)]
#[rtype(result = "()")]
struct Begun {
    asked: Vec<(TriggerId, String)>,
    cursors: Result<Vec<ScheduleCursor>, QueueError>,
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        let (board, me) = (Arc::clone(&self.around.schedules), ctx.address());
        ctx.tasks()
            .spawn_on(&self.around.io, "watch schedules", async move {
                loop {
                    board.changed().await;
                    tell(&me, BoardChanged);
                }
            });
        self.read_board(ctx);
    }
}

impl Child for Scheduler {
    const KIND: &'static str = "scheduler";

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        self.stopping = true;
        self.look(ctx);
    }

    fn observe(&self) -> serde_json::Value {
        json!({
            "schedules": self.tracked.len(),
            "due": self.due.len(),
            "nextLook": self.due.first().map(|(at, _)| at),
            "ahead": self.around.desk.waiting_ahead(),
            "fired": self.counts.fired,
            "skipped": self.counts.skipped,
            "missed": self.counts.missed,
            "latestMs": self.counts.latest.num_milliseconds(),
            "lastError": self.last_error,
        })
    }
}

impl Handler<BoardChanged> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: BoardChanged, ctx: &mut Context<Self>) {
        self.read_board(ctx);
    }
}

impl Handler<Begun> for Scheduler {
    type Result = ();

    fn handle(&mut self, Begun { asked, cursors }: Begun, ctx: &mut Context<Self>) {
        match cursors {
            Ok(cursors) => {
                self.failed(None);
                for cursor in cursors {
                    let seed = self
                        .tracked
                        .get(&cursor.trigger)
                        .map(|tracked| Arc::clone(&tracked.seed));
                    if let Some(seed) = seed.filter(|seed| seed.text() == cursor.schedule) {
                        self.handled(cursor.trigger, &seed, cursor.handled, None);
                    }
                }
            }
            Err(error) => {
                self.failed(Some(error));
                ctx.run_later(RETRY_PAUSE, |scheduler, ctx| scheduler.ask_for_cursors(ctx));
            }
        }
        // Also those of which the record said nothing: their trigger has gone, or was published anew.
        for (id, _) in asked {
            if let Some(tracked) = self.tracked.get_mut(&id)
                && tracked.handled.is_none()
            {
                tracked.recording = false;
            }
        }
        self.look(ctx);
    }
}
