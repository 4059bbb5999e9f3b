//! The admin API with many jobs: how long a list takes, and how long it takes to decide whether somebody may see something.
//!
//! `cargo xtask bench api` runs this.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use jobber::access::{Action, Permissions, Resource};
use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use jobber::store::{Database, DatabaseConfig, NewVersion, PublishStore, migrate};
use jobber_actors::domain::{ArchiveDigest, JobId};
use serde_json::{Value, json};

use crate::support::dev::Dev;
use crate::support::statistics::{milliseconds, percentile};

const JOBS: usize = 1_000;
const VERSIONS: usize = 3;
/// Lists that are not counted: the server is still busy with its start.
const WARM_UP: usize = 50;
/// Lines of the longest list of permissions.
const LINES: usize = 256;
/// Of all lists 99 in a hundred may take so long at most.
const LIST_BAR: Duration = Duration::from_millis(50);
/// A decision may take so long at most.
const DECISION_BAR: Duration = Duration::from_micros(5);

/// Lists of many jobs, and decisions about permissions.
#[derive(Parser)]
struct Options {
    /// Lists to measure.
    #[arg(long, default_value_t = 500)]
    lists: usize,
    /// Fail when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.lists > 0, "at least one list");
    let decision = decide()?;
    println!(
        "a decision over {LINES} lines: {:.2} µs",
        decision.as_secs_f64() * 1e6
    );
    let p99 = list(options.lists)?;
    println!("bars: a list at most {LIST_BAR:?} at p99, a decision at most {DECISION_BAR:?}");
    if options.check {
        ensure!(p99 <= LIST_BAR, "a list takes {p99:?} at p99");
        ensure!(decision <= DECISION_BAR, "a decision takes {decision:?}");
    }
    Ok(())
}

/// How long a decision takes that looks at every line of the longest list.
fn decide() -> Result<Duration> {
    const TIMES: u32 = 100_000;
    let lines: Vec<Value> = (0..LINES)
        .map(|index| {
            let resource = format!("job/job-{index}/triggers/trigger-{index}");
            json!({ "effect": "allow", "resource": resource, "actions": ["read", "write"] })
        })
        .collect();
    let permissions: Permissions = serde_json::from_value(lines.into())?;
    let job = Resource::of("job").below_either(JobId::generate(), format!("job-{}", LINES - 1));
    let resource = job.below("triggers").below(format!("trigger-{}", LINES - 1));
    let begun = Instant::now();
    for _ in 0..TIMES {
        ensure!(
            black_box(&permissions).allow(Action::Write, black_box(&resource)),
            "it is allowed"
        );
    }
    Ok(begun.elapsed() / TIMES)
}

/// How long a list of all jobs takes at p99.
fn list(lists: usize) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    fill(&data)?;
    let mut dev = Dev::start("process", &data, &[])?;
    dev.keep_connection()?;
    let mut took = Vec::with_capacity(lists);
    for index in 0..WARM_UP + lists {
        let begun = Instant::now();
        let jobs = dev.api("job")?;
        if index >= WARM_UP {
            took.push(begun.elapsed());
        }
        ensure!(
            jobs.as_array().map(Vec::len) == Some(JOBS),
            "the list has all jobs"
        );
    }
    took.sort_unstable();
    let at = |percent| percentile(&took, percent);
    println!(
        "a list of {JOBS} jobs of {VERSIONS} versions, over HTTP: p50 {:.1} ms, p99 {:.1} ms",
        milliseconds(at(50)),
        milliseconds(at(99))
    );
    Ok(at(99))
}

/// Makes the jobs in a Postgres of the kind that `jobber dev` has.
fn fill(data: &Path) -> Result<()> {
    std::fs::create_dir_all(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // What it started ends with it.
        let spawner = Spawner::start()?;
        let postgres = EmbeddedPostgres::start(&data.join("postgres"), &spawner).await?;
        let database = Database::new(&DatabaseConfig::new(postgres.url()))?;
        migrate(&database).await?;
        let versions = PublishStore::new(database.clone());
        for job in 0..JOBS {
            for version in 0..VERSIONS {
                insert(&versions, job, version).await?;
            }
        }
        database.close();
        postgres.stop().await?;
        Ok(())
    })
}

async fn insert(versions: &PublishStore, job: usize, version: usize) -> Result<()> {
    let (job_name, version_name) = (format!("job-{job}"), format!("1.0.{version}"));
    let manifest = json!({
        "name": job_name, "version": version_name, "main": "./index.js", "description": "One of many jobs.",
        "action": { "runnerMinCount": 0 }, "links": [{ "name": "code", "url": "https://example.com/code" }],
    });
    let inserted = versions
        .insert(&NewVersion {
            job_name: &job_name,
            version_name: &version_name,
            manifest: &manifest,
            archive: ArchiveDigest::from([0; 32]),
            files: 1,
            bytes: 1_000,
            packed_bytes: 500,
            triggers: Vec::new(),
            by: None,
        })
        .await?;
    versions.activate(inserted.job, inserted.version, true).await?;
    Ok(())
}
