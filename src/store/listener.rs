//! Hears that jobs changed, and that deliveries are due.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::AsyncMessage;

use super::database::Database;
use super::error::{DatabaseError, describe};
use super::presence;

const JOBS: &str = "jobber_jobs";
const DELIVERIES: &str = "jobber_deliveries";
const CALLS: &str = "jobber_calls";
const CANCELS: &str = "jobber_cancels";
const LISTEN: &str =
    "listen jobber_jobs; listen jobber_deliveries; listen jobber_calls; listen jobber_cancels";
/// Notifications that wait to be handled. Postgres waits with the rest.
const AHEAD: usize = 256;

/// What may have changed. Only a hint: whoever gets it reads the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// This job.
    Job(JobId),
    /// Any job, and the durable queue: notifications may have been missed, or it is time to look again.
    Everything,
    /// The durable queue: something of some job is due.
    Deliveries,
    /// Asynchronous calls have ended.
    Calls,
    /// This call is not wanted any more.
    Cancelled(InvocationId),
}

/// How a [`Listener`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Time between two [`Hint::Everything`] while all is well. Also how often the connection is tried.
    pub sweep: Duration,
    /// Longest wait for the answer of such a try.
    pub answer: Duration,
    /// First pause before connecting again; doubled up to `longest_pause`.
    pub first_pause: Duration,
    /// Longest pause before connecting again.
    pub longest_pause: Duration,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(30),
            answer: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// Listens on a connection of its own, connects again when that is lost, and never gives up.
#[derive(Debug)]
pub struct Listener {
    database: Database,
    server: ServerId,
    config: ListenerConfig,
}

impl Listener {
    /// A listener on this database, which also tells other servers that this one is there.
    #[must_use]
    pub fn new(database: Database, server: ServerId, config: ListenerConfig) -> Self {
        Self {
            database,
            server,
            config,
        }
    }

    /// Calls `hint` (which must not block) until `stop` turns true: with [`Hint::Everything`] each time it begins to
    /// listen and then every sweep, and with the hint of each notification.
    pub async fn run(self, mut hint: impl FnMut(Hint) + Send, mut stop: watch::Receiver<bool>) {
        let mut pause = self.config.first_pause;
        loop {
            let began = Instant::now();
            let error = tokio::select! {
                // An owner that is gone does not need hints either.
                _ = stop.wait_for(|stop| *stop) => return,
                error = self.listen(&mut hint) => error,
            };
            if began.elapsed() > self.config.longest_pause {
                pause = self.config.first_pause;
            }
            let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            tracing::warn!(%error, "not listening to the database; trying again in {jittered:?}");
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(jittered) => {}
            }
            pause = (pause * 2).min(self.config.longest_pause);
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&self, hint: &mut (impl FnMut(Hint) + Send)) -> DatabaseError {
        let (client, mut connection) = match self.database.dedicated().await {
            Ok(connected) => connected,
            Err(error) => return error,
        };
        let messages = stream::poll_fn(move |context| connection.poll_message(context)).ready_chunks(AHEAD);
        let mut messages = std::pin::pin!(messages);
        let begin = async {
            client.batch_execute(LISTEN).await?;
            presence::announce(&client, self.server).await
        };
        let mut begin = std::pin::pin!(begin);
        let listening = loop {
            tokio::select! {
                begun = &mut begin => break begun,
                arrived = messages.next() => if let Some(lost) = deliver(arrived, hint) { return lost },
            }
        };
        if let Err(error) = listening {
            return error;
        }
        let mut sweep = interval(self.config.sweep);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                arrived = messages.next() => if let Some(lost) = deliver(arrived, hint) { return lost },
                // The first tick is at once: what changed while nobody listened is swept up.
                _ = sweep.tick() => {
                    let answer = timeout(self.config.answer, client.simple_query("select 1"));
                    let mut answer = std::pin::pin!(answer);
                    let answered = loop {
                        tokio::select! {
                            answered = &mut answer => break answered,
                            arrived = messages.next() => if let Some(lost) = deliver(arrived, hint) { return lost },
                        }
                    };
                    match answered {
                        Ok(Ok(_)) => hint(Hint::Everything),
                        Ok(Err(error)) => return error.into(),
                        Err(_) => return DatabaseError::Connection("no answer in time".to_owned()),
                    }
                }
            }
        }
    }
}

type Arrived = Vec<Result<AsyncMessage, tokio_postgres::Error>>;

/// Hands notifications over; returns what ended the connection, if it did.
fn deliver(arrived: Option<Arrived>, hint: &mut impl FnMut(Hint)) -> Option<DatabaseError> {
    let Some(messages) = arrived else {
        return Some(DatabaseError::Connection("it was closed".to_owned()));
    };
    for message in messages {
        match message {
            Ok(AsyncMessage::Notification(notification)) => match notification.channel() {
                // A payload that is no id comes from someone else's hand; looking at everything is never wrong.
                JOBS => hint(notification.payload().parse().map_or(Hint::Everything, Hint::Job)),
                DELIVERIES => hint(Hint::Deliveries),
                CALLS => hint(Hint::Calls),
                // One that is no id is from someone else's hand, and cancels nothing.
                CANCELS => {
                    if let Ok(call) = notification.payload().parse() {
                        hint(Hint::Cancelled(call));
                    }
                }
                _ => {}
            },
            Ok(_) => {}
            Err(error) => return Some(DatabaseError::Connection(describe(&error))),
        }
    }
    None
}
