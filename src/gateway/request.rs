//! A request as a function gets to see it.

use std::collections::BTreeMap;

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{Method, RequestHead, Version};
use jobber_actors::invocation::HttpInput;
use jobber_actors::trace::{RemoteParent, TRACEPARENT, TRACESTATE, TraceContext};

use super::connection::Expected;
use crate::forwarded::{Origin, is_proxy_header};

/// Made once: a name that is looked up as text is copied for it.
const PARENT_FIELD: HeaderName = HeaderName::from_static(TRACEPARENT);
const STATE_FIELD: HeaderName = HeaderName::from_static(TRACESTATE);

/// Header fields that belong to one connection and are not passed on, in either direction (RFC 9110 §7.6.1).
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether one of the `Connection` values names this header field.
pub(crate) fn is_named_by<'v>(mut connection: impl Iterator<Item = &'v str>, name: &str) -> bool {
    connection.any(|value| {
        value
            .split(',')
            .any(|option| option.trim().eq_ignore_ascii_case(name))
    })
}

/// What kind of body a request announces. The HTTP layer has already refused what contradicts itself.
pub(crate) fn expected_body(head: &RequestHead) -> Expected {
    if head.headers.contains_key(header::TRANSFER_ENCODING) || switches_protocol(head) {
        return Expected::Unknown;
    }
    let length = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Expected::Bytes(length.unwrap_or(0))
}

/// Whether the client wants something else than HTTP on this connection. `Upgrade: h2c` is not meant: a server may
/// ignore it, and this one does.
pub(crate) fn switches_protocol(head: &RequestHead) -> bool {
    head.method == Method::CONNECT
        || head
            .headers
            .get(header::UPGRADE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// Host and port as the client named them: what a trusted proxy says, else the target, else the `Host` field.
pub(crate) fn authority<'a>(head: &'a RequestHead, origin: &Origin<'a>) -> Option<&'a str> {
    origin
        .host
        .or_else(|| head.uri.authority().map(actix_http::uri::Authority::as_str))
        .or_else(|| head.headers.get(header::HOST)?.to_str().ok())
        .map(str::trim)
        .filter(|authority| !authority.is_empty())
}

/// Whether a URL can be made with it.
pub(crate) fn is_authority(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_~:[]%!$&'()*+,;=".contains(&byte))
}

/// Whether the target names something on this server: a path, or `*` for `OPTIONS`.
pub(crate) fn is_target(head: &RequestHead) -> bool {
    let path = head.uri.path();
    path.starts_with('/') || (path == "*" && head.method == Method::OPTIONS)
}

/// Puts together what the function sees. `authority` stands in when the client named no host (HTTP/1.0).
pub(crate) fn http_input(
    head: &RequestHead,
    origin: &Origin<'_>,
    authority: &str,
    params: BTreeMap<String, String>,
    expected: Expected,
) -> HttpInput {
    HttpInput {
        method: head.method.as_str().to_owned(),
        target: head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned(),
        scheme: origin.scheme.into(),
        authority: authority.to_owned(),
        headers: end_to_end(&head.headers, origin.proxied),
        params,
        ip: origin.ip,
        size: match expected {
            Expected::Bytes(bytes) => Some(bytes),
            Expected::Unknown => None,
        },
    }
}

/// The invocation's place in the trace that its client names, or in a new one.
pub(crate) fn trace_context(headers: &HeaderMap) -> TraceContext {
    // Bytes that are no text make a field as wrong as this is.
    let values = |name| headers.get_all(name).map(|value| value.to_str().unwrap_or("="));
    RemoteParent::parse(values(&PARENT_FIELD), values(&STATE_FIELD))
        .map_or_else(TraceContext::root, TraceContext::child_of)
}

fn end_to_end(headers: &HeaderMap, proxied: bool) -> Vec<(String, String)> {
    let has_connection = headers.contains_key(header::CONNECTION);
    let connection = || {
        headers
            .get_all(header::CONNECTION)
            .filter_map(|value| value.to_str().ok())
    };
    headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !(is_hop_by_hop(name)
                || name == "expect"
                // The function gets those of the invocation instead.
                || name == TRACEPARENT
                || name == TRACESTATE
                || (!proxied && is_proxy_header(name))
                || (has_connection && is_named_by(connection(), name)))
        })
        .map(|(name, value)| (name.as_str().to_owned(), text_of(value)))
        .collect()
}

/// Header values are bytes; each stands for the character of the same number (ISO 8859-1), as in Node's own server.
fn text_of(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// The reverse of [`text_of`]; `None` if the text has characters that no header can hold.
pub(crate) fn value_of(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Whether the client is too old for chunks.
pub(crate) fn is_http_10(head: &RequestHead) -> bool {
    head.version < Version::HTTP_11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_of_a_header_survives_both_ways() {
        let value = HeaderValue::from_bytes(b"caf\xe9").expect("a value");
        let text = text_of(&value);
        assert_eq!(text, "caf\u{e9}");
        assert_eq!(value_of(&text), Some(value));
        assert_eq!(value_of("\u{20ac}"), None);
        assert_eq!(value_of("a\r\nset-cookie: b"), None);
    }

    #[test]
    fn fields_of_the_connection_stay_on_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "X-Secret-Hop, keep-alive"),
            ("x-secret-hop", "1"),
            ("te", "trailers"),
            ("x-forwarded-for", "192.0.2.1"),
            ("accept", "a"),
            ("accept", "b"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let own = end_to_end(&headers, false);
        assert_eq!(
            own,
            [
                ("accept".to_owned(), "a".to_owned()),
                ("accept".to_owned(), "b".to_owned())
            ]
        );
        assert!(
            end_to_end(&headers, true)
                .iter()
                .any(|(name, _)| name == "x-forwarded-for")
        );
    }

    #[test]
    fn an_authority_can_stand_in_a_url() {
        assert!(is_authority("example.org:8080") && is_authority("[::1]:80"));
        for text in ["a/b", "user@host", "a b", "a?b", "a#b", "a\\b"] {
            assert!(!is_authority(text), "{text}");
        }
    }
}
