//! Commands that ask a server, wherever it is, over its admin API.

mod backup;
mod client;
mod connection;
mod env;
mod env_file;
mod invoke;
mod jobs;
mod login;
mod logs;
mod profile;
mod prompt;
mod publish;
mod runners;
mod runs;
mod sse;
mod tokens;
mod versions;

pub(super) use backup::{BackupArgs, refused};
pub(super) use client::{Client, job_path};
pub(super) use connection::{RemoteArgs, development_database};
pub(super) use env::EnvArgs;
pub(super) use invoke::InvokeArgs;
pub(super) use jobs::JobsArgs;
pub(super) use login::{LoginArgs, LogoutArgs};
pub(super) use logs::LogsArgs;
pub(super) use publish::PublishArgs;
pub(super) use runners::RunnersArgs;
pub(super) use runs::{ReplayArgs, RunsArgs};
pub(super) use tokens::TokensArgs;
pub(super) use versions::{RollbackArgs, VersionsArgs};
