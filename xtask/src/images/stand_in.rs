//! Stand-ins for images that others make, under their names, for machines that reach no registry. They have the label
//! `dev.jobber.stand-in`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::node::Node;
use crate::provision::{debian, docker};
use crate::{command, workspace};

/// Debian's own small image `debian:<suite>-slim`, else a root file system made by debootstrap.
pub(super) fn ensure_debian(image: &str) -> Result<()> {
    if docker::has_or_pulls(image) {
        return Ok(());
    }
    if !command::exists("debootstrap") {
        debian::install(&["debootstrap"])?;
    }
    if !debian::is_root()? {
        bail!("without a registry {image} is made by debootstrap, which only root can run");
    }
    println!("  making a stand-in for {image} with debootstrap");
    let suite = image.trim_start_matches("debian:").trim_end_matches("-slim");
    let root = workspace::target()
        .join("tools")
        .join(format!("{suite}.{}", std::process::id()));
    fs::create_dir_all(&root)?;
    let made = debootstrap(suite, &root).and_then(|()| import(&root, image));
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    made
}

fn debootstrap(suite: &str, root: &Path) -> Result<()> {
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", suite]).arg(root);
    if let Some(mirror) = debian::mirror() {
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

fn import(root: &Path, image: &str) -> Result<()> {
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
        image,
    ]);
    let imported = import
        .stdin(archive)
        .stdout(Stdio::null())
        .status()
        .context("cannot start docker import")?;
    let packed = tar.wait()?;
    if !imported.success() || !packed.success() {
        bail!("importing {image} failed (tar {packed}, docker {imported})");
    }
    Ok(())
}

/// The official image of Node, else one with a binary of the same major version.
pub(super) fn ensure_node(major: u32, image: &str) -> Result<()> {
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

/// The official image, else one with Debian's packages, made of the repository's folder `source`.
pub(super) fn ensure_from_debian(image: &str, source: &str) -> Result<()> {
    if docker::has_or_pulls(image) {
        return Ok(());
    }
    println!("  making a stand-in for {image}");
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--tag", image]);
    command::output(build.arg(workspace::root().join(source)))?;
    Ok(())
}
