//! Who the client is when proxies stand in between.
//!
//! `X-Forwarded-For`, `-Proto` and `-Host` are believed only when the connection comes from a trusted proxy; from anyone
//! else they are removed, so that a function that reads them can not be lied to.

use std::net::IpAddr;

use actix_http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Names that only a trusted proxy may set, lower-cased.
const PROXY_HEADERS: [&str; 8] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// Whether only a trusted proxy may set this header field.
pub(crate) fn is_proxy_header(name: &str) -> bool {
    (name.starts_with("x-") || name == "forwarded") && PROXY_HEADERS.contains(&name)
}

/// What is true about the client, whatever the request claims.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// Whether the request came by way of a trusted proxy.
    pub(crate) proxied: bool,
    /// The client's address.
    pub(crate) ip: IpAddr,
    /// What the client spoke to the outermost proxy.
    pub(crate) scheme: &'static str,
    /// The host that the client named, if a proxy had to replace it.
    pub(crate) host: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// Judges a request that came from `peer`.
    pub(crate) fn of(peer: IpAddr, headers: &'a HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        if trusted.is_empty() || !trusts(trusted, peer) {
            return Self {
                proxied: false,
                ip: peer,
                scheme: "http",
                host: None,
            };
        }
        Self {
            proxied: true,
            ip: client_address(peer, headers, trusted),
            scheme: scheme(headers),
            host: last_value(headers, &FORWARDED_HOST),
        }
    }
}

fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Walks the chain from the nearest proxy outwards; the first address that no trusted proxy has is the client.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    let chain: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for entry in chain.into_iter().rev() {
        // What stands left of something that is no address was not written by a trusted proxy.
        let Some(address) = parse_address(entry.trim()) else {
            break;
        };
        client = address;
        if !trusts(trusted, address) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    text.strip_prefix('[')?
        .strip_suffix(']')?
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn scheme(headers: &HeaderMap) -> &'static str {
    match last_value(headers, &FORWARDED_PROTO) {
        Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    }
}

/// The value that the nearest proxy wrote.
fn last_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).last()?.to_str().ok()?;
    let last = value.rsplit(',').next().unwrap_or(value).trim();
    (!last.is_empty()).then_some(last)
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_stranger_is_who_the_connection_says() {
        let headers = headers(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")]);
        let origin = Origin::of(address("198.51.100.9"), &headers, &networks(&["10.0.0.0/8"]));
        assert_eq!(
            origin,
            Origin {
                proxied: false,
                ip: address("198.51.100.9"),
                scheme: "http",
                host: None
            }
        );
    }

    #[test]
    fn a_trusted_proxy_names_client_scheme_and_host() {
        let headers = headers(&[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example.org"),
        ]);
        let origin = Origin::of(address("10.1.1.1"), &headers, &networks(&["10.0.0.0/8"]));
        assert_eq!(
            origin,
            Origin {
                proxied: true,
                ip: address("192.0.2.1"),
                scheme: "https",
                host: Some("shop.example.org")
            }
        );
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        let headers = headers(&[("x-forwarded-for", "127.0.0.1, 192.0.2.1, 10.2.2.2")]);
        let origin = Origin::of(address("10.1.1.1"), &headers, &networks(&["10.0.0.0/8"]));
        assert_eq!(origin.ip, address("192.0.2.1"));
    }

    #[test]
    fn a_chain_over_several_fields_is_one_chain() {
        let headers = headers(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.2.2.2")]);
        let origin = Origin::of(address("10.1.1.1"), &headers, &networks(&["10.0.0.0/8"]));
        assert_eq!(origin.ip, address("192.0.2.1"));
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        let trusted = networks(&["10.0.0.0/8"]);
        for (text, expected) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let mut map = HeaderMap::new();
            map.append(FORWARDED_FOR, HeaderValue::from_str(text).expect("a value"));
            assert_eq!(
                Origin::of(address("::ffff:10.1.1.1"), &map, &trusted).ip,
                address(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn rubbish_in_the_chain_ends_it() {
        let headers = headers(&[("x-forwarded-for", "192.0.2.1, unknown, 10.2.2.2")]);
        let origin = Origin::of(address("10.1.1.1"), &headers, &networks(&["10.0.0.0/8"]));
        assert_eq!(origin.ip, address("10.2.2.2"));
    }
}
