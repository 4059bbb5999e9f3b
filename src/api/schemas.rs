//! Schemas of what is no type of this crate. What other crates answer is described in words, so that they need not know
//! OpenAPI.

#![expect(dead_code, reason = "only their schemas are of use")]

use serde_json::Value;
use utoipa::ToSchema;

/// How a version runs: the attribute `action` of its manifest with all defaults, and `id`, `jobId`, `versionId`, `version`. Of a version that
/// was published when more was allowed than today, and so can not be served, those four and its `problems`.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct JobAction(Value);

/// What starts a job: one of the `triggers` of a version's manifest with all defaults, passwords masked, and `id`, `jobId`,
/// `versionId`, `version`. A schedule has its `next` five instants. Of a version that was published when more was allowed than today, and so
/// can not be served, `type`, `name`, those four and its `problems`.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct Trigger(Value);

/// How it stands with a trigger: `status` is `healthy`, `unhealthy` or `unknown`; `message` says why, `since` since when;
/// `details` has what is known of its kind.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct TriggerStatus(Value);

/// A runner: its `id`, `jobId`, `versionId` and `actionId`, the `stage` it has come to, when it was `created`, and since when it is
/// `ready`.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct Runner(Value);

/// An actor: its `id`, `path`, `name`, `kind`, `state`, `restarts`, `lastFailure`, and its `children`, which are such actors.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct Actor(Value);

/// The zip of a package.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Archive(Value);

/// The file of a backup: a tar, encrypted by age if its name ends in `.age`.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct BackupFile(Value);

/// An upload as a form, which is read part by part.
#[derive(ToSchema)]
pub(super) struct PublishForm {
    archive: Archive,
}
