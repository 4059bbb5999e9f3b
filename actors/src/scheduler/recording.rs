//! Having recorded what was decided about instants, and what follows from that.

use std::collections::HashSet;
use std::sync::Arc;

use actix::{AsyncContext, Handler, Message};
use chrono::{DateTime, TimeDelta, Utc};
use jobber_kernel::{Context, tell};

use super::actor::{RETRY_PAUSE, Scheduler};
use super::board::ScheduleSeed;
use super::plan::{Missed, Plan};
use crate::delivery::LEASE;
use crate::domain::InvocationId;
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
        while self.recording < RECORDED_AT_ONCE
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
