//! The load generator: each connection sends a request when it has the answer to the one before, or at a steady pace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// More than any answer here has.
const LARGEST_ANSWER: usize = 16 * 1024;

/// No single answer may take this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A load to put on a server.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
}

/// What a load measured.
pub(crate) struct Run {
    /// Answers in each second.
    pub(crate) rate: f64,
    /// Of each request, sorted.
    pub(crate) latencies: Vec<Duration>,
}

/// What became of requests at a steady pace.
#[derive(Default)]
pub(crate) struct Paced {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) slowest: Duration,
}

impl Load {
    /// Puts the load on for this long, from one thread, the same way whoever answers.
    pub(crate) fn run(&self, time: Duration) -> Result<Run> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.generate(time))
    }

    /// Sends so many requests a second for this long, whatever becomes of them; each connection waits for its answer, and sends
    /// late what it could not send on time.
    pub(crate) async fn keep_up(&self, rate: u32, time: Duration) -> Result<Paced> {
        let connections = self.open().await?;
        let pause = Duration::from_secs(1) * u32::try_from(connections.len())? / rate;
        let begun = tokio::time::Instant::now();
        let mut running = JoinSet::new();
        for (place, connection) in (0..).zip(connections) {
            let first = begun + Duration::from_secs(1) * place / rate;
            running.spawn(connection.pace(first, pause, begun + time));
        }
        let mut paced = Paced::default();
        while let Some(finished) = running.join_next().await {
            let one = finished?;
            paced.answered += one.answered;
            paced.failed += one.failed;
            paced.slowest = paced.slowest.max(one.slowest);
        }
        Ok(paced)
    }

    async fn open(&self) -> Result<Vec<Connection>> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address, self.path).await?);
        }
        Ok(connections)
    }

    async fn generate(&self, time: Duration) -> Result<Run> {
        let connections = self.open().await?;
        let begun = Instant::now();
        let end = begun + time;
        let mut running = JoinSet::new();
        for connection in connections {
            running.spawn(connection.run(end));
        }
        let mut latencies = Vec::new();
        while let Some(finished) = running.join_next().await {
            latencies.extend(finished??);
        }
        let took = begun.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let rate = latencies.len() as f64 / took;
        Ok(Run { rate, latencies })
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Bytes of an answer; all are of the same length.
    length: usize,
}

impl Connection {
    /// Connects and learns from one request how long the answers are.
    async fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n").into_bytes();
        let mut connection = Self {
            stream,
            request,
            answer: vec![0; LARGEST_ANSWER],
            length: 0,
        };
        connection.stream.write_all(&connection.request).await?;
        let mut filled = 0;
        while connection.length == 0 {
            let read =
                tokio::time::timeout(PATIENCE, connection.stream.read(&mut connection.answer[filled..]))
                    .await??;
            ensure!(read > 0, "{address} closed the connection");
            filled += read;
            connection.length = answer_length(&connection.answer[..filled])?
                .filter(|length| *length <= filled)
                .unwrap_or(0);
        }
        ensure!(
            connection.length == filled,
            "{address} sent more than it announced"
        );
        Ok(connection)
    }

    async fn run(mut self, end: Instant) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        loop {
            let sent = Instant::now();
            if sent >= end {
                return Ok(latencies);
            }
            self.ask().await?;
            latencies.push(sent.elapsed());
        }
    }

    async fn pace(
        mut self,
        first: tokio::time::Instant,
        pause: Duration,
        end: tokio::time::Instant,
    ) -> Paced {
        let mut paced = Paced::default();
        let mut due = first;
        while due < end {
            tokio::time::sleep_until(due).await;
            let sent = Instant::now();
            match tokio::time::timeout(PATIENCE, self.ask()).await {
                Ok(Ok(())) => paced.answered += 1,
                // The connection is of no use any more.
                Ok(Err(_)) | Err(_) => {
                    paced.failed += 1;
                    return paced;
                }
            }
            paced.slowest = paced.slowest.max(sent.elapsed());
            due += pause;
        }
        paced
    }

    async fn ask(&mut self) -> Result<()> {
        self.stream.write_all(&self.request).await?;
        self.stream.read_exact(&mut self.answer[..self.length]).await?;
        if !self.answer.starts_with(b"HTTP/1.1 200 ") {
            bail!(
                "an answer begins with {:?}",
                String::from_utf8_lossy(&self.answer[..40])
            );
        }
        Ok(())
    }
}

/// The length of the answer that begins here; `None` if its header is not complete.
fn answer_length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?.to_ascii_lowercase();
    ensure!(
        head.starts_with("http/1.1 200 "),
        "the answer is {}",
        head.lines().next().unwrap_or_default()
    );
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("the answer has no length")?.trim().parse()?;
    Ok(Some(end + 4 + length))
}

/// Whether something at this address answers `GET` of this path with 200.
pub(crate) fn answers(address: SocketAddr, path: &'static str) -> Result<()> {
    let load = Load {
        address,
        path,
        connections: 1,
    };
    load.run(Duration::from_millis(1)).map(drop)
}
