//! What the record of invocations and the logs cost, and what becomes of them while Postgres is away.
//!
//! `cargo xtask bench ledger` runs this. Two servers run the same functions in Docker runners, in turns, on one Postgres: one keeps
//! records and logs, the other neither. Then Postgres is stopped for a while under a steady load.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "../../tests/e2e/support/package.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is of the tests, which take more of it"
)]
mod package;
mod postgres;
#[path = "../../tests/it/support/relay.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is of the tests, which take more of it"
)]
mod relay;
mod sides;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use tokio::runtime::Runtime;

use crate::postgres::StoppablePostgres;
use crate::sides::{Kept, LOGGING, QUIET, Side};
use crate::support::load::{Load, Paced};
use crate::support::statistics::{median, milliseconds};

/// Requests per second with records and logs over those without must reach this.
const RATIO_BAR: f64 = 0.8;
/// Longest wait until everything is written that was to be written.
const WRITTEN: Duration = Duration::from_secs(60);

/// What the record of invocations and the logs cost.
#[derive(Parser)]
struct Options {
    /// Connections with which is measured.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Rounds; the medians over them are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Seconds for which Postgres is away.
    #[arg(long, default_value_t = 20)]
    outage: u64,
    /// Requests per second meanwhile.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Fail when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = Runtime::new()?;
    let mut postgres = runtime.block_on(StoppablePostgres::start())?;
    let folder = tempfile::tempdir()?;
    let on = Side::start("on", &runtime, &postgres, folder.path())?;
    let off = Side::start("off", &runtime, &postgres, folder.path())?;

    let quiet = measure(&options, &on, &off, QUIET)?;
    // A line for each call is more than most functions write: it is shown, and has no bar.
    measure(&options, &on, &off, LOGGING)?;
    println!("bar: at least {RATIO_BAR} for {QUIET}");
    let expected = on.expected();
    let kept = runtime.block_on(on.kept(expected, WRITTEN))?;
    println!(
        "of {} calls {} are recorded; of {} lines {} are kept\n",
        expected.records, kept.records, expected.lines, kept.lines
    );

    let paced = runtime.block_on(outage(&options, &on, &mut postgres))?;
    let more = Kept {
        records: kept.records + paced.answered,
        ..kept
    };
    let after = runtime.block_on(on.kept(more, WRITTEN))?;
    let recorded = after.records - kept.records;
    println!(
        "Postgres away for {} s under {} requests/s: {} answered, {} failed, the slowest after {:.0} ms; {recorded} are recorded",
        options.outage,
        options.rate,
        paced.answered,
        paced.failed,
        milliseconds(paced.slowest)
    );
    if options.check {
        ensure!(quiet >= RATIO_BAR, "the ratio is {quiet:.2}");
        ensure!(kept == expected, "not everything is kept");
        ensure!(paced.failed == 0, "{} requests failed", paced.failed);
        ensure!(
            recorded == paced.answered,
            "{recorded} of {} calls are recorded",
            paced.answered
        );
    }
    drop((on, off));
    runtime.block_on(postgres.stop())
}

/// All rounds of a function, the two sides in turns. Gives the ratio.
fn measure(options: &Options, on: &Side, off: &Side, function: &'static str) -> Result<f64> {
    let time = Duration::from_secs(options.seconds);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let mut sides = [(on, &mut with), (off, &mut without)];
        // Who comes first changes, so that neither always gets the warmer machine.
        if round % 2 == 1 {
            sides.reverse();
        }
        for (side, rates) in sides {
            side.load(function, options.connections, time / 10)?;
            rates.push(side.load(function, options.connections, time)?);
        }
    }
    let (with, without) = (median(with), median(without));
    let ratio = with / without;
    println!(
        "{function}, {} connections: {with:.0}/s with records and logs, {without:.0}/s without: {ratio:.2}",
        options.connections
    );
    Ok(ratio)
}

/// A steady load, and no Postgres for most of the time.
async fn outage(options: &Options, on: &Side, postgres: &mut StoppablePostgres) -> Result<Paced> {
    const BEFORE: Duration = Duration::from_secs(2);
    let away = Duration::from_secs(options.outage);
    let load = Load {
        address: on.gateway(),
        path: QUIET,
        connections: options.connections,
    };
    let interrupt = async {
        tokio::time::sleep(BEFORE).await;
        postgres.stop().await?;
        let gone = Instant::now();
        tokio::time::sleep(away.saturating_sub(gone.elapsed())).await;
        postgres.start_again().await
    };
    let (paced, interrupted) = tokio::join!(load.keep_up(options.rate, BEFORE + away + BEFORE), interrupt);
    interrupted?;
    let mut paced = paced?;
    // Each connection asks once to learn how long answers are.
    paced.answered += options.connections as u64;
    Ok(paced)
}
