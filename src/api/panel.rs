//! The admin panel: the pages that `cargo xtask ui` has built, which are part of the program.
//!
//! The panel finds its own way from the address, so every address that is no file and none of the API's gets its first page, if
//! a browser asks for a page. A program that was built without it says how to build it.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    EntityTag, HeaderMap, IfNoneMatch, VARY,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::{self, ApiError};

/// What Vite has made of `ui/`. Beside each text is the same as gzip has it.
#[derive(RustEmbed)]
#[folder = "ui/dist/panel"]
#[exclude = ".vite/*"]
#[allow_missing = true]
struct Files;

/// The page that any address of the panel begins with.
const FIRST: &str = "index.html";
/// What has its content's hash in its name, and so never changes.
const HASHED: &str = "assets/";
/// What the panel may do in a browser: run and load what this server has, and nothing else. `ui/vite.config.ts` says the same.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Instead of the panel, where there is none.
const NOT_BUILT: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Jobber</title></head><body>\
    <h1>Jobber</h1><p>This program was built without the admin panel. To have it, build the panel and then the program again:</p>\
    <pre>cargo xtask ui\ncargo build</pre>\
    <p>The API is there: <a href=\"/api/docs\">its documentation</a>.</p></body></html>\n";

/// What a request that is none of the API's gets.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The file of this name.
    File(String),
    /// The page that says how to build the panel.
    NotBuilt,
    /// There is nothing.
    Nothing,
}

/// Decides what there is at a path. `has` tells which files there are.
fn choose(method: &Method, path: &str, wants_page: bool, has: impl Fn(&str) -> bool) -> Choice {
    if !matches!(*method, Method::GET | Method::HEAD) || path == "/api" || path.starts_with("/api/") {
        return Choice::Nothing;
    }
    let name = path.trim_start_matches('/');
    if !name.is_empty() && !name.ends_with(".gz") && has(name) {
        return Choice::File(name.to_owned());
    }
    match (has(FIRST), path) {
        (true, "/") => Choice::File(FIRST.to_owned()),
        // A script of an older panel is not there any more; a page in its place would be no script.
        (true, _) if wants_page && !name.starts_with(HASHED) => Choice::File(FIRST.to_owned()),
        (false, "/") => Choice::NotBuilt,
        _ => Choice::Nothing,
    }
}

/// Whether a header lists this word, whatever parameters it has.
fn lists(headers: &HeaderMap, name: impl actix_web::http::header::AsHeaderName, word: &str) -> bool {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    let mut words = values
        .flat_map(|value| value.split(','))
        .map(|item| item.split(';').next().unwrap_or_default().trim());
    words.any(|item| item.eq_ignore_ascii_case(word))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// Everything that is none of the API's: the panel's files, its pages, or a problem.
pub(super) async fn serve(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let wants_page = lists(request.headers(), ACCEPT, "text/html");
    match choose(request.method(), request.path(), wants_page, |name| {
        Files::get(name).is_some()
    }) {
        Choice::File(name) => Ok(file(&request, &name)),
        Choice::NotBuilt => Ok(HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .body(NOT_BUILT)),
        Choice::Nothing => problem::not_found(request).await,
    }
}

fn file(request: &HttpRequest, name: &str) -> HttpResponse {
    let packed = lists(request.headers(), ACCEPT_ENCODING, "gzip")
        .then(|| Files::get(&format!("{name}.gz")))
        .flatten();
    let encoded = packed.is_some();
    let Some(EmbeddedFile { data, metadata }) = packed.or_else(|| Files::get(name)) else {
        return HttpResponse::NotFound().finish();
    };
    let tag = EntityTag::new_strong(hex(&metadata.sha256_hash()));
    let known = match request.get_header::<IfNoneMatch>() {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        None => false,
    };
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let lasting = if name.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    answer
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, lasting))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY));
    if known {
        return answer.finish();
    }
    if encoded {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    answer.insert_header((CONTENT_TYPE, content_type(name)));
    answer.body(web::Bytes::from(data.into_owned()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(name: &str) -> bool {
        ["index.html", "favicon.svg", "assets/a-1.js", "assets/a-1.js.gz"].contains(&name)
    }

    fn page(name: &str) -> Choice {
        Choice::File(name.to_owned())
    }

    #[test]
    fn addresses_of_the_panel_begin_with_its_first_page() {
        for path in ["/", "/jobs", "/jobs/@scope%2Fname/logs"] {
            assert_eq!(
                choose(&Method::GET, path, true, built),
                page("index.html"),
                "{path}"
            );
        }
        assert_eq!(
            choose(&Method::GET, "/assets/a-1.js", false, built),
            page("assets/a-1.js")
        );
        assert_eq!(
            choose(&Method::HEAD, "/favicon.svg", false, built),
            page("favicon.svg")
        );
    }

    #[test]
    fn what_is_none_of_its_addresses_is_a_problem() {
        for (method, path, wants_page) in [
            (Method::GET, "/api", true),
            (Method::GET, "/api/nothing", true),
            (Method::POST, "/jobs", true),
            (Method::GET, "/nothing", false),
            (Method::GET, "/assets/older.js", true),
            (Method::GET, "/assets/a-1.js.gz", false),
        ] {
            assert_eq!(
                choose(&method, path, wants_page, built),
                Choice::Nothing,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn a_program_without_the_panel_says_how_to_build_it() {
        assert_eq!(choose(&Method::GET, "/", true, |_| false), Choice::NotBuilt);
        assert_eq!(choose(&Method::GET, "/jobs", true, |_| false), Choice::Nothing);
        assert!(NOT_BUILT.contains("cargo xtask ui"));
    }

    #[test]
    fn a_header_lists_a_word_whatever_its_parameters() {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            "text/HTML;q=0.9, */*;q=0.1".parse().expect("it is a value"),
        );
        assert!(lists(&headers, ACCEPT, "text/html"));
        assert!(!lists(&headers, ACCEPT, "text/plain"));
    }
}
