//! The collector, as the exporter's thread calls it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Url;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ClientConfig;

use super::ExportError;
use crate::tls;

/// How long one request may take. The exporter has a limit of its own (`OTEL_EXPORTER_OTLP_TIMEOUT`), which it keeps between requests
/// only.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MOST_ANSWER: usize = 64 * 1024;

/// Where spans go.
pub(super) struct Collector {
    client: reqwest::Client,
    io: Handle,
    /// Whether the last request failed: told once, and not every five seconds.
    failing: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    /// A collector at this address, which is called on `io`.
    pub(super) fn new(endpoint: &Url, io: &Handle) -> Result<Self, ExportError> {
        let tls = if endpoint.scheme() == "https" {
            let config = io
                .block_on(tls::client_config(None))
                .map_err(ExportError::Client)?;
            (*config).clone()
        } else {
            tls::trusting_nobody().map_err(ExportError::Client)?
        };
        let client = client(tls).map_err(|error| ExportError::Client(error.to_string()))?;
        Ok(Self {
            client,
            io: io.clone(),
            failing: AtomicBool::new(false),
        })
    }

    /// Says when the collector begins to fail, and when it works again.
    fn tell(&self, answered: &Result<Response<Bytes>, HttpError>) {
        let trouble = match answered {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !failed_before => {
                tracing::warn!(
                    trouble,
                    "the OTLP collector takes no spans; what does not fit its queue is dropped"
                );
            }
            None if failed_before => tracing::info!("the OTLP collector takes spans again"),
            _ => {}
        }
    }
}

fn client(tls: ClientConfig) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .build()
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The thread that asks belongs to no runtime.
        let mut sending = JoinSet::new();
        sending.spawn_on(send(self.client.clone(), request), &self.io);
        let answered = match sending.join_next().await {
            Some(Ok(answered)) => answered,
            // The server has ended meanwhile: that is no fault of the collector's.
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the request was lost".into()),
        };
        self.tell(&answered);
        answered
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // The address may have a password in it, and stands in every error.
    let mut response = client
        .execute(request.try_into()?)
        .await
        .map_err(reqwest::Error::without_url)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Err(io::Error::other("its answer is too long").into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.extend(std::mem::take(response.headers_mut()));
    }
    Ok(answer.body(body.freeze())?)
}
