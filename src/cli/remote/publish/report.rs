//! What publishing came to, in words.

use serde_json::Value;

use super::locate::line_of;
use crate::cli::output::note;
use crate::cli::remote::connection::Connection;
use crate::cli::text::{printable, text};

/// Version, routes and a line to try.
pub(super) fn published(published: &Value, connection: &Connection) -> String {
    let what = match published["change"].as_str() {
        Some("activated") => "activated",
        Some("unchanged") => "unchanged",
        _ => "published",
    };
    let active = if published["active"] == true {
        ""
    } else {
        " (not active: --no-rollout)"
    };
    let mut lines = format!(
        "{what} {} {}{active}\n",
        text(published, "name"),
        text(published, "version")
    );
    let routes = published["routes"].as_array().map_or(&[][..], Vec::as_slice);
    for route in routes {
        let method = route["method"].as_str().unwrap_or("ANY");
        lines += &format!("  {method:<6} {}\n", printable(&place(route, connection), false));
    }
    let triggers = published["triggers"].as_array().map_or(&[][..], Vec::as_slice);
    for trigger in triggers.iter().filter(|trigger| trigger["type"] != "http") {
        let name = trigger["name"].as_str().unwrap_or("without a name");
        lines += &format!("  {:<6} {}\n", text(trigger, "type"), printable(name, false));
    }
    if published["active"] == true
        && let Some(line) = routes.iter().find_map(|route| curl(route, connection))
    {
        lines += &format!("try: {line}\n");
    }
    lines
}

/// Where a route is: its URL, or its pattern if it has none.
fn place(route: &Value, connection: &Connection) -> String {
    match route["url"].as_str() {
        Some(url) => connection.reachable(url),
        None => text(route, "path"),
    }
}

/// A call that the route takes.
fn curl(route: &Value, connection: &Connection) -> Option<String> {
    let url = connection.reachable(route["url"].as_str()?);
    let method = match route["method"].as_str() {
        None | Some("GET") => String::new(),
        Some(method) => format!("-X {method} "),
    };
    let host = match route["hostname"].as_str() {
        Some(host) => format!("-H {} ", quoted(&format!("host: {host}"))),
        None => String::new(),
    };
    Some(format!("curl {method}{host}{}", quoted(&url)))
}

/// For a shell: nothing in it means anything else.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:/".contains(&byte);
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", printable(text, false).replace('\'', "'\\''"))
}

/// What the author should look at.
pub(super) fn warnings(published: &Value, manifest: &str) {
    let warnings = published["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    for warning in warnings {
        let pointer = warning["pointer"].as_str().unwrap_or_default();
        let line = line_of(manifest, pointer)
            .map(|line| format!(" (line {line})"))
            .unwrap_or_default();
        note(&format!("warning: {pointer}{line} {}", text(warning, "message")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::remote::connection::Source;

    fn connection() -> Connection {
        Connection {
            url: "http://server.example:3000".into(),
            gateway: None,
            token: None,
            source: Source::Given,
        }
    }

    #[test]
    fn version_routes_and_a_line_to_try_are_told() {
        let route = |method: Option<&str>, path: &str| json!({ "method": method, "path": path, "url": format!("http://127.0.0.1:3001{path}") });
        let answer = json!({
            "name": "hello", "version": "1.0.0", "change": "published", "active": true,
            "routes": [{ "path": "^/a", "url": null }, route(Some("POST"), "/it's"), route(None, "/b")],
            "triggers": [{ "type": "http", "name": "x" }, { "type": "schedule", "name": "nightly" }],
        });
        assert_eq!(
            published(&answer, &connection()),
            "published hello 1.0.0\n  ANY    ^/a\n  POST   http://server.example:3001/it's\n  ANY    \
             http://server.example:3001/b\n  schedule nightly\ntry: curl -X POST 'http://server.example:3001/it'\\''s'\n"
        );
    }

    #[test]
    fn what_does_not_serve_is_not_to_be_tried() {
        let answer = json!({
            "name": "a", "version": "2", "change": "published", "active": false, "triggers": [],
            "routes": [{ "method": "GET", "path": "/a", "url": "http://127.0.0.1:3001/a" }],
        });
        let told = published(&answer, &connection());
        assert!(told.contains("not active") && !told.contains("curl"), "{told}");
    }
}
