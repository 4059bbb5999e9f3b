//! Having recorded what was decided about instants, and what follows from that.

use std::collections::HashMap;
use std::sync::Arc;

use actix::{AsyncContext, Handler, Message};
use chrono::{DateTime, Utc};
use jobber_kernel::{Context, tell};

use super::actor::{RETRY_PAUSE, Scheduler};
use super::board::ScheduleSeed;
use super::plan::{Missed, Plan};
use crate::delivery::LEASE;
use crate::domain::{InvocationId, JobId};
use crate::ledger;
use crate::ports::{Fire, Fired, Gap, QueueError};

/// Calls that record at the same time. More would only come between one another: the first ones would end as late as the last.
const RECORDED_AT_ONCE: usize = 2;

/// What is recorded at once.
#[derive(Default)]
pub(super) struct Batch {
    fires: Vec<Fire>,
    gaps: Vec<Gap>,
    /// Up to when each schedule is dealt with then.
    pub(super) handled: Vec<(Arc<ScheduleSeed>, DateTime<Utc>)>,
}

impl Batch {
    pub(super) fn add(&mut self, seed: &Arc<ScheduleSeed>, plan: Plan) {
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

/// Instants are recorded, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Recorded {
    batch: Batch,
    fired: Result<Fired, QueueError>,
}

impl Scheduler {
    /// Has this recorded, in its turn.
    pub(super) fn record(&mut self, batch: Batch, ctx: &Context<Self>) {
        self.decided.push_back(batch);
        self.record_on(ctx);
    }

    /// Has recorded what is decided, as far as that is to happen at once.
    fn record_on(&mut self, ctx: &Context<Self>) {
        while !self.stopping
            && self.recording < RECORDED_AT_ONCE
            && let Some(batch) = self.decided.pop_front()
        {
            self.recording += 1;
            let (me, store) = (ctx.address(), Arc::clone(&self.around.schedule_store));
            let server = self.around.desk.server;
            ctx.tasks()
                .spawn_on(&self.around.io, "record instants", async move {
                    let fired = store.record(server, &batch.fires, &batch.gaps, LEASE).await;
                    tell(&me, Recorded { batch, fired });
                });
        }
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

    /// Counts instants that started nothing, by job.
    fn tell_passed(&self, fired: &Fired) {
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

    /// Counts an instant that starts the function now, or waits for an earlier one from now on.
    fn tell_fire(&mut self, job: JobId, at: DateTime<Utc>) {
        let late = self.around.settings.clock.now() - at;
        self.counts.fired += 1;
        self.counts.latest = self.counts.latest.max(late);
        if let Some(tally) = self.around.tallies.get(job) {
            tally.instants().fire(late.to_std().unwrap_or_default());
        }
    }

    /// Leaves the deliveries to the desk, each until it is due.
    fn take(&mut self, batch: &Batch, fired: Fired) {
        let fires: HashMap<_, _> = batch.fires.iter().map(|fire| (fire.invocation, fire)).collect();
        for claimed in fired.claimed {
            if let Some(fire) = fires.get(&claimed.delivery.id) {
                self.around.desk.take_ahead(claimed, fire.at);
            }
        }
        for fire in fired.queued.iter().filter_map(|id| fires.get(id)) {
            self.tell_fire(fire.job, fire.at);
        }
        if !fired.queued.is_empty() {
            self.around.desk.look();
        }
    }

    /// Hands over what is recorded and due.
    pub(super) fn hand_over_due(&mut self) {
        let is_wanted = |trigger| self.tracked.contains_key(&trigger);
        for (job, at) in self.around.desk.hand_over_due(is_wanted) {
            self.tell_fire(job, at);
        }
    }
}

impl Handler<Recorded> for Scheduler {
    type Result = ();

    fn handle(&mut self, Recorded { batch, fired }: Recorded, ctx: &mut Context<Self>) {
        // A call of a former life of the actor is not among those that are counted.
        self.recording = self.recording.saturating_sub(1);
        self.record_on(ctx);
        let fired = match fired {
            Ok(fired) => fired,
            Err(error) => {
                self.failed(Some(error));
                // What was decided stays decided: it is recorded when that works again, with the ids that it has.
                ctx.run_later(RETRY_PAUSE, move |scheduler, ctx| scheduler.record(batch, ctx));
                if self.stopping {
                    self.look(ctx);
                }
                return;
            }
        };
        self.failed(None);
        self.note_passed(&fired);
        self.tell_passed(&fired);
        self.counts.skipped += fired.skipped.len() as u64;
        self.counts.missed += fired.gaps.iter().map(|gap| u64::from(gap.instants)).sum::<u64>();
        self.take(&batch, fired);
        let now = self.around.settings.clock.now();
        let to_come = |trigger| {
            let of_trigger = batch.fires.iter().filter(|fire| fire.trigger == trigger);
            of_trigger.map(|fire| fire.at).find(|at| *at > now)
        };
        for (seed, handled) in &batch.handled {
            let trigger = seed.trigger.id;
            self.handled(trigger, seed, *handled, to_come(trigger));
        }
        self.look(ctx);
    }
}
