//! 10,000 schedules: how late they are, what they cost while none is due, and how long a start takes with them.
//!
//! `cargo xtask bench schedule` runs this. Most of the schedules are due in some months. In every even minute 300 are due one
//! after the other, and 400 in one and the same second; in odd minutes none is, and what the processes use is measured.
//! Lateness is what the function sees: the time at which it is called, less the instant that was due. Runners are child
//! processes.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod packages;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::Value;

use crate::packages::{BURST_SECOND, FIRES, JOBS, SCHEDULES, name};
use crate::support::dev::Dev;
use crate::support::statistics::{mebibytes, median, milliseconds, percentile};

/// Of all fires 99 in a hundred may be so late at most.
const LATENESS_BAR: Duration = Duration::from_millis(50);
/// While nothing is due, the server must use less than this of one processor, in percent.
const USAGE_BAR: f64 = 1.0;

/// Until all packages are published.
const PUBLISH: Duration = Duration::from_secs(600);
/// Until a start has come to its end.
const START: Duration = Duration::from_secs(120);
/// Seconds of an odd minute in which what is used is measured: from and to.
const QUIET: (u64, u64) = (2, 58);

/// 10,000 schedules: lateness, processor time, start.
#[derive(Parser)]
struct Options {
    /// Even and odd minutes to measure.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Starts to measure.
    #[arg(long, default_value_t = 3)]
    starts: usize,
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
        options.rounds > 0 && options.starts > 0,
        "at least one round and one start"
    );
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    publish(folder.path(), &data)?;
    println!("{SCHEDULES} schedules of {JOBS} packages are published");

    let mut starts = Vec::new();
    let mut dev = None;
    for _ in 0..options.starts {
        // One server after the other: they share the data.
        drop(dev.take());
        let begun = Instant::now();
        let server = Dev::start("process", &data, &[])?;
        loaded(&server)?;
        starts.push(begun.elapsed().as_secs_f64());
        dev = Some(server);
    }
    println!(
        "loaded {:.1} s after the start of the program, Postgres included",
        median(starts)
    );

    let dev = dev.context("no server was started")?;
    served(&dev)?;
    let measured = measure(&options, &dev, &data)?;
    println!("{measured}");
    println!("{:.1} MiB resident", mebibytes(dev.resident_memory()?));
    if options.check {
        measured.check()?;
    }
    Ok(())
}

fn publish(folder: &Path, data: &Path) -> Result<()> {
    let dev = Dev::start("process", data, &packages::write(&folder.join("packages"))?)?;
    dev.eventually(PUBLISH, || dev.ask(&format!("/{}", name(JOBS - 1))))?;
    loaded(&dev)
}

/// Waits until the instants of all schedules are known.
fn loaded(dev: &Dev) -> Result<()> {
    dev.eventually(START, || {
        let tree = dev.api("debug/tree")?;
        let scheduler = of_kind(&tree, "scheduler").context("there is no scheduler")?;
        let observed = &scheduler["observed"];
        ensure!(observed["due"] == SCHEDULES, "the scheduler: {observed}");
        Ok(())
    })
}

/// The first actor of this kind, at or below this one.
fn of_kind<'a>(actor: &'a Value, kind: &str) -> Option<&'a Value> {
    if actor["kind"] == kind {
        return Some(actor);
    }
    let children = actor["children"].as_array()?;
    children.iter().find_map(|child| of_kind(child, kind))
}

/// Waits until every job has its runner.
fn served(dev: &Dev) -> Result<()> {
    (0..JOBS).try_for_each(|job| dev.eventually(START, || dev.ask(&format!("/{}", name(job))).map(drop)))
}

/// What was measured.
struct Measured {
    /// Sorted.
    spread: Vec<Duration>,
    /// Sorted.
    together: Vec<Duration>,
    /// Percents of one processor.
    server: f64,
    postgres: f64,
    quiet: Duration,
}

fn measure(options: &Options, dev: &Dev, data: &Path) -> Result<Measured> {
    let postmaster = std::fs::read_to_string(data.join("postgres/data/postmaster.pid"))?;
    let postmaster: u32 = postmaster
        .lines()
        .next()
        .context("no postmaster")?
        .trim()
        .parse()?;
    let used = || anyhow::Ok((usage::of_process(dev.process())?, usage::of_family(postmaster)?));

    let first = (now().as_secs() / 120 + 1) * 120;
    let (mut server, mut postgres, mut quiet) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for round in 0..options.rounds {
        let odd_minute = first + round * 120 + 60;
        sleep_until(odd_minute + QUIET.0);
        let (begun, before) = (Instant::now(), used()?);
        sleep_until(odd_minute + QUIET.1);
        let after = used()?;
        quiet += begun.elapsed();
        server += after.0 - before.0;
        postgres += after.1 - before.1;
    }
    let (mut spread, mut together) = (Vec::new(), Vec::new());
    for job in 0..JOBS {
        let fires: Vec<(u64, i64)> = serde_json::from_value(dev.ask(&format!("/{}", name(job)))?)?;
        for (due, late) in fires {
            let late = u64::try_from(late).with_context(|| format!("a fire came {} ms early", -late))?;
            let fires = if due / 1000 % 60 == u64::from(BURST_SECOND) {
                &mut together
            } else {
                &mut spread
            };
            if due / 1000 >= first {
                fires.push(Duration::from_millis(late));
            }
        }
    }
    let fires = spread.len() + together.len();
    ensure!(
        fires as u64 == options.rounds * FIRES as u64,
        "{fires} schedules have fired in {} rounds; {FIRES} are due in each",
        options.rounds
    );
    spread.sort_unstable();
    together.sort_unstable();
    let percents = |used: Duration| used.as_secs_f64() / quiet.as_secs_f64() * 100.0;
    Ok(Measured {
        spread,
        together,
        server: percents(server),
        postgres: percents(postgres),
        quiet,
    })
}

impl Measured {
    fn all(&self) -> Vec<Duration> {
        let mut all = [self.spread.as_slice(), self.together.as_slice()].concat();
        all.sort_unstable();
        all
    }

    fn check(&self) -> Result<()> {
        for (fires, which) in [(&self.spread, "spread"), (&self.together, "together")] {
            let late = percentile(fires, 99);
            ensure!(late <= LATENESS_BAR, "{which}, p99 is {} ms", late.as_millis());
        }
        ensure!(
            self.server < USAGE_BAR,
            "the server uses {:.2} % of a processor",
            self.server
        );
        Ok(())
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "\n{:>16} | {:>6} {:>8} {:>8} {:>8}",
            "due", "fires", "p50 ms", "p99 ms", "max ms"
        )?;
        let all = self.all();
        for (which, fires) in [
            ("one by one", &self.spread),
            ("in one second", &self.together),
            ("all", &all),
        ] {
            let [p50, p99, max] = [50, 99, 100].map(|percent| milliseconds(percentile(fires, percent)));
            writeln!(
                f,
                "{which:>16} | {:>6} {p50:>8.0} {p99:>8.0} {max:>8.0}",
                fires.len()
            )?;
        }
        writeln!(
            f,
            "bar: p99 at most {} ms, of either kind",
            LATENESS_BAR.as_millis()
        )?;
        write!(
            f,
            "\nwith nothing due, over {} s: server {:.2} % of one processor (bar: below {USAGE_BAR} %), its Postgres {:.2} %",
            self.quiet.as_secs(),
            self.server,
            self.postgres
        )
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Waits for a second of the clock.
fn sleep_until(second: u64) {
    let second = Duration::from_secs(second);
    while let Some(wait) = second.checked_sub(now()).filter(|wait| !wait.is_zero()) {
        std::thread::park_timeout(wait);
    }
}
