//! The table at the end.

use std::collections::BTreeMap;
use std::fmt;

use crate::measure::Run;
use crate::support::statistics::median;

/// What was measured, but for the side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) qos: u8,
    /// Bytes.
    pub(crate) payload: usize,
    /// Made by the handler.
    pub(crate) hashes: u8,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { qos, payload, hashes } = self;
        write!(f, "QoS {qos}, {payload} bytes and {hashes} hashes")
    }
}

/// Jobber's rate over the bare client's, in rounds.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Ratio {
    fn of(rounds: Vec<f64>) -> Self {
        Self {
            lowest: rounds.iter().copied().fold(f64::NAN, f64::min),
            highest: rounds.iter().copied().fold(f64::NAN, f64::max),
            median: median(rounds),
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    runs: BTreeMap<(Case, &'static str), Vec<Run>>,
}

impl Report {
    pub(crate) fn add(&mut self, case: Case, side: &'static str, run: Run) {
        self.runs.entry((case, side)).or_default().push(run);
    }

    /// What was measured last of a side.
    pub(crate) fn last(&self, case: Case, side: &'static str) -> Option<&Run> {
        self.runs.get(&(case, side))?.last()
    }

    /// All cases with Jobber's rate over the bare client's.
    pub(crate) fn ratios(&self) -> Vec<(Case, Ratio)> {
        let mut cases: Vec<Case> = self.runs.keys().map(|(case, _)| *case).collect();
        cases.dedup();
        let rates = |case, side| {
            let runs = self.runs.get(&(case, side));
            runs.into_iter().flatten().map(|run| run.rate)
        };
        let ratios = |case| {
            let rounds = rates(case, "jobber").zip(rates(case, "client"));
            Ratio::of(rounds.map(|(jobber, client)| jobber / client).collect())
        };
        cases.into_iter().map(|case| (case, ratios(case))).collect()
    }

    fn rate(&self, case: Case, side: &'static str) -> f64 {
        self.median(case, side, |run| run.rate)
    }

    fn median(&self, case: Case, side: &'static str, of: impl Fn(&Run) -> f64) -> f64 {
        self.runs.get(&(case, side)).map_or(f64::NAN, |runs| {
            // What took no time to speak of has no cost that could be told.
            median(runs.iter().map(of).filter(|value| value.is_finite()).collect())
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3} {:>7} {:>6}", "QoS", "bytes", "hashes")?;
        for side in ["jobber/s", "client/s"] {
            write!(
                f,
                " | {side:>8} {:>8} {:>9} {:>9} {:>6} {:>6} {:>8}",
                "sent/s", "dropped", "repeated", "broker", "server", "function"
            )?;
        }
        writeln!(f, " | {:>5} {:>6} {:>7}", "ratio", "lowest", "highest")?;
        for (case, ratio) in self.ratios() {
            write!(f, "{:>3} {:>7} {:>6}", case.qos, case.payload, case.hashes)?;
            for side in ["jobber", "client"] {
                let of = |of: fn(&Run) -> f64| self.median(case, side, of);
                let shown = |digits: usize, value: f64, unit: &str| format!("{value:.digits$}{unit}");
                let (sent, dropped, repeated) = if case.qos == 0 {
                    let dropped = of(|run| run.dropped * 100.0);
                    (
                        shown(0, of(|run| run.offered), ""),
                        shown(1, dropped, " %"),
                        String::new(),
                    )
                } else {
                    let repeated = of(|run| run.repeated * 100.0);
                    (String::new(), String::new(), shown(2, repeated, " %"))
                };
                let rate = self.rate(case, side);
                write!(f, " | {rate:>8.0} {sent:>8} {dropped:>9} {repeated:>9}")?;
                let [broker, server, function] = [
                    of(|run| run.cost.broker),
                    of(|run| run.cost.server),
                    of(|run| run.cost.function),
                ];
                write!(f, " {broker:>6.1} {server:>6.1} {function:>8.1}")?;
            }
            let Ratio {
                lowest,
                median,
                highest,
            } = ratio;
            writeln!(f, " | {median:>5.2} {lowest:>6.2} {highest:>7.2}")?;
        }
        Ok(())
    }
}
