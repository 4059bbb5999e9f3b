//! The record of the schedules' instants in Postgres, and how they become deliveries.

mod decide;
mod record;

pub(super) use decide::MAX_WAITING;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use futures_util::FutureExt;
use jobber_actors::domain::{JobId, ServerId, TriggerId, VersionId};
use jobber_actors::ports::{Fire, Fired, Gap, QueueError, ScheduleCursor, ScheduleStore};
use uuid::Uuid;

use super::database::Database;
use super::durable_queue::{QueueLimits, again};
use super::error::DatabaseError;

/// A cursor goes back for nobody: what is ahead of the caller's clock stays.
const BEGIN: &str = "
    insert into schedule_cursors as c (trigger_id, schedule, handled_until)
    select t.id, n.schedule, $3
    from unnest($1::uuid[], $2::text[]) as n (trigger_id, schedule) join triggers t on t.id = n.trigger_id
    order by t.id
    on conflict (trigger_id) do update
        set schedule = excluded.schedule, handled_until = greatest(c.handled_until, excluded.handled_until)
        where c.schedule <> excluded.schedule";
/// Those of an enabled job go on.
const BEGIN_ANEW: &str = "
    update schedule_cursors set handled_until = greatest(handled_until, clock_timestamp())
    where trigger_id = any (array(
        select c.trigger_id
        from schedule_cursors c join triggers t on t.id = c.trigger_id join jobs j on j.id = t.job_id
        where j.id = $1 and not j.enabled
        order by c.trigger_id for update of c))";
const FORGET: &str = "
    delete from schedule_cursors
    where trigger_id = any (array(
        select c.trigger_id from schedule_cursors c join version_triggers n on n.trigger_id = c.trigger_id
        where n.version_id = $2
          and not exists (select from jobs j join version_triggers o on o.version_id = j.active_version
                          where j.id = $1 and o.trigger_id = c.trigger_id)
        order by c.trigger_id for update of c))";
const CURSORS: &str =
    "select trigger_id, schedule, handled_until from schedule_cursors where trigger_id = any($1)";

/// Lets the schedules of a job that is about to be enabled begin anew: what passed while it was off on purpose was not missed.
/// Does nothing to a job that is enabled.
pub(super) async fn begin_anew(client: &impl GenericClient, job: JobId) -> Result<(), DatabaseError> {
    client.execute(BEGIN_ANEW, &[job.as_uuid()]).await?;
    Ok(())
}

/// Forgets the cursors of triggers that a version, about to become the job's active one, has and the active one has not: they
/// begin anew.
pub(super) async fn forget(
    client: &impl GenericClient,
    job: JobId,
    version: VersionId,
) -> Result<(), DatabaseError> {
    client
        .execute(FORGET, &[job.as_uuid(), version.as_uuid()])
        .await?;
    Ok(())
}

/// The schedules in Postgres.
#[derive(Clone, Debug)]
pub struct PostgresSchedules {
    database: Database,
    instance: String,
    limits: QueueLimits,
}

impl PostgresSchedules {
    /// The schedules in this database, as the instance of this name (`JOBBER_NAME`) fires them.
    #[must_use]
    pub fn new(database: Database, instance: impl Into<String>, limits: QueueLimits) -> Self {
        Self {
            database,
            instance: instance.into(),
            limits,
        }
    }

    async fn cursors(
        &self,
        triggers: &[(TriggerId, String)],
        now: DateTime<Utc>,
    ) -> Result<Vec<ScheduleCursor>, DatabaseError> {
        let ids: Vec<&Uuid> = triggers.iter().map(|(id, _)| id.as_uuid()).collect();
        let schedules: Vec<&str> = triggers.iter().map(|(_, schedule)| schedule.as_str()).collect();
        let client = self.database.client().await?;
        let begin = client.prepare_cached(BEGIN).await?;
        client.execute(&begin, &[&ids, &schedules, &now]).await?;
        let cursors = client.prepare_cached(CURSORS).await?;
        let rows = client.query(&cursors, &[&ids]).await?;
        let cursor = |row: tokio_postgres::Row| ScheduleCursor {
            trigger: row.get::<_, Uuid>("trigger_id").into(),
            schedule: row.get("schedule"),
            handled: row.get("handled_until"),
        };
        Ok(rows.into_iter().map(cursor).collect())
    }
}

#[async_trait]
impl ScheduleStore for PostgresSchedules {
    /// A trigger that does not exist any more has no cursor.
    async fn begin(
        &self,
        triggers: &[(TriggerId, String)],
        now: DateTime<Utc>,
    ) -> Result<Vec<ScheduleCursor>, QueueError> {
        if triggers.is_empty() {
            return Ok(Vec::new());
        }
        again(|| self.cursors(triggers, now).boxed()).await
    }

    /// Of a trigger that does not exist any more nothing is recorded, and nothing is said.
    async fn record(
        &self,
        server: ServerId,
        fires: &[Fire],
        gaps: &[Gap],
        lease: Duration,
    ) -> Result<Fired, QueueError> {
        if fires.is_empty() && gaps.is_empty() {
            return Ok(Fired::default());
        }
        again(|| self.try_record(server, fires, gaps, lease).boxed()).await
    }
}
