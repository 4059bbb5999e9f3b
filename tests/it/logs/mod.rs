//! The functions' log lines: what keeps them, and what the API says of them.

#[macro_use]
mod suite;

mod api;
mod database;
mod loki;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jobber::logs::{LogArchive, LogQuery, StoredLogLine};
use jobber::store::PostgresLogStore;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogLevel, LogLine, LogStore, OutputStream};

use crate::support::TestDatabase;

/// Something that keeps lines, and gives them back.
pub struct Keeper {
    pub store: Arc<dyn LogStore>,
    pub archive: Arc<dyn LogArchive>,
    /// The first moment of the test: some minutes ago.
    pub begin: DateTime<Utc>,
    /// Where there have to be jobs, if there have to be.
    jobs: Option<tokio_postgres::Client>,
}

impl Keeper {
    pub fn new<T: LogStore + LogArchive>(both: Arc<T>) -> Self {
        let minutes_ago = Utc::now() - TimeDelta::minutes(10);
        Self {
            store: Arc::clone(&both) as Arc<_>,
            archive: both,
            // Functions know milliseconds.
            begin: DateTime::from_timestamp_millis(minutes_ago.timestamp_millis()).unwrap(),
            jobs: None,
        }
    }

    /// One that keeps lines of jobs that there are in this database.
    pub async fn in_database(logs: Arc<PostgresLogStore>, db: &TestDatabase) -> Self {
        Self {
            jobs: Some(db.client().await),
            ..Self::new(logs)
        }
    }

    /// Makes the jobs of these lines, where that is needed.
    async fn make_jobs(&self, lines: &[LogLine]) {
        let Some(sql) = &self.jobs else { return };
        let jobs: Vec<_> = lines.iter().map(|line| *line.job.as_uuid()).collect();
        let made = "insert into jobs (id, name) select distinct id, id::text from unnest($1::uuid[]) id on conflict do nothing";
        sql.execute(made, &[&jobs]).await.unwrap();
    }

    /// A line, so many milliseconds after the beginning.
    pub fn line(&self, job: JobId, millisecond: i64, message: &str) -> LogLine {
        LogLine {
            time: self.moment(millisecond),
            job,
            version: None,
            runner: None,
            invocation: None,
            stream: OutputStream::Stdout,
            level: LogLevel::Info,
            message: message.to_owned(),
            fields: None,
        }
    }

    pub fn moment(&self, millisecond: i64) -> DateTime<Utc> {
        self.begin + TimeDelta::milliseconds(millisecond)
    }

    pub async fn keep(&self, lines: &[LogLine]) {
        self.make_jobs(lines).await;
        self.store.append(lines).await.unwrap();
    }

    pub async fn read(&self, jobs: &[JobId], query: LogQuery) -> Vec<StoredLogLine> {
        self.archive.read(jobs, &query).await.unwrap()
    }

    pub async fn messages(&self, jobs: &[JobId], query: LogQuery) -> Vec<String> {
        let lines = self.read(jobs, query).await.into_iter();
        lines.map(|line| line.message).collect()
    }
}
