//! A log as it is written: server-sent events, over lost connections.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::cli::failure::{Exit, Failure, exit_of};
use crate::cli::output::note;
use crate::cli::remote::client::{Client, Parameter};
use crate::cli::remote::sse::Parser;

/// How long the server may take to begin.
const BEGIN: Duration = Duration::from_secs(30);
/// The server says something every 15 seconds: a connection that is silent for longer is lost.
const SILENCE: Duration = Duration::from_secs(50);
/// Pauses between attempts to come back.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is followed.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: String,
    pub(super) filter: Vec<Parameter>,
    /// How many lines that are there already.
    pub(super) lines: u16,
}

/// How far one has come.
#[derive(Debug, Default)]
struct Progress {
    last: Option<String>,
    pause: Duration,
}

/// Gives every line to `show`, until the time is over. Lost connections are begun again where they were; only what can not get better ends it.
pub(super) async fn follow(
    client: &Client,
    wanted: &Wanted,
    time: Option<Duration>,
    mut show: impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut progress = Progress::default();
    let following = async {
        let mut response = begin(client, wanted, &progress).await?;
        loop {
            let lost = read(response, &mut progress, &mut show).await?;
            note(&format!("the connection is lost ({lost}); coming back"));
            response = come_back(client, wanted, &mut progress).await?;
        }
    };
    let Some(time) = time else {
        return following.await;
    };
    match timeout_at(Instant::now() + time, following).await {
        Ok(ended) => ended,
        Err(_elapsed) => Ok(()),
    }
}

async fn begin(client: &Client, wanted: &Wanted, progress: &Progress) -> anyhow::Result<Response> {
    let mut request = client.request(Method::GET, &wanted.path).query(&wanted.filter);
    request = match &progress.last {
        Some(last) => request.header("last-event-id", last),
        None => request.query(&[("lines", wanted.lines)]),
    };
    let begun = timeout(BEGIN, client.send(request)).await;
    begun.unwrap_or_else(|_elapsed| {
        Err(Failure::new(Exit::Unreachable, "the server does not begin to answer").into())
    })
}

/// Tries until it works, or until the server says that it never will.
async fn come_back(client: &Client, wanted: &Wanted, progress: &mut Progress) -> anyhow::Result<Response> {
    loop {
        progress.pause = (progress.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        sleep(progress.pause).await;
        match begin(client, wanted, progress).await {
            Ok(response) => return Ok(response),
            Err(error) if !matches!(exit_of(&error), Exit::Unreachable | Exit::Failed) => return Err(error),
            Err(_away) => {}
        }
    }
}

/// Shows events until the connection is lost. Gives why it is.
async fn read(
    mut response: Response,
    progress: &mut Progress,
    show: &mut impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut parser = Parser::default();
    loop {
        let piece = match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok("the server ended it".to_owned()),
            Ok(Err(error)) => return Ok(error.to_string()),
            Err(_elapsed) => return Ok("the server is silent".to_owned()),
        };
        for event in parser.feed(&piece)? {
            if let Ok(line) = serde_json::from_str::<Value>(&event.data) {
                show(&line)?;
            }
            // After it was shown: what breaks off in between comes again.
            progress.last = event.id.or(progress.last.take());
            progress.pause = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::cli::remote::connection::{Connection, Source};

    /// Answers one connection after the other with these, and gives the requests.
    async fn answer_with(listener: TcpListener, answers: Vec<String>) -> Vec<String> {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let count = socket.read(&mut request).await.unwrap();
            requests.push(String::from_utf8_lossy(&request[..count]).to_lowercase());
            socket.write_all(answer.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
        requests
    }

    async fn client(address: SocketAddr) -> Client {
        let connection = Connection {
            url: format!("http://{address}"),
            gateway: None,
            token: Some("t".into()),
            source: Source::Given,
        };
        Client::new(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_lost_connection_is_begun_again_after_the_last_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(listener.local_addr().unwrap()).await;
        let events = |text: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{text}");
        let problem = r#"{"success": false, "message": "it is gone", "code": "job-not-found"}"#;
        let gone = format!(
            "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{problem}",
            problem.len()
        );
        let answers = vec![
            events(
                "id: one\ndata: {\"message\": \"1\"}\n\nid: two\ndata: {\"message\": \"2\"}\n\nid: three\ndata: {\"mess",
            ),
            events(": nothing yet\n\n"),
            events("id: three\ndata: {\"message\": \"3\"}\n\n"),
            gone,
        ];
        let wanted = Wanted {
            path: "/api/job/a/logs/tail".into(),
            filter: vec![("level", "info".into())],
            lines: 7,
        };
        let mut seen = Vec::new();
        let following = follow(&client, &wanted, None, |line| {
            seen.push(line["message"].as_str().unwrap().to_owned());
            Ok(())
        });
        let (requests, ended) = tokio::join!(answer_with(listener, answers), following);
        assert_eq!(exit_of(&ended.unwrap_err()), Exit::NotFound);
        assert_eq!(seen, ["1", "2", "3"]);
        assert!(requests[0].contains("level=info&lines=7") && !requests[0].contains("last-event-id"));
        for (request, id) in requests[1..].iter().zip(["two", "two", "three"]) {
            assert!(request.contains(&format!("last-event-id: {id}\r\n")), "{request}");
        }
    }

    #[tokio::test]
    async fn who_is_not_there_at_the_beginning_is_told_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(listener.local_addr().unwrap()).await;
        drop(listener);
        let wanted = Wanted {
            path: "/api/job/a/logs/tail".into(),
            filter: Vec::new(),
            lines: 0,
        };
        let error = follow(&client, &wanted, None, |_| Ok(())).await.unwrap_err();
        assert_eq!(exit_of(&error), Exit::Unreachable);
    }
}
