use std::os::unix::fs::PermissionsExt;

use tokio_postgres::NoTls;

use super::*;
use crate::child::ProcessIdentity;

async fn query(postgres: &EmbeddedPostgres, statement: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(postgres.url().expose_secret(), NoTls)
        .await
        .unwrap();
    let work = async {
        let row = client.query_one(statement, &[]).await.unwrap();
        drop(client);
        row.get(0)
    };
    tokio::join!(work, connection).0
}

async fn execute(postgres: &EmbeddedPostgres, statement: &str) {
    let (client, connection) = tokio_postgres::connect(postgres.url().expose_secret(), NoTls)
        .await
        .unwrap();
    let work = async {
        client.batch_execute(statement).await.unwrap();
        drop(client);
    };
    let _closed = tokio::join!(work, connection).1;
}

/// Everything about one folder in one test: each start takes a second or two.
#[tokio::test]
async fn it_keeps_its_data_over_stops_kills_and_takeovers() {
    // As strict as root's home: nobody else may enter.
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let folder = root.path().join("postgres");
    let spawner = Spawner::start().unwrap();

    // A first start makes everything.
    let postgres = EmbeddedPostgres::start(&folder, &spawner).await.unwrap();
    execute(
        &postgres,
        "create table kept (n bigint); insert into kept values (1)",
    )
    .await;
    postgres.stop().await.unwrap();

    // A killed one recovers.
    let mut postgres = EmbeddedPostgres::start(&folder, &spawner).await.unwrap();
    execute(&postgres, "insert into kept values (2)").await;
    let mut server = postgres.server.take().unwrap();
    server.signal(Signal::KILL).unwrap();
    server.ended().await.unwrap();
    server.finish().unwrap();

    // One that still runs is ended by the next.
    let first = EmbeddedPostgres::start(&folder, &spawner).await.unwrap();
    execute(&first, "insert into kept values (3)").await;
    let first_process = first.server.as_ref().unwrap().identity().unwrap();
    let second = EmbeddedPostgres::start(&folder, &spawner).await.unwrap();
    assert!(!first_process.is_running());
    assert_eq!(query(&second, "select sum(n)::bigint from kept").await, 6);

    // Dropped, it is gone.
    let process: ProcessIdentity = second.server.as_ref().unwrap().identity().unwrap();
    drop(second);
    assert!(!process.is_running());
}

#[tokio::test]
async fn it_ends_when_the_thread_that_started_it_does() {
    let root = tempfile::tempdir().unwrap();
    let spawner = Spawner::start().unwrap();
    let postgres = EmbeddedPostgres::start(&root.path().join("postgres"), &spawner)
        .await
        .unwrap();

    drop(spawner);

    tokio::time::timeout(Duration::from_secs(20), postgres.ended())
        .await
        .unwrap()
        .unwrap();
}
