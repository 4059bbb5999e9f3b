//! Sends callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use jobber_actors::domain::JobId;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::gate::{Gate, Target};
use super::policy::Manners;
use super::signature::Signature;
use crate::calls::{CallDocument, state_name};
use crate::outgoing;
use crate::store::{CallStore, CallbackEnd, DatabaseError, DueCallback, SecretStore};

/// Callbacks on their way at once; of one job at most so many, so that a receiver that does not answer holds up nobody else's.
const AT_ONCE: usize = 64;
const OF_A_JOB: usize = 8;
/// How much longer than an attempt may take its claim lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// What is due is looked for this often, whatever the hints say.
const SWEEP: Duration = Duration::from_secs(30);
/// Between two looks there is at least this long.
const BREATH: Duration = Duration::from_millis(20);
/// Postgres did not answer: it is asked again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Callbacks under way when the server stops are waited for this long; what is not done is sent again by the next one.
const LAST_TIME: Duration = Duration::from_secs(3);

/// What a callback says, as the Standard Webhooks scheme proposes.
#[derive(Serialize)]
struct Event<'a> {
    /// `invocation.succeeded`, `invocation.failed` or `invocation.cancelled`.
    r#type: String,
    /// When the call ended.
    timestamp: String,
    data: CallDocument<'a>,
}

/// Sends the callbacks of all jobs.
#[derive(Debug)]
pub struct CallbackSender {
    work: Arc<Work>,
    due: Arc<Notify>,
}

/// What an attempt needs.
#[derive(Debug)]
struct Work {
    store: CallStore,
    secrets: SecretStore,
    gate: Gate,
    client: reqwest::Client,
    manners: Manners,
    expose_errors: bool,
}

impl CallbackSender {
    /// A sender that looks whenever `due` says so.
    ///
    /// # Errors
    /// Why no client can be made: the system's certificates can not be read.
    pub async fn new(
        store: CallStore,
        secrets: SecretStore,
        gate: Gate,
        manners: Manners,
        expose_errors: bool,
        due: Arc<Notify>,
    ) -> Result<Self, String> {
        let client = outgoing::client()
            .await?
            // The gate alone says where a connection goes: no proxy, no redirect.
            .dns_resolver(Arc::new(gate.clone()))
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(manners.timeout)
            .timeout(manners.timeout)
            .build()
            .map_err(|error| error.to_string())?;
        let work = Arc::new(Work {
            store,
            secrets,
            gate,
            client,
            manners,
            expose_errors,
        });
        Ok(Self { work, due })
    }

    /// Sends what is due, until it is told to stop.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut sending = JoinSet::new();
        let mut of_jobs: HashMap<JobId, usize> = HashMap::new();
        while !*stopped.borrow() {
            let pause = match self.claim(&mut sending, &mut of_jobs).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "callbacks can not be looked for");
                    RETRY_PAUSE
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.due.notified() => {}
                Some(done) = sending.join_next() => forget(done, &mut of_jobs),
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            tokio::select! {
                () = sleep(BREATH) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        let rest = async { while sending.join_next().await.is_some() {} };
        if timeout(LAST_TIME, rest).await.is_err() {
            tracing::info!("callbacks under way are sent again by the next start");
        }
    }

    /// Begins with what is due. Gives how long to wait until there may be more.
    async fn claim(
        &self,
        sending: &mut JoinSet<JobId>,
        of_jobs: &mut HashMap<JobId, usize>,
    ) -> Result<Duration, DatabaseError> {
        while let Some(done) = sending.try_join_next() {
            forget(done, of_jobs);
        }
        let room = AT_ONCE.saturating_sub(sending.len());
        if room == 0 {
            return Ok(SWEEP);
        }
        let busy: Vec<JobId> = of_jobs
            .iter()
            .filter(|(_, count)| **count >= OF_A_JOB)
            .map(|(job, _)| *job)
            .collect();
        let lease = self.work.manners.timeout + LEASE_MARGIN;
        let next = self.work.store.next_callback(&busy).await?;
        match next {
            None => return Ok(SWEEP),
            Some(wait) if !wait.is_zero() => return Ok(wait.min(SWEEP)),
            Some(_) => {}
        }
        let under_way: Vec<(JobId, usize)> = of_jobs.iter().map(|(job, count)| (*job, *count)).collect();
        let due = self.work.store.claim_callbacks(room, &under_way, OF_A_JOB, lease);
        let due = due.await?;
        let pause = if due.is_empty() {
            RETRY_PAUSE
        } else {
            Duration::ZERO
        };
        for callback in due {
            let job = callback.job;
            *of_jobs.entry(job).or_default() += 1;
            let work = Arc::clone(&self.work);
            sending.spawn(async move {
                work.attempt(callback).await;
                job
            });
        }
        Ok(pause)
    }
}

/// An attempt is over.
fn forget(done: Result<JobId, tokio::task::JoinError>, of_jobs: &mut HashMap<JobId, usize>) {
    match done {
        Ok(job) => {
            let count = of_jobs.entry(job).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                of_jobs.remove(&job);
            }
        }
        Err(error) => {
            // Whose it was is not known: the places of all come back, at worst too early.
            tracing::error!(%error, "an attempt at a callback ended by itself");
            of_jobs.clear();
        }
    }
}

impl Work {
    /// Sends one, and writes down what came of it.
    async fn attempt(&self, callback: DueCallback) {
        let (call, job, number) = (callback.attempt.call, callback.job, callback.attempt.number);
        let answered = self.send(&callback).await;
        let end = self.manners.after(number, answered, rand::random());
        match &end {
            CallbackEnd::Delivered => tracing::debug!(%call, %job, number, "a callback was taken"),
            CallbackEnd::Again { error, after } => {
                tracing::debug!(%call, %job, number, error, ?after, "a callback is sent again");
            }
            CallbackEnd::GivenUp { error } => {
                tracing::warn!(%call, %job, number, error, "a callback is given up");
            }
        }
        let attempt = callback.attempt;
        // Memory first: an answer may be large, and Postgres slow.
        drop(callback);
        if let Err(error) = self.store.settle_callback(attempt, &end).await {
            tracing::warn!(%call, %job, %error, "what became of a callback could not be written; it may be sent again");
        }
    }

    /// Gives the status, or why there is none: without the address, which may hold a secret.
    async fn send(&self, callback: &DueCallback) -> Result<u16, String> {
        let target = Target::parse(&callback.url).map_err(|error| error.to_string())?;
        self.gate
            .check_literal(&target)
            .map_err(|error| error.to_string())?;
        let secrets = self.secrets.callbacks(callback.job).await;
        let secrets = secrets
            .map_err(|error| error.to_string())?
            .ok_or("the job is gone")?;
        let body = self.body(callback).map_err(|error| error.to_string())?;
        let (id, now) = (message_id(callback), Utc::now().timestamp());
        let both = [
            Some(&secrets.current),
            secrets.former.as_ref().map(|(former, _)| former),
        ];
        let signature =
            Signature::of(&id, now, &body, both.into_iter().flatten()).map_err(|error| error.to_string())?;
        let response = self
            .client
            .post(target.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("Jobber/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature.as_str())
            .body(body)
            .send()
            .await
            .map_err(|error| told(&error.without_url()))?;
        Ok(response.status().as_u16())
    }

    fn body(&self, callback: &DueCallback) -> Result<Vec<u8>, serde_json::Error> {
        let call = &callback.call;
        let ended: DateTime<Utc> = call.ended.unwrap_or(call.created);
        serde_json::to_vec(&Event {
            r#type: format!("invocation.{}", state_name(&call.state)),
            timestamp: ended.to_rfc3339_opts(SecondsFormat::Millis, true),
            data: CallDocument::new(callback.attempt.call, call, None, self.expose_errors),
        })
    }
}

/// The same for all attempts, so that a receiver knows one that comes again.
fn message_id(callback: &DueCallback) -> String {
    let attempt = callback.attempt;
    match attempt.ending {
        0 | 1 => attempt.call.to_string(),
        ending => format!("{}_{ending}", attempt.call),
    }
}

/// An error with what caused it.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
