//! `jobber runners`.

use chrono::Utc;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{job_path, segment};
use super::connection::RemoteArgs;
use crate::cli::failure::Exit;
use crate::cli::output::table;
use crate::cli::text::{ago_of, text};

const MOST: usize = 100_000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct RunnersArgs {
    #[command(subcommand)]
    command: Option<Change>,
    /// Only those of this job.
    #[arg(value_name = "JOB")]
    job: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// End a runner after what it has. Another one replaces it if need be.
    Stop(Stop),
}

#[derive(Debug, Args)]
struct Stop {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// The runner's id.
    #[arg(value_name = "RUNNER")]
    runner: String,
    /// At once: what it works on fails.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl RunnersArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.command {
            Some(Change::Stop(stop)) => stop.remote.json,
            None => self.remote.json,
        }
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        match &self.command {
            Some(Change::Stop(stop)) => stop.run().await?,
            None => self.list().await?,
        }
        Ok(Exit::Ok)
    }

    async fn list(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let path = match &self.job {
            Some(job) => job_path(job, "/runners"),
            None => "/api/job/runners".to_owned(),
        };
        let runners = client.list(&path, &[], MOST).await?;
        self.remote.output().answer(&runners, || Ok(listed(&runners)))
    }
}

fn listed(runners: &[Value]) -> String {
    let now = Utc::now();
    let row = |runner: &Value| {
        vec![
            text(runner, "id"),
            text(runner, "stage"),
            ago_of(runner, "created", now),
            text(runner, "jobId"),
            text(runner, "versionId"),
        ]
    };
    table(
        &["ID", "STAGE", "CREATED", "JOB", "VERSION"],
        runners.iter().map(row),
    )
}

impl Stop {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let below = format!("/runners/{}?forceful={}", segment(&self.runner), self.force);
        client
            .change(Method::DELETE, &job_path(&self.job, &below), None)
            .await?;
        let document = json!({ "success": true, "stopping": self.runner });
        self.remote
            .output()
            .answer(&document, || Ok(format!("{} is being ended", self.runner)))
    }
}
