//! Checks that run no test: format, lints, dependencies, types, and the repository's own rules.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::node::{self, NEWEST, Node};
use crate::report::{Harness, Report};
use crate::{command, test, ui, workspace};

/// The release of cargo-deny that is installed where none is.
const DENY: &str = "0.20.2";
/// How long a check may take. Clippy has to compile every dependency on a fresh machine.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long the database of advisories may take to arrive.
const FETCH: Duration = Duration::from_secs(30);

/// `cargo xtask lint`.
///
/// # Errors
/// When a check fails.
pub(crate) fn lint() -> Result<()> {
    let mut report = Report::new();
    report.provide("cargo-deny", ensure_deny);
    report.provide("Node's development packages", ensure_packages);
    report.provide("packages of the panel", ui::ensure_packages);
    all(&mut report);
    report.finish()
}

/// All checks. What they need must be there.
pub(crate) fn all(report: &mut Report) {
    let mut format = workspace::cargo("fmt");
    format.args(["--all", "--", "--check"]);
    report.step("format", Harness::None, LIMIT, &format);
    report.check("no paths of this machine", no_machine_paths);
    report.check("no conflict markers", no_conflict_markers);
    let mut clippy = workspace::cargo("clippy");
    clippy.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    report.step("clippy", Harness::None, LIMIT, &clippy);
    // What is only there with the feature; the whole workspace is named for the reason that `Suite::command` gives.
    let mut exporting = workspace::cargo("clippy");
    exporting.args(["--workspace", "--features", test::EXPORTING]);
    exporting.args(["--lib", "--bins", "--test", "otlp", "--", "-D", "warnings"]);
    report.step("clippy with OTLP", Harness::None, LIMIT, &exporting);
    report.step("dependencies", Harness::None, LIMIT, &deny());
    match types() {
        Ok(types) => report.step("types of the Node runtime", Harness::None, LIMIT, &types),
        Err(error) => report.check("types of the Node runtime", || Err(error)),
    }
    match ui::types() {
        Ok(types) => report.step("types of the panel", Harness::None, LIMIT, &types),
        Err(error) => report.check("types of the panel", || Err(error)),
    }
}

/// Makes sure that cargo-deny is installed.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn ensure_deny() -> Result<()> {
    if command::succeeds(workspace::cargo("deny").arg("--version")) {
        return Ok(());
    }
    println!("  installing cargo-deny {DENY}");
    let mut install = Command::new("cargo");
    install.args(["install", "--locked", "--quiet", "cargo-deny", "--version", DENY]);
    // In a folder of its own: the build must not wait for the lock of this workspace's target folder.
    let build = workspace::target().join("tools/cargo-deny");
    command::output(install.env("CARGO_TARGET_DIR", &build))?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
}

/// The development packages of the Node runtime, as its lock file has them.
///
/// # Errors
/// When npm fails.
pub(crate) fn ensure_packages() -> Result<()> {
    node::ensure_packages(&runtime())
}

/// Licences, bans and sources always; advisories where their database can be reached.
fn deny() -> Command {
    let mut fetch = workspace::cargo("deny");
    fetch.args(["fetch", "db"]);
    let reachable = command::succeeds(&mut command::bounded(&fetch, FETCH));
    let mut deny = workspace::cargo("deny");
    deny.arg("check")
        .arg("--hide-inclusion-graph")
        .args(["licenses", "bans", "sources"]);
    if reachable {
        deny.arg("advisories").arg("--disable-fetch");
    } else {
        println!("  the database of advisories cannot be reached: advisories are not checked here");
    }
    deny
}

fn types() -> Result<Command> {
    let mut check = Node::ensure(NEWEST)?.npm()?;
    check.args(["run", "--silent", "check"]).current_dir(runtime());
    Ok(check)
}

fn runtime() -> PathBuf {
    workspace::root().join("docker/runner-node")
}

/// No file of the repository may name a folder that exists only where it was written: its checkout, its author's home.
fn no_machine_paths() -> Result<()> {
    let mut forbidden = vec![workspace::root().to_string_lossy().into_owned()];
    forbidden.extend(env::var("HOME").ok().filter(|home| home.starts_with("/home/")));
    let found = lines_where(|line| forbidden.iter().any(|path| names(line, Path::new(path))))?;
    if !found.is_empty() {
        bail!("these lines name a path of this machine:\n{}", found.join("\n"));
    }
    Ok(())
}

/// No file of the repository may have what a merge leaves where it could not decide.
fn no_conflict_markers() -> Result<()> {
    let found = lines_where(is_conflict_marker)?;
    if !found.is_empty() {
        bail!(
            "a merge has left its markers in these lines:\n{}",
            found.join("\n")
        );
    }
    Ok(())
}

/// The places (`file:line`) of the lines in the repository's files that are so.
fn lines_where(is_so: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let root = workspace::root();
    // CI may check out as another user than the one that runs this, which git otherwise refuses to look at.
    let mut list = Command::new("git");
    list.args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root);
    let listed = command::output(&mut list)?;
    let mut found = Vec::new();
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        // A file that git lists may have been deleted in the working copy.
        let Ok(bytes) = fs::read(root.join(file)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for (index, line) in text.lines().enumerate() {
            if is_so(line) {
                found.push(format!("{file}:{}", index + 1));
            }
        }
    }
    Ok(found)
}

/// Whether `line` is the first or the last one of a conflict. The one between them (`=======`) is also a heading's underline.
fn is_conflict_marker(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

/// Whether `line` names `path` or something below it, and not merely a longer name that begins alike.
fn names(line: &str, path: &Path) -> bool {
    let path = path.to_string_lossy();
    line.match_indices(&*path).any(|(at, _)| {
        let next = line[at + path.len()..].chars().next();
        let before = line[..at].chars().next_back();
        let part_of_name = |character: char| character.is_alphanumeric() || "-_.".contains(character);
        !next.is_some_and(part_of_name)
            && !before.is_some_and(|character| part_of_name(character) || character == '/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_with_what_is_below_it_and_not_as_a_part_of_another() {
        let path = Path::new("/srv/jobber");
        assert!(names("see /srv/jobber", path));
        assert!(names("\"/srv/jobber/src/main.rs\"", path));
        assert!(!names("/srv/jobber-data", path));
        assert!(!names("/mnt/srv/jobber", path));
    }

    #[test]
    fn a_conflict_is_known_by_its_first_and_last_line_and_nothing_else_is_one() {
        assert!(is_conflict_marker("<<<<<<< HEAD"));
        assert!(is_conflict_marker(">>>>>>> 6fd78a0 (Go on)"));
        assert!(!is_conflict_marker("======="));
        assert!(!is_conflict_marker("  <<<<<<< HEAD"));
        assert!(!is_conflict_marker("<<<<<<<HEAD"));
        assert!(!is_conflict_marker(">>>>>> quoted"));
    }
}
