//! Lines in Postgres.

use std::sync::Arc;

use chrono::{Days, NaiveDate, TimeDelta, Utc};
use jobber::logs::{LogFilter, LogQuery};
use jobber::store::PostgresLogStore;
use jobber_actors::domain::{InvocationId, JobId};

use super::Keeper;
use crate::support::TestDatabase;

async fn keeper() -> (Keeper, TestDatabase) {
    let db = TestDatabase::new().await;
    let logs = PostgresLogStore::new(db.database.clone());
    let keeper = Keeper::in_database(Arc::new(logs), &db).await;
    (keeper, db)
}

tell_all!(keeper());

const PARTITIONS: &str = "select count(*) from pg_inherits where inhparent = 'runner_logs'::regclass";

#[tokio::test]
async fn each_day_has_a_partition_and_old_ones_go_as_a_whole() {
    let db = TestDatabase::new().await;
    let logs = Arc::new(PostgresLogStore::new(db.database.clone()));
    let keeper = Keeper::in_database(Arc::clone(&logs), &db).await;
    let job = JobId::generate();
    let day = TimeDelta::days(1);
    let lines: Vec<_> = (0..5)
        .map(|ago| {
            let mut line = keeper.line(job, 0, &ago.to_string());
            line.time -= day * ago;
            line
        })
        .collect();
    keeper.keep(&lines).await;
    assert_eq!(db.count(PARTITIONS).await, 5);

    assert_eq!(logs.turn(Days::new(2)).await.unwrap(), 2);
    // Three days of lines, and those to come.
    assert_eq!(db.count(PARTITIONS).await, 3 + 2);
    let all = LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    assert_eq!(keeper.messages(&[job], all.clone()).await, ["2", "1", "0"]);

    // What another server has dropped is made again when a line needs it.
    let late = &lines[2..3];
    keeper.keep(late).await;
    let other = PostgresLogStore::new(db.database.clone());
    other.turn(Days::new(1)).await.unwrap();
    assert!(
        keeper.store.append(late).await.is_err(),
        "it is told, and tried again"
    );
    keeper.keep(late).await;
    assert_eq!(keeper.messages(&[job], all).await, ["2", "1", "0"]);
}

#[tokio::test]
async fn lines_of_before_the_partitions_are_kept_with_their_places() {
    let db = TestDatabase::empty().await;
    let sql = db.client().await;
    let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(migrations)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let before = files
        .iter()
        .take_while(|file| !file.ends_with("V0008__log_partitions.sql"));
    for file in before {
        sql.batch_execute(&std::fs::read_to_string(file).unwrap())
            .await
            .unwrap();
    }
    let job = JobId::generate();
    sql.batch_execute(&format!(
        "insert into runner_logs (job_id, time, stream, level, message)
         select '{job}', '2026-01-30T23:00:00Z'::timestamptz + n * interval '1 hour', 'stdout', 'info', n::text
         from generate_series(0, 49) as n"
    ))
    .await
    .unwrap();
    let last: i64 = sql
        .query_one("select max(sequence) from runner_logs", &[])
        .await
        .unwrap()
        .get(0);
    let migration = files
        .iter()
        .find(|file| file.ends_with("V0008__log_partitions.sql"))
        .unwrap();
    sql.batch_execute(&std::fs::read_to_string(migration).unwrap())
        .await
        .unwrap();

    let logs = PostgresLogStore::new(db.database.clone());
    let keeper = Keeper::in_database(Arc::new(logs), &db).await;
    let all = LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    let kept = keeper.read(&[job], all.clone()).await;
    let messages: Vec<_> = kept.iter().map(|line| line.message.clone()).collect();
    assert_eq!(messages, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(kept[49].cursor.sequence, last);
    assert_eq!(db.count(PARTITIONS).await, 4);
    keeper.keep(&[keeper.line(job, 0, "new")]).await;
    let kept = keeper.read(&[job], all).await;
    assert_eq!(kept[50].cursor.sequence, last + 1);
}

#[tokio::test]
async fn lines_that_come_after_their_job_was_removed_are_not_kept() {
    let (keeper, db) = keeper().await;
    let (job, removed) = (JobId::generate(), JobId::generate());
    keeper
        .keep(&[keeper.line(job, 0, "a"), keeper.line(removed, 0, "b")])
        .await;
    db.client()
        .await
        .execute("delete from jobs where id = $1", &[removed.as_uuid()])
        .await
        .unwrap();
    let late = [keeper.line(removed, 1, "c"), keeper.line(job, 1, "d")];
    keeper.store.append(&late).await.unwrap();
    let all = LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    assert_eq!(keeper.messages(&[job, removed], all).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn days_that_nobody_asks_for_are_not_looked_at() {
    let (keeper, db) = keeper().await;
    let job = JobId::generate();
    let lines: Vec<_> = (0..10)
        .map(|ago| {
            let mut line = keeper.line(job, 0, "x");
            line.time -= TimeDelta::days(ago);
            line
        })
        .collect();
    keeper.keep(&lines).await;
    let day = |ago| Utc::now().date_naive() - Days::new(ago);
    let name = |day: NaiveDate| format!("runner_logs_{}", day.format("%Y%m%d"));
    // As good as gone for whoever looks at it.
    let client = db.client().await;
    client
        .batch_execute(&format!(
            "begin; lock table {} in access exclusive mode",
            name(day(8))
        ))
        .await
        .unwrap();
    let filter = LogFilter {
        from: Some(keeper.moment(0) - TimeDelta::days(3)),
        ..LogFilter::default()
    };
    let query = LogQuery {
        limit: 100,
        filter,
        ..LogQuery::default()
    };
    assert_eq!(keeper.read(&[job], query).await.len(), 4);
}

#[tokio::test]
async fn an_invocations_lines_are_found_by_an_index_of_their_own() {
    let (keeper, db) = keeper().await;
    let (job, invocation) = (JobId::generate(), InvocationId::generate());
    let mut lines: Vec<_> = (0..20_000).map(|n| keeper.line(job, n, "noise")).collect();
    lines[3].invocation = Some(invocation);
    lines[5].invocation = Some(invocation);
    lines[5].message = "the last word".to_owned();
    keeper.keep(&lines).await;
    let filter = LogFilter {
        invocation: Some(invocation),
        ..LogFilter::default()
    };
    let query = LogQuery {
        limit: 1,
        filter,
        ..LogQuery::default()
    };
    let scans = "select coalesce(sum(idx_scan), 0)::bigint from pg_stat_user_indexes
                 where indexrelname like 'runner_logs%invocation_id%'";
    assert_eq!(keeper.messages(&[job], query).await, ["the last word"]);
    crate::support::eventually("the index was used", async || {
        (db.count(scans).await > 0).then_some(())
    })
    .await;
}
