//! The functions' log lines.

use chrono::{TimeDelta, Utc};
use jobber::store::{LogCursor, LogQuery, PostgresLogStore};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, LogLine, LogStore, OutputStream};
use serde_json::json;

use crate::support::TestDatabase;

fn line(job: JobId, second: i64, message: &str) -> LogLine {
    LogLine {
        time: "2026-01-01T00:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap() + TimeDelta::seconds(second),
        job,
        version: None,
        runner: None,
        invocation: None,
        stream: OutputStream::Stdout,
        level: LogLevel::Info,
        message: message.to_owned(),
        fields: None,
    }
}

async fn messages(logs: &PostgresLogStore, job: JobId, query: LogQuery) -> Vec<String> {
    logs.read(&[job], query)
        .await
        .unwrap()
        .lines
        .into_iter()
        .map(|line| line.message)
        .collect()
}

#[tokio::test]
async fn thousands_of_lines_are_kept_at_once_and_paged_both_ways() {
    let db = TestDatabase::new().await;
    let logs = PostgresLogStore::new(db.database.clone());
    let (job, other) = (JobId::generate(), JobId::generate());
    // Lines of one moment keep the order in which they came.
    let mut lines: Vec<LogLine> = (0..5_000).map(|n| line(job, n / 10, &n.to_string())).collect();
    lines.push(line(other, 3, "not ours"));
    logs.append(&lines).await.unwrap();
    logs.append(&[]).await.unwrap();

    let newest = logs
        .read(
            &[job],
            LogQuery {
                limit: 3,
                ..LogQuery::default()
            },
        )
        .await
        .unwrap()
        .lines;
    assert_eq!(
        newest
            .iter()
            .map(|line| line.message.as_str())
            .collect::<Vec<_>>(),
        ["4997", "4998", "4999"]
    );
    let before = LogQuery {
        before: Some(newest[0].cursor),
        limit: 2,
        ..LogQuery::default()
    };
    assert_eq!(messages(&logs, job, before).await, ["4995", "4996"]);
    let after = LogQuery {
        after: Some(newest[0].cursor),
        limit: 10,
        ..LogQuery::default()
    };
    assert_eq!(messages(&logs, job, after).await, ["4998", "4999"]);
    let moment = LogCursor::at("2026-01-01T00:00:01Z".parse().unwrap());
    let from = LogQuery {
        after: Some(moment),
        limit: 1,
        ..LogQuery::default()
    };
    assert_eq!(messages(&logs, job, from).await, ["10"]);

    let of_both = |cursor: Option<LogCursor>| LogQuery {
        before: cursor,
        limit: 12,
        ..LogQuery::default()
    };
    let before = LogCursor::at("2026-01-01T00:00:04Z".parse().unwrap());
    let lines = logs
        .read(&[job, other], of_both(Some(before)))
        .await
        .unwrap()
        .lines;
    let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    let mut expected: Vec<_> = (29..40).map(|n| n.to_string()).collect();
    expected.push("not ours".to_owned());
    assert_eq!(messages, expected);
    assert_eq!((lines[0].job_id, lines[11].job_id), (job, other));
    assert!(logs.read(&[], of_both(None)).await.unwrap().lines.is_empty());
}

#[tokio::test]
async fn a_line_comes_back_as_it_was_and_nul_costs_only_itself() {
    let db = TestDatabase::new().await;
    let logs = PostgresLogStore::new(db.database.clone());
    let (job, version, runner, invocation) = (
        JobId::generate(),
        VersionId::generate(),
        RunnerId::generate(),
        InvocationId::generate(),
    );
    let full = LogLine {
        version: Some(version),
        runner: Some(runner),
        invocation: Some(invocation),
        stream: OutputStream::System,
        level: LogLevel::Error,
        fields: Some(json!({"a": [1, "x\u{0}y"]})),
        ..line(job, 0, "grün\u{0}!")
    };
    logs.append(&[full, line(job, 1, "next")]).await.unwrap();
    let lines = logs
        .read(
            &[job],
            LogQuery {
                limit: 10,
                ..LogQuery::default()
            },
        )
        .await
        .unwrap()
        .lines;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].message, "grün\u{fffd}!");
    assert_eq!(lines[0].fields, Some(json!({"a": [1, "x\u{fffd}y"]})));
    assert_eq!(
        (lines[0].version_id, lines[0].runner_id),
        (Some(version), Some(runner))
    );
    assert_eq!(lines[0].invocation_id, Some(invocation));
    assert_eq!(
        (lines[0].stream.as_str(), lines[0].level.as_str()),
        ("system", "error")
    );
}
