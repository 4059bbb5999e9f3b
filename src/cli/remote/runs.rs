//! `jobber runs` and `jobber replay`.

use std::time::Duration;

use chrono::Utc;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::client::{Client, Parameter, ROLLOUT, job_path, segment, span};
use super::connection::RemoteArgs;
use super::prompt;
use super::versions::version_id;
use crate::cli::failure::{Exit, Failure, exit_of};
use crate::cli::output::{note, table};
use crate::cli::text::{ago_of, bytes, milliseconds, printable, text, whole};

/// How often it is looked whether an invocation is over, and for how long.
const LOOK: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// A record is written a moment after its invocation was begun.
const UNTIL_RECORDED: Duration = Duration::from_secs(15);
/// Most that are listed.
const MOST: usize = 100_000;
/// Most bytes of a body that is sent again.
const MAX_BODY: usize = 16 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunsArgs {
    /// The job of which invocations are listed; or the id of an invocation, which is shown with its timeline and payload. Without
    /// it: invocations of all jobs.
    #[arg(value_name = "JOB|ID")]
    what: Option<String>,
    /// Only those that stand like this; several with commas (succeeded, failed, timed-out, refused, lost, cancelled, missed, skipped,
    /// queued, running).
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only those of this kind of trigger.
    #[arg(long = "type", value_name = "TYPE", value_parser = ["http", "mqtt", "schedule"])]
    kind: Option<String>,
    /// Only those of the trigger with this id.
    #[arg(long, value_name = "ID")]
    trigger: Option<String>,
    /// Only those of this version of the job.
    #[arg(long, value_name = "VERSION", requires = "what")]
    version: Option<String>,
    /// Only those since then: a time, or how long ago (`90s`, `15m`, `2h`, `7d`).
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those before then.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only those that took at least so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = whole(0..=u32::MAX))]
    longer_than: Option<u32>,
    /// Only those that took at most so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = whole(0..=u32::MAX))]
    shorter_than: Option<u32>,
    /// Only those with this in their path, topic, error or trigger's name.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// How many of the newest.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = whole(1..=MOST))]
    count: usize,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// The invocation's id (`jobber runs` shows them).
    #[arg(value_name = "ID")]
    id: String,
    /// Do it on this version, which need not be the active one.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// With this body instead; `@FILE` reads a file, `@-` standard input.
    #[arg(long, short, value_name = "BODY")]
    data: Option<String>,
    /// Do not wait for its end.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl RunsArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        let output = self.remote.output();
        if let Some(id) = self.what.as_deref().filter(|what| Uuid::try_parse(what).is_ok()) {
            match client.get(&format!("/api/invocations/{}", segment(id))).await {
                Ok(run) => {
                    output.answer(&run, || Ok(shown(&run)))?;
                    return Ok(Exit::Ok);
                }
                // Jobs have ids of the same form.
                Err(error) if exit_of(&error) == Exit::NotFound => {
                    if client.get(&job_path(id, "")).await.is_err() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let filter = self.filter(&client).await?;
        let path = match &self.what {
            Some(job) => job_path(job, "/invocations"),
            None => "/api/invocations".to_owned(),
        };
        let runs = client.list(&path, &filter, self.count).await?;
        output.answer(&runs, || Ok(listed(&runs)))?;
        Ok(Exit::Ok)
    }

    async fn filter(&self, client: &Client) -> anyhow::Result<Vec<Parameter>> {
        let mut filter = span(self.since.as_deref(), self.until.as_deref())?;
        let mut add = |name, value: Option<String>| filter.extend(value.map(|value| (name, value)));
        add("status", self.status.clone());
        add("type", self.kind.clone());
        add("triggerId", self.trigger.clone());
        add("longerThan", self.longer_than.map(|count| count.to_string()));
        add("shorterThan", self.shorter_than.map(|count| count.to_string()));
        add("text", self.text.clone());
        if let (Some(job), Some(version)) = (&self.what, &self.version) {
            let id = version_id(client, job, version).await?;
            add("versionId", Some(id));
        }
        Ok(filter)
    }
}

fn listed(runs: &[Value]) -> String {
    let now = Utc::now();
    let row = |run: &Value| {
        let status = match run["httpStatus"].as_u64() {
            Some(http) => format!("{} {http}", text(run, "status")),
            None => text(run, "status"),
        };
        vec![
            ago_of(run, "queued", now),
            status,
            text(run, "type"),
            milliseconds(run["durationMs"].as_f64()),
            text(run, "id"),
            text(run, "subject"),
        ]
    };
    table(
        &["QUEUED", "STATUS", "TYPE", "TOOK", "ID", "SUBJECT"],
        runs.iter().map(row),
    )
}

/// One invocation with all that is known of it.
fn shown(run: &Value) -> String {
    let mut lines = String::new();
    let mut line = |name: &str, value: String| {
        if value != "-" {
            lines.push_str(&format!("{name:<10} {}\n", printable(&value, false)));
        }
    };
    line("id", text(run, "id"));
    line("subject", text(run, "subject"));
    line(
        "trigger",
        format!(
            "{} {}",
            text(run, "type"),
            run["triggerName"].as_str().unwrap_or_default()
        ),
    );
    line("status", text(run, "status"));
    line("http", text(run, "httpStatus"));
    line("took", milliseconds(run["durationMs"].as_f64()));
    line("runner", text(run, "runnerId"));
    line("version", text(run, "versionId"));
    line("replay of", text(run, "replayOf"));
    if let Some(error) = run["error"].as_object() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        line(
            "error",
            format!("{} {} {}", part("code"), part("name"), part("message")),
        );
    }
    if let Some(cold) = run["coldStart"].as_object() {
        let part = |name: &str| milliseconds(cold.get(name).and_then(Value::as_f64));
        line(
            "cold start",
            format!("connect {}, load {}", part("connectMs"), part("loadMs")),
        );
    }
    lines + &timeline(run) + &payload(&run["payload"])
}

fn timeline(run: &Value) -> String {
    let moments = run["timeline"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |moment: &Value| vec![text(moment, "at"), text(moment, "attempt"), text(moment, "what")];
    format!(
        "\n{}\n",
        table(&["AT", "ATTEMPT", "WHAT"], moments.iter().map(row))
    )
}

fn payload(payload: &Value) -> String {
    if payload.is_null() {
        return "\nneither input nor output were kept (action.capture of the package)\n".to_owned();
    }
    let mut lines = String::new();
    for (title, about, body) in [
        ("input", "input", "inputBody"),
        ("output", "output", "outputBody"),
    ] {
        if payload[about].is_null() {
            continue;
        }
        let about = serde_json::to_string_pretty(&payload[about]).unwrap_or_default();
        lines += &format!("\n{title}\n{}\n", multi_line(&about));
        let body = &payload[body];
        let kept = body["text"]
            .as_str()
            .map_or_else(|| text(body, "base64"), multi_line);
        if !kept.is_empty() {
            let more = if body["truncated"] == true {
                "\n… (there was more)"
            } else {
                ""
            };
            lines += &format!("{kept}{more}\n");
        }
    }
    lines
}

fn multi_line(text: &str) -> String {
    let lines = text.lines().map(|line| printable(line, false));
    lines.collect::<Vec<_>>().join("\n")
}

impl ReplayArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        let mut changes = json!({});
        if let Some(version) = &self.version {
            let run = client
                .get(&format!("/api/invocations/{}", segment(&self.id)))
                .await?;
            let job = text(&run, "jobId");
            changes["versionId"] = json!(version_id(&client, &job, version).await?);
        }
        if let Some(data) = &self.data {
            let body = prompt::body(data, MAX_BODY)?;
            changes["bodyBase64"] = json!(base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                body
            ));
        }
        let path = format!("/api/invocations/{}/replay", segment(&self.id));
        let begun = client
            .change_within(Method::POST, &path, Some(&changes), ROLLOUT)
            .await?;
        let left_out = begun["leftOut"].as_array().map_or(&[][..], Vec::as_slice);
        let left_out: Vec<&str> = left_out.iter().filter_map(Value::as_str).collect();
        if !left_out.is_empty() {
            note(&format!(
                "credentials were not kept, and are left out: {}",
                left_out.join(", ")
            ));
        }
        let id = text(&begun, "invocationId");
        let output = self.remote.output();
        if self.no_wait {
            output.answer(&begun, || Ok(id.clone()))?;
            return Ok(Exit::Ok);
        }
        let run = until_over(&client, &id).await?;
        output.answer(&run, || Ok(shown(&run)))?;
        Ok(exit_of_run(&run))
    }
}

/// A command that waited for an invocation ends as it did.
pub(super) fn exit_of_run(run: &Value) -> Exit {
    if run["status"] == "succeeded" {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// Waits until an invocation is over, and gives its record.
pub(super) async fn until_over(client: &Client, id: &str) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        match client.get(&format!("/api/invocations/{}", segment(id))).await {
            Ok(run) if !run["ended"].is_null() => return Ok(run),
            Ok(_) => {}
            Err(error) if exit_of(&error) == Exit::NotFound && begun.elapsed() < UNTIL_RECORDED => {}
            Err(error) => return Err(error),
        }
        if begun.elapsed() > LONGEST_WAIT {
            let failure = Failure::new(Exit::Failed, format!("the invocation {id} is not over yet"));
            return Err(failure
                .next(format!("`jobber runs {id}` shows how it stands"))
                .into());
        }
        sleep(LOOK).await;
    }
}

/// What is told of an invocation on standard error.
pub(super) fn summary(id: &str, took: Duration, size: usize) -> String {
    format!(
        "invocation {id}, {}, {}",
        milliseconds(Some(took.as_secs_f64() * 1_000.0)),
        bytes(size as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_invocation_is_told_with_its_timeline_and_payload() {
        let run = json!({
            "id": "1", "type": "http", "triggerName": "t", "subject": "GET /a", "status": "failed", "durationMs": 12.0,
            "error": { "code": "function-failed", "name": "Error", "message": "no\u{1b}" },
            "timeline": [{ "at": "x", "attempt": 1, "what": "queued" }],
            "payload": {
                "input": { "http": {} }, "inputBody": { "base64": "aGk=", "text": "hi", "truncated": true },
                "output": null, "outputBody": { "base64": "", "truncated": false },
            },
        });
        let told = shown(&run);
        for part in [
            "GET /a",
            "12 ms",
            "function-failed Error no\\u{1b}",
            "queued",
            "hi\n… (there was more)",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("output\n"), "{told}");
        assert_eq!(exit_of_run(&run), Exit::Failed);
        assert!(payload(&Value::Null).contains("action.capture"));
    }
}
