//! One publish of a job at a time.

use std::time::Duration;

use jobber::store::JobLock;
use tokio_util::task::TaskTracker;

use crate::support::{TestDatabase, eventually};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_job_is_locked_until_its_lock_is_dropped() {
    let db = TestDatabase::new().await;
    let tasks = TaskTracker::new();
    let held = JobLock::acquire(&db.database, &tasks, "a", SHORT)
        .await
        .unwrap()
        .expect("nobody holds it");
    assert!(
        JobLock::acquire(&db.database, &tasks, "a", SHORT)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        JobLock::acquire(&db.database, &tasks, "b", SHORT)
            .await
            .unwrap()
            .is_some()
    );

    let waiting = JobLock::acquire(&db.database, &tasks, "a", LONG);
    let (waited, ()) = tokio::join!(waiting, async { drop(held) });
    drop(waited.unwrap().expect("it was let go"));
    tasks.close();
    eventually("no connection is left", async || tasks.is_empty().then_some(())).await;
}
