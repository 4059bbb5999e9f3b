//! Tables with a partition for each day.

use chrono::{Days, NaiveDate, Utc};
use jobber::store::DailyPartitions;
use uuid::{NoContext, Timestamp, Uuid};

use crate::support::TestDatabase;

/// One table that goes by a time, and one that goes by ids.
const TABLES: &str = "
    create table happened (at timestamptz not null) partition by range (at);
    create table marked (id uuid primary key) partition by range (id);";

async fn database() -> (TestDatabase, tokio_postgres::Client) {
    let db = TestDatabase::new().await;
    let client = db.client().await;
    client.batch_execute(TABLES).await.unwrap();
    (db, client)
}

fn days_ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

async fn days_of(db: &TestDatabase, table: &str) -> i64 {
    let query = format!("select count(*) from pg_inherits where inhparent = '{table}'::regclass");
    db.count(&query).await
}

#[tokio::test]
async fn days_to_come_are_ready_and_days_that_are_too_old_are_dropped() {
    let (db, client) = database().await;
    for table in ["happened", "marked"] {
        let partitions = DailyPartitions::new(db.database.clone(), table);
        partitions.provide((0..5).map(days_ago)).await.unwrap();
        assert_eq!(days_of(&db, table).await, 5);
        assert_eq!(partitions.turn(Days::new(2)).await.unwrap(), 2);
        assert_eq!(days_of(&db, table).await, 5, "two before, today, and two to come");
        assert_eq!(partitions.turn(Days::new(2)).await.unwrap(), 0);
        // What was dropped is made again when it is needed.
        partitions.provide([days_ago(4)]).await.unwrap();
        assert_eq!(days_of(&db, table).await, 6);
    }
    client
        .batch_execute("insert into happened values (now()), (now() + interval '2 days')")
        .await
        .unwrap();
    let too_late = client
        .batch_execute("insert into happened values (now() + interval '4 days')")
        .await;
    too_late.unwrap_err();
}

#[tokio::test]
async fn an_id_is_in_the_partition_of_the_day_on_which_it_was_made() {
    let (db, client) = database().await;
    let partitions = DailyPartitions::new(db.database.clone(), "marked");
    partitions.provide([days_ago(1), days_ago(0)]).await.unwrap();
    let midnight = days_ago(0).and_time(chrono::NaiveTime::MIN).and_utc();
    let seconds = u64::try_from(midnight.timestamp()).unwrap();
    let made = |seconds, nanoseconds| Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds));
    for (id, day) in [
        (Uuid::now_v7(), Utc::now().date_naive()),
        (made(seconds, 0), days_ago(0)),
        (made(seconds - 1, 999_000_000), days_ago(1)),
    ] {
        let insert = "insert into marked values ($1) returning tableoid::regclass::text";
        let table: String = client.query_one(insert, &[&id]).await.unwrap().get(0);
        assert_eq!(table, format!("marked_{}", day.format("%Y%m%d")), "{id}");
    }
}

#[tokio::test]
async fn servers_that_make_the_same_day_at_once_do_not_get_in_each_others_way() {
    let (db, _client) = database().await;
    let servers = (0..8).map(|_| DailyPartitions::new(db.database.clone(), "happened"));
    let made = servers.map(|partitions| async move { partitions.provide((0..3).map(days_ago)).await });
    for result in futures_util::future::join_all(made).await {
        result.unwrap();
    }
    assert_eq!(days_of(&db, "happened").await, 3);
}

#[tokio::test]
async fn what_is_being_read_stays_until_the_next_time() {
    let (db, mut client) = database().await;
    let partitions = DailyPartitions::new(db.database.clone(), "happened");
    partitions.provide([days_ago(9)]).await.unwrap();
    let reading = client.transaction().await.unwrap();
    reading.query("select * from happened", &[]).await.unwrap();
    partitions.turn(Days::new(2)).await.unwrap_err();
    reading.commit().await.unwrap();
    assert_eq!(partitions.turn(Days::new(2)).await.unwrap(), 1);
}
