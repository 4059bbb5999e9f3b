//! Steps, how long each took, what failed, and the count at the end.

use std::fmt;
use std::fs;
use std::ops::AddAssign;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{command, workspace};

/// How many tests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed. A check without tests of its own, such as the format, counts as one.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that did not run. A step with one fails: a test that is never run tells nothing.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// How a step's output tells its counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harness {
    /// It does not: the step is one check.
    None,
    /// `test result: …`, once for each test binary.
    Cargo,
    /// The summary of Node's test runner with `--test-reporter=tap`.
    Tap,
    /// The summary of Playwright's reporter `list`.
    Playwright,
}

impl Harness {
    fn counts(self, output: &str) -> Counts {
        match self {
            Self::None => Counts::default(),
            Self::Cargo => cargo_counts(output),
            Self::Tap => tap_counts(output),
            Self::Playwright => playwright_counts(output),
        }
    }
}

/// Something failed, and the report has printed what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not everything passed")
    }
}

impl std::error::Error for Failed {}

/// What has been done so far and how it went.
pub(crate) struct Report {
    begun: Instant,
    total: Counts,
    failed: Vec<String>,
}

impl Report {
    /// A report of nothing.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            total: Counts::default(),
            failed: Vec::new(),
        }
    }

    /// Does `work` in this process. Only a failure counts.
    pub(crate) fn provide(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        println!("{name}");
        let begun = Instant::now();
        match work() {
            Ok(()) => println!("  ok, {:.1} s", begun.elapsed().as_secs_f64()),
            Err(error) => {
                println!("  FAILED, {:.1} s\n{error:#}", begun.elapsed().as_secs_f64());
                self.fail(name, Counts::default());
            }
        }
    }

    /// Does a check in this process, which counts as one test.
    pub(crate) fn check(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        let before = self.failed.len();
        self.provide(name, work);
        if self.failed.len() == before {
            self.total.passed += 1;
        }
    }

    /// Runs `command` for `limit` at most and counts its tests. What it prints is kept in `target/test-logs`, and is shown
    /// when it fails.
    pub(crate) fn step(&mut self, name: &str, harness: Harness, limit: Duration, command: &Command) {
        println!("{name}");
        let begun = Instant::now();
        let log = workspace::target()
            .join("test-logs")
            .join(format!("{}.log", name.replace([' ', '/'], "-")));
        let status = command::logged(command, limit, &log);
        let output = fs::read(&log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let counts = harness.counts(&output);
        let took = begun.elapsed().as_secs_f64();
        let failure = match status {
            Err(error) => format!("{error:#}"),
            Ok(status) if command::ran_out_of_time(status) => format!("not done after {limit:?}, ended"),
            Ok(status) if !status.success() => status.to_string(),
            Ok(_) if counts.failed > 0 => "tests failed".to_owned(),
            Ok(_) if counts.skipped > 0 => format!("{} tests were skipped", counts.skipped),
            Ok(_) if harness != Harness::None && counts.passed == 0 => "no test ran".to_owned(),
            Ok(_) => {
                self.total += if harness == Harness::None {
                    Counts { passed: 1, ..counts }
                } else {
                    counts
                };
                let tests = if harness == Harness::None {
                    String::new()
                } else {
                    format!(", {counts}")
                };
                println!("  ok, {took:.1} s{tests}");
                return;
            }
        };
        println!("{}", output.trim_end());
        println!("  FAILED, {took:.1} s: {failure}");
        println!("  command: {}\n  log: {}", command::text(command), log.display());
        self.fail(name, counts);
    }

    /// Prints the summary; its last line is the count alone.
    ///
    /// # Errors
    /// [`Failed`] when anything failed.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n{:.0} s", self.begun.elapsed().as_secs_f64());
        for name in &self.failed {
            println!("FAILED: {name}");
        }
        println!("{}", self.total);
        if !self.failed.is_empty() || self.total.failed > 0 {
            return Err(Failed.into());
        }
        Ok(())
    }

    /// A step that fails without a failed test, because it does not build or was ended, is one failure.
    fn fail(&mut self, name: &str, mut counts: Counts) {
        counts.failed = counts.failed.max(1);
        self.total += counts;
        self.failed.push(name.to_owned());
    }
}

/// Adds up lines such as `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; …`.
fn cargo_counts(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let Some((_, result)) = line.split_once("test result: ") else {
            continue;
        };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(outcome)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match outcome {
                "passed" => counts.passed += number,
                "failed" => counts.failed += number,
                "ignored" => counts.skipped += number,
                _ => {}
            }
        }
    }
    counts
}

/// Reads the summary `# pass 12`, `# fail 0`, …; a nested runner's summary is indented and is not counted twice.
fn tap_counts(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let Some((outcome, number)) = line.strip_prefix("# ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let Ok(number) = number.trim().parse::<u64>() else {
            continue;
        };
        match outcome {
            "pass" => counts.passed += number,
            "fail" | "cancelled" => counts.failed += number,
            "skipped" | "todo" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

/// Reads the summary `  12 passed (3.5s)`, `  1 failed`, …: an indented number, a word, and perhaps how long it took.
fn playwright_counts(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let Some((number, outcome)) = line.strip_prefix("  ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match outcome.split(" (").next() {
            Some("passed") => counts.passed += number,
            Some("failed" | "interrupted") => counts.failed += number,
            Some("skipped" | "did not run" | "flaky") => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_test_binaries_add_up() {
        let output = "running 2 tests\ntest a ... ok\n\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s\n\n\
            test result: FAILED. 5 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.25s\n";
        assert_eq!(
            cargo_counts(output),
            Counts {
                passed: 7,
                failed: 3,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_cancelled_node_test_has_failed() {
        let output = "TAP version 13\n    # pass 9\n1..3\n# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 1\n\
            # skipped 0\n# todo 0\n# duration_ms 51.2\n";
        assert_eq!(
            tap_counts(output),
            Counts {
                passed: 2,
                failed: 2,
                skipped: 0
            }
        );
    }

    #[test]
    fn playwright_tells_its_counts_at_the_end() {
        let output = "Running 4 tests using 2 workers\n  ok 1 a.spec.ts:3:1 > 2 failed logins (3.8s)\n\n  1 failed\n\
            \x20   a.spec.ts:9:1 > b\n  1 did not run\n  2 passed (1.1m)\n";
        assert_eq!(
            playwright_counts(output),
            Counts {
                passed: 2,
                failed: 1,
                skipped: 1
            }
        );
    }

    #[test]
    fn output_without_a_summary_counts_nothing() {
        assert_eq!(cargo_counts("error[E0308]: mismatched types"), Counts::default());
        assert_eq!(tap_counts("SyntaxError: Unexpected token"), Counts::default());
        assert_eq!(playwright_counts("Error: no tests found"), Counts::default());
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_is_one_failure() {
        let mut report = Report::new();
        report.fail("it", Counts::default());
        report.fail(
            "e2e",
            Counts {
                passed: 4,
                failed: 2,
                skipped: 0,
            },
        );
        assert_eq!(
            report.total,
            Counts {
                passed: 4,
                failed: 3,
                skipped: 0
            }
        );
        assert!(report.finish().is_err());
    }
}
