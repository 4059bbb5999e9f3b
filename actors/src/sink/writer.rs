//! Writes what a ring holds, batch by batch, and in order.

use std::fmt::Display;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::ring::{Ring, RingItem};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A batch is tried this often once the writer is to stop.
const TRIES_WHEN_STOPPING: u32 = 3;

/// Where a ring's items are kept.
pub(crate) trait Keeper<T>: Send + Sync {
    /// Why items could not be kept.
    type Error: Display + Send;

    /// Keeps these items, in order: all or, when it fails, as many as [`setback`](Self::setback) says.
    fn keep<'a>(&'a self, items: &'a [T]) -> BoxFuture<'a, Result<(), Self::Error>>;

    /// What a failure means for the items.
    fn setback(&self, _: &Self::Error) -> Setback {
        Setback::default()
    }
}

/// What it means that items could not be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setback {
    /// So many of them, from the first one on, are kept all the same.
    pub(crate) kept: usize,
    /// It is no fault of the items: they are worth waiting, however long it takes.
    pub(crate) unreachable: bool,
    /// How long nobody should try again.
    pub(crate) retry_after: Option<Duration>,
}

/// Tells a writer to write what there is and then to end. Kept by the actor that owns the writer.
#[derive(Debug)]
pub(crate) struct StopSignal(watch::Sender<bool>);

impl Default for StopSignal {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl StopSignal {
    /// Gives the signal.
    pub(crate) fn give(&self) {
        self.0.send_replace(true);
    }
}

/// How a ring is written.
#[derive(Debug)]
pub(crate) struct Writer {
    /// What is written, for the server's log.
    what: &'static str,
    /// Most items of one batch.
    batch_items: usize,
    /// After the first item of a batch, others have this long to join it.
    batch_time: Duration,
    /// A batch that can not be written is tried this often, then it is dropped and counted; with none until the writer is to stop.
    /// Tries that find nobody do not count. The ring fills meanwhile, and drops by itself.
    tries: Option<u32>,
    stop: watch::Receiver<bool>,
}

impl Writer {
    /// A writer that ends at this signal.
    pub(crate) fn new(
        what: &'static str,
        batch_items: usize,
        batch_time: Duration,
        tries: Option<u32>,
        stop: &StopSignal,
    ) -> Self {
        Self {
            what,
            batch_items,
            batch_time,
            tries,
            stop: stop.0.subscribe(),
        }
    }

    /// Writes until it is told to stop and all is written. `lost` hears of each batch that was dropped.
    pub(crate) async fn run<T: RingItem>(self, ring: &Ring<T>, keeper: &impl Keeper<T>, lost: impl Fn()) {
        loop {
            let stopping = tokio::select! {
                () = ring.filled() => self.unless_stopped(self.batch_time).await,
                () = stopped(self.stop.clone()) => true,
            };
            loop {
                let batch = ring.take(self.batch_items);
                if batch.items().is_empty() {
                    break;
                }
                let kept = self.keep(ring, keeper, batch.items()).await;
                if kept < batch.items().len() {
                    lost();
                }
                batch.ended(kept);
            }
            if stopping {
                return;
            }
        }
    }

    /// Keeps a batch, trying again for a while. Gives how many were kept, from the first one on; the others had to be dropped.
    async fn keep<T: RingItem>(&self, ring: &Ring<T>, keeper: &impl Keeper<T>, mut items: &[T]) -> usize {
        let all = items.len();
        let mut pause = FIRST_PAUSE;
        let mut left = self.tries.unwrap_or(u32::MAX);
        loop {
            let Err(error) = keeper.keep(items).await else {
                return all;
            };
            let setback = keeper.setback(&error);
            if setback.kept > 0 {
                // It goes on, if not smoothly.
                items = items.get(setback.kept..).unwrap_or_default();
                pause = FIRST_PAUSE;
                left = self.tries.unwrap_or(u32::MAX);
            }
            let stopping = *self.stop.borrow();
            if stopping {
                left = left.min(TRIES_WHEN_STOPPING);
            }
            if stopping || !setback.unreachable {
                left -= 1;
            }
            let (what, count, waiting) = (self.what, items.len(), ring.gauge().waiting);
            if left == 0 {
                tracing::error!(%error, items = count, "{what} were dropped");
                return all - items.len();
            }
            tracing::warn!(%error, items = count, waiting, "{what} wait");
            if stopping {
                tokio::time::sleep(FIRST_PAUSE).await;
            } else {
                let asked = setback.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
                self.unless_stopped(pause.max(asked)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Waits this long; at once `true` when the writer is to stop.
    async fn unless_stopped(&self, time: Duration) -> bool {
        tokio::time::timeout(time, stopped(self.stop.clone()))
            .await
            .is_ok()
    }
}

/// Resolves when the writer is to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the actor, and its tasks no longer: an error can only mean the same.
    drop(stop.wait_for(|stop| *stop).await);
}
