//! The images of the runners and of the server, and stand-ins for what they are built from where no registry can be reached.

mod server;
mod stand_in;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::provision::docker;
use crate::{command, node, ui, workspace};

const DEBIAN: &str = "debian:bookworm-slim";
/// The label that holds a hash of what an image was built from: a change of the runtime makes it stale.
const CONTENT: &str = "dev.jobber.runtime.content";
const VERSION: &str = "dev.jobber.runtime.version";

/// Builds the runner image of every version of Node.
///
/// # Errors
/// When there is no Docker engine, or a build fails.
pub(crate) fn build_all() -> Result<()> {
    docker::ensure()?;
    for major in node::MAJORS {
        build(major)?;
    }
    Ok(())
}

/// Builds every image that the compose file runs, under its names, and prints their sizes.
///
/// # Errors
/// When there is no Docker engine, a build fails, or the server's image has become too large.
pub(crate) fn everything() -> Result<()> {
    // The server is built with its panel in it.
    ui::build()?;
    build_all()?;
    ensure_for_compose()?;
    let mut images = vec![server::build()?];
    for major in node::MAJORS {
        let image = format!("jobber/runner-node:{major}");
        let versioned = format!("{image}-{}", env!("CARGO_PKG_VERSION"));
        command::output(Command::new("docker").args(["tag", &image, &versioned]))?;
        images.push(versioned);
    }
    for image in images {
        let size = Size::of(&image)?;
        println!("  {image:<32} {size}");
        if image.starts_with(server::NAME) {
            size.at_most(server::MOST_BYTES).with_context(|| image.clone())?;
        }
    }
    Ok(())
}

/// Makes sure that there is what the compose file needs besides Jobber's own images, and what the server's is built on.
///
/// # Errors
/// When an image can neither be pulled nor be made.
pub(crate) fn ensure_for_compose() -> Result<()> {
    stand_in::ensure_debian(server::DEBIAN)?;
    stand_in::ensure_from_debian("postgres:17-trixie", "docker/base-postgres")?;
    stand_in::ensure_from_debian("eclipse-mosquitto:2", "docker/base-mosquitto")
}

/// The bytes of an image, as the engine counts them.
struct Size {
    all: u64,
    /// What it has beyond its base.
    own: u64,
    base: &'static str,
}

impl Size {
    fn of(image: &str) -> Result<Self> {
        let bytes = |image: &str| -> Result<u64> {
            let size = docker::inspect(image, "{{.Size}}").with_context(|| format!("{image} is gone"))?;
            Ok(size.parse()?)
        };
        let base = if image.starts_with(server::NAME) {
            server::DEBIAN
        } else {
            DEBIAN
        };
        let all = bytes(image)?;
        Ok(Self {
            all,
            own: all.saturating_sub(bytes(base)?),
            base,
        })
    }

    /// Refuses more than so many bytes beyond the base.
    fn at_most(&self, most: u64) -> Result<()> {
        if self.own > most {
            let (own, most) = (megabytes(self.own), megabytes(most));
            bail!("has {own} beyond {}, and may have {most}", self.base);
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, own) = (megabytes(self.all), megabytes(self.own));
        write!(f, "{all:>9}, {own:>8} of it beyond {}", self.base)
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn build(major: u32) -> Result<()> {
    let image = format!("jobber/runner-node:{major}");
    let node = format!("node:{major}-bookworm-slim");
    stand_in::ensure_debian(DEBIAN)?;
    stand_in::ensure_node(major, &node)?;
    let content = content(&[DEBIAN, &node])?;
    let label = format!("{{{{index .Config.Labels \"{CONTENT}\"}}}}");
    if docker::inspect(&image, &label).is_some_and(|built_from| built_from == content) {
        println!("  {image} is up to date");
        return Ok(());
    }
    println!("  building {image}");
    let mut build = Command::new("docker");
    build.args([
        "build",
        "--quiet",
        "--tag",
        &image,
        "--build-arg",
        &format!("NODE_IMAGE={node}"),
    ]);
    build.args(["--label", &format!("{CONTENT}={content}")]);
    build.args(["--label", &format!("{VERSION}={}", env!("CARGO_PKG_VERSION"))]);
    command::output(build.arg(runtime()))?;
    Ok(())
}

fn runtime() -> PathBuf {
    workspace::root().join("docker/runner-node")
}

/// A hash of the runtime's files and of the images that it is built on.
fn content(bases: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    for base in bases {
        hash.update(docker::inspect(base, "{{.Id}}").with_context(|| format!("{base} is gone"))?);
    }
    let root = runtime();
    for file in runtime_files(&root)? {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .as_os_str()
            .as_encoded_bytes();
        // Lengths first: no two sets of files look the same to the hash.
        hash.update(name.len().to_be_bytes());
        hash.update(name);
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    Ok(hex::encode(hash.finalize()))
}

/// What goes into the image or decides how it is built, as `.dockerignore` has it, in a fixed order.
fn runtime_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![
        root.join("Dockerfile"),
        root.join(".dockerignore"),
        root.join("package.json"),
    ];
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            files.push(path);
        }
    }
    collect(&root.join("src"), &mut files)?;
    files.sort();
    Ok(files)
}

/// Adds all files below `folder` to `files`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_has_become_too_large_is_refused_with_both_numbers() {
        let size = |own| Size {
            all: 80_000_000 + own,
            own,
            base: server::DEBIAN,
        };
        assert!(size(60_000_000).at_most(60_000_000).is_ok());
        let told = size(60_200_000).at_most(60_000_000).unwrap_err().to_string();
        assert_eq!(
            told,
            "has 60.2 MB beyond debian:trixie-slim, and may have 60.0 MB"
        );
    }
}
