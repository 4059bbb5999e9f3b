//! The side of the action: messages are handed over as there is room, and what becomes of them is written down.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{Line, LineState, State, Target};
use crate::action::Permit;
use crate::delivery::{AttemptEnd, Next, decide};
use crate::domain::{InvocationId, TriggerId};
use crate::invocation::{Input, InputBody, Invocation, MqttInput, Outcome, Refusal, ReplySlot};
use crate::mqtt::window::EntryId;
use crate::ports::{Delivery, Kept, Tries};
use crate::trace::TraceContext;

/// The durable queue had no room: how long until it is asked again.
const KEEP_PAUSE: Duration = Duration::from_secs(5);
/// A lane that closed is being replaced by its successor's.
const CLOSED_PAUSE: Duration = Duration::from_millis(200);
/// The lane is looked at again after this, should nobody say that it has room.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// A message on its way to one trigger.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) entry: EntryId,
    pub(super) trigger: TriggerId,
    pub(super) id: InvocationId,
    pub(super) input: Arc<MqttInput>,
    pub(super) payload: Bytes,
}

/// A failed message that could not be kept.
pub(super) struct Unkept {
    part: Part,
    next: Next,
}

/// A message that has its place in the lane.
pub(super) struct Handover {
    part: Part,
    target: Arc<Target>,
    permit: Permit,
}

/// Messages that are handed over before there is another look: the state is locked once for all of them.
const HAND_OVER_AT_ONCE: usize = 32;

/// What the flow does next.
enum Step {
    HandOver(Vec<Handover>),
    Keep(Vec<Unkept>),
    /// Something went without being handed over; look again.
    Again,
    /// Nothing before this, unless something moves.
    Pause(Instant),
    /// Nothing until the lane has room.
    Full(Arc<Target>),
    /// Nothing until something moves.
    Wait,
}

impl State {
    /// Finds a place for a new message; without one it waits.
    pub(super) fn place(&mut self, part: Part) -> Option<Handover> {
        let free = self.waiting.is_empty() && self.hold_until.is_none() && !self.leaving;
        if free
            && let Some(target) = self.target(part.trigger).cloned()
            && let Ok(permit) = target.action.admit_patient()
        {
            self.running += 1;
            return Some(Handover { part, target, permit });
        }
        self.waiting.push_back(part);
        None
    }

    fn finish(&mut self, part: &Part) {
        self.running -= 1;
        self.window.finish(part.entry);
    }

    /// Gives up what nobody has begun to work on: the broker sends it to whoever has the session. What is of QoS 0, or came in a session
    /// that the broker has lost, it would not.
    pub(super) fn leave_to_broker(&mut self) {
        let (kept, left): (Vec<Part>, Vec<Part>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|part| !self.window.is_acknowledgeable(part.entry));
        self.waiting.extend(kept);
        for part in left {
            self.window.finish(part.entry);
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        if let Some(until) = self.hold_until {
            if until > now {
                return Step::Pause(until);
            }
            self.hold_until = None;
        }
        if !self.unkept.is_empty() {
            self.running += self.unkept.len();
            return Step::Keep(self.unkept.drain(..).collect());
        }
        if self.leaving {
            return Step::Wait;
        }
        let mut handovers = Vec::new();
        while handovers.len() < HAND_OVER_AT_ONCE {
            match self.next(now) {
                Ok(handover) => handovers.push(handover),
                // Met again after those are handed over.
                Err(_) if !handovers.is_empty() => break,
                Err(step) => return step,
            }
        }
        Step::HandOver(handovers)
    }

    /// The first message that waits, with a place; without one, what to do instead.
    fn next(&mut self, now: Instant) -> Result<Handover, Step> {
        let Some(part) = self.waiting.pop_front() else {
            return Err(Step::Wait);
        };
        let Some(target) = self.target(part.trigger).cloned() else {
            self.counts.of(part.input.qos).unrouted += 1;
            self.window.finish(part.entry);
            return Err(Step::Again);
        };
        match target.action.admit_patient() {
            Ok(permit) => {
                self.running += 1;
                Ok(Handover { part, target, permit })
            }
            Err(refusal) => {
                self.waiting.push_front(part);
                Err(if let Refusal::QueueFull { .. } = refusal {
                    Step::Full(target)
                } else {
                    Step::Pause(now + CLOSED_PAUSE)
                })
            }
        }
    }
}

impl Line {
    /// Hands over what waits, as there is room, for as long as it is polled.
    pub(in crate::mqtt) async fn pump(&self) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the look, so that a move between the two is not missed.
            moved.as_mut().enable();
            let now = Instant::now();
            let step = self.lock().step(now);
            match step {
                Step::HandOver(handovers) => {
                    for handover in handovers {
                        self.hand_over(handover, now);
                    }
                    // Between them, something may have gone without being handed over.
                    self.command.notify_waiters();
                }
                Step::Keep(unkept) => {
                    for Unkept { part, next } in unkept {
                        self.keep(part, next);
                    }
                }
                Step::Again => self.command.notify_waiters(),
                Step::Pause(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = moved => {}
                    }
                }
                Step::Full(target) => wait_for_room(&target).await,
                Step::Wait => moved.await,
            }
        }
    }

    /// Gives a message to its action. May answer at once: never to be called with the state locked.
    pub(super) fn hand_over(&self, handover: Handover, now: Instant) {
        let Handover { part, target, permit } = handover;
        let Some(line) = self.me.upgrade() else { return };
        let (id, payload) = (part.id, part.payload.clone());
        let input = Input::Mqtt {
            mqtt: Arc::clone(&part.input),
        };
        let of = Arc::clone(&target);
        target.action.invoke(Invocation {
            id,
            attempt: 1,
            trace: TraceContext::of_input(id, &input),
            trigger: target.trigger.clone(),
            input,
            body: InputBody::Whole(payload),
            admitted: now,
            reply: ReplySlot::calling(move |outcome| line.ended(part, &of, outcome)),
            permit,
        });
    }

    /// The first attempt ended. Only success, or a row of the durable queue, finishes a message.
    fn ended(&self, part: Part, target: &Target, outcome: Outcome) {
        let end = AttemptEnd::of(outcome);
        match decide(&target.retries, Tries::default(), end, rand::random()) {
            Next::Nothing => {
                let mut state = self.lock();
                state.counts.of(part.input.qos).handled += 1;
                state.finish(&part);
                self.tell(state);
            }
            Next::Postpone(after) => {
                let until = Instant::now() + after;
                let mut state = self.lock();
                state.running -= 1;
                state.waiting.push_front(part);
                state.hold_until = Some(state.hold_until.map_or(until, |known| known.max(until)));
                self.tell(state);
                self.moved.notify_waiters();
            }
            next @ (Next::Retry { .. } | Next::Dead { .. }) => {
                self.lock().counts.of(part.input.qos).failed += 1;
                self.keep(part, next);
            }
        }
    }

    fn keep(&self, part: Part, next: Next) {
        let Some(line) = self.me.upgrade() else { return };
        let delivery = Delivery {
            id: part.id,
            job: self.job,
            trigger: part.trigger,
            trigger_name: self
                .lock()
                .target(part.trigger)
                .and_then(|target| target.trigger.name.clone()),
            input: Input::Mqtt {
                mqtt: Arc::clone(&part.input),
            },
            body: part.payload.clone(),
            tries: Tries::default(),
        };
        let on_kept = {
            let next = next.clone();
            move |kept| line.kept(part, next, kept)
        };
        self.desk.keep_failed(delivery, next, on_kept);
    }

    fn kept(&self, part: Part, next: Next, kept: Kept) {
        let mut state = self.lock();
        state.queue_full = kept == Kept::JobFull;
        if kept == Kept::JobFull {
            state.running -= 1;
            state.unkept.push_back(Unkept { part, next });
            state.hold_until = Some(Instant::now() + KEEP_PAUSE);
        } else {
            state.finish(&part);
        }
        self.tell(state);
    }

    /// Wakes whoever has something to do now: each message that is finished comes by here. What waits for its place hears from the
    /// lane, and not from here.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let commands = state.has_news() || state.leaving;
        let moves = state.leaving
            || !state.unkept.is_empty()
            || state.network == LineState::Full
            || (state.paused && state.window.is_half_free());
        drop(state);
        if commands {
            self.command.notify_waiters();
        }
        if moves {
            self.moved.notify_waiters();
        }
    }
}

/// Waits until the lane may have room.
async fn wait_for_room(target: &Target) {
    let lane = target.action.lane();
    let room = lane.room();
    tokio::pin!(room);
    // Registered before the look, so that room made between the two is not missed.
    room.as_mut().enable();
    if target.action.patient_room() == 0 && timeout(ROOM_PATIENCE, room).await.is_err() {
        // The lane may have been replaced meanwhile: whoever called looks again.
        tracing::trace!("a lane has had no room for a while");
    }
}
