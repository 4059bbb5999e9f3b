//! The Scheduler actor.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, SpawnHandle};
use chrono::{DateTime, TimeDelta, Utc};
use jobber_kernel::{Child, Context, tell};
use serde_json::json;

use super::board::{ScheduleSeed, ScheduleStatus};
use super::plan::{Missed, Plan, plan};
use crate::delivery::LEASE;
use crate::domain::{InvocationId, TriggerId};
use crate::ledger;
use crate::ports::{Fire, Fired, Gap, QueueError, ScheduleCursor};
use crate::tree::Surroundings;

/// Schedules whose instants are recorded by one call.
const BATCH: usize = 50;
/// The timer is set to at most this: a clock that was put forward is noticed then.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The record did not answer: it is asked again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A schedule that runs.
struct Tracked {
    seed: Arc<ScheduleSeed>,
    /// Instants up to this one are dealt with; `None` until the record has said so.
    handled: Option<DateTime<Utc>>,
    /// What is being recorded for it.
    recording: bool,
    next: Option<DateTime<Utc>>,
}

/// One timer for all schedules. It looks at those that are due, decides what their instants come to, has that recorded, and
/// hands the deliveries that this makes to the desk.
pub struct Scheduler {
    around: Arc<Surroundings>,
    tracked: HashMap<TriggerId, Tracked>,
    /// When each schedule is to be looked at.
    due: BTreeSet<(DateTime<Utc>, TriggerId)>,
    timer: Option<(DateTime<Utc>, SpawnHandle)>,
    counts: Counts,
    last_error: Option<String>,
}

#[derive(Default)]
struct Counts {
    fired: u64,
    skipped: u64,
    missed: u64,
    latest: TimeDelta,
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
            counts: Counts::default(),
            last_error: None,
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
                next: None,
            });
        }
        self.ask_for_cursors(ctx);
        self.look(ctx);
    }

    fn forget(&mut self, id: TriggerId) {
        if let Some(Tracked { next: Some(next), .. }) = self.tracked.remove(&id) {
            self.due.remove(&(next, id));
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

    /// Deals with what is due, and sets the timer to what is due next.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let now = self.around.settings.clock.now();
        let mut batch = Batch::default();
        while let Some(&(at, id)) = self.due.first() {
            if at > now {
                break;
            }
            self.due.pop_first();
            if let Some(tracked) = self.tracked.get_mut(&id) {
                tracked.next = None;
                tracked.recording = true;
                if let Some(handled) = tracked.handled {
                    let plan = plan(
                        &tracked.seed.config.schedule(),
                        tracked.seed.config.catch_up,
                        handled,
                        now,
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
        self.arm(ctx);
    }

    fn record(&self, batch: Batch, ctx: &Context<Self>) {
        let (me, store) = (ctx.address(), Arc::clone(&self.around.schedule_store));
        let server = self.around.desk.server;
        ctx.tasks()
            .spawn_on(&self.around.io, "record instants", async move {
                let fired = store.record(server, &batch.fires, &batch.gaps, LEASE).await;
                tell(&me, Recorded { batch, fired });
            });
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some(&(at, _)) = self.due.first() else { return };
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

    /// All instants of a schedule up to this one are dealt with.
    fn handled(&mut self, id: TriggerId, seed: &Arc<ScheduleSeed>, handled: DateTime<Utc>) {
        let Some(tracked) = self.tracked.get_mut(&id) else {
            return;
        };
        // A schedule that was published anew meanwhile has begun anew.
        if !Arc::ptr_eq(&tracked.seed, seed) {
            return;
        }
        tracked.recording = false;
        tracked.handled = Some(handled);
        tracked.next = tracked.seed.config.schedule().next_after(handled);
        let next = tracked.next;
        if let Some(next) = next {
            self.due.insert((next, id));
        }
        self.around.schedules.set_status(id, ScheduleStatus { next });
    }

    /// Puts instants that started nothing into the record of invocations.
    fn note_passed(&self, fired: &Fired) {
        let Some(records) = &self.around.records else {
            return;
        };
        let now = self.around.settings.clock.now();
        for skipped in &fired.skipped {
            records.push(ledger::skipped(skipped, now));
        }
        for gap in &fired.gaps {
            let tracked = self.tracked.get(&gap.trigger);
            let name = tracked.and_then(|tracked| tracked.seed.trigger.name.clone());
            records.push(ledger::passed(gap, name, now));
        }
    }

    /// Counts what became of the instants, by job.
    fn tell_tallies(&self, batch: &Batch, fired: &Fired) {
        let now = self.around.settings.clock.now();
        let left_out: HashSet<_> = fired
            .skipped
            .iter()
            .map(|skipped| skipped.fire.invocation)
            .collect();
        let claimed: HashSet<_> = fired.claimed.iter().map(|claimed| claimed.delivery.id).collect();
        // Of those that wait the record says only how many: where another server has fired some, only what is claimed is this one's.
        let is_ours = |id| !left_out.contains(&id) && (fired.known == 0 || claimed.contains(&id));
        for fire in batch.fires.iter().filter(|fire| is_ours(fire.invocation)) {
            if let Some(tally) = self.around.tallies.get(fire.job) {
                tally
                    .instants()
                    .fire((now - fire.at).to_std().unwrap_or_default());
            }
        }
        for skipped in &fired.skipped {
            if let Some(tally) = self.around.tallies.get(skipped.fire.job) {
                tally.instants().skip(1);
            }
        }
        for gap in &fired.gaps {
            if let Some(tally) = self.around.tallies.get(gap.job) {
                tally.instants().miss(u64::from(gap.instants));
            }
        }
    }

    fn failed(&mut self, error: Option<QueueError>) {
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

/// What is recorded at once.
#[derive(Default)]
struct Batch {
    fires: Vec<Fire>,
    gaps: Vec<Gap>,
    /// Up to when each schedule is dealt with then.
    handled: Vec<(Arc<ScheduleSeed>, DateTime<Utc>)>,
}

impl Batch {
    fn add(&mut self, seed: &Arc<ScheduleSeed>, plan: Plan) {
        let (job, trigger) = (seed.job, seed.trigger.id);
        self.fires.extend(plan.fires.into_iter().map(|at| Fire {
            job,
            trigger,
            trigger_name: seed.trigger.name.clone(),
            at,
            invocation: InvocationId::generate(),
            overlap: seed.config.overlap,
        }));
        self.gaps.extend(plan.missed.map(|missed| {
            let Missed {
                first,
                last,
                instants,
                uncounted,
                reason,
            } = missed;
            Gap {
                job,
                trigger,
                first,
                last,
                instants,
                uncounted,
                reason,
            }
        }));
        self.handled.push((Arc::clone(seed), plan.handled));
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

/// Instants are recorded, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Recorded {
    batch: Batch,
    fired: Result<Fired, QueueError>,
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

    fn observe(&self) -> serde_json::Value {
        json!({
            "schedules": self.tracked.len(),
            "due": self.due.len(),
            "next": self.due.first().map(|(at, _)| at),
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
                        self.handled(cursor.trigger, &seed, cursor.handled);
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

impl Handler<Recorded> for Scheduler {
    type Result = ();

    fn handle(&mut self, Recorded { batch, fired }: Recorded, ctx: &mut Context<Self>) {
        let fired = match fired {
            Ok(fired) => fired,
            Err(error) => {
                self.failed(Some(error));
                // What was decided stays decided: it is recorded when that works again, with the ids that it has.
                ctx.run_later(RETRY_PAUSE, move |scheduler, ctx| scheduler.record(batch, ctx));
                return;
            }
        };
        self.failed(None);
        self.note_passed(&fired);
        self.counts.skipped += fired.skipped.len() as u64;
        self.counts.missed += fired.gaps.iter().map(|gap| u64::from(gap.instants)).sum::<u64>();
        self.tell_tallies(&batch, &fired);
        self.counts.fired += (fired.claimed.len() + fired.queued) as u64;
        let now = self.around.settings.clock.now();
        self.counts.latest = batch
            .fires
            .iter()
            .map(|fire| now - fire.at)
            .fold(self.counts.latest, TimeDelta::max);
        self.around.desk.take(fired.claimed);
        if fired.queued > 0 {
            self.around.desk.look();
        }
        for (seed, handled) in batch.handled {
            self.handled(seed.trigger.id, &seed, handled);
        }
        self.look(ctx);
    }
}
