//! The durable queue and the record of schedules, in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::locked;
use crate::clock::Clock;
use crate::domain::{InvocationId, JobId, ServerId, TriggerId};
use crate::invocation::{Input, ScheduleInput};
use crate::manifest::Overlap;
use crate::ports::{
    Answer, ClaimToken, ClaimedDelivery, Delivery, DeliveryFailure, DurableQueue, Fire, Fired, Gap, Kept,
    MissReason, NewDelivery, QueueError, Room, ScheduleCursor, ScheduleStore, Settlement, SkippedFire,
    Standing, Tries, Verdict,
};

#[derive(Clone, Debug)]
struct Row {
    delivery: Delivery,
    standing: Standing,
    failure: Option<DeliveryFailure>,
    token: i64,
    lease: Option<(ServerId, DateTime<Utc>)>,
    serial: bool,
}

impl Row {
    fn is_dead(&self) -> bool {
        self.standing == Standing::Dead
    }
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<InvocationId, Row>,
    cursors: HashMap<TriggerId, ScheduleCursor>,
    fired: HashSet<(TriggerId, DateTime<Utc>)>,
    gaps: Vec<Gap>,
    skipped: Vec<(DateTime<Utc>, MissReason)>,
    answers: Vec<(InvocationId, Answer)>,
    full: bool,
}

impl Rows {
    /// Whether an earlier row of the same trigger is in the way.
    fn waits(&self, row: &Row) -> bool {
        row.serial
            && self.rows.values().any(|other| {
                other.serial
                    && other.delivery.trigger == row.delivery.trigger
                    && !other.is_dead()
                    && other.delivery.id < row.delivery.id
            })
    }

    fn unfinished(&self, trigger: TriggerId) -> usize {
        let of_trigger = self.rows.values().filter(|row| row.delivery.trigger == trigger);
        of_trigger.filter(|row| !row.is_dead()).count()
    }
}

/// The durable queue and the record of schedules, as one.
pub struct FakeDeliveries {
    clock: Clock,
    rows: Mutex<Rows>,
    fails: AtomicBool,
}

impl FakeDeliveries {
    /// Empty ones.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            rows: Mutex::default(),
            fails: AtomicBool::new(false),
        }
    }

    /// From now on every question fails, or none does.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// From now on no job may have more in the queue, or each may.
    pub fn set_full(&self, full: bool) {
        locked(&self.rows).full = full;
    }

    /// The dead letters, with why they are.
    #[must_use]
    pub fn dead(&self) -> Vec<(Delivery, DeliveryFailure)> {
        let rows = locked(&self.rows);
        let dead = rows.rows.values().filter(|row| row.is_dead());
        dead.filter_map(|row| Some((row.delivery.clone(), row.failure.clone()?)))
            .collect()
    }

    /// How many rows are not dead letters.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let rows = locked(&self.rows);
        rows.rows.values().filter(|row| !row.is_dead()).count()
    }

    /// Instants that did not start a function.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        locked(&self.rows).gaps.clone()
    }

    /// What handlers answered to requests for which nobody waits.
    #[must_use]
    pub fn answers(&self) -> Vec<(InvocationId, Answer)> {
        locked(&self.rows).answers.clone()
    }

    /// Removes a row, as somebody who does not want it any more.
    pub fn remove(&self, id: InvocationId) {
        locked(&self.rows).rows.remove(&id);
    }

    /// Instants that were left out, with why.
    #[must_use]
    pub fn skipped(&self) -> Vec<(DateTime<Utc>, MissReason)> {
        locked(&self.rows).skipped.clone()
    }

    /// Pretends that a trigger's instants have been dealt with up to this one only.
    pub fn set_cursor(&self, trigger: TriggerId, schedule: &str, handled: DateTime<Utc>) {
        let cursor = ScheduleCursor {
            trigger,
            schedule: schedule.into(),
            handled,
        };
        locked(&self.rows).cursors.insert(trigger, cursor);
    }

    fn answer(&self) -> Result<(), QueueError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(QueueError::Unavailable("the test says so".into()));
        }
        Ok(())
    }

    fn lease(&self, lease: Duration) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::from_std(lease).unwrap_or(TimeDelta::days(1))
    }
}

#[async_trait]
impl DurableQueue for FakeDeliveries {
    async fn keep(&self, deliveries: &[NewDelivery]) -> Result<Vec<Kept>, QueueError> {
        self.answer()?;
        let mut rows = locked(&self.rows);
        if rows.full {
            return Ok(vec![Kept::JobFull; deliveries.len()]);
        }
        for new in deliveries {
            rows.rows.entry(new.delivery.id).or_insert_with(|| Row {
                delivery: new.delivery.clone(),
                standing: new.standing,
                failure: new.failure.clone(),
                token: 0,
                lease: None,
                serial: false,
            });
        }
        Ok(vec![Kept::Yes; deliveries.len()])
    }

    async fn claim(
        &self,
        server: ServerId,
        room: &[Room],
        most: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, QueueError> {
        self.answer()?;
        let (now, until) = (self.clock.now(), self.lease(lease));
        let mut rows = locked(&self.rows);
        let mut left: HashMap<JobId, u32> = room.iter().map(|room| (room.job, room.deliveries)).collect();
        let due = |row: &Row| match (row.standing, &row.lease) {
            (Standing::Due(at), None) => at <= now,
            (Standing::Due(_), Some((_, until))) => *until <= now,
            (Standing::Dead, _) => false,
        };
        let ids: Vec<InvocationId> = rows
            .rows
            .values()
            .filter(|row| due(row) && !rows.waits(row))
            .map(|row| row.delivery.id)
            .collect();
        let mut claimed = Vec::new();
        for id in ids {
            let Some(row) = rows.rows.get_mut(&id) else {
                continue;
            };
            let left = left.get_mut(&row.delivery.job).filter(|left| **left > 0);
            let Some(left) = left.filter(|_| claimed.len() < most as usize) else {
                continue;
            };
            *left -= 1;
            if row.lease.replace((server, until)).is_some() {
                row.delivery.tries.lost += 1;
            }
            row.token += 1;
            claimed.push(ClaimedDelivery {
                delivery: row.delivery.clone(),
                token: ClaimToken(row.token),
            });
        }
        Ok(claimed)
    }

    async fn next_due(&self, jobs: &[JobId]) -> Result<Option<DateTime<Utc>>, QueueError> {
        self.answer()?;
        let rows = locked(&self.rows);
        let due = rows
            .rows
            .values()
            .filter(|row| jobs.contains(&row.delivery.job) && !rows.waits(row));
        Ok(due
            .filter_map(|row| match (row.standing, &row.lease) {
                (Standing::Due(at), None) => Some(at),
                (Standing::Due(_), Some((_, until))) => Some(*until),
                (Standing::Dead, _) => None,
            })
            .min())
    }

    async fn extend(
        &self,
        claims: &[(InvocationId, ClaimToken)],
        lease: Duration,
    ) -> Result<Vec<InvocationId>, QueueError> {
        self.answer()?;
        let until = self.lease(lease);
        let mut rows = locked(&self.rows);
        let mut lost = Vec::new();
        for (id, token) in claims {
            match rows.rows.get_mut(id).filter(|row| row.token == token.0) {
                Some(row) => row.lease = row.lease.map(|(server, _)| (server, until)),
                None => lost.push(*id),
            }
        }
        Ok(lost)
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<(), QueueError> {
        self.answer()?;
        let mut rows = locked(&self.rows);
        for settlement in settlements {
            let Some(row) = rows
                .rows
                .get_mut(&settlement.id)
                .filter(|row| row.token == settlement.token.0 && row.lease.is_some())
            else {
                continue;
            };
            row.lease = None;
            let mut settle = |standing, tries: Option<Tries>, failure: Option<&DeliveryFailure>| {
                row.standing = standing;
                row.delivery.tries = tries.unwrap_or(row.delivery.tries);
                row.failure = failure.cloned().or(row.failure.take());
            };
            match &settlement.verdict {
                Verdict::Done => drop(rows.rows.remove(&settlement.id)),
                Verdict::Withdrawn => {
                    if let Some(row) = rows.rows.remove(&settlement.id)
                        && let Input::Schedule { schedule } = row.delivery.input
                    {
                        rows.fired.remove(&(row.delivery.trigger, schedule.scheduled_at));
                    }
                }
                Verdict::Answered(answer) => {
                    rows.rows.remove(&settlement.id);
                    rows.answers.push((settlement.id, (**answer).clone()));
                }
                Verdict::Postponed(due) => settle(Standing::Due(*due), None, None),
                Verdict::Retried { due, tries, failure } => {
                    settle(Standing::Due(*due), Some(*tries), Some(failure));
                }
                Verdict::Dead { tries, failure } => settle(Standing::Dead, Some(*tries), Some(failure)),
            }
        }
        Ok(())
    }

    async fn recover(&self, server: ServerId) -> Result<u64, QueueError> {
        self.answer()?;
        let mut recovered = 0;
        for row in locked(&self.rows).rows.values_mut() {
            if row.lease.is_some_and(|(owner, _)| owner != server) {
                row.lease = None;
                row.delivery.tries.lost += 1;
                recovered += 1;
            }
        }
        Ok(recovered)
    }
}

#[async_trait]
impl ScheduleStore for FakeDeliveries {
    async fn begin(
        &self,
        triggers: &[(TriggerId, String)],
        now: DateTime<Utc>,
    ) -> Result<Vec<ScheduleCursor>, QueueError> {
        self.answer()?;
        let mut rows = locked(&self.rows);
        let cursor = |(trigger, schedule): &(TriggerId, String)| {
            let new = ScheduleCursor {
                trigger: *trigger,
                schedule: schedule.clone(),
                handled: now,
            };
            let known = rows.cursors.entry(*trigger).or_insert_with(|| new.clone());
            if known.schedule != *schedule {
                *known = new;
            }
            known.clone()
        };
        Ok(triggers.iter().map(cursor).collect())
    }

    async fn record(
        &self,
        server: ServerId,
        fires: &[Fire],
        gaps: &[Gap],
        lease: Duration,
    ) -> Result<Fired, QueueError> {
        self.answer()?;
        let until = self.lease(lease);
        let mut rows = locked(&self.rows);
        let mut fired = Fired::default();
        for fire in fires {
            if !rows.fired.insert((fire.trigger, fire.at)) {
                fired.known += 1;
                continue;
            }
            if let Some(cursor) = rows.cursors.get_mut(&fire.trigger) {
                cursor.handled = cursor.handled.max(fire.at);
            }
            let unfinished = rows.unfinished(fire.trigger);
            if fire.overlap == Overlap::Skip && unfinished > 0 {
                rows.skipped.push((fire.at, MissReason::Overlap));
                fired.skipped.push(SkippedFire {
                    fire: fire.clone(),
                    reason: MissReason::Overlap,
                });
                continue;
            }
            let delivery = Delivery {
                id: fire.invocation,
                job: fire.job,
                trigger: fire.trigger,
                trigger_name: fire.trigger_name.clone(),
                input: Input::Schedule {
                    schedule: ScheduleInput {
                        scheduled_at: fire.at,
                    },
                },
                body: Bytes::new(),
                tries: Tries::default(),
            };
            let queued = fire.overlap == Overlap::Queue && unfinished > 0;
            let row = Row {
                delivery: delivery.clone(),
                standing: Standing::Due(fire.at),
                failure: None,
                token: i64::from(!queued),
                lease: (!queued).then_some((server, until)),
                serial: fire.overlap == Overlap::Queue,
            };
            rows.rows.insert(fire.invocation, row);
            if queued {
                fired.queued.push(fire.invocation);
            } else {
                fired.claimed.push(ClaimedDelivery {
                    delivery,
                    token: ClaimToken(1),
                });
            }
        }
        rows.gaps.extend_from_slice(gaps);
        fired.gaps = gaps.to_vec();
        for gap in gaps {
            if let Some(cursor) = rows.cursors.get_mut(&gap.trigger) {
                cursor.handled = cursor.handled.max(gap.last);
            }
        }
        Ok(fired)
    }
}
