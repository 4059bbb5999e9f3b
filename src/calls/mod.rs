//! Asynchronous calls: a request is accepted now, dealt with by the durable queue, and its answer fetched or posted later.
//!
//! The way of one: the gateway hands it to [`Calls::submit`] → a row of the durable queue, and one that will hold the answer → the
//! queue delivers it as it does messages → the answer is written with the settlement of the claim, in one transaction → whoever waits
//! is told by a notification of Postgres, and the callback is sent. The address of a call proves who may read it.

mod board;
mod document;
mod location;
mod submitter;

use std::sync::Arc;
use std::time::Duration;

pub use document::{CallDocument, failure_message, state_name};
use jobber_actors::domain::InvocationId;
pub use location::{Locations, PREFIX};
pub use submitter::SubmitError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use self::board::WaitBoard;
use self::submitter::{Submitter, Writer, submitter};
use crate::callbacks::{CallbackSender, Gate, Manners};
use crate::store::{CallStore, Cancelled, DatabaseError, NewCall, SecretStore, StoredCall, Submitted};

/// Between two looks for calls that have ended there is at least this long: many ends cost one look.
const BREATH: Duration = Duration::from_millis(20);
/// Postgres did not answer: it is asked again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Bodies of requests in memory are counted in pieces of this many bytes.
const MEMORY_UNIT: u64 = 1024;
/// Bytes of bodies that are in memory until they are rows, over all requests.
const BODY_MEMORY: u64 = 64 << 20;
/// Results in memory until they are sent.
const ANSWERS_IN_MEMORY: usize = 128;
/// How long to wait for a place among them.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// Longest time for finding or cancelling a call.
const DATABASE_TIME: Duration = Duration::from_secs(10);

/// Limits of calls as the gateway needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallConfig {
    /// Most bytes of a request's body.
    pub max_body: u64,
    /// Longest wait for the end of a call.
    pub max_wait: Duration,
    /// Most clients that wait.
    pub max_waiters: usize,
    /// Whether callers see what a function threw.
    pub expose_errors: bool,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_wait: Duration::from_secs(60),
            max_waiters: 1_000,
            expose_errors: false,
        }
    }
}

/// Everything that calls are made of.
#[derive(Debug)]
pub struct CallParts {
    /// Limits.
    pub config: CallConfig,
    /// The calls in Postgres.
    pub store: CallStore,
    /// What callbacks are signed with.
    pub secrets: SecretStore,
    /// What addresses are made with.
    pub locations: Locations,
    /// Where callbacks may go.
    pub gate: Gate,
    /// How they are sent.
    pub manners: Manners,
}

/// Asynchronous calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: CallConfig,
    store: CallStore,
    locations: Locations,
    gate: Gate,
    submitter: Submitter,
    board: Arc<WaitBoard>,
    /// Callbacks may be due.
    callbacks: Arc<Notify>,
    /// Of [`BODY_MEMORY`], in [`MEMORY_UNIT`]s.
    memory: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Why a call could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Too many wait, or too many results are on their way.
    #[error("too many ask for calls")]
    Busy,
    /// Postgres does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What goes on beside the requests. Has to run.
#[derive(Debug)]
pub struct CallWork {
    calls: Calls,
    writer: Writer,
    sender: CallbackSender,
}

impl Calls {
    /// Calls, and the work that has to run for them.
    ///
    /// # Errors
    /// Why callbacks can not be sent: the system's certificates can not be read.
    pub async fn new(parts: CallParts) -> Result<(Self, CallWork), String> {
        let CallParts {
            config,
            store,
            secrets,
            locations,
            gate,
            manners,
        } = parts;
        let callbacks = Arc::new(Notify::new());
        let sender = CallbackSender::new(
            store.clone(),
            secrets,
            gate.clone(),
            manners,
            config.expose_errors,
            Arc::clone(&callbacks),
        )
        .await?;
        let (submitter, writer) = submitter(store.clone());
        // One body of any allowed size always fits.
        let memory = BODY_MEMORY.max(config.max_body) / MEMORY_UNIT + 1;
        let calls = Self(Arc::new(Inner {
            board: WaitBoard::new(config.max_waiters),
            config,
            store,
            locations,
            gate,
            submitter,
            callbacks,
            memory: Arc::new(Semaphore::new(
                usize::try_from(memory).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            answers: Arc::new(Semaphore::new(ANSWERS_IN_MEMORY)),
        }));
        let work = CallWork {
            calls: calls.clone(),
            writer,
            sender,
        };
        Ok((calls, work))
    }

    /// The limits.
    #[must_use]
    pub fn config(&self) -> &CallConfig {
        &self.0.config
    }

    /// Makes and checks the addresses of calls.
    #[must_use]
    pub fn locations(&self) -> &Locations {
        &self.0.locations
    }

    /// Checks where callbacks go.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Room in memory for a body of so many bytes; as long as this is held. `None` if there is none now.
    #[must_use]
    pub fn room(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes / MEMORY_UNIT + 1).ok()?;
        Arc::clone(&self.0.memory).try_acquire_many_owned(units).ok()
    }

    /// Accepts a call, whose body has this room. It is in Postgres when this resolves.
    ///
    /// # Errors
    /// [`SubmitError`]; it is not known whether a call that Postgres did not confirm will be made.
    pub async fn submit(&self, call: NewCall, room: OwnedSemaphorePermit) -> Result<Submitted, SubmitError> {
        self.0.submitter.submit(call, room).await
    }

    /// Waits for the end of a call, at most as long as this and as the configuration allows, and gives how it stands then, without
    /// its answer. `None` if there is no such call.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn wait(&self, id: InvocationId, wait: Duration) -> Result<Option<StoredCall>, CallError> {
        if wait.is_zero() {
            return self.look_at(id, false).await;
        }
        let mut waiting = self.0.board.wait_for(id).ok_or(CallError::Busy)?;
        // What ends from here on is told to the board.
        let found = self.look_at(id, false).await?;
        if found.as_ref().is_none_or(|call| call.state.is_final()) {
            return Ok(found);
        }
        // Told or not: how it stands is looked up at the end, and not remembered from the beginning.
        drop(timeout(wait.min(self.0.config.max_wait), waiting.ended()).await);
        drop(waiting);
        self.look_at(id, false).await
    }

    /// How a call stands, with its answer, and a place in memory for that.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(
        &self,
        id: InvocationId,
    ) -> Result<Option<(StoredCall, OwnedSemaphorePermit)>, CallError> {
        let place = Arc::clone(&self.0.answers).acquire_owned();
        let place = timeout(ANSWER_PATIENCE, place)
            .await
            .map_err(|_| CallError::Busy)?;
        let place = place.expect("nobody closes the semaphore");
        Ok(self.look_at(id, true).await?.map(|call| (call, place)))
    }

    async fn look_at(&self, id: InvocationId, with_answer: bool) -> Result<Option<StoredCall>, CallError> {
        in_time(self.0.store.find(id, with_answer)).await
    }

    /// Cancels a call that has not ended.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel(&self, id: InvocationId) -> Result<Cancelled, CallError> {
        in_time(self.0.store.cancel(id)).await
    }

    /// Calls may have ended. Only a hint.
    pub fn look(&self) {
        self.0.board.look();
        self.0.callbacks.notify_one();
    }

    /// Lets those go who wait: the server is being stopped.
    pub fn release_waiters(&self) {
        self.0.board.close();
    }

    /// How many clients wait for the end of a call.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.0.board.len()
    }

    /// Tells those who wait, for as long as it runs.
    async fn watch(&self) {
        loop {
            self.0.board.looked_for().await;
            let awaited = self.0.board.awaited();
            if awaited.is_empty() {
                continue;
            }
            match in_time(self.0.store.ended_of(&awaited)).await {
                Ok(ended) => {
                    self.0.board.ended(&ended);
                    sleep(BREATH).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "it can not be seen which asynchronous calls have ended");
                    sleep(RETRY_PAUSE).await;
                    self.0.board.look();
                }
            }
        }
    }
}

/// A database that is silent must not hold a request.
async fn in_time<T>(work: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, CallError> {
    let silent = |_| DatabaseError::Connection("no answer in time".to_owned());
    Ok(timeout(DATABASE_TIME, work).await.map_err(silent)??)
}

impl CallWork {
    /// Works until it is told to stop.
    pub async fn run(self, stopped: watch::Receiver<bool>) {
        let Self {
            calls,
            writer,
            sender,
        } = self;
        let mut until = stopped.clone();
        let watch = async {
            tokio::select! {
                _ = until.wait_for(|stopped| *stopped) => {}
                () = calls.watch() => {}
            }
        };
        tokio::join!(watch, writer.run(stopped.clone()), sender.run(stopped));
    }
}
