//! A server that was killed leaves nothing behind that its successor does not find.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Options, Package, Server, containers_of, eventually};

const OK: &str = "export const handler = (request, response) => response.text('ok');";
/// What the project promises, on an idle machine; tests run side by side on a busy one, so the test has a wider bound and
/// prints what it saw.
const PROMISED: Duration = Duration::from_secs(5);
const BOUND: Duration = Duration::from_secs(60);

async fn containers(server: &Server, job: &str) -> Vec<String> {
    let mut containers = Vec::new();
    for runner in server.ready_runners(job).await {
        containers.extend(containers_of("jobber.runner", &runner).await);
    }
    containers
}

async fn is_running(container: &str) -> bool {
    let output = tokio::process::Command::new("docker")
        .args(["inspect", container])
        .output()
        .await
        .unwrap();
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_next_start_removes_orphans_and_serves() {
    let mut server = Server::start(Options::default()).await;
    let package = Package::new("survives", OK).action(json!({ "runnerMinCount": 2, "runnerMaxCount": 2 }));
    server.publish(&package).await.expect();
    let orphans = eventually("two containers", BOUND, || async {
        let containers = containers(&server, "survives").await;
        (containers.len() == 2).then_some(containers)
    })
    .await;
    server.kill();

    let began = Instant::now();
    let mut successor = server.start_again(Options::default()).await;
    let answered = eventually("an answer", BOUND, || async {
        (successor.get("/survives").await.status() == 200).then(|| began.elapsed())
    })
    .await;
    println!("served {answered:?} after the new start (promised on an idle machine: {PROMISED:?})");
    for orphan in &orphans {
        eventually("the orphans are gone", BOUND, || async {
            (!is_running(orphan).await).then_some(())
        })
        .await;
    }
    successor.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_leaves_no_container() {
    let mut server = Server::start(Options::default()).await;
    server.publish(&Package::new("leaves", OK)).await.expect();
    let left = containers(&server, "leaves").await;
    assert_eq!(left.len(), 1);
    server.stop();
    assert!(!is_running(&left[0]).await);
}
