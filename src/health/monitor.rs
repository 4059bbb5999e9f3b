//! Looks after what is outside of the process.

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jobber_actors::mqtt::LineState;
use jobber_actors::tree::TreeHandle;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::board::Health;
use super::check::{Check, Finding, Reason};
use crate::store::Database;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// How long something outside may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many looks in a row must find something amiss before it counts: one slow answer is no outage.
const MISSES: u32 = 2;
/// How often it is looked whether the catalogue has been read, until it has.
const CATALOGUE_POLL: Duration = Duration::from_millis(20);

/// Looks again and again, and puts down what it finds.
pub struct Monitor {
    health: Health,
    database: Database,
    tree: TreeHandle,
}

impl Monitor {
    /// A monitor that has not looked yet.
    #[must_use]
    pub fn new(health: Health, database: Database, tree: TreeHandle) -> Self {
        Self {
            health,
            database,
            tree,
        }
    }

    /// Looks until it is told to stop.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        let (database, engine, brokers) = (Misses::default(), Misses::default(), Misses::default());
        let looking = async {
            tokio::join!(
                self.watch_catalogue(),
                again(|| self.look_at_database(&database)),
                again(|| self.look_at_engine(&engine)),
                again(|| self.look_at_tree(&brokers)),
            )
        };
        tokio::select! {
            // A sender that is gone wants it to stop, too.
            _ = stopped.wait_for(|stopped| *stopped) => {}
            _ = looking => {}
        }
    }

    /// Once it is read, what was read is known: the tree keeps it however long the catalogue is away.
    async fn watch_catalogue(&self) {
        self.health
            .found(Check::Catalogue, Finding::amiss(Reason::Starting));
        while !self.tree.is_ready() {
            tokio::time::sleep(CATALOGUE_POLL).await;
        }
        self.health.found(Check::Catalogue, Finding::Well);
    }

    async fn look_at_database(&self, misses: &Misses) {
        let finding = in_time(self.database.ping()).await;
        if let Some(finding) = misses.confirm(finding) {
            self.health.found(Check::Database, finding);
        }
    }

    async fn look_at_engine(&self, misses: &Misses) {
        let finding = in_time(self.tree.check_engine()).await;
        if let Some(finding) = misses.confirm(finding) {
            self.health.found(Check::Engine, finding);
        }
    }

    /// What the tree knows without asking anybody.
    async fn look_at_tree(&self, brokers: &Misses) {
        let logs = self.tree.log_store_trouble().map(|detail| Finding::Amiss {
            reason: Reason::NotKept,
            detail: Some(detail),
        });
        self.health.found(Check::LogStore, logs.unwrap_or(Finding::Well));
        let jobs = match self.tree.jobs_without_runners() {
            0 => Finding::Well,
            jobs => Finding::Amiss {
                reason: Reason::NoRunners,
                detail: Some(format!("{jobs} of the jobs; their logs say why")),
            },
        };
        self.health.found(Check::Jobs, jobs);
        let gauges = self.tree.mqtt_gauges();
        let states = gauges.values().flat_map(|gauge| &gauge.states);
        if let Some(finding) = brokers.confirm(connected(states)) {
            self.health.found(Check::Brokers, finding);
        }
    }
}

/// Whether all connections to brokers stand. One that is dropped on purpose, or is made for the first time, is not lost.
pub(super) fn connected<'a>(states: impl Iterator<Item = &'a LineState>) -> Finding {
    let (mut lost, mut all) = (0, 0);
    for state in states {
        all += 1;
        lost += u32::from(matches!(state, LineState::Disconnected { .. }));
    }
    match lost {
        0 => Finding::Well,
        lost => Finding::Amiss {
            reason: Reason::NotConnected,
            detail: Some(format!(
                "{lost} of {all} connections are lost; their triggers' status says why"
            )),
        },
    }
}

/// How often in a row a look has found something amiss.
#[derive(Debug, Default)]
pub(super) struct Misses(AtomicU32);

impl Misses {
    /// What a look found, if that counts already.
    pub(super) fn confirm(&self, finding: Finding) -> Option<Finding> {
        if finding == Finding::Well {
            self.0.store(0, Ordering::Relaxed);
            return Some(finding);
        }
        let misses = self.0.load(Ordering::Relaxed).saturating_add(1);
        self.0.store(misses, Ordering::Relaxed);
        (misses >= MISSES).then_some(finding)
    }
}

/// Does this now and every second, but never twice at the same time.
async fn again<F: Future<Output = ()>>(look: impl Fn() -> F) {
    let mut due = interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        look().await;
    }
}

/// What an answer comes to, or that there was none.
async fn in_time<E: Display>(answer: impl Future<Output = Result<(), E>>) -> Finding {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(())) => Finding::Well,
        Ok(Err(error)) => Finding::Amiss {
            reason: Reason::Unavailable,
            detail: Some(error.to_string()),
        },
        Err(_) => Finding::Amiss {
            reason: Reason::TimedOut,
            detail: Some(format!("no answer within {} s", PATIENCE.as_secs())),
        },
    }
}
