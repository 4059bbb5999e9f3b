//! Bringing the schema up to date.

use jobber::store::{Database, DatabaseConfig, migrate};

use crate::support::TestDatabase;

#[tokio::test]
async fn servers_that_start_together_take_turns() {
    let empty = TestDatabase::empty().await;
    let other = Database::new(&DatabaseConfig::new(empty.url.clone())).unwrap();
    let (one, two, three) = tokio::join!(
        migrate(&empty.database),
        migrate(&other),
        migrate(&empty.database)
    );
    let applied = [one.unwrap(), two.unwrap(), three.unwrap()];
    assert_eq!(
        applied.iter().filter(|count| **count > 0).count(),
        1,
        "{applied:?}"
    );
    assert_eq!(migrate(&other).await.unwrap(), 0);
    assert_eq!(empty.count("select count(*) from jobs").await, 0);
}

#[tokio::test]
async fn no_database_is_an_error_and_not_a_wait_for_ever() {
    let url = "postgresql://nobody@127.0.0.1:1/none".to_owned();
    let database = Database::new(&DatabaseConfig::new(url.into())).unwrap();
    assert!(
        migrate(&database)
            .await
            .unwrap_err()
            .to_string()
            .contains("no connection")
    );
    assert!(
        database
            .ping()
            .await
            .unwrap_err()
            .to_string()
            .contains("no connection")
    );
    assert!(Database::new(&DatabaseConfig::new("not a url".to_owned().into())).is_err());
}
