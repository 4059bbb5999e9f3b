//! `jobber versions` and `jobber rollback`.

use chrono::Utc;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, ROLLOUT, job_path};
use super::connection::RemoteArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{note, table};
use crate::cli::text::{ago_of, bytes, text};

/// Most versions of a job that are looked through.
const MOST: usize = 10_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct VersionsArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// The version to go to; otherwise the last one before the active one that could be imported.
    #[arg(value_name = "VERSION")]
    version: Option<String>,
    /// Activate it even if it can not be imported.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl VersionsArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        let versions = versions(&client, &self.job).await?;
        self.remote.output().answer(&versions, || Ok(listed(&versions)))?;
        Ok(Exit::Ok)
    }
}

/// A job's versions, the newest first.
pub(super) async fn versions(client: &Client, job: &str) -> anyhow::Result<Vec<Value>> {
    client.list(&job_path(job, "/versions"), &[], MOST).await
}

/// The id of a version that is named as its package names it, or by its id.
pub(super) async fn version_id(client: &Client, job: &str, version: &str) -> anyhow::Result<String> {
    let versions = versions(client, job).await?;
    let found = versions.iter().find(|known| is_called(known, version));
    let id = found.and_then(|found| found["id"].as_str());
    Ok(id.ok_or_else(|| no_version(job, version))?.to_owned())
}

fn is_called(version: &Value, name: &str) -> bool {
    version["version"] == name || version["id"] == name
}

fn no_version(job: &str, version: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("{job} has no version {version}"))
        .next(format!("`jobber versions {job}` lists them"))
}

fn listed(versions: &[Value]) -> String {
    let now = Utc::now();
    let row = |version: &Value| {
        let active = if version["active"] == true { "active" } else { "" };
        let by = &version["publishedBy"];
        vec![
            text(version, "version"),
            active.to_owned(),
            text(version, "importState"),
            ago_of(version, "created", now),
            by["username"].as_str().unwrap_or("-").to_owned(),
            version["packedBytes"]
                .as_u64()
                .map_or_else(|| "-".to_owned(), bytes),
            text(version, "id"),
        ]
    };
    let columns = ["VERSION", "ACTIVE", "IMPORT", "PUBLISHED", "BY", "SIZE", "ID"];
    table(&columns, versions.iter().map(row))
}

impl RollbackArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        let versions = versions(&client, &self.job).await?;
        let target = match &self.version {
            Some(named) => versions.iter().find(|known| is_called(known, named)),
            None => before_active(&versions),
        };
        let target = target.ok_or_else(|| match &self.version {
            Some(named) => no_version(&self.job, named),
            None => Failure::new(
                Exit::NotFound,
                format!("{} has no earlier version that works", self.job),
            )
            .next(format!("name one of `jobber versions {}`", self.job)),
        })?;
        let name = text(target, "version");
        let active = versions.iter().find(|version| version["active"] == true);
        let from = active.map(|active| text(active, "version"));
        note(&format!("activating {} {name} …", self.job));
        let change = json!({ "jobVersionId": target["id"], "force": self.force });
        let path = job_path(&self.job, "");
        let job = client
            .change_within(Method::PUT, &path, Some(&change), ROLLOUT)
            .await?;
        let document = json!({ "success": true, "from": from, "to": name, "job": job });
        self.remote.output().answer(&document, || {
            let from = from.map(|from| format!(" instead of {from}")).unwrap_or_default();
            Ok(format!("{} {name} serves{from}", self.job))
        })?;
        Ok(Exit::Ok)
    }
}

/// The version published last before the active one of those that could be imported.
fn before_active(versions: &[Value]) -> Option<&Value> {
    let older = versions
        .iter()
        .skip_while(|version| version["active"] != true)
        .skip(1);
    older
        .into_iter()
        .find(|version| version["importState"] == "succeeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str, active: bool, import: &str) -> Value {
        json!({ "version": name, "active": active, "importState": import })
    }

    #[test]
    fn a_rollback_passes_over_what_could_not_be_imported() {
        let versions = [
            version("4", false, "succeeded"),
            version("3", true, "succeeded"),
            version("2", false, "failed"),
            version("1", false, "succeeded"),
        ];
        assert_eq!(before_active(&versions).unwrap()["version"], "1");
        assert!(before_active(&versions[..3]).is_none());
        assert!(before_active(&versions[..1]).is_none());
    }
}
