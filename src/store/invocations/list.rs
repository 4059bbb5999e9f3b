//! Reading records.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, TriggerId, VersionId};
use jobber_actors::ports::InvocationStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PostgresInvocations, first_id, id_after};
use crate::store::error::DatabaseError;
use crate::store::jobs::TriggerType;
use crate::store::listing::{self, Column, Listing, Order, Page, Sort};

const COLUMNS: &str = "
    id, attempt::bigint as attempt, job_id, version_id, trigger_id, trigger_name, kind, subject, status, queued_at, started_at,
    ended_at, runner_id, connect_ms, load_ms, input_bytes, output_bytes, peak_memory, http_status, error_code, error_name, error_message,
    replay_of, captured";
/// `$2` and `$3` are what ids lie between. Of the rest null means all.
pub(super) const CONDITIONS: &str = "
    id >= $2 and id < $3 and ($4::text[] is null or status = any ($4)) and ($5::text is null or kind = $5)
    and ($6::uuid is null or trigger_id = $6) and ($7::uuid is null or version_id = $7)
    and ($8::float8 is null or coalesce(ended_at, now()) - queued_at >= make_interval(secs => $8))
    and ($9::float8 is null or coalesce(ended_at, now()) - queued_at <= make_interval(secs => $9))
    and ($10::text is null or subject ilike $10 or error_message ilike $10 or error_name ilike $10 or trigger_name ilike $10)";
const FIND: &str = "where id = $1 order by attempt";
const PAYLOAD: &str = "
    select input, input_body, input_truncated, output, output_body, output_truncated
    from invocation_payloads where id = $1 and attempt = $2";

/// Which invocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvocationFilter {
    /// Those that stand in one of these ways; all without any.
    pub statuses: Vec<InvocationStatus>,
    /// Those that one kind of trigger started.
    pub kind: Option<TriggerType>,
    /// Those that one trigger started.
    pub trigger: Option<TriggerId>,
    /// Those of one version.
    pub version: Option<VersionId>,
    /// Those that were made then or later.
    pub from: Option<DateTime<Utc>>,
    /// Those that were made before.
    pub to: Option<DateTime<Utc>>,
    /// Those that took at least this long, waiting included.
    pub longer: Option<Duration>,
    /// Those that took at most this long.
    pub shorter: Option<Duration>,
    /// Those of which subject, error or trigger's name contain this, whatever the case.
    pub text: Option<String>,
}

/// In which order invocations are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum InvocationSort {
    /// The one that was made first.
    #[serde(rename = "made")]
    Made,
    /// The one that was made last first.
    #[default]
    #[serde(rename = "-made")]
    MadeDescending,
}

impl Sort for InvocationSort {
    fn order(self) -> Order {
        const BY_ID: [Column; 2] = [Column::id("id", "id"), Column::number("attempt", "attempt")];
        match self {
            Self::Made => Order::ascending(&BY_ID),
            Self::MadeDescending => Order::descending(&BY_ID),
        }
    }
}

/// An attempt at an invocation, as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invocation)]
pub struct RecordedInvocation {
    /// The invocation; attempts at the same one share it.
    #[schema(value_type = uuid::Uuid)]
    pub id: InvocationId,
    /// 1 for the first.
    pub attempt: i64,
    /// Whose it is.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// Which version ran; null for an instant that nobody started.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub version_id: Option<VersionId>,
    /// The trigger that started it.
    #[schema(value_type = uuid::Uuid)]
    pub trigger_id: TriggerId,
    /// The trigger's name, if it had one.
    pub trigger_name: Option<String>,
    /// `http`, `mqtt` or `schedule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it was about: method and path, topic, or instant.
    pub subject: String,
    /// How it stands.
    pub status: String,
    /// When it was admitted.
    pub queued: DateTime<Utc>,
    /// When a runner got it.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Milliseconds from its admission to its end.
    pub duration_ms: Option<f64>,
    /// Which runner got it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub runner_id: Option<RunnerId>,
    /// What it waited for, if it had to wait for a new runner.
    pub cold_start: Option<ColdStartView>,
    /// Bytes of the input's body.
    pub input_bytes: Option<i64>,
    /// Bytes of the answer's body.
    pub output_bytes: Option<i64>,
    /// Most bytes of memory that the runner's process is known to have held when the attempt ended, since the process began.
    pub peak_memory_bytes: Option<i64>,
    /// Status of the answer, for an HTTP request.
    pub http_status: Option<i16>,
    /// Why it was no success.
    pub error: Option<ErrorView>,
    /// The invocation of which this is a repetition that a person asked for.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub replay_of: Option<InvocationId>,
    /// Whether a person has sent its event as a test.
    pub test: bool,
    /// Whether its input and output are kept.
    pub captured: bool,
}

/// What a cold start was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ColdStart)]
pub struct ColdStartView {
    /// Milliseconds from the runner's creation until it had dialled in.
    pub connect_ms: i32,
    /// Milliseconds from there until its module was imported.
    pub load_ms: i32,
}

/// Why an attempt was no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InvocationError)]
pub struct ErrorView {
    /// A stable code.
    pub code: String,
    /// The class of what the handler threw.
    pub name: Option<String>,
    /// What it says.
    pub message: String,
}

/// Input and output that were kept of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// What the trigger said, without credentials.
    pub input: Value,
    /// The beginning of its body.
    pub input_body: Vec<u8>,
    /// Whether there was more.
    pub input_truncated: bool,
    /// Status and headers of the answer, without credentials.
    pub output: Option<Value>,
    /// The beginning of its body.
    pub output_body: Vec<u8>,
    /// Whether there was more.
    pub output_truncated: bool,
}

impl PostgresInvocations {
    /// Attempts at invocations of these jobs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        jobs: &[JobId],
        filter: &InvocationFilter,
        listing: &Listing<InvocationSort>,
    ) -> Result<Page<RecordedInvocation>, DatabaseError> {
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let parameters = Parameters::of(filter);
        // One job has an index of its own, which a list of one does not use.
        let (job, only): (&(dyn ToSql + Sync), _) = match &jobs[..] {
            [job] => (job, "job_id = $1"),
            _ => (&jobs, "job_id = any ($1)"),
        };
        let trouble = filter.trouble();
        let select = format!("select {COLUMNS} from invocations where {only} and {CONDITIONS}{trouble}");
        let conditions = parameters.conditions(job);
        let item = |row: &Row| Ok(record_of(row));
        listing::page(&self.database, &select, &conditions, listing, item).await
    }

    /// The ids of the invocations of these jobs that have an attempt like this, at most so many.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn ids(
        &self,
        jobs: &[JobId],
        filter: &InvocationFilter,
        order: InvocationSort,
        most: usize,
    ) -> Result<Vec<InvocationId>, DatabaseError> {
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let parameters = Parameters::of(filter);
        let direction = match order {
            InvocationSort::Made => "asc",
            InvocationSort::MadeDescending => "desc",
        };
        let select = format!(
            "select distinct id from invocations where job_id = any ($1) and {CONDITIONS} order by id {direction} limit $11"
        );
        let client = self.database.client().await?;
        let statement = client.prepare_cached(&select).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut conditions = parameters.conditions(&jobs).to_vec();
        conditions.push(&most);
        let rows = client.query(&statement, &conditions).await?;
        Ok(rows.iter().map(|row| row.get::<_, Uuid>("id").into()).collect())
    }

    /// All attempts at an invocation, the first one first. Empty if there is no record of it.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, id: InvocationId) -> Result<Vec<RecordedInvocation>, DatabaseError> {
        let client = self.database.client().await?;
        let select = format!("select {COLUMNS} from invocations {FIND}");
        let statement = client.prepare_cached(&select).await?;
        let rows = client.query(&statement, &[id.as_uuid()]).await?;
        Ok(rows.iter().map(record_of).collect())
    }

    /// What was kept of the input and output of an attempt.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn captured(&self, id: InvocationId, attempt: i64) -> Result<Option<Captured>, DatabaseError> {
        let attempt = i32::try_from(attempt).unwrap_or(i32::MAX);
        let client = self.database.client().await?;
        let statement = client.prepare_cached(PAYLOAD).await?;
        let row = client.query_opt(&statement, &[id.as_uuid(), &attempt]).await?;
        Ok(row.map(|row| Captured {
            input: row.get("input"),
            input_body: row.get("input_body"),
            input_truncated: row.get("input_truncated"),
            output: row.get("output"),
            output_body: row.get("output_body"),
            output_truncated: row.get("output_truncated"),
        }))
    }
}

impl InvocationFilter {
    /// A condition that has an index of its own, where only what was no success is asked for.
    pub(super) fn trouble(&self) -> &'static str {
        if self.statuses.is_empty() || self.statuses.contains(&InvocationStatus::Succeeded) {
            ""
        } else {
            " and status <> 'succeeded'"
        }
    }
}

/// A filter as Postgres takes it.
pub(super) struct Parameters {
    least: Uuid,
    most: Uuid,
    statuses: Option<Vec<&'static str>>,
    kind: Option<&'static str>,
    trigger: Option<Uuid>,
    version: Option<Uuid>,
    longer: Option<f64>,
    shorter: Option<f64>,
    text: Option<String>,
}

impl Parameters {
    pub(super) fn of(filter: &InvocationFilter) -> Self {
        let statuses: Vec<_> = filter.statuses.iter().map(|status| status.name()).collect();
        Self {
            least: filter.from.map_or(Uuid::nil(), first_id),
            most: filter.to.map_or(Uuid::max(), |to| {
                // What was made before: the bound itself is left out.
                id_after(to - TimeDelta::milliseconds(1))
            }),
            statuses: Some(statuses).filter(|statuses| !statuses.is_empty()),
            kind: filter.kind.map(TriggerType::name),
            trigger: filter.trigger.map(|id| *id.as_uuid()),
            version: filter.version.map(|id| *id.as_uuid()),
            longer: filter.longer.map(|time| time.as_secs_f64()),
            shorter: filter.shorter.map(|time| time.as_secs_f64()),
            text: filter.text.as_deref().map(listing::containing),
        }
    }

    pub(super) fn conditions<'a>(&'a self, jobs: &'a (dyn ToSql + Sync)) -> [&'a (dyn ToSql + Sync); 10] {
        [
            jobs,
            &self.least,
            &self.most,
            &self.statuses,
            &self.kind,
            &self.trigger,
            &self.version,
            &self.longer,
            &self.shorter,
            &self.text,
        ]
    }
}

fn record_of(row: &Row) -> RecordedInvocation {
    let (queued, ended): (DateTime<Utc>, Option<DateTime<Utc>>) = (row.get("queued_at"), row.get("ended_at"));
    let cold = row.get::<_, Option<i32>>("connect_ms").zip(row.get("load_ms"));
    let code: Option<String> = row.get("error_code");
    let (id, replay_of): (Uuid, Option<Uuid>) = (row.get("id"), row.get("replay_of"));
    // A test repeats nothing: its row names itself.
    let test = replay_of == Some(id);
    RecordedInvocation {
        id: id.into(),
        attempt: row.get("attempt"),
        job_id: row.get::<_, Uuid>("job_id").into(),
        version_id: row.get::<_, Option<Uuid>>("version_id").map(VersionId::from),
        trigger_id: row.get::<_, Uuid>("trigger_id").into(),
        trigger_name: row.get("trigger_name"),
        kind: row.get("kind"),
        subject: row.get("subject"),
        status: row.get("status"),
        queued,
        started: row.get("started_at"),
        ended,
        duration_ms: ended.map(|ended| milliseconds(ended - queued)),
        runner_id: row.get::<_, Option<Uuid>>("runner_id").map(RunnerId::from),
        cold_start: cold.map(|(connect_ms, load_ms)| ColdStartView { connect_ms, load_ms }),
        input_bytes: row.get("input_bytes"),
        output_bytes: row.get("output_bytes"),
        peak_memory_bytes: row.get("peak_memory"),
        http_status: row.get("http_status"),
        error: code.map(|code| ErrorView {
            code,
            name: row.get("error_name"),
            message: row.get::<_, Option<String>>("error_message").unwrap_or_default(),
        }),
        replay_of: replay_of.filter(|_| !test).map(InvocationId::from),
        test,
        captured: row.get("captured"),
    }
}

fn milliseconds(time: TimeDelta) -> f64 {
    time.num_microseconds().map_or(f64::MAX, |microseconds| {
        // Exact up to 285 years.
        microseconds as f64 / 1000.0
    })
}
