//! What a client says about an asynchronous call, in header fields and in a query: pure.

use std::time::Duration;

use actix_http::RequestHead;
use actix_http::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const ASYNC: HeaderName = HeaderName::from_static("x-jobber-async");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const CALLBACK: HeaderName = HeaderName::from_static("x-jobber-callback");

/// The preference that is honoured.
pub(super) const RESPOND_ASYNC: &str = "respond-async";
/// What callers prove with who they are.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "x-api-key"];
const MAX_KEY_BYTES: usize = 255;

/// Whether the client wants its request accepted now and answered later.
pub(in crate::gateway) fn wants_later(head: &RequestHead) -> bool {
    prefers_later(head)
        || head
            .headers
            .get(ASYNC)
            .is_some_and(|value| matches!(value.as_bytes(), b"1" | b"true"))
}

/// Whether it says so by RFC 7240, and is to be told that this was honoured.
pub(super) fn prefers_later(head: &RequestHead) -> bool {
    let is_it = |preference: &str| {
        let name = preference.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case(RESPOND_ASYNC)
    };
    head.headers
        .get_all(PREFER)
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(is_it))
}

/// The only value of a field; `Err` if there are several, or it is no text.
fn only<'a>(head: &'a RequestHead, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = head.headers.get_all(name);
    let first: Option<&HeaderValue> = values.next();
    if values.next().is_some() {
        return Err(format!("The header field {name} is there more than once."));
    }
    let text = first.map(|value| value.to_str().map(str::trim)).transpose();
    text.map_err(|_| format!("The header field {name} is no ASCII text."))
}

/// What the client calls its request. The quotation marks of a structured field (RFC 9651) are not part of it.
pub(super) fn idempotency_key(head: &RequestHead) -> Result<Option<String>, String> {
    let Some(text) = only(head, &IDEMPOTENCY_KEY)? else {
        return Ok(None);
    };
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(format!("An Idempotency-Key has 1 to {MAX_KEY_BYTES} characters."));
    }
    Ok(Some(key.to_owned()))
}

/// Who sends a request, as far as it says so: a field's name before each of its values.
pub(super) fn credentials(head: &RequestHead) -> impl Iterator<Item = &[u8]> {
    CREDENTIALS.iter().flat_map(|name| {
        let values = head.headers.get_all(*name);
        values.flat_map(|value| [name.as_bytes(), value.as_bytes()])
    })
}

/// Where the client wants the result posted.
pub(super) fn callback(head: &RequestHead) -> Result<Option<&str>, String> {
    only(head, &CALLBACK)
}

/// What makes two requests the same.
pub(super) fn fingerprint(method: &str, target: &str, callback: Option<&str>, body: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [
        method.as_bytes(),
        target.as_bytes(),
        callback.unwrap_or_default().as_bytes(),
        body,
    ] {
        // With its length, so that nothing of one part can be taken for the beginning of the next.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// How long a client wants to wait: `?wait=30s`, `500ms`, `1m` or a number of seconds. Nothing is no time.
pub(super) fn wait(query: Option<&str>) -> Result<Duration, String> {
    let wrong =
        || "`wait` is a number of seconds, or a number with `ms`, `s` or `m`, such as 30s.".to_owned();
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, text)) = parameters.into_iter().find(|(name, _)| name == "wait") else {
        return Ok(Duration::ZERO);
    };
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("", 1_000)];
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_millis(number.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> RequestHead {
        let mut head = RequestHead::default();
        for (name, value) in fields {
            head.headers
                .append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn a_client_says_that_it_wants_its_answer_later() {
        for fields in [
            [("prefer", "respond-async")],
            [("prefer", "return=minimal, Respond-Async; wait=10")],
            [("x-jobber-async", "1")],
        ] {
            assert!(wants_later(&head(&fields)), "{fields:?}");
        }
        assert!(wants_later(&head(&[
            ("prefer", "return=minimal"),
            ("prefer", "respond-async")
        ])));
        for fields in [
            [("prefer", "return=minimal")],
            [("prefer", "respond-asynchronously")],
            [("prefer", "wait=\"respond\"")],
            [("x-jobber-async", "0")],
        ] {
            assert!(!wants_later(&head(&fields)), "{fields:?}");
        }
        assert!(!prefers_later(&head(&[("x-jobber-async", "1")])));
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotation_marks() {
        let key = |value| idempotency_key(&head(&[("idempotency-key", value)]));
        assert_eq!(key("\"a b\""), Ok(Some("a b".to_owned())));
        assert_eq!(key("a b"), Ok(Some("a b".to_owned())));
        assert_eq!(idempotency_key(&head(&[])), Ok(None));
        assert!(key("").is_err() && key("\"\"").is_err());
        assert!(idempotency_key(&head(&[("idempotency-key", "a"), ("idempotency-key", "a")])).is_err());
    }

    #[test]
    fn callers_are_told_apart_by_what_they_prove_it_with() {
        let of = |fields| credentials(&head(fields)).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let nobody = of(&[("accept", "a")]);
        let ada = of(&[("authorization", "a")]);
        assert!(nobody.is_empty());
        assert_eq!(ada, of(&[("authorization", "a"), ("user-agent", "b")]));
        for other in [
            of(&[("authorization", "b")]),
            of(&[("cookie", "a")]),
            of(&[("x-api-key", "a")]),
            of(&[("authorization", "a"), ("cookie", "a")]),
        ] {
            assert!(other != ada && other != nobody);
        }
    }

    #[test]
    fn every_part_of_a_request_counts() {
        let of =
            |method, target, callback, body: &str| fingerprint(method, target, callback, body.as_bytes());
        let one = of("POST", "/a?b", None, "c");
        assert_eq!(one, of("POST", "/a?b", None, "c"));
        for other in [
            of("PUT", "/a?b", None, "c"),
            of("POST", "/a", None, "?bc"),
            of("POST", "/a?b", Some("http://d"), "c"),
            of("POST", "/a?b", None, "d"),
            of("POST", "/a?bc", None, ""),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_wait_has_a_unit_or_is_in_seconds() {
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert_eq!(wait(Some("other=1")), Ok(Duration::ZERO));
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("7", 7_000),
            ("0", 0),
        ] {
            assert_eq!(
                wait(Some(&format!("wait={text}"))),
                Ok(Duration::from_millis(milliseconds))
            );
        }
        for text in ["", "s", "1h", "-1", "1.5s", "forever"] {
            assert!(wait(Some(&format!("wait={text}"))).is_err(), "{text}");
        }
    }
}
