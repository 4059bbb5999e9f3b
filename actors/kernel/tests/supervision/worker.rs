//! An actor that does what a test tells it, and a journal of what happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler, Message, Running};
use jobber_kernel::{Backoff, Child, ChildExit, ChildRef, ChildSpec, Context, ExitReason, StopReason};
use serde_json::{Value, json};

/// Long enough for whatever is asked in these tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What happened, in order, on any thread.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0
            .lock()
            .expect("no test panics while it writes")
            .push(what.into());
    }

    pub(crate) fn read(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it writes").clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.read().iter().filter(|entry| *entry == what).count()
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.count(what) > 0
    }
}

type Hook = Arc<dyn Fn(&mut Worker, &mut Context<Worker>) + Send + Sync>;
type ExitHook = Arc<dyn Fn(&mut Worker, ChildExit, &mut Context<Worker>) + Send + Sync>;

/// Plain actix outside, whatever a test needs inside. `count` is the state that a crash loses.
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    pub(crate) journal: Journal,
    pub(crate) count: u32,
    pub(crate) children: Vec<ChildRef<Worker>>,
    on_start: Option<Hook>,
    on_stop_requested: Option<Hook>,
    on_stopping: Option<Arc<dyn Fn() -> Running + Send + Sync>>,
    on_exit: Option<ExitHook>,
    on_observe: Option<Arc<dyn Fn() -> Value + Send + Sync>>,
    on_drop: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Worker {
    pub(crate) fn new(name: &'static str, journal: &Journal) -> Self {
        Self {
            name,
            journal: journal.clone(),
            count: 0,
            children: Vec::new(),
            on_start: None,
            on_stop_requested: None,
            on_stopping: None,
            on_exit: None,
            on_observe: None,
            on_drop: None,
        }
    }

    pub(crate) fn on_start(
        mut self,
        f: impl Fn(&mut Self, &mut Context<Self>) + Send + Sync + 'static,
    ) -> Self {
        self.on_start = Some(Arc::new(f));
        self
    }

    pub(crate) fn on_stop_requested(
        mut self,
        f: impl Fn(&mut Self, &mut Context<Self>) + Send + Sync + 'static,
    ) -> Self {
        self.on_stop_requested = Some(Arc::new(f));
        self
    }

    pub(crate) fn on_stopping(mut self, f: impl Fn() -> Running + Send + Sync + 'static) -> Self {
        self.on_stopping = Some(Arc::new(f));
        self
    }

    pub(crate) fn on_exit(
        mut self,
        f: impl Fn(&mut Self, ChildExit, &mut Context<Self>) + Send + Sync + 'static,
    ) -> Self {
        self.on_exit = Some(Arc::new(f));
        self
    }

    pub(crate) fn on_observe(mut self, f: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.on_observe = Some(Arc::new(f));
        self
    }

    pub(crate) fn on_drop(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Arc::new(f));
        self
    }

    fn note(&self, what: &str) {
        self.journal.note(format!("{} {what}", self.name));
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.note("started");
        if let Some(f) = self.on_start.clone() {
            f(self, ctx);
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.note("stopping");
        self.on_stopping.as_ref().map_or(Running::Stop, |f| f())
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.note("stopped");
    }
}

impl Child for Worker {
    const KIND: &'static str = "worker";

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        self.note(&format!("was told: {} {}", exit.name, exit.reason));
        match self.on_exit.clone() {
            Some(f) => f(self, exit, ctx),
            None => {
                if let ExitReason::GaveUp { .. } = exit.reason {
                    ctx.fail(format_args!("{} {}", exit.name, exit.reason));
                }
            }
        }
    }

    fn stop_requested(&mut self, reason: &StopReason, ctx: &mut Context<Self>) {
        self.note(&format!("asked to stop: {reason}"));
        match self.on_stop_requested.clone() {
            Some(f) => f(self, ctx),
            None => actix::ActorContext::stop(ctx),
        }
    }

    fn observe(&self) -> Value {
        self.on_observe
            .as_ref()
            .map_or_else(|| json!({ "count": self.count }), |f| f())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.note("dropped");
        if let Some(f) = self.on_drop.clone() {
            f();
        }
    }
}

/// Adds one and answers the sum.
#[derive(Message)]
#[rtype(result = "u32")]
pub(crate) struct Add;

impl Handler<Add> for Worker {
    type Result = u32;

    fn handle(&mut self, _: Add, _: &mut Self::Context) -> u32 {
        self.count += 1;
        self.count
    }
}

/// Writes into the journal.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Note(pub(crate) u32);

impl Handler<Note> for Worker {
    type Result = ();

    fn handle(&mut self, Note(number): Note, _: &mut Self::Context) {
        self.note(&format!("handled {number}"));
    }
}

/// Runs code inside of the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Do(Code);

type Code = Box<dyn FnOnce(&mut Worker, &mut Context<Worker>) + Send>;

impl Do {
    pub(crate) fn new(f: impl FnOnce(&mut Worker, &mut Context<Worker>) + Send + 'static) -> Self {
        Self(Box::new(f))
    }

    /// Panics in the handler.
    pub(crate) fn panic(message: &'static str) -> Self {
        Self::new(move |_, _| panic!("{message}"))
    }
}

impl Handler<Do> for Worker {
    type Result = ();

    fn handle(&mut self, Do(f): Do, ctx: &mut Self::Context) {
        f(self, ctx);
    }
}

/// A permanent child that is restarted after a second, exactly.
pub(crate) fn steady(name: &str) -> ChildSpec {
    ChildSpec::permanent(name).backoff(Backoff {
        initial: Duration::from_secs(1),
        max: Duration::from_secs(1),
        factor: 1.0,
        jitter: 0.0,
        reset_after: Duration::from_secs(60),
    })
}
