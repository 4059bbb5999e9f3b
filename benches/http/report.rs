//! The table at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::support::load::Run;
use crate::support::statistics::{median, milliseconds, percentile};

/// Who was measured, and with how many connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) side: &'static str,
    pub(crate) connections: usize,
}

struct Measured {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    cells: BTreeMap<Cell, Vec<Measured>>,
}

impl Report {
    pub(crate) fn add(&mut self, cell: Cell, run: Run) {
        let measured = Measured {
            rate: run.rate,
            p50: percentile(&run.latencies, 50),
            p99: percentile(&run.latencies, 99),
        };
        self.cells.entry(cell).or_default().push(measured);
    }

    /// Jobber's rate over Node's.
    pub(crate) fn ratio(&self, connections: usize) -> f64 {
        self.rate("jobber", connections) / self.rate("node", connections)
    }

    fn rate(&self, side: &'static str, connections: usize) -> f64 {
        self.cells
            .get(&Cell { side, connections })
            .map_or(f64::NAN, |runs| median(runs.iter().map(|run| run.rate).collect()))
    }

    fn latency(&self, side: &'static str, connections: usize, of: impl Fn(&Measured) -> Duration) -> f64 {
        self.cells
            .get(&Cell { side, connections })
            .map_or(f64::NAN, |runs| {
                median(runs.iter().map(|run| milliseconds(of(run))).collect())
            })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>11} | {:>10} {:>8} {:>8} | {:>10} {:>8} {:>8} | {:>5}",
            "connections", "jobber/s", "p50 ms", "p99 ms", "node/s", "p50 ms", "p99 ms", "ratio"
        )?;
        let mut connections: Vec<usize> = self.cells.keys().map(|cell| cell.connections).collect();
        connections.sort_unstable();
        connections.dedup();
        for count in connections {
            write!(f, "{count:>11}")?;
            for side in ["jobber", "node"] {
                write!(
                    f,
                    " | {:>10.0} {:>8.2} {:>8.2}",
                    self.rate(side, count),
                    self.latency(side, count, |run| run.p50),
                    self.latency(side, count, |run| run.p99),
                )?;
            }
            writeln!(f, " | {:>5.2}", self.ratio(count))?;
        }
        Ok(())
    }
}
