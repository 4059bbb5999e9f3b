//! What an operator can set.

use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

/// Limits and manners of the gateway. Every default is meant for production; `docs/reference/limits.md` explains them.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Threads that serve connections; one for each core by default.
    pub workers: NonZeroUsize,
    /// Open connections over all workers. Further ones wait in the kernel's backlog until one closes. Default 16,384.
    pub max_connections: usize,
    /// Invocations under way over all jobs, streamed answers included. More are refused with 503. Default 8,192.
    pub max_in_flight: usize,
    /// Bytes of a request's header fields, names and values. More is refused with 431. Default 32 KiB; the parser's own
    /// end is at 128 KiB.
    pub max_header_bytes: usize,
    /// Number of a request's header fields. More is refused with 431. Default and most: 96.
    pub max_header_count: usize,
    /// Bytes of a request's body. More is refused with 413. Default 256 MiB.
    pub max_body_bytes: u64,
    /// Bodies of a known length up to this are read before the function is called; larger ones are streamed to it.
    /// Default 64 KiB.
    pub inline_body_bytes: u64,
    /// Bytes of a streamed request body that may wait for the function to read them. Default 256 KiB.
    pub body_buffer_bytes: usize,
    /// How long a client may take to send a request's head. Default 10 s.
    pub head_timeout: Duration,
    /// How long a client may be silent in the middle of a body that the function waits for. A body that is read before
    /// the call must arrive within it as a whole. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may take no byte of an answer that is ready for it. Default 60 s.
    pub write_timeout: Duration,
    /// How long a connection may stay open without a request. Default 75 s (above the 60 s of most load balancers, so
    /// that it is they who close).
    pub keep_alive: Duration,
    /// How long the rest of an upload is read and thrown away after an early answer, so that the client gets to read
    /// that answer. Default 5 s.
    pub linger: Duration,
    /// How long requests under way may take to finish when the server stops. Default 30 s.
    pub shutdown_timeout: Duration,
    /// What `Retry-After` says when the server or a queue is full. Default 1 s; whole seconds.
    pub retry_after: Duration,
    /// Whose `X-Forwarded-*` header fields are believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a caller sees what a function threw. Its author always sees it in the log. Default no; `jobber dev`
    /// turns it on.
    pub expose_errors: bool,
}

/// Header fields that the HTTP parser can hold.
pub(crate) const PARSER_MAX_HEADERS: usize = 96;

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_connections: 16_384,
            max_in_flight: 8_192,
            max_header_bytes: 32 * 1024,
            max_header_count: PARSER_MAX_HEADERS,
            max_body_bytes: 256 * 1024 * 1024,
            inline_body_bytes: 64 * 1024,
            body_buffer_bytes: 256 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            linger: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
            trusted_proxies: Vec::new(),
            expose_errors: false,
        }
    }
}

impl GatewayConfig {
    /// `Retry-After` in whole seconds, at least one.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs().max(1)
    }
}
