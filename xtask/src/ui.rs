//! The admin panel: its build, and its tests in a real browser.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::node::{self, NEWEST, Node};
use crate::provision::debian;
use crate::{command, workspace};

/// The browser that the tests drive, as Debian has it.
const BROWSER: &str = "chromium";

fn folder() -> PathBuf {
    workspace::root().join("ui")
}

/// `cargo xtask ui`: checks the panel's types and builds it into `ui/dist`, from where the next build of the program takes it.
///
/// # Errors
/// When its packages cannot be had, or its types or its build fail.
pub(crate) fn build() -> Result<()> {
    ensure_packages()?;
    let mut build = Node::ensure(NEWEST)?.npm()?;
    build.args(["run", "--silent", "build"]).current_dir(folder());
    command::run(&mut build)
}

/// The panel's packages, as its lock file has them.
///
/// # Errors
/// When npm fails.
pub(crate) fn ensure_packages() -> Result<()> {
    node::ensure_packages(&folder())
}

/// Makes sure that there is a browser.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn ensure_browser() -> Result<()> {
    if command::exists(BROWSER) {
        return Ok(());
    }
    debian::install(&[BROWSER])
}

/// The check of the panel's types, its tests' included.
///
/// # Errors
/// When Node is not to be had.
pub(crate) fn types() -> Result<Command> {
    let mut check = Node::ensure(NEWEST)?.npm()?;
    check.args(["run", "--silent", "check"]).current_dir(folder());
    Ok(check)
}

/// The tests of the panel: every page and what is done on it, in the browser, against the program in `target/debug`, which has to be
/// built with the panel. Pictures are in `target/ui-screenshots`.
///
/// # Errors
/// When Node or the browser is not to be had.
pub(crate) fn tests() -> Result<Command> {
    let node = Node::ensure(NEWEST)?;
    let browser = command::output(Command::new("which").arg(BROWSER)).context("there is no Chromium")?;
    let mut tests = node.npm()?;
    tests
        .args(["test", "--silent"])
        .current_dir(folder())
        .env("JOBBER_BIN", workspace::target().join("debug/jobber"))
        .env("JOBBER_UI_OUTPUT", workspace::target())
        .env("CHROMIUM", browser.trim());
    Ok(tests)
}
