//! `jobber healthcheck`, for container images: they need no other program to ask a server how it is.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::config::{Config, Listen, Overrides};

/// How long the server may take. A probe waits for nothing, so one that takes longer is no good answer.
const LIMIT: Duration = Duration::from_secs(5);
/// What is read of the answer: the report is much shorter.
const MAX_BYTES: usize = 16 * 1024;
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// A configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The gateway is asked, not the API: it stays ready while Postgres is away, and a proxy that leaves unhealthy containers
/// would otherwise make every function unreachable.
pub(super) fn run(args: &HealthcheckArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    ask(on_this_machine(config.server.gateway))
}

/// Where a server that listens there answers to its own machine.
fn on_this_machine(listen: Listen) -> SocketAddr {
    let address = match listen.bind {
        IpAddr::V4(bind) if bind.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(bind) if bind.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        bind => bind,
    };
    (address, listen.port).into()
}

fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let until = Instant::now() + LIMIT;
    let answer = answer(address, until).with_context(|| format!("no answer from {address}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, report) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        Some(status) => bail!("not ready (status {status}): {}", report.trim()),
        None => bail!("{address} does not speak HTTP"),
    }
}

fn answer(address: SocketAddr, until: Instant) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while answer.len() < MAX_BYTES {
        // A peer that sends a byte now and then must not hold this up.
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that gives this answer.
    fn asked(answer: &'static str) -> anyhow::Result<()> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, REQUEST);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = ask(address);
        serving.join().unwrap();
        result
    }

    #[test]
    fn only_a_ready_server_is_healthy() {
        asked("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        let refused = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"failed\"}").unwrap_err();
        assert!(
            refused.to_string().contains("503") && refused.to_string().contains("failed"),
            "{refused}"
        );
        let strange = asked("hello").unwrap_err().to_string();
        assert!(strange.contains("does not speak HTTP"), "{strange}");
    }

    #[test]
    fn a_server_that_is_not_there_is_not_healthy() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(gone).unwrap_err().to_string().contains("no answer"));
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let at = |bind: &str| {
            on_this_machine(Listen {
                bind: bind.parse().unwrap(),
                port: 1,
            })
            .to_string()
        };
        assert_eq!(at("0.0.0.0"), "127.0.0.1:1");
        assert_eq!(at("::"), "[::1]:1");
        assert_eq!(at("10.0.0.7"), "10.0.0.7:1");
    }
}
