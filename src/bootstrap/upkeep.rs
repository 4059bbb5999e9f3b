//! The work beside the tree that goes on as long as the server: hints from Postgres, health, clearing up.

use std::sync::Arc;
use std::time::Duration;

use chrono::Days;
use jobber_actors::clock::Clock;
use jobber_actors::domain::ServerId;
use jobber_actors::tree::TreeHandle;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::archive::DiskArchiveStore;
use crate::calls::{CallWork, Calls};
use crate::health::{Health, Monitor};
use crate::rollups::{RollupGauge, RollupWriter};
use crate::store::{
    CallStore, Database, DatabaseError, FireStore, Hint, Listener, ListenerConfig, PostgresFunctionStore,
    PostgresInvocations, PostgresLogStore, PostgresRollups, PublishStore, SessionStore,
};

/// How often expired items of the functions' store are removed, and how many at once.
const PURGE_EVERY: Duration = Duration::from_secs(60);
const PURGE_BATCH: u32 = 1_000;
/// How often old instants of schedules, and sessions that are over, are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// How often the next days of the logs are provided for, and those that are too old are dropped.
const TURN_EVERY: Duration = Duration::from_secs(3600);
/// How often the record of invocations is seen to.
const RECORDS_EVERY: Duration = Duration::from_secs(60);
/// How often archives that nothing refers to are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

pub(super) struct Parts {
    pub(super) calls: Calls,
    pub(super) call_work: CallWork,
    pub(super) call_store: CallStore,
    pub(super) database: Database,
    pub(super) archives: DiskArchiveStore,
    pub(super) functions: Arc<PostgresFunctionStore>,
    pub(super) logs: Arc<PostgresLogStore>,
    /// How many days of logs stay.
    pub(super) log_retention: Days,
    pub(super) fires: FireStore,
    pub(super) invocations: PostgresInvocations,
    pub(super) rollups: PostgresRollups,
    /// How many counts of minutes wait to be kept.
    pub(super) waiting: RollupGauge,
    pub(super) tree: TreeHandle,
    pub(super) health: Health,
    pub(super) stopped: watch::Receiver<bool>,
}

pub(super) fn begin(tasks: &mut JoinSet<()>, io: &Handle, parts: Parts) {
    let Parts {
        calls,
        call_work,
        call_store,
        database,
        archives,
        functions,
        logs,
        log_retention,
        fires,
        invocations,
        rollups,
        waiting,
        tree,
        health,
        stopped,
    } = parts;

    let server = tree.server();
    let listener = Listener::new(database.clone(), server, ListenerConfig::default());
    let (hinted, until) = (tree.clone(), stopped.clone());
    let listen = async move {
        let hint = move |hint| match hint {
            Hint::Job(job) => hinted.hint(Some(job)),
            Hint::Deliveries => hinted.hint_deliveries(),
            Hint::Calls => calls.look(),
            Hint::Cancelled(call) => hinted.cancel_delivery(call),
            Hint::Everything => {
                hinted.hint(None);
                hinted.hint_deliveries();
                calls.look();
            }
        };
        listener.run(hint, until).await;
    };
    tasks.spawn_on(listen, io);
    tasks.spawn_on(call_work.run(stopped.clone()), io);
    tasks.spawn_on(until_stopped(stopped.clone(), forget_calls(call_store)), io);

    let writer = RollupWriter::new(tree.clone(), rollups.clone(), Clock::System, waiting);
    tasks.spawn_on(writer.run(stopped.clone()), io);
    tasks.spawn_on(until_stopped(stopped.clone(), turn_rollups(rollups)), io);

    let monitor = Monitor::new(health, database.clone(), tree);
    tasks.spawn_on(monitor.run(stopped.clone()), io);

    tasks.spawn_on(
        until_stopped(stopped.clone(), async move {
            let mut due = ticks(PURGE_EVERY);
            loop {
                due.tick().await;
                if let Err(error) = purge(&functions).await {
                    tracing::warn!(%error, "expired items of the functions' store could not be removed");
                }
            }
        }),
        io,
    );

    tasks.spawn_on(
        until_stopped(stopped.clone(), keep_records(invocations, server)),
        io,
    );

    let sessions = SessionStore::new(database.clone());
    tasks.spawn_on(until_stopped(stopped.clone(), forget(fires, sessions)), io);

    tasks.spawn_on(
        until_stopped(stopped.clone(), async move {
            let mut due = ticks(TURN_EVERY);
            loop {
                due.tick().await;
                match logs.turn(log_retention).await {
                    Ok(0) => {}
                    Ok(days) => tracing::info!(days, "dropped logs that are too old"),
                    Err(error) => tracing::warn!(%error, "the days of the logs could not be turned"),
                }
            }
        }),
        io,
    );

    tasks.spawn_on(
        until_stopped(stopped, async move {
            let versions = PublishStore::new(database);
            let mut due = ticks(SWEEP_EVERY);
            loop {
                due.tick().await;
                match sweep(&archives, &versions).await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "removed archives that nothing refers to"),
                    Err(error) => {
                        tracing::warn!(%error, "archives that nothing refers to could not be removed");
                    }
                }
            }
        }),
        io,
    );
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn until_stopped(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = work => {}
    }
}

async fn purge(functions: &PostgresFunctionStore) -> Result<(), DatabaseError> {
    while functions.purge_expired(PURGE_BATCH).await? == u64::from(PURGE_BATCH) {}
    Ok(())
}

/// Calls that have been kept long enough.
async fn forget_calls(calls: CallStore) {
    let mut due = ticks(PURGE_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = calls.purge().await {
            tracing::warn!(%error, "old asynchronous calls could not be removed");
        }
    }
}

async fn forget(fires: FireStore, sessions: SessionStore) {
    let mut due = ticks(FORGET_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = fires.purge().await {
            tracing::warn!(%error, "old instants of schedules could not be forgotten");
        }
        if let Err(error) = sessions.purge().await {
            tracing::warn!(%error, "sessions that are over could not be removed");
        }
    }
}

/// Sees to the record of invocations: room for the next days, nothing that is too old, nothing left open by dead servers.
async fn keep_records(invocations: PostgresInvocations, server: ServerId) {
    let mut due = ticks(RECORDS_EVERY);
    loop {
        due.tick().await;
        match invocations.turn_partitions().await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped days of the invocations' record"),
            Err(error) => tracing::warn!(%error, "the days of the invocations' record could not be turned"),
        }
        match invocations.lose_of_dead_servers(server).await {
            Ok(0) => {}
            Ok(lost) => tracing::info!(lost, "recorded as lost what a server had in hand that is gone"),
            Err(error) => tracing::warn!(%error, "what gone servers had in hand could not be recorded"),
        }
    }
}

/// Makes room for the next days' rollups, and drops those that are too old.
async fn turn_rollups(rollups: PostgresRollups) {
    let mut due = ticks(TURN_EVERY);
    loop {
        due.tick().await;
        match rollups.turn_partitions().await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped days of the counts of minutes"),
            Err(error) => tracing::warn!(%error, "the days of the counts of minutes could not be turned"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

async fn sweep(archives: &DiskArchiveStore, versions: &PublishStore) -> Result<usize, SweepError> {
    let candidates: Vec<_> = archives
        .unreferenced_candidates()
        .await?
        .into_iter()
        .map(|archive| archive.digest)
        .collect();
    if candidates.is_empty() {
        return Ok(0);
    }
    archives
        .remove_unreferenced(&candidates, async {
            versions.referenced(&candidates).await.map_err(SweepError::from)
        })
        .await
}
