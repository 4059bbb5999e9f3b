//! Requests to Loki.

use std::time::Duration;

use jobber_actors::ports::LogError;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Serialize;

use crate::logs::LogArchiveError;
use crate::outgoing;

const CONNECT_TIME: Duration = Duration::from_secs(5);
const PUSH_TIME: Duration = Duration::from_secs(15);
const ASK_TIME: Duration = Duration::from_secs(30);
/// Connections that are kept between two requests.
const IDLE: usize = 4;
/// The most bytes of an answer: a thousand of the longest lines.
const MOST_ANSWER: usize = 256 * 1024 * 1024;
/// As much of a refusal is read and told.
const MOST_REFUSAL: usize = 1_024;

#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    push: Url,
    query: Url,
}

/// What Loki is asked.
#[derive(Serialize)]
pub(super) struct Question<'a> {
    pub(super) query: &'a str,
    /// Nanoseconds since 1970; included.
    pub(super) start: i64,
    /// Not included.
    pub(super) end: i64,
    pub(super) limit: usize,
    pub(super) direction: &'a str,
}

/// Why a push was not taken.
#[derive(Debug)]
pub(super) struct PushFailure {
    reason: String,
    retry_after: Option<Duration>,
}

impl PushFailure {
    /// As the store tells it, after so many lines were kept.
    pub(super) fn after(self, kept: usize) -> LogError {
        LogError {
            kept,
            retry_after: self.retry_after,
            ..LogError::unreachable(self.reason)
        }
    }
}

impl Http {
    pub(super) async fn new(push: &str, query: &str) -> Result<Self, String> {
        // The texts may have passwords in them.
        let url = |text: &str| Url::parse(text).map_err(|_| "an address of it is no URL".to_owned());
        let (push, query) = (url(push)?, url(query)?);
        let builder = if push.scheme() == "https" || query.scheme() == "https" {
            outgoing::client().await?
        } else {
            outgoing::without_tls()
        };
        let client = builder
            .connect_timeout(CONNECT_TIME)
            .pool_max_idle_per_host(IDLE)
            // A password goes to no other place than the one that was named.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, push, query })
    }

    /// Pushes lines. Those that Loki refuses for good are lost; that is told in the server's log.
    pub(super) async fn push(&self, body: Vec<u8>) -> Result<(), PushFailure> {
        let request = self
            .client
            .post(self.push.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(PUSH_TIME)
            .body(body);
        let response = request.send().await.map_err(|error| PushFailure {
            reason: story(error),
            retry_after: None,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = retry_after(&response);
        let refusal = refusal(response).await;
        // 400: some of these lines are too old, too long or otherwise not wanted. The others were taken.
        if status == StatusCode::BAD_REQUEST {
            tracing::error!(refusal, "Loki does not want some log lines; they are lost");
            return Ok(());
        }
        Err(PushFailure {
            reason: format!("Loki answers {status}: {refusal}"),
            retry_after,
        })
    }

    /// The answer to a question.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Vec<u8>, LogArchiveError> {
        let unavailable = |error| LogArchiveError::Unavailable(story(error));
        // As a form: a question about many jobs is longer than URLs may be.
        let request = self
            .client
            .post(self.query.clone())
            .timeout(ASK_TIME)
            .form(question);
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        if status.is_success() {
            let (answer, whole) = capped(response, MOST_ANSWER).await.map_err(unavailable)?;
            return if whole {
                Ok(answer)
            } else {
                Err(LogArchiveError::Failed("Loki's answer is too long".to_owned()))
            };
        }
        let reason = format!("Loki answers {status}: {}", refusal(response).await);
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Err(LogArchiveError::Unavailable(reason))
        } else {
            Err(LogArchiveError::Failed(reason))
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// How Loki puts it.
async fn refusal(response: Response) -> String {
    match capped(response, MOST_REFUSAL).await {
        Ok((text, _)) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(error) => story(error),
    }
}

/// The beginning of a body, and whether it is all.
async fn capped(mut response: Response, most: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        let room = most - body.len();
        if part.len() > room {
            body.extend_from_slice(&part[..room]);
            return Ok((body, false));
        }
        body.extend_from_slice(&part);
    }
    Ok((body, true))
}

/// What went wrong, and why, without the address.
fn story(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut story = format!("Loki can not be reached: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        story.push_str(&format!(": {error}"));
        cause = error.source();
    }
    story
}
