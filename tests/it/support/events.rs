//! Server-sent events, read one by one.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

/// Longest wait for an event.
const BOUND: Duration = Duration::from_secs(20);

/// An answer of events.
pub struct EventBlocks {
    response: Response,
    text: String,
}

impl EventBlocks {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// What stands up to the next empty line, comments left out; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        let next = async {
            loop {
                let block = self.block().await?;
                if !block.starts_with(':') {
                    return Some(block);
                }
            }
        };
        timeout(BOUND, next).await.expect("an event comes")
    }

    /// What stands up to the next empty line, be it a comment; `None` at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let part = timeout(BOUND, self.response.chunk())
                .await
                .expect("something comes");
            // A connection that is broken off is an end, too.
            let part = part.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }
}
