//! What is in a version's package.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Reply, State, Version, find};
use crate::access::Action;
use crate::api::access::Access;
use crate::api::input::Query;
use crate::api::problem::ApiError;
use crate::api::publish::problem_of;
use crate::api::reply::{self, Data};
use crate::archive::{ContentError, PackagedFile};
use crate::publish::PublishError;

/// Most files that are listed.
const MOST_FILES: usize = 10_000;
/// Largest file of which the text is told, in bytes.
const MOST_TEXT: u64 = 256 << 10;

/// The files of a package.
#[derive(Serialize, ToSchema)]
#[schema(as = PackageFiles)]
pub(in crate::api) struct Files {
    /// By their paths, 10,000 at most.
    files: Vec<FileOf>,
    /// Whether there are more.
    more: bool,
}

/// A file of a package.
#[derive(Serialize, ToSchema)]
#[schema(as = PackageFile)]
struct FileOf {
    /// Within the package.
    path: String,
    /// Unpacked.
    bytes: u64,
    /// The CRC-32 of its content, in hexadecimal digits: it shows that a file has changed, and does not prove that it has not.
    crc32: String,
    executable: bool,
}

/// A text file of a package.
#[derive(Serialize, ToSchema)]
#[schema(as = PackageText)]
pub(in crate::api) struct Text {
    path: String,
    text: String,
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// Its path within the package.
    #[param(required = true, value_type = String, max_length = 1024)]
    path: Option<String>,
}

/// The files of a version's package, as the directory of its archive has them.
#[utoipa::path(
    get, path = "/api/job/{job}/versions/{version}/files", operation_id = "listVersionFiles",
    responses((status = 200, body = Data<Files>), (status = 410), (status = 507)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/versions/{version}"}))),
)]
pub(in crate::api) async fn files(state: State, access: Access, path: Version) -> Reply {
    let (_, version) = find(&state, &access, Action::Read, path).await?;
    let found = state.publisher.archives().packaged_files(version.archive).await;
    let mut files = found.map_err(problem)?;
    let more = files.len() > MOST_FILES;
    files.truncate(MOST_FILES);
    Ok(reply::data(Files {
        files: files.into_iter().map(FileOf::from).collect(),
        more,
    }))
}

/// The text of one file of a version's package, of 256 KiB at most.
#[utoipa::path(
    get, path = "/api/job/{job}/versions/{version}/text", operation_id = "getVersionText",
    params(Which),
    responses((status = 200, body = Data<Text>), (status = 400), (status = 410), (status = 413), (status = 415), (status = 507)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/versions/{version}"}))),
)]
pub(in crate::api) async fn text(
    state: State,
    access: Access,
    path: Version,
    Query(which): Query<Which>,
) -> Reply {
    let (_, version) = find(&state, &access, Action::Read, path).await?;
    // Only whoever may read the version is told what the question lacks.
    let path = which
        .path
        .ok_or_else(|| ApiError::bad_parameter("path", "missing", "says which file"))?;
    let archives = state.publisher.archives();
    let text = archives.packaged_text(version.archive, path.clone(), MOST_TEXT);
    Ok(reply::data(Text {
        text: text.await.map_err(problem)?,
        path,
    }))
}

fn problem(error: ContentError) -> ApiError {
    let (status, code) = match error {
        ContentError::Io(error) => return problem_of(PublishError::Storage(error)),
        // Publishing the same content again repairs both.
        ContentError::Gone | ContentError::Damaged(_) => (StatusCode::GONE, "archive-gone"),
        ContentError::NoFile(_) => (StatusCode::NOT_FOUND, "file-not-found"),
        ContentError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "file-too-large"),
        ContentError::NotText => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "file-not-text"),
    };
    ApiError::new(status, code, error.to_string())
}

impl From<PackagedFile> for FileOf {
    fn from(file: PackagedFile) -> Self {
        Self {
            path: file.path,
            bytes: file.bytes,
            crc32: format!("{:08x}", file.crc32),
            executable: file.executable,
        }
    }
}
