//! A client that writes what it is told to, byte by byte, and understands answers.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// No answer in these tests is larger.
const MOST: usize = 4 * 1024 * 1024;

pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn headers(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The problem document.
    pub(super) fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn code(&self) -> String {
        self.problem()["code"].as_str().expect("a code").to_owned()
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref()))
            .await
            .expect("is taken")
            .expect("is connected");
    }

    /// A request without a body.
    pub(super) async fn request(&mut self, method: &str, target: &str, headers: &str) {
        self.send(format!(
            "{method} {target} HTTP/1.1\r\nhost: example.org\r\n{headers}\r\n"
        ))
        .await;
    }

    /// Reads on; `false` at the end of the connection.
    async fn fill(&mut self) -> bool {
        assert!(self.buffer.len() < MOST, "the answer is too long");
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .expect("something comes");
        matches!(read, Ok(bytes) if bytes > 0)
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(
                self.fill().await,
                "the connection ended within a line: {:?}",
                self.buffer
            );
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await, "the connection ended within a body");
        }
        self.buffer.drain(..length).collect()
    }

    /// Status and header of the next answer.
    pub(super) async fn head(&mut self) -> Answer {
        let status = self.line().await;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status line");
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        Answer {
            status,
            headers,
            body: Vec::new(),
        }
    }

    /// The next answer with its body.
    pub(super) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("a number");
            answer.body = self.exactly(length).await;
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend_from_slice(&chunk);
            }
        } else if answer.header("connection") == Some("close") {
            while self.fill().await {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        answer
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line().await, 16).expect("a chunk's size");
        let chunk = self.exactly(size).await;
        assert_eq!(self.line().await, "");
        (size > 0).then_some(chunk)
    }

    /// The next byte; `None` at the end of the connection.
    pub(super) async fn next_byte(&mut self) -> Option<u8> {
        if self.buffer.is_empty() && !self.fill().await {
            return None;
        }
        Some(self.buffer.remove(0))
    }

    /// Whether the server ends the connection and says nothing more.
    pub(super) async fn is_closed(&mut self) -> bool {
        !self.fill().await && self.buffer.is_empty()
    }

    /// Whether the connection ends, whatever still comes before.
    pub(super) async fn ends(&mut self) {
        while self.fill().await {
            self.buffer.clear();
        }
    }
}
