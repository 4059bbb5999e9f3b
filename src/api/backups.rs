//! Backups of the whole system.

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

use super::access::{Access, Change, note_change};
use super::input::OptionalBody;
use super::problem::ApiError;
use super::reply::{self, Data, Done};
use super::schemas::BackupFile;
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::backup::{BackupError, BackupInfo, BackupName};
use crate::config::MIN_PASSPHRASE;

type State = web::Data<ApiState>;
type Reply = Result<HttpResponse, ApiError>;

const MAX_PASSPHRASE: usize = 1_024;
/// Bytes that are read from the disk at once.
const READ_BYTES: usize = 256 << 10;

/// How a backup is to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BackupCreation)]
pub(super) struct Creation {
    /// What it is encrypted with; unless given, what `DATABASE_BACKUP_PASSPHRASE` says.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 12, max_length = 1024)]
    passphrase: Option<SecretString>,
}

fn all() -> Resource {
    Resource::of("system").below("backups")
}

/// The complete backups of this server, the newest first.
#[utoipa::path(
    get, path = "/api/backups", operation_id = "listBackups",
    responses((status = 200, body = Data<Vec<BackupInfo>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/backups"}))),
)]
pub(super) async fn list(state: State, access: Access) -> Reply {
    access.require(Action::Read, &all())?;
    Ok(reply::data(state.backups.list().await?))
}

/// Makes a backup and verifies it. The answer waits for that; the backup is made even if its client leaves.
#[utoipa::path(
    post, path = "/api/backups", operation_id = "createBackup",
    request_body = Option<Creation>,
    responses((status = 201, body = Data<BackupInfo>), (status = 409), (status = 422), (status = 507)),
    extensions(("x-permission" = json!({"action": "write", "resource": "system/backups"}))),
)]
pub(super) async fn create(
    state: State,
    access: Access,
    request: HttpRequest,
    OptionalBody(creation): OptionalBody<Creation>,
) -> Reply {
    access.require(Action::Write, &all())?;
    if let Some(passphrase) = &creation.passphrase {
        let characters = passphrase.expose_secret().chars().count();
        if !(MIN_PASSPHRASE..=MAX_PASSPHRASE).contains(&characters) {
            let detail = format!("has {MIN_PASSPHRASE} to {MAX_PASSPHRASE} characters");
            return Err(ApiError::invalid("/passphrase", "passphrase", detail));
        }
    }
    let made = state.backups.make(creation.passphrase).await?;
    note_change(&request, Change::made(&made));
    Ok(reply::created(made))
}

/// A backup. Everything is in it, so to read it takes the permission to write.
#[utoipa::path(
    get, path = "/api/backups/{backup}", operation_id = "downloadBackup",
    responses((status = 200, body = BackupFile, content_type = "application/octet-stream")),
    extensions(("x-permission" = json!({"action": "write", "resource": "system/backups/{backup}"}))),
)]
pub(super) async fn download(state: State, access: Access, name: web::Path<String>) -> Reply {
    access.require(Action::Write, &all().below(&name))?;
    let parsed = parse(&name)?;
    let (file, bytes) = state
        .backups
        .open(parsed)
        .await?
        .ok_or_else(|| no_backup(&name))?;
    let file = tokio::fs::File::from_std(file);
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{parsed}\"")))
        .body(SizedStream::new(
            bytes,
            ReaderStream::with_capacity(file, READ_BYTES),
        )))
}

/// Removes a backup.
#[utoipa::path(
    delete, path = "/api/backups/{backup}", operation_id = "deleteBackup",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "system/backups/{backup}"}))),
)]
pub(super) async fn remove(
    state: State,
    access: Access,
    request: HttpRequest,
    name: web::Path<String>,
) -> Reply {
    access.require(Action::Delete, &all().below(&name))?;
    let removed = state.backups.remove(parse(&name)?).await?;
    let removed = removed.ok_or_else(|| no_backup(&name))?;
    note_change(&request, Change::from(&removed));
    Ok(reply::done("the backup is removed"))
}

fn parse(name: &str) -> Result<BackupName, ApiError> {
    name.parse().map_err(|_| no_backup(name))
}

fn no_backup(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "backup-not-found",
        format!("there is no backup {name} on this server"),
    )
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Database(error) => error.into(),
            BackupError::Running => Self::new(
                StatusCode::CONFLICT,
                "backup-running",
                "another backup or a restore is under way",
            ),
            BackupError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting-down",
                "the server is shutting down; nothing was kept of the backup",
            ),
            BackupError::NoRoom(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage", error.to_string())
            }
            // It is for whoever runs the system, and names no secrets.
            other => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "backup-failed",
                other.to_string(),
            ),
        }
    }
}
