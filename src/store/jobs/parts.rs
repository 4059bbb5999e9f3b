//! What versions declare: how they run and what starts them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use jobber_actors::domain::{JobId, TriggerId, VersionId};
use jobber_actors::manifest::{Manifest, ManifestErrors, Severity, TriggerConfig, TriggerKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::JobStore;
use crate::store::error::DatabaseError;
use crate::store::listing::{self, Column, Listing, Order, Page, Sort};

/// Instants that a schedule's answer tells.
const NEXT_INSTANTS: usize = 5;

/// `$1` null means all jobs; `$2` is `all`, `latest` or `current`.
const ACTIONS: &str = "
    select a.id, v.job_id, v.id as version_id, v.name as version, v.published_at, v.manifest
    from versions v join jobs j on j.id = v.job_id join actions a on a.version_id = v.id
    where ($1::uuid is null or v.job_id = $1)
      and case $2
            when 'current' then v.id = j.active_version
            when 'latest' then v.id = (select l.id from versions l where l.job_id = j.id
                                       order by l.published_at desc, l.id desc limit 1)
            else true
          end";
/// As with actions; `$3` is a kind, null means all.
const TRIGGERS: &str = "
    select t.id, t.kind, t.name, v.job_id, v.id as version_id, v.name as version, v.published_at,
           vt.position::bigint as position, -vt.position::bigint as position_from_the_end
    from versions v join jobs j on j.id = v.job_id
         join version_triggers vt on vt.version_id = v.id join triggers t on t.id = vt.trigger_id
    where ($1::uuid is null or v.job_id = $1)
      and case $2
            when 'current' then v.id = j.active_version
            when 'latest' then v.id = (select l.id from versions l where l.job_id = j.id
                                       order by l.published_at desc, l.id desc limit 1)
            else true
          end
      and ($3::text is null or t.kind = $3)";
const MANIFESTS: &str = "select id, manifest from versions where id = any($1)";
const OF_VERSION: &str = "
    select v.manifest, coalesce((select array_agg(t.trigger_id order by t.position)
                                 from version_triggers t where t.version_id = v.id), '{}') as triggers
    from versions v where v.job_id = $1 and v.id = $2";
const PUBLICATION: Column = Column::time("published_at", "v.published_at");
const VERSION: Column = Column::id("version_id", "v.id");
const POSITION: Column = Column::number("position", "vt.position::bigint");
/// With the newest version first, its triggers still come in the manifest's order.
const POSITION_FROM_THE_END: Column = Column::number("position_from_the_end", "-vt.position::bigint");
const BY_PUBLICATION: [Column; 2] = [PUBLICATION, VERSION];

/// Which of a job's versions to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// All of them.
    All,
    /// The one that was published last.
    Latest,
    /// The active one.
    Current,
}

/// Which triggers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TriggerFilter {
    /// Of one job.
    pub job: Option<JobId>,
    /// Of one kind.
    pub kind: Option<TriggerType>,
}

/// What starts one version of a job.
#[derive(Clone, Debug)]
pub struct VersionTrigger {
    /// Its id.
    pub id: TriggerId,
    /// As the version's manifest has it.
    pub config: TriggerConfig,
}

/// A kind of trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerType {
    /// Requests to the gateway.
    Http,
    /// Messages of an MQTT broker.
    Mqtt,
    /// Instants of a schedule.
    Schedule,
}

/// In which order actions are listed: by when their versions were published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ActionSort {
    /// The oldest first.
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[default]
    #[serde(rename = "-created")]
    CreatedDescending,
}

/// In which order triggers are listed: by when their versions were published, those of one version as in its manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TriggerSort {
    /// The oldest first.
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[default]
    #[serde(rename = "-created")]
    CreatedDescending,
}

impl Sort for ActionSort {
    fn order(self) -> Order {
        match self {
            Self::Created => Order::ascending(&BY_PUBLICATION),
            Self::CreatedDescending => Order::descending(&BY_PUBLICATION),
        }
    }
}

impl Sort for TriggerSort {
    fn order(self) -> Order {
        const OLDEST_FIRST: [Column; 3] = [PUBLICATION, VERSION, POSITION];
        const NEWEST_FIRST: [Column; 3] = [PUBLICATION, VERSION, POSITION_FROM_THE_END];
        match self {
            Self::Created => Order::ascending(&OLDEST_FIRST),
            Self::CreatedDescending => Order::descending(&NEWEST_FIRST),
        }
    }
}

impl JobStore {
    /// The actions of a job's versions, or of all jobs': the manifest's `action` with all defaults, and ids. Of a version that was
    /// published when more was allowed than today, the ids and the `problems` of its manifest.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn actions(
        &self,
        job: Option<JobId>,
        which: Versions,
        listing: &Listing<ActionSort>,
    ) -> Result<Page<Value>, DatabaseError> {
        let job = job.map(|job| *job.as_uuid());
        let action = |row: &Row| match manifest_of(row) {
            Ok(manifest) => with_ids(&manifest.action, row),
            Err(errors) => with_ids(&problems_of(&errors), row),
        };
        listing::page(&self.database, ACTIONS, &[&job, &which.name()], listing, action).await
    }

    /// The triggers of a job's versions, or of all jobs': the manifest's `triggers` with all defaults, without passwords, and ids; of a
    /// schedule also its next five instants after `now`. Of a version that was published when more was allowed than today, `type`,
    /// `name`, ids and the `problems` of its manifest.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn triggers(
        &self,
        filter: TriggerFilter,
        which: Versions,
        listing: &Listing<TriggerSort>,
        now: DateTime<Utc>,
    ) -> Result<Page<Value>, DatabaseError> {
        let job = filter.job.map(|job| *job.as_uuid());
        let kind = filter.kind.map(TriggerType::name);
        let conditions: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&job, &which.name(), &kind];
        let Listing { sort, after, limit } = listing;
        let (rows, end) = listing::rows(
            &self.database,
            TRIGGERS,
            &conditions,
            &sort.order(),
            after.as_ref(),
            *limit,
        )
        .await?;
        let manifests = self.manifests(&rows).await?;
        let triggers = rows.iter().map(|row| trigger_of(row, &manifests, now));
        Ok(Page {
            items: triggers.collect::<Result<_, _>>()?,
            end,
        })
    }

    /// The triggers of one of a job's versions, in the order of its manifest, or why its manifest is not taken today; `None` if the job
    /// has no such version.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn version_triggers(
        &self,
        job: JobId,
        version: VersionId,
    ) -> Result<Option<Result<Vec<VersionTrigger>, ManifestErrors>>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(OF_VERSION).await?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), version.as_uuid()])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let ids = row.get::<_, Vec<Uuid>>("triggers").into_iter();
        let manifest = match manifest_of(&row) {
            Ok(manifest) => manifest,
            Err(errors) => return Ok(Some(Err(errors))),
        };
        let triggers = ids.zip(manifest.triggers);
        let of_version = |(id, config): (Uuid, TriggerConfig)| VersionTrigger {
            id: id.into(),
            config,
        };
        Ok(Some(Ok(triggers.map(of_version).collect())))
    }

    /// The manifests of the versions that these rows name.
    async fn manifests(&self, rows: &[Row]) -> Result<HashMap<Uuid, Checked>, DatabaseError> {
        let mut versions: Vec<Uuid> = rows.iter().map(|row| row.get("version_id")).collect();
        versions.dedup();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(MANIFESTS).await?;
        let rows = client.query(&statement, &[&versions]).await?;
        Ok(rows.iter().map(|row| (row.get("id"), manifest_of(row))).collect())
    }
}

impl TriggerType {
    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Mqtt => "mqtt",
            Self::Schedule => "schedule",
        }
    }
}

fn trigger_of(
    row: &Row,
    manifests: &HashMap<Uuid, Checked>,
    now: DateTime<Utc>,
) -> Result<Value, DatabaseError> {
    let manifest = match manifests.get(&row.get::<_, Uuid>("version_id")) {
        Some(Err(errors)) => {
            let mut trigger = problems_of(errors);
            trigger["type"] = row.get::<_, &str>("kind").into();
            trigger["name"] = row.get::<_, Option<&str>>("name").into();
            return with_ids(&trigger, row);
        }
        Some(Ok(manifest)) => Some(manifest),
        None => None,
    };
    let position = usize::try_from(row.get::<_, i64>("position")).ok();
    let config = manifest
        .zip(position)
        .and_then(|(manifest, position)| manifest.triggers.get(position));
    let config = config.ok_or_else(|| {
        DatabaseError::Unexpected("a version with more triggers than its manifest".to_owned())
    })?;
    let mut trigger = with_ids(config, row)?;
    if let TriggerKind::Schedule(schedule) = &config.kind {
        let next: Vec<_> = schedule
            .schedule()
            .instants_after(now)
            .take(NEXT_INSTANTS)
            .collect();
        trigger["next"] = json!(next);
    }
    Ok(trigger)
}

impl Versions {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Latest => "latest",
            Self::Current => "current",
        }
    }
}

/// A manifest, or why this server does not take it: others may have been less strict when they did.
type Checked = Result<Manifest, ManifestErrors>;

fn manifest_of(row: &Row) -> Checked {
    Ok(Manifest::check(&row.get("manifest"))?.manifest)
}

/// What is said of a version in place of what can not be read.
fn problems_of(errors: &ManifestErrors) -> Value {
    let problems = errors.problems.iter();
    let problems: Vec<_> = problems
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    json!({ "problems": problems })
}

/// A part of a manifest with the ids that belong to it.
fn with_ids(part: &impl Serialize, row: &Row) -> Result<Value, DatabaseError> {
    let mut value =
        serde_json::to_value(part).map_err(|error| DatabaseError::Unexpected(error.to_string()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("id".to_owned(), row.get::<_, Uuid>("id").to_string().into());
        object.insert(
            "jobId".to_owned(),
            row.get::<_, Uuid>("job_id").to_string().into(),
        );
        object.insert(
            "versionId".to_owned(),
            row.get::<_, Uuid>("version_id").to_string().into(),
        );
        object.insert("version".to_owned(), row.get::<_, String>("version").into());
    }
    Ok(value)
}
