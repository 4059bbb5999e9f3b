//! What functions publish, on its way to a broker. Lives outside of the actor that owns the connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::ports::{Publication, PublicationError, PublicationId, PublisherLine};

/// Most publications that wait for the broker, and most bytes of them.
const MOST_WAITING: usize = 1_000;
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// A publication that the broker has not acknowledged after this is given up.
pub(crate) const PUBLISH_TIME: Duration = Duration::from_secs(30);
/// The connection is given up when nothing was published for so long.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// Why something could not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic is none.
    #[error("{0}")]
    BadTopic(String),
    /// The job has no broker, or it can not be reached as the package says.
    #[error("{0}")]
    NoBroker(String),
    /// Too much waits already.
    #[error("{MOST_WAITING} messages, or 32 MiB, wait for the broker already")]
    Full,
    /// No acknowledgement came in time. The message may have arrived.
    #[error("the broker did not acknowledge it within {} s: {reason}", PUBLISH_TIME.as_secs())]
    NotAcknowledged {
        /// What was seen of the connection.
        reason: String,
    },
    /// The broker said no.
    #[error("the broker refused it: {0}")]
    Refused(String),
    /// The server shuts down, or the job has lost the connection's settings.
    #[error("the connection was closed")]
    Closed,
}

/// Hears what became of a publication.
pub type PublishReply = oneshot::Receiver<Result<(), PublishError>>;

struct Item {
    id: PublicationId,
    publication: Publication,
    reply: oneshot::Sender<Result<(), PublishError>>,
    deadline: Instant,
}

impl Item {
    fn bytes(&self) -> usize {
        self.publication.payload.len() + self.publication.topic.len()
    }

    fn answer(self, result: Result<(), PublishError>) {
        // Who no longer waits does not need to know.
        drop(self.reply.send(result));
    }
}

#[derive(Default)]
struct Queue {
    /// In the order of publishing. Those before `sent` are with the broker and not acknowledged.
    items: VecDeque<Item>,
    sent: usize,
    next: u64,
    bytes: usize,
    closed: bool,
    connected: bool,
    /// Why the last connection ended, or could not be made.
    trouble: Option<String>,
}

/// The publications of one connection, in order. What was sent and not acknowledged when the connection is lost is sent again,
/// before all that follows it: the order of a topic is kept.
#[derive(Default)]
pub(super) struct Outlet {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet")
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a publication. It has its place in the order when this returns.
    ///
    /// # Errors
    /// [`PublishError::Full`] and [`PublishError::Closed`].
    pub(super) fn publish(&self, publication: Publication) -> Result<PublishReply, PublishError> {
        let (reply, answered) = oneshot::channel();
        let mut queue = self.lock();
        if queue.closed {
            return Err(PublishError::Closed);
        }
        let item = Item {
            id: PublicationId(queue.next),
            publication,
            reply,
            deadline: Instant::now() + PUBLISH_TIME,
        };
        let fits = queue.bytes.saturating_add(item.bytes()) <= MOST_BYTES;
        if queue.items.len() >= MOST_WAITING || !(fits || queue.items.is_empty()) {
            return Err(PublishError::Full);
        }
        queue.next += 1;
        queue.bytes += item.bytes();
        queue.items.push_back(item);
        drop(queue);
        self.changed.notify_waiters();
        Ok(answered)
    }

    /// How many publications wait for an acknowledgement.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.lock().items.len()
    }

    /// Resolves when there is something to connect for. `false` when there never will be.
    pub(super) async fn wanted(&self) -> bool {
        self.when(|queue| {
            if queue.items.is_empty() && !queue.closed {
                None
            } else {
                Some(!queue.items.is_empty())
            }
        })
        .await
    }

    /// The connection ended, or could not be made. Gives whether it was connected.
    pub(super) fn disconnected(&self, why: &str) -> bool {
        let mut queue = self.lock();
        queue.trouble = Some(why.to_owned());
        std::mem::take(&mut queue.connected)
    }

    /// Takes publications again.
    pub(super) fn open(&self) {
        self.lock().closed = false;
    }

    /// Takes nothing any more; what is there is still published.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Gives up all that waits.
    pub(super) fn abandon(&self) {
        let items: Vec<Item> = {
            let mut queue = self.lock();
            queue.closed = true;
            queue.sent = 0;
            queue.bytes = 0;
            queue.items.drain(..).collect()
        };
        for item in items {
            item.answer(Err(PublishError::Closed));
        }
        self.changed.notify_waiters();
    }

    /// Gives up what is over its time, for as long as it is polled.
    pub(super) async fn expire(&self) {
        loop {
            let first = self
                .when(|queue| queue.items.front().map(|item| item.deadline))
                .await;
            // Deadlines are in the order of the queue.
            tokio::time::sleep_until(first).await;
            for (item, reason) in self.overdue(Instant::now()) {
                item.answer(Err(PublishError::NotAcknowledged { reason }));
            }
        }
    }

    fn overdue(&self, now: Instant) -> Vec<(Item, String)> {
        let mut queue = self.lock();
        let mut overdue = Vec::new();
        while queue.items.front().is_some_and(|item| item.deadline <= now) {
            let reason = match (&queue.trouble, queue.connected) {
                (_, true) => "it is connected".to_owned(),
                (Some(trouble), false) => trouble.clone(),
                (None, false) => "it is not connected yet".to_owned(),
            };
            let Some(item) = queue.items.pop_front() else {
                break;
            };
            queue.sent = queue.sent.saturating_sub(1);
            queue.bytes -= item.bytes();
            overdue.push((item, reason));
        }
        overdue
    }

    /// Waits until `look` finds something.
    async fn when<T>(&self, look: impl Fn(&mut Queue) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change between the two is not missed.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl PublisherLine for Outlet {
    fn connected(&self) {
        let mut queue = self.lock();
        queue.connected = true;
        queue.trouble = None;
        queue.sent = 0;
    }

    async fn next(&self) -> Option<(PublicationId, Publication)> {
        let next = self.when(|queue| match queue.items.get(queue.sent) {
            Some(item) => {
                let found = (item.id, item.publication.clone());
                queue.sent += 1;
                Some(Some(found))
            }
            None if queue.closed && queue.items.is_empty() => Some(None),
            None => None,
        });
        // A connection that nobody uses is given up, once all is acknowledged.
        let mut next = std::pin::pin!(next);
        loop {
            match tokio::time::timeout(IDLE_TIME, &mut next).await {
                Ok(next) => return next,
                Err(_) if self.waiting() == 0 => return None,
                Err(_) => {}
            }
        }
    }

    fn published(&self, id: PublicationId, result: Result<(), PublicationError>) {
        let result = match result {
            // It is sent again with the next connection.
            Err(PublicationError::Interrupted) => return,
            Err(PublicationError::Refused(reason)) => Err(PublishError::Refused(reason)),
            Ok(()) => Ok(()),
        };
        let mut queue = self.lock();
        let Some(place) = queue.items.iter().position(|item| item.id == id) else {
            // Given up meanwhile.
            return;
        };
        let item = queue.items.remove(place);
        if place < queue.sent {
            queue.sent -= 1;
        }
        if let Some(item) = item {
            queue.bytes -= item.bytes();
            drop(queue);
            item.answer(result);
        }
        // Whoever waits for the queue to be empty.
        self.changed.notify_waiters();
    }
}

/// Whether a message can be published on this topic.
///
/// # Errors
/// [`PublishError::BadTopic`].
pub fn check_topic(topic: &str) -> Result<(), PublishError> {
    let fault = if topic.is_empty() {
        "a topic needs at least one character"
    } else if topic.len() > crate::topic::MAX_TOPIC_BYTES {
        "a topic has at most 65,535 bytes"
    } else if topic.contains(['+', '#']) {
        "a message can not be published on a topic with `+` or `#`"
    } else if topic.contains('\0') {
        "a topic must not contain the character U+0000"
    } else {
        return Ok(());
    };
    Err(PublishError::BadTopic(fault.to_owned()))
}
