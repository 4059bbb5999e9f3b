//! `cargo xtask test`, `it`, `e2e` and `otlp`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::node::{self, NEWEST, Node};
use crate::provision::{compose, docker, documents, mosquitto, postgres, promtool, schemathesis};
use crate::report::{Harness, Report};
use crate::{checks, command, images, ui, workspace};

/// How long the unit tests may take, with the build of every dependency on a fresh machine.
const UNIT: Duration = Duration::from_secs(20 * 60);
/// How long the Node runtime's tests may take in one version of Node.
const NODE: Duration = Duration::from_secs(5 * 60);
/// How long the tests of the panel may take in the browser.
const BROWSER: Duration = Duration::from_secs(15 * 60);
/// How long one of the suites may take.
const SUITE: Duration = Duration::from_secs(20 * 60);

/// The feature that has spans exported, and reads them in the test of that.
pub(crate) const EXPORTING: &str = "jobber/otlp-test";

/// Integration tests of the other packages; they need nothing but the package.
const OWN_SUITES: [&str; 1] = ["supervision"];

/// What `cargo xtask test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Only what needs neither Docker nor its images: everything but `e2e`.
    #[arg(long)]
    without_docker: bool,
}

/// What `cargo xtask it`, `e2e` and `otlp` take.
#[derive(Args)]
pub(crate) struct Filter {
    /// A part of the tests' names and options for the test binary.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// An integration test binary of the root package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Against a real Postgres and real MQTT brokers.
    It,
    /// Against a real Docker engine.
    E2e,
    /// The export of spans, which most builds do not have.
    Otlp,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::It => "it",
            Self::E2e => "e2e",
            Self::Otlp => "otlp",
        }
    }

    fn command(self) -> Result<Command> {
        let mut test = workspace::cargo("test");
        // The whole workspace is named, here and everywhere: for a part of it cargo would choose other features of the
        // dependencies, and build them a second time.
        test.args(["--workspace", "--test", self.name()]);
        if self == Self::Otlp {
            test.args(["--features", EXPORTING]);
        }
        if self == Self::E2e
            && let Some(program) = compose::ensure()?
        {
            test.env("JOBBER_TEST_COMPOSE", program);
        }
        // Tests and the servers that they start run the same Node, whatever the machine has.
        test.env("PATH", Node::ensure(NEWEST)?.search_path()?)
            .env("RUST_BACKTRACE", "1");
        Ok(test)
    }
}

/// Provides what the tests need, then runs every check and every test, also after a failure.
///
/// # Errors
/// When anything failed; the last line on standard output is the count.
pub(crate) fn everything(options: &Options) -> Result<()> {
    let mut report = Report::new();
    provide(options, &mut report);
    checks::all(&mut report);
    for major in node::MAJORS {
        let name = format!("tests of the Node runtime on Node {major}");
        match runtime_tests(major) {
            Ok(tests) => report.step(&name, Harness::Tap, NODE, &tests),
            Err(error) => report.check(&name, || Err(error)),
        }
    }
    let mut unit = workspace::cargo("test");
    unit.args(["--workspace", "--lib", "--bins", "--no-fail-fast"])
        .args(OWN_SUITES.iter().flat_map(|suite| ["--test", suite]))
        .env("RUST_BACKTRACE", "1");
    report.step("unit tests", Harness::Cargo, UNIT, &unit);
    suite(Suite::It, &mut report);
    // The suite before has built the program, with the panel in it.
    match ui::tests() {
        Ok(tests) => report.step("panel in the browser", Harness::Playwright, BROWSER, &tests),
        Err(error) => report.check("panel in the browser", || Err(error)),
    }
    suite(Suite::Otlp, &mut report);
    if !options.without_docker {
        suite(Suite::E2e, &mut report);
    }
    report.finish()
}

/// Runs one integration test binary in the foreground.
///
/// # Errors
/// When what it needs cannot be provided, or a test fails.
pub(crate) fn only(suite: Suite, filter: &Filter) -> Result<()> {
    postgres::ensure()?;
    mosquitto::ensure()?;
    match suite {
        Suite::It => {
            ensure_bruno()?;
            schemathesis::ensure()?;
            promtool::ensure()?;
        }
        Suite::E2e => {
            documents::ensure()?;
            images::build_all()?;
            images::ensure_for_compose()?;
        }
        Suite::Otlp => {}
    }
    command::run(suite.command()?.arg("--").args(&filter.arguments))
}

fn suite(suite: Suite, report: &mut Report) {
    match suite.command() {
        Ok(command) => report.step(suite.name(), Harness::Cargo, SUITE, &command),
        Err(error) => report.check(suite.name(), || Err(error)),
    }
}

/// cargo-deny takes minutes to build on a fresh machine, the other things mostly wait for the network and the disk.
fn provide(options: &Options, report: &mut Report) {
    thread::scope(|scope| {
        let deny = scope.spawn(checks::ensure_deny);
        report.provide("Postgres", postgres::ensure);
        report.provide("Mosquitto", mosquitto::ensure);
        report.provide("programs of the documentation", documents::ensure);
        report.provide("Schemathesis", schemathesis::ensure);
        report.provide("promtool", promtool::ensure);
        for major in node::MAJORS {
            report.provide(&format!("Node {major}"), || Node::ensure(major).map(drop));
        }
        report.provide("Node's development packages", checks::ensure_packages);
        // Before anything is compiled, so that it is part of the program that the tests run.
        report.provide("packages of the panel", ui::ensure_packages);
        report.provide("admin panel", ui::build);
        report.provide("Chromium", ui::ensure_browser);
        report.provide("Bruno's command-line client", ensure_bruno);
        if !options.without_docker {
            report.provide("Docker engine", docker::ensure);
            report.provide("runner images", images::build_all);
            report.provide("images of the compose file", images::ensure_for_compose);
            report.provide("Compose", || compose::ensure().map(drop));
        }
        report.provide("cargo-deny", || {
            deny.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
    });
}

/// The client that runs the collection of requests.
fn ensure_bruno() -> Result<()> {
    node::ensure_packages(&workspace::root().join("bruno"))
}

fn runtime_tests(major: u32) -> Result<Command> {
    let runtime = workspace::root().join("docker/runner-node");
    let mut files = Vec::new();
    find_tests(&runtime.join("test"), &mut files)?;
    files.sort();
    let mut tests = Command::new(Node::ensure(major)?.program());
    // Every file is named: versions of Node differ in what they make of a folder or of a pattern.
    tests
        .args(["--test", "--test-reporter=tap"])
        .args(files)
        .current_dir(runtime);
    Ok(tests)
}

fn find_tests(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_tests(&entry.path(), files)?;
        } else if entry.file_name().to_string_lossy().ends_with(".test.mjs") {
            files.push(entry.path());
        }
    }
    Ok(())
}
