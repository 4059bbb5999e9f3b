//! The admin API as commands use it: answers unwrapped, refusals as causes with a next step, everything with a cap.

use std::time::Duration;

use chrono::Utc;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::connection::{Connection, Source};
use crate::cli::failure::{Exit, Failure, Fault};
use crate::cli::text::given_moment;
use crate::outgoing;

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an ordinary answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(60);
/// How long it may take until a version serves: the server's own limits come first.
pub(super) const ROLLOUT: Duration = Duration::from_secs(15 * 60);
/// Most bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;
/// Most rows of a part of a list; short lists give fewer.
const PART: usize = 100;
/// What of a path's segment stays as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A parameter after the `?`.
pub(in crate::cli) type Parameter = (&'static str, String);

/// A server's admin API.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    pub(super) connection: Connection,
}

/// The parameters for the time between two moments, as people give them.
pub(super) fn span(since: Option<&str>, until: Option<&str>) -> Result<Vec<Parameter>, Failure> {
    let now = Utc::now();
    [("from", since), ("to", until)]
        .into_iter()
        .filter_map(|(name, given)| Some((name, given?)))
        .map(|(name, given)| {
            let moment = given_moment(given, now).map_err(Failure::usage)?;
            Ok((name, moment.to_rfc3339()))
        })
        .collect()
}

/// A part of a path: names may have slashes.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A job's path below the API.
pub(in crate::cli) fn job_path(job: &str, below: &str) -> String {
    format!("/api/job/{}{below}", segment(job))
}

/// A client for this URL. `http` needs no certificates, so a machine without any can use it.
pub(super) async fn http_client(url: &str) -> anyhow::Result<reqwest::Client> {
    let builder = if url.starts_with("https:") {
        let tls = outgoing::client().await;
        tls.map_err(|reason| {
            Failure::new(Exit::Unreachable, reason).next("install the package ca-certificates")
        })?
    } else {
        outgoing::without_tls()
    };
    // A redirect would take the token along, or turn a POST into a GET.
    Ok(builder
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .user_agent(concat!("jobber/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

impl Client {
    pub(in crate::cli) async fn new(connection: Connection) -> anyhow::Result<Self> {
        Ok(Self {
            http: http_client(&connection.url).await?,
            connection,
        })
    }

    /// A request with the token.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.connection.url));
        match &self.connection.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// Sends it. The answer is a success.
    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let sent = request.send().await;
        let response = sent.map_err(|error| unreachable(&self.connection, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// Sends it, and gives the whole answer.
    pub(super) async fn answer(&self, request: RequestBuilder, within: Duration) -> anyhow::Result<Value> {
        let response = self.send(request.timeout(within)).await?;
        let bytes = read(response, MAX_ANSWER)
            .await
            .map_err(|error| self.other(&format!("its answer broke off: {error}")))?;
        serde_json::from_slice(&bytes).map_err(|_| self.other("its answer is no JSON").into())
    }

    /// GETs what is in `data`.
    pub(in crate::cli) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.answer(self.request(Method::GET, path), ANSWER).await?;
        Ok(data(answer))
    }

    /// Asks for a change, and gives what is in `data`.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.change_within(method, path, body, ANSWER).await
    }

    /// The same, for what may take its time.
    pub(super) async fn change_within(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> anyhow::Result<Value> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(data(self.answer(request, within).await?))
    }

    /// The first so many of a list, part by part.
    pub(in crate::cli) async fn list(
        &self,
        path: &str,
        filter: &[Parameter],
        most: usize,
    ) -> anyhow::Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        while found.len() < most {
            let limit = (most - found.len()).min(PART).to_string();
            let mut request = self.request(Method::GET, path).query(&[("limit", limit)]);
            request = match &cursor {
                // It brings its order along, and the filters stay the same.
                Some(cursor) => request.query(filter).query(&[("cursor", cursor)]),
                None => request.query(filter),
            };
            let mut answer = self.answer(request, ANSWER).await?;
            cursor = answer["next"].as_str().map(str::to_owned);
            if let Value::Array(rows) = answer["data"].take() {
                found.extend(rows);
            }
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// What a refusal comes to.
    async fn refusal(&self, response: Response) -> anyhow::Error {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, MAX_ANSWER).await.unwrap_or_default();
        match serde_json::from_slice::<Value>(&body) {
            Ok(problem) if problem["success"] == false => {
                refused(status, &headers, &problem, &self.connection).into()
            }
            _ => {
                let location = headers
                    .get("location")
                    .and_then(|location| location.to_str().ok());
                let to = location.map(|to| format!(" to {to}")).unwrap_or_default();
                self.other(&format!("it answers {status}{to}")).into()
            }
        }
    }

    fn other(&self, what: &str) -> Failure {
        let url = &self.connection.url;
        Failure::new(Exit::Unreachable, format!("{url} does not answer as Jobber's admin API does: {what}"))
            .next("give the URL of the admin API (port 3000 unless it was set up otherwise) with --server or JOBBER_URL")
    }
}

fn data(mut answer: Value) -> Value {
    answer["data"].take()
}

/// A body of at most so many bytes.
pub(super) async fn read(mut response: Response, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        anyhow::ensure!(bytes.len() + chunk.len() <= most, "it has more than {most} bytes");
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Nobody answered.
pub(super) fn unreachable(connection: &Connection, error: &reqwest::Error) -> Failure {
    let (url, source) = (&connection.url, connection.source);
    let why = if error.is_timeout() {
        "it did not answer in time".to_owned()
    } else {
        // The last cause is the one that says something: "connection refused".
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        causes
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string)
    };
    Failure::new(
        Exit::Unreachable,
        format!("{url} ({source}) can not be reached: {why}"),
    )
    .next("see that the server runs there, or name another one with --server or JOBBER_URL")
}

/// A problem of the API as a cause with a next step.
fn refused(status: StatusCode, headers: &HeaderMap, problem: &Value, connection: &Connection) -> Failure {
    let message = problem["message"]
        .as_str()
        .unwrap_or("the server refused it")
        .to_owned();
    let mut failure = Failure::new(exit_of(status), message);
    failure.code = problem["code"].as_str().map(str::to_owned);
    failure.faults = faults(problem);
    failure.detail = problem["error"]["stack"]
        .as_str()
        .filter(|stack| !stack.is_empty())
        .map(Into::into);
    failure.next = next_step(status, headers, failure.code.as_deref(), connection);
    failure
}

fn exit_of(status: StatusCode) -> Exit {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
        StatusCode::NOT_FOUND | StatusCode::GONE => Exit::NotFound,
        status if status.is_client_error() => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn faults(problem: &Value) -> Vec<Fault> {
    let listed = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let fault = |fault: &Value| Fault {
        pointer: fault["pointer"].as_str().unwrap_or_default().to_owned(),
        message: fault["message"].as_str().unwrap_or_default().to_owned(),
        line: None,
    };
    listed.iter().map(fault).collect()
}

fn next_step(
    status: StatusCode,
    headers: &HeaderMap,
    code: Option<&str>,
    connection: &Connection,
) -> Option<String> {
    let by_code = match code? {
        "version-taken" => Some("give package.json another `version`".to_owned()),
        "route-taken" => Some("give the triggers other paths, or disable the job that has them".to_owned()),
        "import-failed" => {
            Some("repair the module, give package.json another `version`, and publish again".to_owned())
        }
        "manifest-invalid" => {
            Some("repair package.json; docs/reference/manifest.md has every attribute".to_owned())
        }
        "job-not-found" => Some("`jobber jobs` lists those that you may see".to_owned()),
        "version-not-found" => Some("`jobber versions JOB` lists them".to_owned()),
        "invocation-not-captured" => Some(
            "`\"capture\": \"all\"` in the package's `action` keeps the input of every call from then on; otherwise only that of failed ones is kept".to_owned(),
        ),
        "no-user" => Some(as_a_user(connection)),
        "invocation-not-found" => Some("`jobber runs` lists the last ones".to_owned()),
        _ => None,
    };
    let wait = headers.get("retry-after").and_then(|wait| wait.to_str().ok());
    let by_status = || match status {
        StatusCode::UNAUTHORIZED if connection.token.is_none() => connection.not_signed_in().next,
        StatusCode::UNAUTHORIZED => Some(format!(
            "the token is not (or no longer) known there: run `jobber login {}`",
            connection.url
        )),
        StatusCode::FORBIDDEN => {
            Some("ask an administrator for the permission, or use another token".to_owned())
        }
        _ => wait.map(|seconds| format!("try again in {seconds} s")),
    };
    by_code.or_else(by_status)
}

/// How to become a user, for what only users may ask for. A development server begins with none.
fn as_a_user(connection: &Connection) -> String {
    let url = &connection.url;
    let sign_in = format!("sign in as a user with `jobber login {url}`, and run this again");
    match connection.source {
        Source::Development => format!(
            "`jobber dev` begins without users, and its own token (in .jobber/dev.json) may do everything; for one that may do less, make a user at {url}/users, then {sign_in}"
        ),
        _ => sign_in,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection(token: Option<&str>) -> Connection {
        Connection {
            url: "http://a".into(),
            gateway: None,
            token: token.map(Into::into),
            source: Source::Given,
        }
    }

    fn told(status: u16, problem: &Value, token: Option<&str>) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        refused(status, &HeaderMap::new(), problem, &connection(token))
    }

    #[test]
    fn a_refusal_is_a_cause_with_its_places_and_a_next_step() {
        let problem = json!({
            "success": false, "message": "package.json has 2 faults", "code": "manifest-invalid",
            "errors": [{"pointer": "/main", "code": "missing", "message": "is missing"}],
        });
        let failure = told(422, &problem, None);
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            (
                failure.faults[0].pointer.as_str(),
                failure.faults[0].message.as_str()
            ),
            ("/main", "is missing")
        );
        assert!(failure.next.unwrap().contains("manifest.md"));
        let problem = json!({ "success": false, "message": "not kept", "code": "invocation-not-captured" });
        assert!(told(409, &problem, None).next.unwrap().contains("capture"));
    }

    #[test]
    fn who_is_not_signed_in_hears_how_to_and_who_was_hears_so() {
        let problem = json!({ "success": false, "message": "no", "code": "unauthorized" });
        assert!(
            told(401, &problem, None)
                .next
                .unwrap()
                .contains("jobber login http://a")
        );
        assert!(told(401, &problem, Some("t")).next.unwrap().contains("no longer"));
        assert_eq!(told(403, &problem, Some("t")).exit, Exit::NotAllowed);
    }

    #[test]
    fn who_makes_a_token_without_being_a_user_hears_how_to_become_one() {
        let problem = json!({ "success": false, "message": "no user", "code": "no-user" });
        let next = told(409, &problem, Some("t")).next.unwrap();
        assert!(
            next.contains("jobber login http://a") && !next.contains("jobber dev"),
            "{next}"
        );
        let development = Connection {
            source: Source::Development,
            ..connection(Some("t"))
        };
        let failure = refused(StatusCode::CONFLICT, &HeaderMap::new(), &problem, &development);
        let next = failure.next.unwrap();
        for part in [".jobber/dev.json", "http://a/users", "jobber login http://a"] {
            assert!(next.contains(part), "{next}");
        }
    }

    #[test]
    fn statuses_are_exits() {
        let problem = json!({ "success": false });
        for (status, exit) in [
            (404, Exit::NotFound),
            (410, Exit::NotFound),
            (409, Exit::Refused),
            (503, Exit::Failed),
        ] {
            assert_eq!(told(status, &problem, None).exit, exit, "{status}");
        }
    }

    #[test]
    fn names_with_a_scope_are_one_segment() {
        assert_eq!(job_path("@scope/a b", "/logs"), "/api/job/%40scope%2Fa%20b/logs");
    }
}
