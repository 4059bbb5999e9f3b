//! The one line that a runner gets on its standard input.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

/// Where a runner dials its manager, as seen from the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerAddress {
    /// A host name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

#[derive(Serialize)]
struct StartLine<'a> {
    host: &'a str,
    port: u16,
    token: &'a str,
    directory: &'a str,
}

/// The start line with its line feed. It carries the token, so it is wiped from memory when dropped.
pub(super) fn start_line(
    manager: &ManagerAddress,
    token: &SecretString,
    directory: &str,
) -> Zeroizing<Vec<u8>> {
    let line = StartLine {
        host: &manager.host,
        port: manager.port,
        token: token.expose_secret(),
        directory,
    };
    // With room enough, serialising never moves the buffer and leaves no copy of the token behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        1024 + manager.host.len() + directory.len() * 2,
    ));
    serde_json::to_writer(&mut *bytes, &line).expect("four plain fields serialise into memory");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_the_protocol_says() {
        let manager = ManagerAddress {
            host: "10.0.0.2".into(),
            port: 5211,
        };
        let line = start_line(&manager, &SecretString::from("ab"), "/app");
        assert_eq!(
            std::str::from_utf8(&line).unwrap(),
            "{\"host\":\"10.0.0.2\",\"port\":5211,\"token\":\"ab\",\"directory\":\"/app\"}\n"
        );
    }
}
