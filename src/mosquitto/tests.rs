use std::net::TcpListener;

use tokio::net::TcpStream;

use super::*;

async fn takes_connections(broker: &Mosquitto) -> bool {
    TcpStream::connect(broker.address()).await.is_ok()
}

#[tokio::test]
async fn it_starts_again_after_stops_kills_and_takeovers() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a folder").join("mosquitto");
    let spawner = Spawner::start().unwrap();

    let broker = Mosquitto::start(&folder, None, &spawner).await.unwrap();
    assert!(takes_connections(&broker).await);
    let port = broker.address().port();
    broker.stop().await.unwrap();
    assert!(folder.join("mosquitto.db").exists(), "it saves what it has");

    let broker = Mosquitto::start(&folder, Some(port), &spawner).await.unwrap();
    assert_eq!(broker.address().port(), port);
    broker.kill().await.unwrap();

    // One that still runs is ended by the next.
    let first = Mosquitto::start(&folder, Some(port), &spawner).await.unwrap();
    let second = Mosquitto::start(&folder, Some(port), &spawner).await.unwrap();
    first.ended().await.unwrap();
    assert!(takes_connections(&second).await);

    // Dropped, it is gone.
    let process = second.server.as_ref().unwrap().identity().unwrap();
    drop(second);
    assert!(!process.is_running());
}

#[tokio::test]
async fn a_taken_port_and_a_line_that_it_does_not_know_are_told() {
    let root = tempfile::tempdir().unwrap();
    let spawner = Spawner::start().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().port();

    let error = Mosquitto::start(root.path(), Some(taken), &spawner)
        .await
        .unwrap_err();
    assert!(matches!(error, MosquittoError::PortTaken { .. }), "{error}");

    let settings = MosquittoSettings {
        lines: vec!["no_such_line true".to_owned()],
        ..MosquittoSettings::default()
    };
    let error = Mosquitto::start_with(root.path(), &settings, &spawner)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no_such_line"), "{error}");
}

#[tokio::test]
async fn it_ends_when_the_thread_that_started_it_does() {
    let root = tempfile::tempdir().unwrap();
    let spawner = Spawner::start().unwrap();
    let broker = Mosquitto::start(root.path(), None, &spawner).await.unwrap();

    drop(spawner);

    tokio::time::timeout(Duration::from_secs(20), broker.ended())
        .await
        .unwrap()
        .unwrap();
}
