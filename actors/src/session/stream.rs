//! The streams of a session: one for each invocation that its runner works on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::credit::Credit;
use crate::action::{Lane, Permit};
use crate::domain::InvocationId;
use crate::invocation::{
    BodyError, BodySender, InvocationLimits, LostReason, Outcome, ReplySlot, TimeoutPhase, body_channel,
};
use crate::ledger::Entry;

/// What has been seen of a handler's answer.
#[derive(Debug)]
pub(super) enum Output {
    /// Nothing yet; the caller waits.
    Awaited(ReplySlot),
    /// The head and a part of the body.
    Streaming(Answering),
    /// All of it, or nobody wants the rest.
    Over,
}

/// An answer that goes by in pieces. Dropping it cuts the answer short.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) body: BodySender,
    pub(super) entry: Option<Box<Entry>>,
    /// Whether the caller has left before the end.
    pub(super) unread: bool,
}

impl Answering {
    /// A piece goes by. `false` when nobody reads any more.
    pub(super) fn push(&mut self, chunk: Bytes) -> bool {
        if let Some(entry) = &self.entry {
            entry.output(&chunk);
        }
        let read = self.body.push(chunk);
        self.unread |= !read;
        read
    }

    /// That was all.
    pub(super) fn finish(mut self) {
        self.record(&Outcome::Settled);
        // Replaced by an end that nobody looks at: what is dropped here is over already.
        let (nobody, _) = body_channel(0);
        std::mem::replace(&mut self.body, nobody).finish();
    }

    /// There will be no more.
    pub(super) fn fail(mut self, outcome: &Outcome) {
        self.record(outcome);
        let (nobody, _) = body_channel(0);
        std::mem::replace(&mut self.body, nobody).fail(BodyError::CutShort(cut_short(outcome)));
    }

    fn record(&mut self, outcome: &Outcome) {
        if let Some(entry) = self.entry.take() {
            entry.end(outcome, self.unread, Instant::now());
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.record(&Outcome::Lost(LostReason::Dropped));
    }
}

/// One invocation in the hands of a runner. Dropping it unanswered answers its caller.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) invocation: InvocationId,
    pub(super) output: Output,
    /// Bytes of output that the runner may still send.
    pub(super) window: u32,
    /// Bytes of output that were taken and not yet granted again.
    pub(super) ungranted: u32,
    /// Bytes of input that may still be sent; nothing if all of it went with the head.
    pub(super) credit: Option<Arc<Credit>>,
    /// Whether the runner was told to stop working on it.
    pub(super) told_to_stop: bool,
    /// Whether its deadline has passed, and its grace runs.
    pub(super) overdue: bool,
    /// Its deadline, or the end of its grace; nothing once that is over, too.
    pub(super) timer: Option<Instant>,
    /// Its place among the runner's slots, given back when the handler has settled.
    pub(super) permit: Option<Permit>,
}

/// The lane whose places a runner has set free by what it said. What waits there gets them when this is dropped, once for many
/// answers.
#[derive(Debug, Default)]
pub(super) struct Freed(Option<Arc<Lane>>);

impl Freed {
    /// These handlers have settled: their places are free from now on.
    pub(super) fn places_of(&mut self, streams: &mut [Stream]) {
        let permits = streams.iter_mut().filter_map(|stream| stream.permit.take());
        if let Some(lane) = Permit::give_back_all(permits) {
            self.0 = Some(lane);
        }
    }
}

impl Drop for Freed {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.hand_out(Instant::now());
        }
    }
}

impl Stream {
    /// Answers the caller, or cuts short the answer that it is being given.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.end_at(outcome, Instant::now());
    }

    /// As [`end`](Self::end), for whoever knows what time it is.
    pub(super) fn end_at(&mut self, outcome: Outcome, now: Instant) {
        match std::mem::replace(&mut self.output, Output::Over) {
            Output::Awaited(reply) => reply.answer_at(outcome, now),
            Output::Streaming(answering) => answering.fail(&outcome),
            Output::Over => {}
        }
        self.want_no_input();
    }

    /// Whoever still sends the input need not go on.
    pub(super) fn want_no_input(&self) {
        if let Some(credit) = &self.credit {
            credit.close();
        }
    }

    /// The handler has settled: its place is free from now on.
    pub(super) fn free(&mut self, freed: &mut Freed) {
        freed.places_of(std::slice::from_mut(self));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Whoever still sends the input must not wait for credit that nobody will grant.
        self.want_no_input();
    }
}

fn cut_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(error) => format!("the handler failed: {}", error.message),
        Outcome::Lost(_) => "the runner was lost".into(),
        Outcome::TimedOut { .. } => "the handler took too long".into(),
        Outcome::Responded { .. } | Outcome::Settled | Outcome::Refused(_) => {
            "the handler ended early".into()
        }
    }
}

/// Invocations whose runner is gone and that still wait to hear why.
#[derive(Debug, Default)]
pub struct Orphans {
    streams: Vec<Stream>,
}

impl Orphans {
    /// Tells every caller.
    pub fn answer(mut self, reason: &LostReason) {
        for stream in &mut self.streams {
            stream.end(Outcome::Lost(reason.clone()));
        }
    }

    /// Takes over what another session left.
    pub fn append(&mut self, mut other: Self) {
        self.streams.append(&mut other.streams);
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

/// What a look at the deadlines found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// When to look again; `None` while nothing runs.
    pub next: Option<Instant>,
    /// A handler was told to stop and did not let go within its grace: only killing the runner helps.
    pub stuck: bool,
}

/// All open streams of a session.
#[derive(Debug)]
pub(super) struct Streams {
    open: HashMap<u32, Stream, RandomState>,
    next_stream: u32,
    closed: bool,
    limits: InvocationLimits,
}

impl Streams {
    pub(super) fn new(limits: InvocationLimits) -> Self {
        Self {
            open: HashMap::default(),
            next_stream: 1,
            closed: false,
            limits,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn limits(&self) -> InvocationLimits {
        self.limits
    }

    pub(super) fn set_limits(&mut self, limits: InvocationLimits) {
        self.limits = limits;
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Stream> {
        self.open.get_mut(&number)
    }

    /// The number that the next stream will have.
    pub(super) fn next_number(&mut self) -> u32 {
        // Two billion invocations of one runner wrap around; a number still open then is skipped.
        while self.open.contains_key(&self.next_stream) {
            self.next_stream = self.next_stream.wrapping_add(2);
        }
        self.next_stream
    }

    /// Takes a new stream into the table, under the number that [`Self::next_number`] gave.
    pub(super) fn insert(&mut self, mut stream: Stream, now: Instant) -> u32 {
        let number = self.next_number();
        self.next_stream = number.wrapping_add(2);
        stream.timer = Some(now + self.limits.timeout);
        self.open.insert(number, stream);
        number
    }

    /// The handler has settled: forgets the stream.
    pub(super) fn remove(&mut self, number: u32) -> Option<Stream> {
        self.open.remove(&number)
    }

    /// Marks a stream as told to stop. `false` if it is not open or was told before. Its deadline stays: a handler may
    /// finish in peace what its client no longer waits for.
    pub(super) fn cancel(&mut self, number: u32) -> bool {
        let Some(stream) = self.open.get_mut(&number) else {
            return false;
        };
        stream.want_no_input();
        !std::mem::replace(&mut stream.told_to_stop, true)
    }

    /// Ends what is over its time, and says which runner's streams must be told and whether one does not let go. Looks at all that
    /// is open: that is cheaper, as seldom as times run out, than to keep them in order all the time.
    pub(super) fn expire(&mut self, now: Instant) -> Expired {
        let mut expired = Expired::default();
        let InvocationLimits {
            timeout: after,
            cancel_grace,
            ..
        } = self.limits;
        for (number, stream) in &mut self.open {
            let Some(at) = stream.timer else { continue };
            if at <= now {
                if stream.overdue {
                    // Told once: its runner is killed now. The deadlines of the others go on counting meanwhile.
                    expired.stuck = true;
                    stream.timer = None;
                    continue;
                }
                stream.end(Outcome::TimedOut {
                    phase: TimeoutPhase::Handler,
                    after,
                });
                stream.overdue = true;
                stream.told_to_stop = true;
                // Later than now in any case, or it would be stuck at once.
                stream.timer = Some(now + cancel_grace.max(Duration::from_millis(1)));
                expired.told.push(*number);
            }
            expired.next = [expired.next, stream.timer].into_iter().flatten().min();
        }
        expired
    }

    /// Puts down in the ledger what has been open for as long as this.
    pub(super) fn put_down(&mut self, now: Instant, age: Duration) {
        for stream in self.open.values_mut() {
            let entry = match &mut stream.output {
                Output::Awaited(reply) => reply.entry(),
                Output::Streaming(answering) => answering.entry.as_deref_mut(),
                Output::Over => None,
            };
            if let Some(entry) = entry {
                entry.put_down(now, age, None);
            }
        }
    }

    /// Closes the table and hands out what was open.
    pub(super) fn close(&mut self) -> Orphans {
        self.closed = true;
        Orphans {
            streams: self.open.drain().map(|(_, stream)| stream).collect(),
        }
    }
}

/// What [`Streams::expire`] found.
#[derive(Debug, Default)]
pub(super) struct Expired {
    /// Streams to be cancelled at the runner.
    pub(super) told: Vec<u32>,
    /// A stream is over its grace.
    pub(super) stuck: bool,
    /// The next timer.
    pub(super) next: Option<Instant>,
}
