//! `jobber invoke`: a call to a function over the gateway, or a run of a schedule.

use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::io::Write as _;

use super::client::{Client, http_client, job_path, read, segment, unreachable};
use super::connection::{Connection, RemoteArgs};
use super::jobs::triggers;
use super::prompt;
use super::runs::{exit_of_run, summary, until_over};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::note;
use crate::cli::text::{printable, text, whole};

/// Most bytes of a body that is sent, and of one that comes back.
const MAX_BODY: usize = 256 << 20;
/// How long a function may take unless another time is given.
const PATIENCE: u64 = 300;
/// No wait is longer, in seconds.
const A_YEAR: u64 = 366 * 86_400;
/// The header with the id of an invocation.
const INVOCATION: &str = "x-jobber-invocation";

#[derive(Debug, Args)]
pub(in crate::cli) struct InvokeArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// Path and query; otherwise that of the job's first route with a plain path.
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// The method; otherwise that of the route, GET, or POST with a body.
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// A header, as `Name: value`. Can be given several times.
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    headers: Vec<String>,
    /// The body; `@FILE` reads a file, `@-` standard input.
    #[arg(long, short, value_name = "BODY")]
    data: Option<String>,
    /// Show the status line and the headers, too.
    #[arg(long, short)]
    include: bool,
    /// Run the schedule with this name or id now, instead of calling a route.
    #[arg(long, value_name = "TRIGGER", conflicts_with_all = ["path", "method", "headers", "data", "include"])]
    schedule: Option<String>,
    /// Where functions answer; otherwise port 3001 of the server's host.
    #[arg(long, env = "JOBBER_GATEWAY_URL", value_name = "URL")]
    gateway: Option<String>,
    /// How long to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = whole(1..=A_YEAR))]
    timeout: u64,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What to call.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    method: Option<String>,
    host: Option<String>,
    path: String,
}

impl InvokeArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        match &self.schedule {
            Some(trigger) => self.run_schedule(&client, trigger).await,
            None => self.call(&client).await,
        }
    }

    async fn run_schedule(&self, client: &Client, trigger: &str) -> anyhow::Result<Exit> {
        let path = job_path(&self.job, &format!("/triggers/{}/run", segment(trigger)));
        let begun = client.change(Method::POST, &path, None).await?;
        let id = text(&begun, "invocationId");
        note(&format!("invocation {id}"));
        let run = until_over(client, &id).await?;
        self.remote.output().answer(&run, || {
            Ok(format!(
                "{} after {} ms",
                text(&run, "status"),
                text(&run, "durationMs")
            ))
        })?;
        Ok(exit_of_run(&run))
    }

    async fn call(&self, client: &Client) -> anyhow::Result<Exit> {
        let triggers = triggers(client, &self.job).await?;
        let target = self.target(&triggers)?;
        let gateway = client.connection.gateway_url(self.gateway.as_deref())?;
        let body = self
            .data
            .as_ref()
            .map(|data| prompt::body(data, MAX_BODY))
            .transpose()?;
        let method = method(self.method.as_ref().or(target.method.as_ref()), body.is_some())?;
        let url = format!("{gateway}{}", target.path);
        // No token: this is a call like any other, and the function is not to see one.
        let http = http_client(&gateway).await?;
        let mut request = http
            .request(method, &url)
            .headers(self.headers(target.host.as_deref())?)
            .timeout(Duration::from_secs(self.timeout));
        if let Some(body) = body {
            request = request.body(body);
        }
        let begun = Instant::now();
        let sent = request.send().await;
        let response = sent.map_err(|error| no_answer(&client.connection, &gateway, &error))?;
        self.show(response, &url, begun).await
    }

    fn target(&self, triggers: &[Value]) -> Result<Target, Failure> {
        let routes = || triggers.iter().filter(|trigger| trigger["type"] == "http");
        let of = |route: Option<&Value>, path: String| Target {
            method: route
                .and_then(|route| route["method"].as_str())
                .map(str::to_owned),
            host: route
                .and_then(|route| route["hostname"].as_str())
                .map(str::to_owned),
            path,
        };
        if let Some(path) = &self.path {
            let plain = path.split('?').next().unwrap_or_default();
            let same = routes().find(|route| route["path"] == plain);
            let path = if path.starts_with('/') {
                path.clone()
            } else {
                format!("/{path}")
            };
            return Ok(of(same, path));
        }
        let plain = routes().find_map(|route| {
            let path = route["path"].as_str().unwrap_or("/");
            let is_plain = !path.starts_with('^') && !path.contains([':', '*']);
            is_plain.then(|| of(Some(route), path.to_owned()))
        });
        plain.ok_or_else(|| {
            let some = routes().next().is_some();
            let (why, next) = if some {
                (
                    "has no route with a plain path",
                    "give a path: `jobber jobs JOB` shows the routes",
                )
            } else {
                (
                    "has no route",
                    "`jobber jobs JOB` shows what starts it; --schedule runs a schedule now",
                )
            };
            Failure::new(Exit::NotFound, format!("{} {why}", self.job)).next(next)
        })
    }

    fn headers(&self, host: Option<&str>) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert("host", value(host)?);
        }
        for given in &self.headers {
            let wrong =
                || Failure::usage(format!("{given:?} is no header")).next("write it as `Name: value`");
            let (name, text) = given.split_once(':').ok_or_else(wrong)?;
            let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
            headers.append(name, value(text.trim())?);
        }
        Ok(headers)
    }

    /// The answer, and whether the function took it for a success.
    async fn show(&self, response: Response, url: &str, begun: Instant) -> anyhow::Result<Exit> {
        let status = response.status();
        let headers = response.headers().clone();
        let id = headers
            .get(INVOCATION)
            .and_then(|id| id.to_str().ok())
            .unwrap_or("-")
            .to_owned();
        let head = head(&response);
        let body = read(response, MAX_BODY).await.context("the answer broke off")?;
        let took = begun.elapsed();
        if self.remote.json {
            let document = json!({
                "url": url, "status": status.as_u16(), "headers": pairs(&headers), "invocationId": id,
                "durationMs": took.as_secs_f64() * 1_000.0,
                "body": { "text": std::str::from_utf8(&body).ok(), "base64": STANDARD.encode(&body) },
            });
            self.remote.output().answer(&document, || Ok(String::new()))?;
        } else {
            if self.include {
                self.remote.output().write(&head)?;
            }
            let mut out = std::io::stdout().lock();
            out.write_all(&body)?;
            out.flush()?;
            drop(out);
            let line = if body.is_empty() || body.ends_with(b"\n") {
                ""
            } else {
                "\n"
            };
            note(&format!("{line}{status}, {}", summary(&id, took, body.len())));
        }
        let is_refused = status.is_client_error() || status.is_server_error();
        Ok(if is_refused { Exit::Failed } else { Exit::Ok })
    }
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::usage(format!("{text:?} is no value of a header")))
}

fn method(named: Option<&String>, has_body: bool) -> Result<Method, Failure> {
    match named {
        Some(name) => Method::from_bytes(name.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::usage(format!("{name:?} is no method"))),
        None if has_body => Ok(Method::POST),
        None => Ok(Method::GET),
    }
}

fn head(response: &Response) -> String {
    let mut head = format!("{:?} {}\n", response.version(), response.status());
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        head += &format!("{name}: {}\n", printable(&value, false));
    }
    head.push('\n');
    head
}

/// Pairs, for a name may come several times.
fn pairs(headers: &HeaderMap) -> Vec<[String; 2]> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        [
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ]
    };
    headers.iter().map(pair).collect()
}

fn no_answer(connection: &Connection, gateway: &str, error: &reqwest::Error) -> Failure {
    if error.is_timeout() && !error.is_connect() {
        return Failure::new(Exit::Failed, "the function did not answer in time")
            .next("give it more with --timeout");
    }
    let mut failure = unreachable(connection, error);
    failure.message = failure.message.replacen(&connection.url, gateway, 1);
    failure.next("give the gateway's URL with --gateway or JOBBER_GATEWAY_URL")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        invoke: InvokeArgs,
    }

    fn invoke(arguments: &[&str]) -> InvokeArgs {
        Line::parse_from([&["invoke"], arguments].concat()).invoke
    }

    fn routes() -> Vec<Value> {
        vec![
            json!({ "type": "schedule", "cron": "@daily" }),
            json!({ "type": "http", "path": "/a/:id", "method": "PUT" }),
            json!({ "type": "http", "path": "/b", "method": "POST", "hostname": "b.example" }),
        ]
    }

    #[test]
    fn the_first_plain_route_is_called() {
        let target = invoke(&["hello"]).target(&routes()).unwrap();
        assert_eq!(
            target,
            Target {
                method: Some("POST".into()),
                host: Some("b.example".into()),
                path: "/b".into()
            }
        );
        let given = invoke(&["hello", "a/1?x=y"]).target(&routes()).unwrap();
        assert_eq!(
            given,
            Target {
                method: None,
                host: None,
                path: "/a/1?x=y".into()
            }
        );
    }

    #[test]
    fn without_a_route_the_next_step_is_told() {
        let failure = invoke(&["hello"]).target(&routes()[..2]).unwrap_err();
        assert!(failure.next.unwrap().contains("give a path"));
        let failure = invoke(&["hello"]).target(&routes()[..1]).unwrap_err();
        assert!(failure.next.unwrap().contains("--schedule"));
    }

    #[test]
    fn methods_and_headers_are_as_given() {
        assert_eq!(method(Some(&"put".to_owned()), false).unwrap(), Method::PUT);
        assert_eq!(
            (method(None, true).unwrap(), method(None, false).unwrap()),
            (Method::POST, Method::GET)
        );
        let headers = invoke(&["a", "-H", "X-A: 1", "-H", "x-a:2"])
            .headers(None)
            .unwrap();
        assert_eq!(headers.get_all("x-a").iter().count(), 2);
        assert!(invoke(&["a", "-H", "no"]).headers(None).is_err());
    }
}
