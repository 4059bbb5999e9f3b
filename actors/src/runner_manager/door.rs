//! Who stands at the runners' door: connections that have not proved themselves, and what is told of those that did not.
//!
//! Functions reach this port, and one of them may open as many connections as it can. It must neither keep other runners
//! out nor fill the server's log.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most connections that have not proved themselves yet.
const MAX_STRANGERS: usize = 128;
/// Most refusals that are told of one by one within a time.
const MAX_TOLD: u32 = 60;
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// The door of one listener.
#[derive(Debug)]
pub(super) struct Door {
    waiting: Mutex<Waiting>,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// In the order of their arrival.
    strangers: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

#[derive(Debug)]
struct Refusals {
    since: Instant,
    told: u32,
    untold: u64,
}

/// Whether a refusal is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// Yes, and before it how many were not.
    Told {
        /// How many.
        untold_before: u64,
    },
    /// There were too many.
    Untold,
}

impl Door {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: Mutex::default(),
            refusals: Mutex::new(Refusals {
                since: now,
                told: 0,
                untold: 0,
            }),
        }
    }

    /// A connection from this address. There is always a place for it: where all are taken, somebody is shown out. That is the one
    /// who has waited longest, from the address with the most of them: who comes in a crowd only pushes out its own.
    pub(super) fn arrive(self: &Arc<Self>, peer: IpAddr) -> Stranger {
        let shown_out = CancellationToken::new();
        let mut waiting = lock(&self.waiting);
        let id = waiting.next;
        waiting.next += 1;
        waiting.strangers.insert(id, (peer, shown_out.clone()));
        if waiting.strangers.len() > MAX_STRANGERS
            && let Some(leaving) = waiting.who_leaves()
            && let Some((_, token)) = waiting.strangers.remove(&leaving)
        {
            token.cancel();
        }
        Stranger {
            door: Arc::clone(self),
            id,
            shown_out,
        }
    }

    /// A connection was not let in.
    pub(super) fn refuse(&self, now: Instant) -> Telling {
        lock(&self.refusals).refuse(now)
    }
}

impl Waiting {
    fn who_leaves(&self) -> Option<u64> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (peer, _) in self.strangers.values() {
            *counts.entry(*peer).or_default() += 1;
        }
        let most = *counts.values().max()?;
        let oldest = self.strangers.iter().find(|(_, (peer, _))| counts[peer] == most);
        oldest.map(|(id, _)| *id)
    }
}

impl Refusals {
    fn refuse(&mut self, now: Instant) -> Telling {
        if now.saturating_duration_since(self.since) >= TOLD_WITHIN {
            self.since = now;
            self.told = 0;
        }
        if self.told == MAX_TOLD {
            self.untold += 1;
            return Telling::Untold;
        }
        self.told += 1;
        Telling::Told {
            untold_before: std::mem::take(&mut self.untold),
        }
    }
}

/// A connection that has not proved itself yet. Its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    door: Arc<Door>,
    id: u64,
    shown_out: CancellationToken,
}

impl Stranger {
    /// Completes when it has to leave for others.
    pub(super) async fn shown_out(&self) {
        self.shown_out.cancelled().await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        lock(&self.door.waiting).strangers.remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_crowd_pushes_out_its_own_and_nobody_else() {
        let door = Arc::new(Door::new(Instant::now()));
        let quiet: Vec<_> = (10..20).map(|last| door.arrive(from(last))).collect();
        let crowd: Vec<_> = (0..1_000).map(|_| door.arrive(from(1))).collect();
        let late = door.arrive(from(9));

        assert!(
            quiet
                .iter()
                .chain([&late])
                .all(|stranger| !stranger.shown_out.is_cancelled())
        );
        let left = crowd
            .iter()
            .filter(|stranger| !stranger.shown_out.is_cancelled())
            .count();
        assert_eq!(left, MAX_STRANGERS - quiet.len() - 1);
        assert!(crowd[0].shown_out.is_cancelled() && !crowd[999].shown_out.is_cancelled());
    }

    #[test]
    fn a_place_is_free_again_when_its_stranger_is_gone() {
        let door = Arc::new(Door::new(Instant::now()));
        let first = door.arrive(from(1));
        for _ in 0..10 * MAX_STRANGERS {
            drop(door.arrive(from(2)));
        }
        assert!(!first.shown_out.is_cancelled());
        drop(first);
        assert!(lock(&door.waiting).strangers.is_empty());
    }

    #[test]
    fn one_of_many_addresses_leaves_after_having_waited_longest() {
        let door = Arc::new(Door::new(Instant::now()));
        let address = |n: usize| IpAddr::from(u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
        let all: Vec<_> = (0..=MAX_STRANGERS).map(|n| door.arrive(address(n))).collect();
        let out: Vec<_> = (0..all.len())
            .filter(|&n| all[n].shown_out.is_cancelled())
            .collect();
        assert_eq!(out, [0]);
    }

    #[test]
    fn refusals_beyond_some_a_minute_are_counted_and_told_together() {
        let begin = Instant::now();
        let door = Door::new(begin);
        let told = (0..1_000)
            .filter(|_| door.refuse(begin) != Telling::Untold)
            .count();
        assert_eq!(told, 60);
        assert_eq!(
            door.refuse(begin + TOLD_WITHIN),
            Telling::Told { untold_before: 940 }
        );
        assert_eq!(
            door.refuse(begin + TOLD_WITHIN),
            Telling::Told { untold_before: 0 }
        );
    }
}
