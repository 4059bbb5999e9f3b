//! The server's image, from a binary that is built here: it needs neither BuildKit nor an image with Rust in it.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::{command, workspace};

pub(super) const NAME: &str = "jobber/server";
/// What the image is built on.
pub(super) const DEBIAN: &str = "debian:trixie-slim";
/// Most bytes that it may have beyond that: each machine that runs a system fetches or builds them.
pub(super) const MOST_BYTES: u64 = 60_000_000;

/// Builds the release, and the image with it. Gives its name.
pub(super) fn build() -> Result<String> {
    let image = format!("{NAME}:{}", env!("CARGO_PKG_VERSION"));
    println!("  building {image}");
    let mut build = workspace::cargo("build");
    build.args(["--release", "--package", "jobber", "--bin", "jobber", "--quiet"]);
    command::run(&mut build)?;
    // Where the image's Dockerfile looks for it, wherever cargo's target folder is.
    let folder = workspace::root().join("target/image");
    fs::create_dir_all(&folder)?;
    let mut strip = Command::new("strip");
    strip
        .arg("--output-file")
        .arg(folder.join("jobber"))
        .arg(workspace::target().join("release/jobber"));
    command::output(&mut strip)?;
    let mut build = Command::new("docker");
    build
        .args(["build", "--quiet", "--tag", &image, "--target", "prebuilt"])
        .args(["--file", "docker/server.Dockerfile", "."])
        .current_dir(workspace::root());
    command::output(&mut build)?;
    Ok(image)
}
