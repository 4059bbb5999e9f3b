//! Hearing that jobs changed.

use std::time::Duration;

use jobber::store::{EnvironmentStore, Hint, Listener, ListenerConfig, VariableKind};
use jobber_actors::domain::ServerId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{Package, Publishing};

/// Nothing of it is swept up by chance within a test.
const CONFIG: ListenerConfig = ListenerConfig {
    sweep: Duration::from_secs(3_600),
    answer: Duration::from_secs(5),
    first_pause: Duration::from_millis(10),
    longest_pause: Duration::from_millis(100),
};

struct Listening {
    hints: mpsc::Receiver<Hint>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listening {
    fn start(publishing: &Publishing) -> Self {
        let (sender, hints) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let listener = Listener::new(publishing.db.database.clone(), ServerId::generate(), CONFIG);
        tasks.spawn(listener.run(move |hint| sender.try_send(hint).unwrap(), stopped));
        Self { hints, stop, tasks }
    }

    async fn next(&mut self) -> Hint {
        timeout(Duration::from_secs(10), self.hints.recv())
            .await
            .expect("no hint came")
            .expect("it listens")
    }

    async fn stop(mut self) {
        self.stop.send_replace(true);
        timeout(Duration::from_secs(10), self.tasks.join_next())
            .await
            .expect("it should end")
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn every_change_of_a_job_is_heard() {
    let publishing = Publishing::new().await;
    let mut listening = Listening::start(&publishing);
    assert_eq!(
        listening.next().await,
        Hint::Everything,
        "it looks at everything once it listens"
    );

    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    assert_eq!(listening.next().await, Hint::Job(job), "inserted");
    assert_eq!(listening.next().await, Hint::Job(job), "activated");

    let environment = EnvironmentStore::new(publishing.db.database.clone(), publishing.keys.clone());
    environment
        .set(job, "A", VariableKind::Text, &"1".to_owned().into())
        .await
        .unwrap();
    assert_eq!(listening.next().await, Hint::Job(job), "a variable was set");
    environment.remove(job, "A").await.unwrap();
    assert_eq!(listening.next().await, Hint::Job(job), "a variable was removed");
    publishing.jobs.remove(job).await.unwrap();
    assert_eq!(listening.next().await, Hint::Job(job), "removed");
    listening.stop().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_what_was_missed_is_looked_for() {
    let publishing = Publishing::new().await;
    let mut listening = Listening::start(&publishing);
    assert_eq!(listening.next().await, Hint::Everything);

    let end_all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
    assert!(publishing.db.count(end_all).await > 0);
    assert_eq!(listening.next().await, Hint::Everything, "it listens again");

    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    assert_eq!(listening.next().await, Hint::Job(job));
    listening.stop().await;
}
