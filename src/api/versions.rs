//! A job's versions.

use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_DISPOSITION, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::ImportState;
use serde::Deserialize;
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

use super::access::{Access, Change, note_change};
use super::input::Query;
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::publish::problem_of;
use super::reply::{self, Data, Done, PageOf};
use super::schemas::Archive;
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::publish::PublishError;
use crate::store::{JobSummary, VersionFilter, VersionSort, VersionSummary};

mod content;

pub(super) use content::*;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Version = web::Path<(String, String)>;

/// Bytes that are read from the disk at once.
const READ_BYTES: usize = 64 << 10;

/// Which versions, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// The one with this name.
    version: Option<String>,
    /// Those whose import came to this: `untried`, `succeeded` or `failed`.
    #[param(value_type = Option<String>, pattern = "^(untried|succeeded|failed)$")]
    import_state: Option<ImportState>,
    #[param(inline)]
    sort: Option<VersionSort>,
}

/// A job's versions, the newest first unless asked otherwise.
#[utoipa::path(
    get, path = "/api/job/{job}/versions", operation_id = "listVersions",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<VersionSummary>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/versions"}))),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = VersionFilter {
        version: filter.version,
        import_state: filter.import_state,
    };
    let job = state.job(&access, Action::Read, &job, &["versions"]).await?;
    let versions = state.jobs.versions(job.id, &filter, &listing).await?;
    Ok(paging::part(versions, listing.sort))
}

/// One of a job's versions.
#[utoipa::path(
    get, path = "/api/job/{job}/versions/{version}", operation_id = "getVersion",
    responses((status = 200, body = Data<VersionSummary>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/versions/{version}"}))),
)]
pub(super) async fn get(state: State, access: Access, path: Version) -> Reply {
    let (_, version) = find(&state, &access, Action::Read, path).await?;
    Ok(reply::data(version))
}

/// The zip as it was published.
#[utoipa::path(
    get, path = "/api/job/{job}/versions/{version}/archive", operation_id = "downloadVersion",
    responses((status = 200, body = Archive, content_type = "application/zip"), (status = 410), (status = 507)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/versions/{version}"}))),
)]
pub(super) async fn archive(state: State, access: Access, path: Version) -> Reply {
    let (job, version) = find(&state, &access, Action::Read, path).await?;
    let archive = state.publisher.archive(version.archive).await;
    let (file, bytes) = archive
        .map_err(|error| problem_of(PublishError::Storage(error)))?
        .ok_or_else(|| {
            let detail = "the archive is not on this server's disk any more; publish the version again";
            ApiError::new(actix_web::http::StatusCode::GONE, "archive-gone", detail)
        })?;
    let name = reply::file_name(&format!("{}-{}.zip", job.name, version.version));
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((ETAG, format!("\"{}\"", version.digest)))
        .body(SizedStream::new(
            bytes,
            ReaderStream::with_capacity(file, READ_BYTES),
        )))
}

/// Removes a version that is not the active one.
#[utoipa::path(
    delete, path = "/api/job/{job}/versions/{version}", operation_id = "deleteVersion",
    responses((status = 200, body = Done), (status = 409)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/versions/{version}"}))),
)]
pub(super) async fn remove(state: State, access: Access, request: HttpRequest, path: Version) -> Reply {
    let (job, version) = find(&state, &access, Action::Delete, path).await?;
    let removed = state.publisher.remove(job.id, &job.name, version.id).await;
    removed.map_err(problem_of)?;
    note_change(&request, Change::from(&version));
    Ok(reply::done("the version is removed"))
}

/// The version of a job, both named by id or name in a path, for whoever may do this with it.
async fn find(
    state: &ApiState,
    access: &Access,
    action: Action,
    path: Version,
) -> Result<(JobSummary, VersionSummary), ApiError> {
    let (job, version) = path.into_inner();
    let found = match state.jobs.find(&job).await? {
        Some(job) => {
            let found = state.jobs.find_version(job.id, &version).await?;
            found.map(|found| (job, found))
        }
        None => None,
    };
    let Some((job, found)) = found else {
        state.job(access, action, &job, &["versions", &version]).await?;
        return Err(problem_of(PublishError::NoSuchVersion));
    };
    // What is denied under one of its names is not allowed under the other.
    let named = resource(&job)
        .below("versions")
        .below_either(found.id, &found.version);
    access.require(action, &named)?;
    Ok((job, found))
}
