//! Brings calls into Postgres, many with one statement: each commit costs a write to the disk, and the counters of a job one lock.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jobber_actors::ports::QueueError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::store::{CallStore, NewCall, Submitted};

/// Calls that wait to be written.
const WAITING: usize = 1_024;
/// What one statement may carry.
const BATCH_CALLS: usize = 250;
const BATCH_BYTES: usize = 8 << 20;
/// Longest time for one statement, a connection included.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// A call and who hears what became of it.
pub(super) struct Pending {
    call: NewCall,
    hearer: Hearer,
}

/// Who hears what became of a call. The place of its body in memory is here, since the body stays when its client goes.
struct Hearer {
    heard: oneshot::Sender<Result<Submitted, SubmitError>>,
    room: OwnedSemaphorePermit,
}

impl Hearer {
    /// The body is gone: it is a row now, or refused.
    fn tell(self, answer: Result<Submitted, SubmitError>) {
        drop(self.room);
        // Whoever asked may be gone: the call is made all the same.
        drop(self.heard.send(answer));
    }
}

/// Why a call was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many wait to be written.
    #[error("too many calls are being accepted")]
    Busy,
    /// Postgres did not say that it has it.
    #[error(transparent)]
    Unavailable(#[from] QueueError),
}

/// Where calls are handed over.
#[derive(Clone, Debug)]
pub(super) struct Submitter(mpsc::Sender<Pending>);

/// What writes them.
#[derive(Debug)]
pub(super) struct Writer {
    store: CallStore,
    pending: mpsc::Receiver<Pending>,
}

pub(super) fn submitter(store: CallStore) -> (Submitter, Writer) {
    let (sender, pending) = mpsc::channel(WAITING);
    (Submitter(sender), Writer { store, pending })
}

impl Submitter {
    /// Resolves when the call is committed.
    pub(super) async fn submit(
        &self,
        call: NewCall,
        room: OwnedSemaphorePermit,
    ) -> Result<Submitted, SubmitError> {
        let (heard, answer) = oneshot::channel();
        let hearer = Hearer { heard, room };
        self.0
            .try_send(Pending { call, hearer })
            .map_err(|_| SubmitError::Busy)?;
        let gone = |_| QueueError::Unavailable("the server is being stopped".to_owned());
        answer.await.map_err(gone)?
    }
}

impl Writer {
    /// Writes what comes, until it is told to stop.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut batch = Batch::default();
        loop {
            if batch.is_empty() {
                let first = tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                    first = self.pending.recv() => first,
                };
                let Some(first) = first else { return };
                batch.add(first);
            }
            while let Some(more) = batch.room().then(|| self.pending.try_recv().ok()).flatten() {
                batch.add(more);
            }
            let (calls, hearers) = batch.take();
            let written = timeout(WRITE_TIME, self.store.submit(&calls)).await;
            let written =
                written.unwrap_or_else(|_| Err(QueueError::Unavailable("no answer in time".to_owned())));
            drop(calls);
            match written {
                Ok(answers) => {
                    for (hearer, answer) in hearers.into_iter().zip(answers) {
                        hearer.tell(Ok(answer));
                    }
                }
                Err(error) => self.refuse(hearers, &mut batch, &error),
            }
        }
    }

    /// Also those who wait behind: they must not wait for as long as Postgres is away.
    fn refuse(&mut self, hearers: Vec<Hearer>, batch: &mut Batch, error: &QueueError) {
        tracing::warn!(%error, calls = hearers.len(), "asynchronous calls could not be accepted");
        let (_, held_back) = batch.take();
        let behind = std::iter::from_fn(|| self.pending.try_recv().ok()).map(|pending| pending.hearer);
        for hearer in hearers.into_iter().chain(held_back).chain(behind) {
            hearer.tell(Err(error.clone().into()));
        }
    }
}

/// Calls of one statement: no two have the same key, since it can not be said of one statement which of them is first.
#[derive(Default)]
struct Batch {
    pending: Vec<Pending>,
    keys: HashSet<(jobber_actors::domain::JobId, Arc<str>)>,
    bytes: usize,
    /// Has the key of another, and is in the next batch.
    held_back: Option<Pending>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn room(&self) -> bool {
        self.held_back.is_none() && self.pending.len() < BATCH_CALLS && self.bytes < BATCH_BYTES
    }

    fn add(&mut self, pending: Pending) {
        if let Some(key) = &pending.call.key
            && !self.keys.insert((pending.call.job, key.key.as_str().into()))
        {
            self.held_back = Some(pending);
            return;
        }
        self.bytes += pending.call.body.len();
        self.pending.push(pending);
    }

    /// What is in it. What was held back begins the next.
    fn take(&mut self) -> (Vec<NewCall>, Vec<Hearer>) {
        let Self {
            pending, held_back, ..
        } = std::mem::take(self);
        if let Some(first) = held_back {
            self.add(first);
        }
        pending
            .into_iter()
            .map(|Pending { call, hearer }| (call, hearer))
            .unzip()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use futures_util::FutureExt;
    use jobber_actors::domain::{InvocationId, JobId, TriggerId};
    use jobber_actors::invocation::{HttpInput, TriggerRef};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::store::RequestKey;

    fn call(job: JobId, key: Option<&str>, bytes: usize) -> NewCall {
        NewCall {
            id: InvocationId::generate(),
            job,
            trigger: TriggerRef {
                id: TriggerId::generate(),
                name: None,
            },
            request: HttpInput {
                method: "POST".to_owned(),
                target: "/".to_owned(),
                scheme: "http".into(),
                authority: "a".to_owned(),
                headers: Vec::new(),
                params: BTreeMap::new(),
                ip: [127, 0, 0, 1].into(),
                size: None,
            },
            body: Bytes::from(vec![0; bytes]),
            key: key.map(|key| RequestKey {
                key: key.to_owned(),
                fingerprint: [0; 32],
            }),
            callback: None,
        }
    }

    fn room(memory: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(memory).try_acquire_owned().unwrap()
    }

    fn pending(job: JobId, key: Option<&str>, bytes: usize) -> Pending {
        let hearer = Hearer {
            heard: oneshot::channel().0,
            room: room(&Arc::new(Semaphore::new(1))),
        };
        Pending {
            call: call(job, key, bytes),
            hearer,
        }
    }

    #[test]
    fn a_body_has_its_room_until_it_is_written_also_when_its_client_is_gone() {
        let memory = Arc::new(Semaphore::new(1));
        let (sender, mut waiting) = mpsc::channel(1);
        let submitter = Submitter(sender);
        let submitted = submitter
            .submit(call(JobId::generate(), None, 1), room(&memory))
            .now_or_never();
        assert!(submitted.is_none(), "nobody has written it");
        assert_eq!(
            memory.available_permits(),
            0,
            "the client is gone, the body is not"
        );
        let mut batch = Batch::default();
        batch.add(waiting.try_recv().unwrap());
        let (calls, hearers) = batch.take();
        assert_eq!((calls.len(), memory.available_permits()), (1, 0));
        for hearer in hearers {
            hearer.tell(Ok(Submitted::Accepted));
        }
        assert_eq!(memory.available_permits(), 1);
    }

    #[test]
    fn a_batch_has_each_key_once_and_is_bounded() {
        let (one, other) = (JobId::generate(), JobId::generate());
        let mut batch = Batch::default();
        for added in [
            (one, Some("a")),
            (other, Some("a")),
            (one, None),
            (one, None),
            (one, Some("a")),
        ] {
            assert!(batch.room());
            batch.add(pending(added.0, added.1, 1));
        }
        assert!(!batch.room(), "the same key came again");
        assert_eq!(batch.take().0.len(), 4);
        assert!(!batch.is_empty() && batch.room());
        assert_eq!(batch.take().0.len(), 1);
        assert!(batch.is_empty());
        batch.add(pending(one, None, BATCH_BYTES));
        assert!(!batch.room());
    }
}
