//! The runner images `jobber/runner-node:<major>`, and stand-ins for what they are built from where no registry can be
//! reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::node::{self, Node};
use crate::provision::{debian, docker};
use crate::{command, workspace};

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

fn build(major: u32) -> Result<()> {
    let image = format!("jobber/runner-node:{major}");
    let node = format!("node:{major}-bookworm-slim");
    ensure_debian()?;
    ensure_node(major, &node)?;
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

/// Debian's own small image, else a root file system made by debootstrap.
fn ensure_debian() -> Result<()> {
    if docker::has_or_pulls(DEBIAN) {
        return Ok(());
    }
    if !command::exists("debootstrap") {
        debian::install(&["debootstrap"])?;
    }
    if !debian::is_root()? {
        bail!("without a registry {DEBIAN} is made by debootstrap, which only root can run");
    }
    println!("  making a stand-in for {DEBIAN} with debootstrap");
    let root = workspace::target()
        .join("tools")
        .join(format!("bookworm.{}", std::process::id()));
    fs::create_dir_all(&root)?;
    let made = debootstrap(&root).and_then(|()| import(&root));
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    made
}

fn debootstrap(root: &Path) -> Result<()> {
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "bookworm"]).arg(root);
    if let Some(mirror) = debian_mirror() {
        debootstrap.arg(mirror);
    }
    command::output(&mut debootstrap)?;
    // As Debian's slim image: no manuals, no translations, no package cache.
    for folder in [
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/cache/apt",
        "var/lib/apt/lists",
    ] {
        let folder = root.join(folder);
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        fs::create_dir(&folder)?;
    }
    Ok(())
}

fn import(root: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-C")
        .arg(root)
        .args(["--numeric-owner", "-c", "."])
        .stdout(Stdio::piped());
    let mut tar = tar.spawn().context("cannot start tar")?;
    let archive = tar.stdout.take().context("tar has no output")?;
    let mut import = Command::new("docker");
    import.args([
        "import",
        "--change",
        "LABEL dev.jobber.stand-in=true",
        "--change",
        "CMD [\"bash\"]",
        "-",
        DEBIAN,
    ]);
    let imported = import
        .stdin(archive)
        .stdout(Stdio::null())
        .status()
        .context("cannot start docker import")?;
    let packed = tar.wait()?;
    if !imported.success() || !packed.success() {
        bail!("importing {DEBIAN} failed (tar {packed}, docker {imported})");
    }
    Ok(())
}

/// Where this machine gets Debian 12 from, if it is one.
fn debian_mirror() -> Option<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Codename: bookworm",
    ]);
    let mirrors = command::output(targets.arg("Component: main")).ok()?;
    mirrors.lines().next().map(str::to_owned)
}

/// The official image of Node, else one with a binary of the same major version.
fn ensure_node(major: u32, image: &str) -> Result<()> {
    if docker::has_or_pulls(image) {
        return Ok(());
    }
    let node = Node::ensure(major)?;
    println!("  making a stand-in for {image}");
    let dockerfile = workspace::root().join("docker/base-node/Dockerfile");
    let mut build = Command::new("docker");
    build
        .args(["build", "--quiet", "--tag", image, "--file"])
        .arg(dockerfile)
        .arg(node.bin());
    command::output(&mut build)?;
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
