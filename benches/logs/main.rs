//! A million log lines into Postgres, and texts looked for in them.
//!
//! `cargo xtask bench logs` runs this. Bare `COPY` is the measure: the same rows, written by the same client to a table without
//! partitions, with an index of job and time; and to one that has not even that, in which nobody could find anything.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "../support/mod.rs"]
mod support;

mod lines;
mod write;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use jobber::child::Spawner;
use jobber::logs::{LogArchive, LogFilter, LogQuery};
use jobber::postgres::EmbeddedPostgres;
use jobber::store::{Database, DatabaseConfig, PostgresLogStore, migrate};
use jobber_actors::domain::JobId;

use crate::lines::{COMMON, EVERYWHERE, Lines, MISSING, RARE};
use crate::support::statistics::{milliseconds, percentile};

/// What of bare `COPY` has to be reached.
const RATIO_BAR: f64 = 0.5;
/// Of all searches within a job 95 in a hundred may take so long at most.
const ONE_BAR: Duration = Duration::from_millis(50);
/// The same of searches over all jobs.
const ALL_BAR: Duration = Duration::from_millis(600);
/// Lines of a page, as the API gives them unless asked for more.
const PAGE: u16 = 100;

/// Writing log lines, and finding them.
#[derive(Parser)]
struct Options {
    /// Lines to write.
    #[arg(long, default_value_t = 1_000_000)]
    lines: usize,
    /// Searches within one job; over all jobs there is a fifth of them.
    #[arg(long, default_value_t = 400)]
    searches: usize,
    /// Fail when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.lines >= 10_000 && options.searches >= 20,
        "too few to be measured"
    );
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // What it started ends with it.
        let spawner = Spawner::start()?;
        let postgres = EmbeddedPostgres::start(&folder.path().join("postgres"), &spawner).await?;
        let result = measure(&options, &postgres).await;
        postgres.stop().await?;
        result
    })
}

async fn measure(options: &Options, postgres: &EmbeddedPostgres) -> Result<()> {
    let database = Database::new(&DatabaseConfig::new(postgres.url()))?;
    migrate(&database).await?;
    let lines = Lines::new();
    write::jobs(&postgres.url(), &lines).await?;
    let bare = async |indexed| write::bare(&postgres.url(), &lines, options.lines, indexed).await;
    // On both sides of what is measured: a machine is not always equally fast.
    let before = bare(true).await?;
    let logs = PostgresLogStore::new(database.clone());
    let driver = write::driver(&logs, &lines, options.lines).await?;
    let after = bare(true).await?;
    let without_index = bare(false).await?;
    let ratio = driver / f64::midpoint(before, after);
    println!(
        "{} lines of {} jobs: {driver:.0} lines/s; bare COPY with an index {before:.0} and {after:.0} lines/s: {ratio:.2}; without one \
         {without_index:.0} lines/s: {:.2}",
        options.lines,
        lines.jobs.len(),
        driver / without_index
    );
    let one = search(&logs, options.searches, |turn| {
        vec![lines.jobs[turn % lines.jobs.len()]]
    });
    let one = one.await?;
    tell("within one job", &one);
    let all = search(&logs, options.searches / 5, |_| lines.jobs.clone()).await?;
    tell("over all jobs", &all);
    println!(
        "bars: at least {RATIO_BAR} of bare COPY; a search at p95 at most {ONE_BAR:?} within one job, {ALL_BAR:?} over all"
    );
    database.close();
    if options.check {
        ensure!(ratio >= RATIO_BAR, "the driver reaches {ratio:.2} of bare COPY");
        for (which, bar) in [(&one, ONE_BAR), (&all, ALL_BAR)] {
            let p95 = percentile(which, 95);
            ensure!(p95 <= bar, "a search takes {p95:?} at p95, and may take {bar:?}");
        }
    }
    Ok(())
}

/// How long each search takes, sorted. What is looked for changes from one to the next: something that is in every line, in
/// one of a hundred, in one of ten thousand, in none.
async fn search(
    logs: &PostgresLogStore,
    searches: usize,
    jobs: impl Fn(usize) -> Vec<JobId>,
) -> Result<Vec<Duration>> {
    let texts = [EVERYWHERE, COMMON, RARE, MISSING];
    let mut took = Vec::with_capacity(searches);
    for turn in 0..searches {
        let text = texts[turn % texts.len()];
        // A turn of the texts for each choice of jobs.
        let jobs = jobs(turn / texts.len());
        let query = LogQuery {
            limit: PAGE,
            filter: LogFilter {
                text: Some(text.to_owned()),
                ..LogFilter::default()
            },
            ..LogQuery::default()
        };
        let begun = Instant::now();
        let found = logs.read(&jobs, &query).await?;
        took.push(begun.elapsed());
        ensure!(
            found.is_empty() == (text == MISSING),
            "{text:?} finds {} lines",
            found.len()
        );
    }
    took.sort_unstable();
    Ok(took)
}

fn tell(where_to: &str, took: &[Duration]) {
    let at = |percent| milliseconds(percentile(took, percent));
    println!(
        "{} searches for a text {where_to}: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        took.len(),
        at(50),
        at(95),
        at(99)
    );
}
