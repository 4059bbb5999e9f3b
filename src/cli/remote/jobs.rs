//! `jobber jobs`.

use chrono::Utc;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, ROLLOUT, job_path, segment};
use super::connection::RemoteArgs;
use crate::cli::failure::Exit;
use crate::cli::output::table;
use crate::cli::text::{ago_of, printable, text};

/// Most jobs that are listed.
const MOST: usize = 100_000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct JobsArgs {
    #[command(subcommand)]
    command: Option<Change>,
    /// Only this one, with its triggers.
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Only those with this in their name or description.
    #[arg(long, value_name = "TEXT", conflicts_with = "job")]
    search: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Have a job serve again.
    Enable(OneJob),
    /// Have a job serve no more; it keeps its data.
    Disable(OneJob),
    /// Remove a job with everything of it: versions, variables, stored items, log.
    Remove(OneJob),
}

#[derive(Debug, Args)]
struct OneJob {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl JobsArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.command {
            None => self.remote.json,
            Some(Change::Enable(one) | Change::Disable(one) | Change::Remove(one)) => one.remote.json,
        }
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        match (&self.command, &self.job) {
            (Some(Change::Enable(one)), _) => one.set_status("enabled").await?,
            (Some(Change::Disable(one)), _) => one.set_status("disabled").await?,
            (Some(Change::Remove(one)), _) => one.remove().await?,
            (None, Some(job)) => show(&self.remote, job).await?,
            (None, None) => self.list().await?,
        }
        Ok(Exit::Ok)
    }

    async fn list(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let search = self.search.iter().map(|search| ("search", search.clone()));
        let jobs = client.list("/api/job", &search.collect::<Vec<_>>(), MOST).await?;
        self.remote.output().answer(&jobs, || Ok(listed(&jobs)))
    }
}

fn listed(jobs: &[Value]) -> String {
    if jobs.is_empty() {
        return "no jobs; `jobber init` makes a package, and `jobber publish` brings it here".to_owned();
    }
    let now = Utc::now();
    let row = |job: &Value| {
        vec![
            text(job, "name"),
            text(job, "version"),
            serves(job),
            ago_of(job, "modified", now),
            text(job, "description"),
        ]
    };
    table(
        &["NAME", "VERSION", "STATUS", "MODIFIED", "DESCRIPTION"],
        jobs.iter().map(row),
    )
}

/// Whether a job serves, and if it does not although it is enabled, because of what.
fn serves(job: &Value) -> String {
    let status = text(job, "status");
    let failed = &job["importFailed"];
    match (status.as_str(), failed["version"].as_str()) {
        ("enabled", Some(version)) => {
            let why = failed["why"].as_str().map(|why| format!(": {why}"));
            format!("{version} could not be imported{}", why.unwrap_or_default())
        }
        ("enabled", None) if job["version"].is_null() => "no version is active".to_owned(),
        _ => status,
    }
}

async fn show(remote: &RemoteArgs, job: &str) -> anyhow::Result<()> {
    let client = remote.client().await?;
    let mut found = client.get(&job_path(job, "")).await?;
    let mut triggers = if found["jobVersionId"].is_null() {
        Vec::new()
    } else {
        triggers(&client, job).await?
    };
    for trigger in &mut triggers {
        let of_trigger = format!("/triggers/{}/status", segment(&text(trigger, "id")));
        trigger["status"] = client.get(&job_path(job, &of_trigger)).await?;
    }
    found["triggers"] = json!(triggers);
    if let Some(failed) = found["importFailed"]["id"].as_str() {
        let version = client
            .get(&job_path(job, &format!("/versions/{}", segment(failed))))
            .await?;
        let thrown = &version["importError"];
        let why = format!("{}: {}", text(thrown, "name"), text(thrown, "message"));
        found["importFailed"]["why"] = json!(why);
    }
    remote.output().answer(&found, || Ok(shown(&found, &triggers)))
}

/// What starts the version that serves.
pub(super) async fn triggers(client: &Client, job: &str) -> anyhow::Result<Vec<Value>> {
    client.list(&job_path(job, "/triggers:current"), &[], MOST).await
}

fn shown(job: &Value, triggers: &[Value]) -> String {
    let mut lines = String::new();
    for name in [
        "name",
        "id",
        "version",
        "status",
        "description",
        "created",
        "modified",
    ] {
        let shown = if name == "status" {
            serves(job)
        } else {
            text(job, name)
        };
        lines += &format!("{name:<12} {}\n", printable(&shown, false));
    }
    if !triggers.is_empty() {
        let row = |trigger: &Value| {
            let name = text(trigger, "name");
            vec![
                text(trigger, "type"),
                name,
                starts(trigger),
                standing(&trigger["status"]),
            ]
        };
        lines.push('\n');
        lines += &table(&["TRIGGER", "NAME", "STARTS", "STATUS"], triggers.iter().map(row));
    }
    lines
}

/// How a trigger stands, and why if that is not well.
fn standing(status: &Value) -> String {
    let (word, why) = (text(status, "status"), status["message"].as_str());
    match why.filter(|why| word != "healthy" && !why.is_empty()) {
        Some(why) => format!("{word}: {why}"),
        None => word,
    }
}

/// What a trigger waits for, in a few words.
fn starts(trigger: &Value) -> String {
    let or_any = |name: &str| trigger[name].as_str().unwrap_or("any").to_owned();
    match trigger["type"].as_str() {
        Some("http") => {
            let host = trigger["hostname"].as_str().unwrap_or_default();
            let path = trigger["path"].as_str().unwrap_or("/*");
            format!("{} {host}{path}", or_any("method"))
        }
        Some("schedule") => format!(
            "{} {}",
            or_any("cron"),
            trigger["timezone"].as_str().unwrap_or("UTC")
        ),
        Some("mqtt") => {
            let topics = trigger["topics"].as_array().map_or(&[][..], Vec::as_slice);
            topics
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        }
        _ => "-".to_owned(),
    }
}

impl OneJob {
    async fn set_status(&self, status: &str) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let change = json!({ "status": status });
        let path = job_path(&self.job, "");
        let job = client
            .change_within(Method::PUT, &path, Some(&change), ROLLOUT)
            .await?;
        self.remote
            .output()
            .answer(&job, || Ok(format!("{} is {status}", self.job)))
    }

    async fn remove(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        client
            .change(Method::DELETE, &job_path(&self.job, ""), None)
            .await?;
        let document = json!({ "success": true, "removed": self.job });
        self.remote
            .output()
            .answer(&document, || Ok(format!("{} is removed", self.job)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_told_by_what_they_wait_for() {
        let told = |trigger| starts(&trigger);
        assert_eq!(
            told(json!({ "type": "http", "method": "GET", "path": "/a" })),
            "GET /a"
        );
        assert_eq!(told(json!({ "type": "http", "hostname": "a.b" })), "any a.b/*");
        assert_eq!(
            told(json!({ "type": "schedule", "cron": "@daily" })),
            "@daily UTC"
        );
        assert_eq!(told(json!({ "type": "mqtt", "topics": ["a/#", "b"] })), "a/# b");
    }

    #[test]
    fn without_jobs_the_first_step_is_told() {
        assert!(listed(&[]).contains("jobber init"));
        let shown = listed(&[json!({ "name": "a", "version": null, "status": "enabled" })]);
        assert!(shown.lines().nth(1).unwrap().starts_with("a     -"), "{shown}");
    }

    #[test]
    fn a_job_that_does_not_serve_says_why() {
        let job = json!({
            "name": "a", "version": null, "status": "enabled", "importFailed": { "id": "7", "version": "1.0.0" },
        });
        let told = "1.0.0 could not be imported";
        assert!(listed(std::slice::from_ref(&job)).contains(told));
        assert!(shown(&job, &[]).contains(&format!("status       {told}\n")));
        let with = |name: &str, value: Value| {
            let mut job = job.clone();
            job[name] = value;
            serves(&job)
        };
        let why = json!({ "version": "1.0.0", "why": "Error: no DSN" });
        assert_eq!(with("importFailed", why), format!("{told}: Error: no DSN"));
        assert_eq!(with("importFailed", Value::Null), "no version is active");
        assert_eq!(with("status", json!("disabled")), "disabled");
        // A server of before does not tell.
        assert_eq!(
            serves(&json!({ "version": "1.0.0", "status": "enabled" })),
            "enabled"
        );
    }
}
