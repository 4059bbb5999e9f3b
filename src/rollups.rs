//! Keeps what is counted of invocations, minute by minute.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobber_actors::changes::{Extent, Topic};
use jobber_actors::clock::Clock;
use jobber_actors::metrics::{JobNow, Levels, MINUTE_LIMITS, Minutes};
use jobber_actors::tree::TreeHandle;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::store::PostgresRollups;

/// How often it is looked how much of each job there is, and whether a minute is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A minute that could not be kept is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// A write that takes longer is given up, and done again: the connection may be dead without a word.
const LONGEST_WRITE: Duration = Duration::from_secs(30);
/// What is left when the server stops has to be kept within this.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// How many rollups wait to be kept. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RollupGauge(Arc<Gauge>);

#[derive(Debug, Default)]
struct Gauge {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl RollupGauge {
    /// Rollups that wait to be kept.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Rollups that were given up since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// Looks at the counts, and writes what each minute has added to them.
pub struct RollupWriter {
    tree: TreeHandle,
    store: PostgresRollups,
    clock: Clock,
    gauge: RollupGauge,
    minutes: Mutex<Minutes>,
    /// A minute is over.
    over: Notify,
}

impl RollupWriter {
    /// A writer that has not looked yet. `gauge` is kept up to date by it.
    #[must_use]
    pub fn new(tree: TreeHandle, store: PostgresRollups, clock: Clock, gauge: RollupGauge) -> Self {
        Self {
            tree,
            store,
            clock,
            gauge,
            minutes: Mutex::new(Minutes::new(MINUTE_LIMITS)),
            over: Notify::new(),
        }
    }

    /// Works until it is told to stop; then keeps also the part of the last minute, if that is possible soon.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            // A sender that is gone wants it to stop, too.
            _ = stopped.wait_for(|stopped| *stopped) => {}
            never = self.look_again_and_again() => match never {},
            // A write that is cut off is done again below; it may be done twice.
            never = self.write_again_and_again() => match never {},
        }
        let jobs = self.jobs();
        self.minutes().close(self.clock.now(), &jobs);
        let rest = async { while self.write_oldest().await {} };
        if timeout(LAST_WRITE, rest).await.is_err() || self.minutes().waiting() > 0 {
            let rollups = self.minutes().waiting();
            tracing::warn!(rollups, "counts of the last minutes could not be kept");
        }
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_again_and_again(&self) -> Infallible {
        let mut due = interval(LOOK_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let jobs = self.jobs();
            let waits = {
                let mut minutes = self.minutes();
                minutes.look(self.clock.now(), &jobs);
                self.tell(&minutes);
                minutes.waiting() > 0
            };
            if waits {
                self.over.notify_one();
            }
        }
    }

    async fn write_again_and_again(&self) -> Infallible {
        loop {
            self.over.notified().await;
            while self.write_oldest().await {}
            if self.minutes().waiting() > 0 {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Whether a minute was kept; if none was, there is none or it could not be.
    async fn write_oldest(&self) -> bool {
        let Some((minute, rollups)) = self
            .minutes()
            .oldest()
            .map(|(minute, rollups)| (minute, rollups.to_vec()))
        else {
            return false;
        };
        let kept = timeout(LONGEST_WRITE, self.store.keep(self.tree.server(), &rollups)).await;
        let trouble = match kept {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the database does not answer".to_owned()),
        };
        if let Some(error) = trouble {
            let waiting = self.minutes().waiting();
            tracing::warn!(error, waiting, "counts of a minute wait to be kept");
            return false;
        }
        let mut minutes = self.minutes();
        minutes.kept(minute);
        self.tell(&minutes);
        self.tree.changes().tell(Topic::Figures, || Extent::Any);
        true
    }

    fn tell(&self, minutes: &Minutes) {
        self.gauge.0.waiting.store(minutes.waiting(), Ordering::Relaxed);
        self.gauge.0.dropped.store(minutes.dropped(), Ordering::Relaxed);
    }

    fn jobs(&self) -> Vec<JobNow> {
        let lanes: std::collections::HashMap<_, _> = self
            .tree
            .lanes()
            .into_iter()
            .map(|lane| (lane.job, lane.gauge))
            .collect();
        let jobs = self.tree.tallies().jobs().into_iter();
        jobs.map(|(job, _, tally)| {
            let levels = lanes.get(&job).map_or_else(Levels::default, |gauge| Levels {
                waiting: gauge.waiting,
                running: gauge.running,
                runners: u32::try_from(gauge.runners).unwrap_or(u32::MAX),
            });
            JobNow { job, tally, levels }
        })
        .collect()
    }
}
