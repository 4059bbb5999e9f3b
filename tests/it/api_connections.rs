//! Clients of the admin API that do not behave, and proxies in front of it.

use std::time::Duration;

use jobber::api::AdminConfig;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{App, Package, answer};

/// More than the buffers of two sockets hold.
const LARGE: usize = 32 << 20;
const CONNECTIONS: usize = 4;
const BOUND: Duration = Duration::from_secs(60);

/// Asks for something and reads nothing.
async fn ask_and_wait(app: &App, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = app.url.trim_start_matches("http://").parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: jobber\r\nAuthorization: Bearer {}\r\n\r\n",
        app.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// How many bytes there still are, however it ends: with the rest of what the buffers hold, or with a reset.
async fn read_on(stream: &mut TcpStream) -> usize {
    let mut part = vec![0; 64 << 10];
    let mut taken = 0;
    while let Ok(bytes @ 1..) = stream.read(&mut part).await {
        taken += bytes;
    }
    taken
}

/// As many clients as there are connections take nothing of their answers; the next one is served all the same, once they are left.
#[test]
fn clients_that_do_not_take_their_answers_keep_nobody_out() {
    let impatient = AdminConfig {
        connections: CONNECTIONS,
        write_timeout: Duration::from_millis(500),
        ..AdminConfig::default()
    };
    App::administered_story(impatient, async |app| {
        let noise: Vec<u8> = (0..LARGE).map(|_| rand::random()).collect();
        let (status, body) = app.publish(&Package::new("a", "1").file("noise", noise)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let version = body["data"]["jobVersionId"].as_str().unwrap();
        let archive = format!("/api/job/a/versions/{version}/archive");
        let mut stalled = Vec::new();
        for _ in 0..CONNECTIONS {
            stalled.push(ask_and_wait(app, &archive).await);
        }
        // On a connection of its own, for which there is no room before one of them is left.
        let mut served = ask_and_wait(app, "/healthz").await;
        let mut start = [0; 12];
        timeout(BOUND, served.read_exact(&mut start))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        let mut left = 0;
        for mut stream in stalled {
            left += usize::from(timeout(BOUND, read_on(&mut stream)).await.unwrap() < LARGE);
        }
        assert!(left > 0, "all got the whole archive");
        // One that takes its answer gets all of it.
        let whole = app.request(Method::GET, &archive).send().await.unwrap();
        assert!(whole.bytes().await.unwrap().len() > LARGE);
    });
}

#[test]
fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    let of_last_change = async |app: &App| {
        let body = json!({"type": "text", "value": "x"});
        let request = app
            .request(Method::POST, "/api/job/a/environment/KEY")
            .header("X-Forwarded-For", "198.51.100.1, 192.0.2.7");
        assert_eq!(answer(request.json(&body)).await.0, StatusCode::OK);
        app.get("/api/audit?limit=1").await[0]["address"].clone()
    };
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        assert_eq!(of_last_change(app).await, "127.0.0.1");
    });
    let behind_proxies = AdminConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..AdminConfig::default()
    };
    App::administered_story(behind_proxies, async |app| {
        app.publish(&Package::new("a", "1")).await;
        assert_eq!(of_last_change(app).await, "192.0.2.7");
    });
}
