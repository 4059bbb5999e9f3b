//! How much jobs keep, and how much room is left.

use actix_web::{HttpResponse, web};
use jobber_actors::domain::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Access;
use super::everywhere::{self, OfJob};
use super::input::Query;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::store::{Share, StorageOfJob, storage};

/// What permissions call it, of a job.
const PART: &str = "metrics";

/// How much is kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Storage)]
pub(super) struct Answer {
    /// The disk of the archives, which is the server's data folder. Null for those who may not read `system/metrics/overview`, and
    /// where it can not be told.
    #[schema(required)]
    disk: Option<Disk>,
    /// Whether `logLines` and `logBytes` are estimated: where the log is large, rows are not counted.
    log_estimated: bool,
    /// Whether `invocations` and `invocationBytes` are.
    invocations_estimated: bool,
    /// The jobs of which one may read their numbers.
    jobs: Vec<OfOne>,
}

/// Room on a disk, in bytes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DiskSpace)]
struct Disk {
    free_bytes: u64,
    total_bytes: u64,
}

/// What a job keeps.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StorageOfJob)]
struct OfOne {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    versions: i64,
    /// Of the packed archives; what several versions share counts once.
    archive_bytes: i64,
    /// Lines of its log in the database.
    log_lines: i64,
    /// Their part of the table with its indexes.
    log_bytes: i64,
    /// Attempts that are recorded.
    invocations: i64,
    /// Their part of the tables with their indexes, captured input and output included.
    invocation_bytes: i64,
    store_items: i64,
    store_bytes: i64,
    /// In the durable queue, dead letters included.
    deliveries: i64,
    delivery_bytes: i64,
}

/// How much each job keeps, of all jobs of which one may read their numbers, and how much room the server's data folder has left.
#[utoipa::path(
    get, path = "/api/storage", operation_id = "getStorage",
    params(OfJob),
    responses((status = 200, body = Data<Answer>)),
)]
pub(super) async fn get(
    state: web::Data<ApiState>,
    access: Access,
    Query(of): Query<OfJob>,
) -> Result<HttpResponse, ApiError> {
    let jobs = everywhere::readable_jobs(&state, &access, &of, PART).await?;
    let found = storage(&state.database, &jobs).await?;
    let overview = Resource::of("system").below("metrics").below("overview");
    let disk = if access.may(Action::Read, &overview) {
        disk(&state).await
    } else {
        None
    };
    Ok(reply::data(Answer {
        disk,
        log_estimated: found.log_estimated,
        invocations_estimated: found.invocations_estimated,
        jobs: found.jobs.into_iter().map(OfOne::from).collect(),
    }))
}

/// A disk that does not tell is noted, and the rest of the answer is none the worse.
async fn disk(state: &ApiState) -> Option<Disk> {
    let space = state.publisher.archives().space().await;
    let space = space.inspect_err(|error| tracing::warn!(%error, "the data folder does not tell its room"));
    space.ok().map(|space| Disk {
        free_bytes: space.free,
        total_bytes: space.total,
    })
}

impl From<StorageOfJob> for OfOne {
    fn from(of: StorageOfJob) -> Self {
        let (
            Share {
                rows: log_lines,
                bytes: log_bytes,
            },
            records,
        ) = (of.log, of.invocations);
        Self {
            job_id: of.job,
            versions: of.versions,
            archive_bytes: of.archive_bytes,
            log_lines,
            log_bytes,
            invocations: records.rows,
            invocation_bytes: records.bytes,
            store_items: of.store_items,
            store_bytes: of.store_bytes,
            deliveries: of.deliveries,
            delivery_bytes: of.delivery_bytes,
        }
    }
}
