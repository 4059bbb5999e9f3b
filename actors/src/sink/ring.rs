//! What waits to be written. Lives outside of the actor that writes it, so that the actor's crash loses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::JobId;

/// What can wait in a [`Ring`].
pub trait RingItem: Send + Sync + Sized + 'static {
    /// Whose it is.
    fn job(&self) -> JobId;

    /// About how many bytes of memory it takes.
    fn cost(&self) -> usize;

    /// What of it has to stay although there is no room. The caller of [`Ring::push`] bounds how many of these there are.
    fn without_room(self) -> Option<Self> {
        None
    }

    /// What is written in place of items of a job that were dropped for want of room.
    fn in_place_of_dropped(job: JobId, dropped: u64) -> Option<Self>;
}

/// How much may wait. The oldest items stay, new ones are dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// Bytes over all jobs.
    pub total_bytes: usize,
    /// Bytes of one job, so that one job's flood does not drop another's items.
    pub job_bytes: usize,
}

#[derive(Debug)]
struct Items<T> {
    waiting: VecDeque<T>,
    bytes: usize,
    jobs: HashMap<JobId, JobShare>,
    dropped_total: u64,
    written_total: u64,
}

#[derive(Debug, Default)]
struct JobShare {
    bytes: usize,
    dropped: u64,
}

/// A bounded queue of what waits to be written.
#[derive(Debug)]
pub struct Ring<T> {
    limits: RingLimits,
    items: Mutex<Items<T>>,
    filled: Notify,
}

impl<T: RingItem> Ring<T> {
    /// An empty ring.
    #[must_use]
    pub fn new(limits: RingLimits) -> Self {
        Self {
            limits,
            items: Mutex::new(Items {
                waiting: VecDeque::new(),
                bytes: 0,
                jobs: HashMap::new(),
                dropped_total: 0,
                written_total: 0,
            }),
            filled: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Items<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, or counts it as dropped when its job or all jobs together have too much waiting.
    pub fn push(&self, mut item: T) {
        let mut cost = item.cost();
        let job = item.job();
        let mut items = self.lock();
        let total = items.bytes;
        let share = items.jobs.entry(job).or_default();
        if share.bytes + cost > self.limits.job_bytes || total + cost > self.limits.total_bytes {
            let Some(rest) = item.without_room() else {
                share.dropped += 1;
                items.dropped_total += 1;
                return;
            };
            item = rest;
            cost = item.cost();
        }
        share.bytes += cost;
        items.bytes += cost;
        let first = items.waiting.is_empty();
        items.waiting.push_back(item);
        drop(items);
        if first {
            self.filled.notify_one();
        }
    }

    /// Takes up to `most` items, and what stands for those that each job had to drop. They come back if they are not
    /// [done](Batch::done) with.
    #[must_use]
    pub fn take(&self, most: usize) -> Batch<'_, T> {
        let mut items = self.lock();
        let count = items.waiting.len().min(most);
        let mut taken: Vec<T> = items.waiting.drain(..count).collect();
        for item in &taken {
            let cost = item.cost();
            items.bytes = items.bytes.saturating_sub(cost);
            if let Some(share) = items.jobs.get_mut(&item.job()) {
                share.bytes = share.bytes.saturating_sub(cost);
            }
        }
        items.jobs.retain(|job, share| {
            if share.dropped > 0 {
                taken.extend(T::in_place_of_dropped(*job, std::mem::take(&mut share.dropped)));
            }
            share.bytes > 0
        });
        Batch {
            ring: self,
            items: taken,
        }
    }

    /// Puts items back to where they were taken from, whatever the limits are.
    fn put_back(&self, taken: Vec<T>) {
        let mut items = self.lock();
        for item in taken.into_iter().rev() {
            let cost = item.cost();
            items.bytes += cost;
            items.jobs.entry(item.job()).or_default().bytes += cost;
            items.waiting.push_front(item);
        }
        drop(items);
        self.filled.notify_one();
    }

    /// Resolves when there is something to take.
    pub async fn filled(&self) {
        // Looked at first: whoever waited before may have been told, and be gone.
        while self.lock().waiting.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Items that wait, their bytes, and how many were dropped since the start.
    #[must_use]
    pub fn gauge(&self) -> RingGauge {
        let items = self.lock();
        RingGauge {
            waiting: items.waiting.len(),
            bytes: items.bytes,
            limit: self.limits.total_bytes,
            dropped: items.dropped_total,
            written: items.written_total,
        }
    }

    /// So many items that were taken are kept, and so many were given up.
    fn settle(&self, kept: usize, given_up: usize) {
        let mut items = self.lock();
        items.written_total += kept as u64;
        items.dropped_total += given_up as u64;
    }
}

/// Items on their way to where they are kept. If they do not arrive, because the actor that carries them crashes, they are in the
/// ring again.
#[derive(Debug)]
pub struct Batch<'a, T: RingItem> {
    ring: &'a Ring<T>,
    items: Vec<T>,
}

impl<T: RingItem> Batch<'_, T> {
    /// The items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// They are kept.
    pub fn done(self) {
        let all = self.items.len();
        self.ended(all);
    }

    /// So many of them are kept, the others given up.
    pub fn ended(mut self, kept: usize) {
        let all = std::mem::take(&mut self.items).len();
        let kept = kept.min(all);
        self.ring.settle(kept, all - kept);
    }
}

impl<T: RingItem> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        if !self.items.is_empty() {
            self.ring.put_back(std::mem::take(&mut self.items));
        }
    }
}

/// How full a [`Ring`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RingGauge {
    /// Items.
    pub waiting: usize,
    /// Bytes.
    pub bytes: usize,
    /// Most bytes.
    pub limit: usize,
    /// Items dropped since the start: for want of room, or because they could not be kept.
    pub dropped: u64,
    /// Items kept since the start.
    pub written: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_sink::LogRing;
    use crate::ports::LogLine;
    use crate::testing::log_line;

    #[test]
    fn a_flood_of_one_job_drops_its_own_lines_and_says_so() {
        let ring = LogRing::new(RingLimits {
            total_bytes: 10_000,
            job_bytes: 1_000,
        });
        let (loud, quiet) = (JobId::generate(), JobId::generate());
        for _ in 0..100 {
            ring.push(log_line(loud, "noise"));
        }
        ring.push(log_line(quiet, "a word"));
        let batch = ring.take(1_000);
        let taken = batch.items();
        assert!(
            taken
                .iter()
                .any(|line| line.job == quiet && line.message == "a word")
        );
        let kept = taken
            .iter()
            .filter(|line| line.job == loud && line.message == "noise")
            .count();
        assert!((1..100).contains(&kept));
        let note = format!("{} log lines were dropped", 100 - kept);
        assert!(
            taken
                .iter()
                .any(|line| line.job == loud && line.message.starts_with(&note))
        );
        assert_eq!(ring.gauge().bytes, 0);
        let (dropped, all) = (ring.gauge().dropped, batch.items().len());
        batch.ended(all - 1);
        let gauge = ring.gauge();
        assert_eq!((gauge.written, gauge.dropped), (all as u64 - 1, dropped + 1));
        assert_eq!(gauge.limit, 10_000);
    }

    #[test]
    fn lines_come_out_in_order_and_in_bounded_batches() {
        let ring = LogRing::new(RingLimits {
            total_bytes: 10_000,
            job_bytes: 10_000,
        });
        let job = JobId::generate();
        for number in 0..5 {
            ring.push(log_line(job, number.to_string()));
        }
        let messages = |batch: &Batch<'_, LogLine>| -> Vec<String> {
            batch.items().iter().map(|line| line.message.clone()).collect()
        };
        let batch = ring.take(3);
        assert_eq!(messages(&batch), ["0", "1", "2"]);
        assert_eq!(ring.gauge().waiting, 2);
        // What was not done with comes again, before what came later.
        drop(batch);
        let batch = ring.take(4);
        assert_eq!(messages(&batch), ["0", "1", "2", "3"]);
        batch.done();
        assert_eq!(ring.gauge().waiting, 1);
    }
}
