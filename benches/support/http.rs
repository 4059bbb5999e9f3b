//! Questions over HTTP whose answers are JSON, for everything that is not measured.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// No single answer may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that blocks.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client,
}

impl Http {
    /// With a connection for each question: between two nobody would notice that one was closed.
    pub(crate) fn new() -> Result<Self> {
        Self::keeping(0)
    }

    /// With so many connections that are kept between two questions.
    pub(crate) fn keeping(connections: usize) -> Result<Self> {
        let client = jobber::outgoing::without_tls()
            .pool_max_idle_per_host(connections)
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            client,
        })
    }

    pub(crate) fn get(&self, url: &str, token: Option<&str>) -> Result<Value> {
        self.json(authorized(self.client.get(url), token))
    }

    pub(crate) fn put(&self, url: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        self.json(authorized(self.client.put(url), token).json(body))
    }

    /// Posts a file as the form's field `archive`.
    pub(crate) fn upload(&self, url: &str, token: &str, file: Vec<u8>) -> Result<Value> {
        let part = Part::bytes(file).file_name("package.zip");
        let form = Form::new().part("archive", part);
        self.json(self.client.post(url).bearer_auth(token).multipart(form))
    }

    fn json(&self, request: RequestBuilder) -> Result<Value> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let (status, url) = (answer.status(), answer.url().clone());
            let text = answer.text().await?;
            ensure!(status.is_success(), "{url} answers {status}: {text}");
            serde_json::from_str(&text).with_context(|| format!("{url} answers {text:?}"))
        })
    }
}

fn authorized(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}
