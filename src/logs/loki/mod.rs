//! Lines in a Grafana Loki, over its HTTP API.
//!
//! Each job has one stream of Loki for each of its output streams, and no label says more than that: labels with many values are
//! what Loki is slow with. All else is in the line, a JSON object of texts, and is found by line filters that match exactly
//! what they mean (`logql`). Loki knows nanoseconds and functions milliseconds: the digits between keep lines of one moment apart
//! and in order (`position`).

mod entry;
mod http;
mod logql;
mod position;
mod push;
mod read;
mod window;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogError, LogLine, LogStore};
use secrecy::ExposeSecret;

use self::http::Http;
use self::position::Positions;
use super::{LogArchive, LogArchiveError, LogQuery, StoredLogLine};
use crate::config::LokiSection;

/// Lines in a Loki.
#[derive(Debug)]
pub struct LokiLogs {
    http: Http,
    look_back: Duration,
    positions: Mutex<Positions>,
}

/// Why a Loki can not be used.
#[derive(Debug, thiserror::Error)]
#[error("Loki can not be used: {0}")]
pub struct LokiError(String);

impl LokiLogs {
    /// A client; asks for nothing yet.
    ///
    /// # Errors
    /// [`LokiError`] when an address is none, or the system trusts no certificate and one of them begins with `https`.
    pub async fn new(config: &LokiSection) -> Result<Self, LokiError> {
        let (push, query) = (config.push.expose_secret(), config.query.expose_secret());
        Ok(Self {
            http: Http::new(push, query).await.map_err(LokiError)?,
            look_back: config.look_back,
            positions: Mutex::default(),
        })
    }
}

#[async_trait]
impl LogStore for LokiLogs {
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError> {
        let mut kept = 0;
        while kept < lines.len() {
            // A push that is not answered is made again exactly as it was: Loki drops what it has already.
            let mut positions = self
                .positions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let batch = push::batch(&lines[kept..], &mut positions);
            self.http
                .push(batch.body)
                .await
                .map_err(|failure| failure.after(kept))?;
            *self.positions.lock().unwrap_or_else(PoisonError::into_inner) = positions;
            kept += batch.lines;
        }
        Ok(())
    }
}

#[async_trait]
impl LogArchive for LokiLogs {
    async fn read(&self, jobs: &[JobId], query: &LogQuery) -> Result<Vec<StoredLogLine>, LogArchiveError> {
        read::read(&self.http, self.look_back, jobs, query).await
    }
}
