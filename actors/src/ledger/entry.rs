//! What is known of an invocation that is under way.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::book::Book;
use super::capture::{Body, Capturing};
use super::redaction;
use crate::domain::{InvocationId, RunnerId};
use crate::invocation::{
    ByHand, Input, InputBody, Outcome, OutputBody, Refusal, ResponseHead, TimeoutPhase, TriggerRef,
};
use crate::manifest::Capture;
use crate::metrics::{Ending, NewRunner, Timing};
use crate::ports::{CapturedBody, CapturedPayload, InvocationRecord, InvocationStatus, RecordedError};
use crate::session::{Mask, RunnerFacts};

/// Most characters of a subject and of an error's message.
const MOST_SUBJECT: usize = 512;
const MOST_MESSAGE: usize = 2_048;
/// Of the name of an error's class.
const MOST_NAME: usize = 256;

/// A runner has got it.
#[derive(Debug)]
pub(crate) struct Dispatched {
    /// When.
    pub(crate) at: Instant,
    /// Which.
    pub(crate) runner: RunnerId,
    /// What is known of it: the secrets to be masked, its memory.
    pub(crate) facts: Arc<RunnerFacts>,
}

/// An invocation under way: its beginning, and what was seen since. Ending it makes a record of it.
#[derive(Debug)]
pub(crate) struct Entry {
    book: Arc<Book>,
    id: InvocationId,
    attempt: u32,
    trigger: TriggerRef,
    kind: &'static str,
    by_hand: Option<ByHand>,
    /// Whose input and output is kept.
    capture: Capture,
    admitted: Instant,
    dispatched: Option<Dispatched>,
    new_runner: Option<NewRunner>,
    input: Option<Input>,
    input_body: Body,
    answer: Option<ResponseHead>,
    output_body: Body,
    counted: bool,
    /// What the record says of it already, because it takes long.
    put_down: Option<InvocationStatus>,
}

impl Entry {
    /// Of an invocation that was admitted.
    pub(crate) fn new(
        book: &Arc<Book>,
        id: InvocationId,
        attempt: u32,
        trigger: &TriggerRef,
        kind: &'static str,
        admitted: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            book: Arc::clone(book),
            id,
            attempt,
            trigger: trigger.clone(),
            kind,
            by_hand: None,
            capture: book.capture,
            admitted,
            dispatched: None,
            new_runner: None,
            input: None,
            input_body: Body::Unknown,
            answer: None,
            output_body: Body::Unknown,
            counted: false,
            put_down: None,
        })
    }

    /// A person has asked for it, who wants to see what comes of it.
    pub(crate) fn is_by_hand(&mut self, reason: ByHand) {
        self.by_hand = Some(reason);
        self.capture = Capture::All;
    }

    /// It had to wait for a new runner; or not, after all.
    pub(crate) fn waited_for(&mut self, new_runner: Option<NewRunner>) {
        self.new_runner = new_runner;
    }

    /// A runner has got it.
    pub(crate) fn dispatched(&mut self, dispatched: Dispatched) {
        self.dispatched = Some(dispatched);
    }

    /// What the trigger said, and the body if it was there as a whole.
    pub(crate) fn keep_input(&mut self, input: Input, body: Option<&Bytes>) {
        if let Some(body) = body {
            self.input_body = Body::whole(body, self.capture != Capture::None);
        }
        self.input = Some(input);
    }

    /// The body will go by in pieces. Whoever sends it says so to what this gives.
    pub(crate) fn input_passes(&mut self) -> Capturing {
        let passing = Capturing::new(self.capture != Capture::None);
        self.input_body = Body::Passing(passing.clone());
        passing
    }

    /// The answer has begun, and goes by in pieces.
    pub(crate) fn answer_passes(&mut self, head: &ResponseHead, beginning: &[u8]) {
        self.count(Ending::Succeeded, Instant::now());
        let passing = Capturing::new(self.capture != Capture::None);
        passing.pass(beginning);
        self.output_body = Body::Passing(passing);
        self.answer = Some(head.clone());
    }

    /// A piece of the answer goes by.
    pub(crate) fn output(&self, chunk: &[u8]) {
        if let Body::Passing(passing) = &self.output_body {
            passing.pass(chunk);
        }
    }

    /// It is over. `cancelled` says that whoever had asked for it did not wait for the end.
    pub(crate) fn end(mut self: Box<Self>, outcome: &Outcome, cancelled: bool, now: Instant) {
        if let Outcome::Responded {
            head,
            body: OutputBody::Whole(body),
        } = outcome
        {
            let keeps = self.keeps(InvocationStatus::Succeeded, Some(head.status));
            self.output_body = Body::whole(body, keeps);
            self.answer = Some(if keeps { head.clone() } else { bare(head) });
        }
        if let Outcome::Refused(refusal) = outcome {
            self.book.tally.refuse(refusal);
        }
        let (ending, error) = if cancelled {
            (Ending::Cancelled, None)
        } else {
            (Ending::of(outcome), error_of(outcome))
        };
        self.count(ending, now);
        if self.book.is_open() {
            let book = Arc::clone(&self.book);
            book.put(self.final_record(ending.status(), error, now));
        }
    }

    /// Puts down that it is under way, if it is older than this and that is not put down already.
    pub(crate) fn put_down(&mut self, now: Instant, age: Duration, input: Option<&Input>) {
        if !self.book.is_open() || now.saturating_duration_since(self.admitted) < age {
            return;
        }
        let status = if self.dispatched.is_some() {
            InvocationStatus::Running
        } else {
            InvocationStatus::Queued
        };
        if self.put_down == Some(status) {
            return;
        }
        let subject = self.masked(subject(input.or(self.input.as_ref())));
        let record = self.record(status, subject, self.book.clock.now(), now);
        self.put_down = Some(status);
        self.book.put(record);
    }

    fn count(&mut self, ending: Ending, now: Instant) {
        if !std::mem::replace(&mut self.counted, true) {
            let dispatched = self.dispatched.as_ref().map(|dispatched| dispatched.at);
            let timing = Timing::of(self.admitted, dispatched, self.new_runner, now);
            self.book.tally.count(self.kind, ending, &timing);
        }
    }

    /// Whether input and output of what ended like this are kept.
    fn keeps(&self, status: InvocationStatus, http_status: Option<u16>) -> bool {
        match self.capture {
            Capture::None => false,
            Capture::All => status.is_final(),
            Capture::Errors => {
                let fault = http_status.is_some_and(|status| status >= 500);
                status.is_final() && (status != InvocationStatus::Succeeded || fault)
            }
        }
    }

    fn final_record(
        mut self: Box<Self>,
        status: InvocationStatus,
        error: Option<RecordedError>,
        now: Instant,
    ) -> InvocationRecord {
        let time = self.book.clock.now();
        let subject = self.masked(subject(self.input.as_ref()));
        let mut record = self.record(status, subject, time, now);
        record.ended = Some(time);
        record.error = error.map(|error| RecordedError {
            code: error.code,
            name: error.name.map(|name| capped(self.masked(name), MOST_NAME)),
            message: capped(self.masked(error.message), MOST_MESSAGE),
        });
        record.payload = self.payload(status).map(Box::new);
        record
    }

    fn record(
        &self,
        status: InvocationStatus,
        subject: String,
        time: DateTime<Utc>,
        now: Instant,
    ) -> InvocationRecord {
        let at = |instant: Instant| {
            let ago = TimeDelta::from_std(now.saturating_duration_since(instant)).unwrap_or_default();
            time - ago
        };
        let dispatched = self.dispatched.as_ref();
        InvocationRecord {
            id: self.id,
            attempt: self.attempt,
            job: self.book.job,
            version: Some(self.book.version),
            trigger: self.trigger.clone(),
            kind: self.kind,
            subject,
            status,
            queued: at(self.admitted),
            started: dispatched.map(|dispatched| at(dispatched.at)),
            ended: None,
            runner: dispatched.map(|dispatched| dispatched.runner),
            cold_start: self.new_runner.map(|runner| runner.start),
            input_bytes: self.input_body.total(),
            output_bytes: self.output_body.total(),
            peak_memory: dispatched.and_then(|dispatched| dispatched.facts.peak_memory()),
            http_status: self.http_status(),
            error: None,
            by_hand: self.by_hand,
            payload: None,
            replaces: self.put_down.is_some(),
        }
    }

    fn http_status(&self) -> Option<u16> {
        let http = self.kind == Input::HTTP;
        self.answer.as_ref().filter(|_| http).map(|head| head.status)
    }

    fn payload(&mut self, status: InvocationStatus) -> Option<CapturedPayload> {
        if !self.keeps(status, self.http_status()) {
            return None;
        }
        let mask = self.mask();
        let input = redaction::input(self.input.take()?);
        let masked_body = |body: CapturedBody| CapturedBody {
            bytes: mask.bytes(body.bytes, body.truncated),
            ..body
        };
        Some(CapturedPayload {
            input: masked_whole(&mask, input)?,
            input_body: masked_body(self.input_body.captured()),
            output: match self.answer.take().map(redaction::response) {
                Some(head) => Some(masked_whole(&mask, head)?),
                None => None,
            },
            output_body: masked_body(self.output_body.captured()),
        })
    }

    /// Finds secrets: those that the runner was given, or the present ones if none has got it.
    fn mask(&self) -> Arc<Mask> {
        let given = self.dispatched.as_ref();
        given.map_or_else(|| self.book.mask(), |dispatched| dispatched.facts.mask())
    }

    fn masked(&self, text: String) -> String {
        self.mask().text(text)
    }
}

/// A request that found no place, before any of its body was read.
pub(crate) fn refused(
    book: &Arc<Book>,
    id: InvocationId,
    trigger: &TriggerRef,
    refusal: &Refusal,
    request: impl FnOnce() -> String,
) {
    if !book.is_open() || !book.takes_refusal() {
        return;
    }
    let entry = Entry::new(book, id, 1, trigger, Input::HTTP, Instant::now());
    let time = book.clock.now();
    let mut record = entry.record(InvocationStatus::Refused, request(), time, entry.admitted);
    record.ended = Some(time);
    record.error = Some(RecordedError {
        code: refusal.code().into(),
        name: None,
        message: refusal.to_string(),
    });
    book.put(record);
}

/// Without secrets in any of its texts. `None` if it is not what it was any more: then nothing is kept of it.
fn masked_whole<T: Serialize + DeserializeOwned>(mask: &Mask, whole: T) -> Option<T> {
    if !mask.finds() {
        return Some(whole);
    }
    let masked = serde_json::to_value(&whole).map(|value| mask.value(value));
    match masked.and_then(serde_json::from_value) {
        Ok(masked) => Some(masked),
        Err(error) => {
            tracing::warn!(%error, "what was captured of an invocation is not kept: it can not be freed of secrets");
            None
        }
    }
}

/// What an input body is before it is sent, for the record of what is never sent.
pub(crate) fn whole(body: &InputBody) -> Option<&Bytes> {
    match body {
        InputBody::Whole(bytes) => Some(bytes),
        InputBody::Stream(_) => None,
    }
}

fn bare(head: &ResponseHead) -> ResponseHead {
    ResponseHead {
        status: head.status,
        headers: Vec::new(),
    }
}

/// What an invocation is about, without what a query may have.
fn subject(input: Option<&Input>) -> String {
    let subject = match input {
        None => String::new(),
        Some(Input::Http { http }) => request_subject(&http.method, &http.target),
        Some(Input::Mqtt { mqtt }) => mqtt.topic.clone(),
        Some(Input::Schedule { schedule }) => schedule
            .scheduled_at
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    };
    capped(subject, MOST_SUBJECT)
}

/// The subject of a request.
pub(crate) fn request_subject(method: &str, target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let mut subject = String::with_capacity(method.len() + 1 + path.len());
    subject.push_str(method);
    subject.push(' ');
    subject.push_str(path);
    subject
}

fn capped(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = text.floor_char_boundary(most);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Why an outcome is no success.
pub(crate) fn error_of(outcome: &Outcome) -> Option<RecordedError> {
    let (code, name, message): (Cow<'static, str>, _, String) = match outcome {
        Outcome::Responded { .. } | Outcome::Settled => return None,
        Outcome::Failed(error) => (
            error.code.clone().map_or("function-failed".into(), Cow::Owned),
            Some(error.name.clone()).filter(|name| !name.is_empty()),
            error.message.clone(),
        ),
        Outcome::Lost(reason) => ("runner-lost".into(), None, reason.to_string()),
        Outcome::TimedOut { phase, after } => {
            let what = match phase {
                TimeoutPhase::Queue => "no runner became free within",
                TimeoutPhase::Handler => "the handler took longer than",
            };
            (
                phase.code().into(),
                None,
                format!("{what} {} s", after.as_secs_f64()),
            )
        }
        Outcome::Refused(refusal) => (refusal.code().into(), None, refusal.to_string()),
    };
    Some(RecordedError { code, name, message })
}
