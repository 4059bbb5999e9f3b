//! What is checked by asking the server.

use chrono::{DateTime, Utc};
use jobber_actors::schedule::{CronExpression, Schedule, parse_zone};
use serde_json::Value;

use super::finding::Finding;
use crate::backup::is_overdue;
use crate::cli::failure::{Exit, exit_of};
use crate::cli::remote::{Client, RemoteArgs, job_path};
use crate::cli::text::{ago, moment, text};

/// Most jobs of which the brokers are looked at.
const MOST: usize = 1_000;

/// Whether the server is ready, and how it stands with its MQTT brokers.
pub(super) async fn look(remote: &RemoteArgs) -> anyhow::Result<Vec<Finding>> {
    let connection = remote.connection()?;
    let (url, has_token) = (connection.url.clone(), connection.token.is_some());
    let client = Client::new(connection).await?;
    let mut findings = vec![ready(&client, &url).await];
    if has_token {
        findings.push(backups(&client).await);
        findings.push(brokers(&client).await);
    } else {
        let why = format!("there is no token for {url}: run `jobber login {url}`");
        findings.push(Finding::skipped("backup", why.clone()));
        findings.push(Finding::skipped("broker", why));
    }
    Ok(findings)
}

async fn ready(client: &Client, url: &str) -> Finding {
    match client.get("/readyz").await {
        Ok(report) if report["status"] == "ok" => Finding::ok("server", format!("{url} is ready")),
        Ok(report) => Finding::warning(
            "server",
            format!("{url} is ready, but: {}", amiss(&report)),
            "docs/reference/health.md says what each check means",
        ),
        Err(error) if exit_of(&error) == Exit::Unreachable => Finding::failed(
            "server",
            format!("{url} can not be reached"),
            "start it with `jobber serve`, or name it with --server or JOBBER_URL",
        ),
        Err(error) => Finding::failed(
            "server",
            first_line(&error),
            "repair what is named; the server's log says more, and docs/reference/health.md what each check means",
        ),
    }
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn amiss(report: &Value) -> String {
    let checks = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let amiss = checks.iter().filter(|check| check["status"] != "ok");
    let told = amiss.map(|check| format!("{} {}", text(check, "check"), text(check, "reason")));
    told.collect::<Vec<_>>().join(", ")
}

/// How old the newest backup is, and how old it may be.
async fn backups(client: &Client) -> Finding {
    let asked = async {
        anyhow::Ok((
            client.get("/api/config").await?,
            client.get("/api/backups").await?,
        ))
    };
    match asked.await {
        Ok((settings, backups)) => newest(&settings, &backups, Utc::now()),
        Err(error) => Finding::failed(
            "backup",
            first_line(&error),
            "sign in with a token that may read system/config and system/backups",
        ),
    }
}

fn newest(settings: &Value, backups: &Value, now: DateTime<Utc>) -> Finding {
    let settings = settings.as_array().map_or(&[][..], Vec::as_slice);
    let option = |name: &str| {
        let setting = settings.iter().find(|setting| setting["name"] == name);
        setting.map(|setting| text(setting, "value")).unwrap_or_default()
    };
    let (cron, zone) = (
        option("DATABASE_BACKUP_SCHEDULE"),
        option("DATABASE_BACKUP_TIMEZONE"),
    );
    let newest = backups.get(0).and_then(|newest| moment(newest, "created"));
    let told = newest.map_or_else(
        || "there is no backup".to_owned(),
        |newest| format!("the newest one was made {}", ago(newest, now)),
    );
    if cron.is_empty() {
        return Finding::skipped("backup", format!("no schedule is set; {told}"));
    }
    let (Ok(cron), Ok(timezone)) = (CronExpression::parse(&cron), parse_zone(&zone)) else {
        return Finding::skipped("backup", format!("the schedule {cron} is not known here; {told}"));
    };
    let schedule = Schedule { cron, timezone };
    match newest {
        None => Finding::warning(
            "backup",
            told,
            "the first one comes with the schedule; `jobber backup` makes one now",
        ),
        Some(newest) if is_overdue(&schedule, newest, now) => Finding::failed(
            "backup",
            told,
            "the server's log and the audit log (`scheduled backup`) say why there is no newer one; `jobber backup` makes one now",
        ),
        Some(_) => Finding::ok("backup", told),
    }
}

async fn brokers(client: &Client) -> Finding {
    match mqtt_triggers(client).await {
        Ok(triggers) if triggers.is_empty() => Finding::skipped("broker", "no job has an MQTT trigger"),
        Ok(triggers) => told(&triggers),
        Err(error) => Finding::failed(
            "broker",
            first_line(&error),
            "sign in with a token that may read jobs' triggers",
        ),
    }
}

/// A trigger of a job that serves.
struct MqttTrigger {
    job: String,
    name: String,
    status: Value,
}

async fn mqtt_triggers(client: &Client) -> anyhow::Result<Vec<MqttTrigger>> {
    let jobs = client
        .list("/api/job", &[("status", "enabled".to_owned())], MOST)
        .await?;
    let mut found = Vec::new();
    for job in jobs.iter().filter(|job| !job["jobVersionId"].is_null()) {
        let name = text(job, "name");
        let path = job_path(&name, "/triggers:current");
        for trigger in client.list(&path, &[("type", "mqtt".to_owned())], MOST).await? {
            let id = text(&trigger, "id");
            let status = client
                .get(&job_path(&name, &format!("/triggers/{id}/status")))
                .await?;
            found.push(MqttTrigger {
                job: name.clone(),
                name: trigger["name"].as_str().map_or(id, str::to_owned),
                status,
            });
        }
    }
    Ok(found)
}

fn told(triggers: &[MqttTrigger]) -> Finding {
    let unwell: Vec<String> = triggers
        .iter()
        .filter(|trigger| trigger.status["status"] != "healthy")
        .map(|trigger| {
            format!(
                "{} {}: {}",
                trigger.job,
                trigger.name,
                text(&trigger.status, "message")
            )
        })
        .collect();
    if unwell.is_empty() {
        return Finding::ok(
            "broker",
            format!("{} MQTT triggers are connected", triggers.len()),
        );
    }
    Finding::failed(
        "broker",
        unwell.join("; "),
        "see that the broker runs, and that host, port, user name and password of the trigger's `connection` are right (`jobber env JOB`)",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn brokers_that_are_away_are_named_by_their_jobs() {
        let trigger = |job: &str, status: &str| MqttTrigger {
            job: job.into(),
            name: "t".into(),
            status: json!({ "status": status, "message": "refused" }),
        };
        assert_eq!(told(&[trigger("a", "healthy")]).state, State::Ok);
        let failed = told(&[trigger("a", "healthy"), trigger("b", "unhealthy")]);
        assert_eq!(
            (failed.state, failed.seen.as_str()),
            (State::Failed, "b t: refused")
        );
    }

    #[test]
    fn a_backup_may_be_as_old_as_the_schedule_says() {
        let settings = |cron: &str| {
            json!([
                { "name": "DATABASE_BACKUP_SCHEDULE", "value": cron },
                { "name": "DATABASE_BACKUP_TIMEZONE", "value": "UTC" },
            ])
        };
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let state = |cron, created: Option<&str>| {
            let backups: Vec<_> = created
                .iter()
                .map(|created| json!({ "created": created }))
                .collect();
            newest(&settings(cron), &json!(backups), now).state
        };
        let (today, before) = (Some("2026-11-26T00:00:00Z"), Some("2026-11-25T00:00:00Z"));
        assert_eq!(state("0 0 * * *", today), State::Ok);
        assert_eq!(state("0 0 * * *", before), State::Failed);
        assert_eq!(state("@monthly", before), State::Ok);
        assert_eq!(state("0 0 * * *", None), State::Warning);
        assert_eq!(state("", before), State::Skipped);
    }

    #[test]
    fn what_is_amiss_is_told_by_its_check() {
        let report = json!({ "checks": [{ "check": "engine", "status": "ok" }, { "check": "jobs", "status": "degraded", "reason": "no-runners" }] });
        assert_eq!(amiss(&report), "jobs no-runners");
    }
}
