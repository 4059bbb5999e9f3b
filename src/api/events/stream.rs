//! Somebody who hears of changes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{self, Bytes};
use futures_util::{Stream, stream};
use jobber_actors::changes::{ChangeWatch, News, Topic};
use jobber_actors::domain::JobId;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::gathered::Gathered;
use super::lookout::Looking;
use crate::access::{Action, Resource};
use crate::api::access::{Access, identify};
use crate::api::everywhere;
use crate::api::problem::ApiError;
use crate::api::state::ApiState;

/// After the first change, others have this long to be told with it.
const GATHER: Duration = Duration::from_millis(250);

/// Hears of changes, and holds no more of them than one event for each topic.
pub(super) struct EventStream {
    state: web::Data<ApiState>,
    request: HttpRequest,
    access: Access,
    /// The jobs as permissions name them, also those that were removed since the last proof.
    jobs: HashMap<JobId, Resource>,
    watch: ChangeWatch,
    gathered: Gathered,
    leaving: watch::Receiver<bool>,
    begun: bool,
    /// When they have to show again that they may be here.
    proof_due: Instant,
    end: Option<Instant>,
    _looking: Arc<Looking>,
    _slot: OwnedSemaphorePermit,
}

/// What happens next.
enum Next {
    Changes,
    Proof,
    End,
}

impl EventStream {
    /// Whoever asks hears of everything from here on.
    pub(super) async fn begin(
        state: web::Data<ApiState>,
        access: Access,
        request: HttpRequest,
        end: Option<Instant>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        // Heard before the jobs are read: those that come meanwhile are not missed.
        let watch = state.tree.changes().watch();
        Ok(Self {
            jobs: everywhere::resources(&state).await?,
            proof_due: Instant::now() + state.config.heartbeat,
            leaving: state.leaving(),
            gathered: Gathered::default(),
            begun: false,
            end,
            _looking: state.lookout.look(),
            _slot: slot,
            watch,
            access,
            request,
            state,
        })
    }

    /// The bytes of the events.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut stream| async move {
            let events = stream.next().await?;
            Some((Ok(events), stream))
        })
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            // An answer that begins with nothing would tell nobody that it has begun.
            return Some(Bytes::from_static(b": changes follow\n\n"));
        }
        loop {
            match self.wait().await {
                Next::End => return None,
                Next::Proof => {
                    self.proof_due = Instant::now() + self.state.config.heartbeat;
                    return self
                        .prove()
                        .await
                        .then(|| Bytes::from_static(b": still there\n\n"));
                }
                Next::Changes => {
                    self.know_jobs().await;
                    let (access, jobs) = (&self.access, &self.jobs);
                    let events = self
                        .gathered
                        .events(|topic, job| may_read(access, jobs, topic, job));
                    if !events.is_empty() {
                        return Some(events.into());
                    }
                }
            }
        }
    }

    async fn wait(&mut self) -> Next {
        if *self.leaving.borrow() {
            return Next::End;
        }
        tokio::select! {
            news = self.watch.next() => self.gathered.add(news),
            () = sleep_until(self.proof_due) => return Next::Proof,
            () = until(self.end) => return Next::End,
            // A server that is gone is leaving, too.
            left = self.leaving.wait_for(|leaving| *leaving) => { drop(left); return Next::End }
        }
        let gather = sleep(GATHER);
        tokio::pin!(gather);
        loop {
            tokio::select! {
                news = self.watch.next() => self.gathered.add(news),
                () = &mut gather => return Next::Changes,
            }
        }
    }

    /// Knows the jobs of what has changed, as far as there are such.
    async fn know_jobs(&mut self) {
        if self.gathered.jobs().all(|job| self.jobs.contains_key(&job)) {
            return;
        }
        match everywhere::resources(&self.state).await {
            Ok(jobs) => self.jobs.extend(jobs),
            Err(error) => {
                tracing::debug!(%error, "jobs whose changes are followed could not be read; whoever follows reads all again");
                self.gathered.add(News::Missed);
            }
        }
    }

    /// Whether whoever began this may still be here; what they may read is known anew.
    async fn prove(&mut self) -> bool {
        let Ok(principal) = identify(&self.state, &self.request).await else {
            return false;
        };
        self.access = Access(principal);
        match everywhere::resources(&self.state).await {
            Ok(jobs) => self.jobs = jobs,
            Err(error) => tracing::debug!(%error, "jobs could not be read; those known before are told of"),
        }
        true
    }
}

/// Resolves then, or never.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Whether somebody may read what has changed. That some job came or went, and how the server is, is no secret to whoever may sign in.
fn may_read(access: &Access, jobs: &HashMap<JobId, Resource>, topic: Topic, job: Option<JobId>) -> bool {
    let system = |part| access.may(Action::Read, &Resource::of("system").below(part));
    let part = match topic {
        Topic::Actors => return system("supervision"),
        Topic::Audit => return system("audit"),
        Topic::Backups => return system("backups"),
        Topic::ApiTokens | Topic::Users | Topic::Health | Topic::Figures | Topic::Replays => return true,
        Topic::Jobs => None,
        Topic::Environment => Some("environment"),
        Topic::Invocations => Some("invocations"),
        Topic::Logs => Some("logs"),
        Topic::Queue => Some("queue"),
        Topic::Runners => Some("runners"),
        Topic::Store => Some("store"),
        Topic::Triggers => Some("triggers"),
        Topic::Versions => Some("versions"),
    };
    let Some(job) = job else { return true };
    let resource = jobs.get(&job).cloned().unwrap_or_else(|| everywhere::gone(job));
    access.may(Action::Read, &part.into_iter().fold(resource, Resource::below))
}
