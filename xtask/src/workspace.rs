//! Where things are in this repository, and the cargo that builds it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The repository's root.
///
/// `cargo run` says where the package is. What was true when this was compiled may not be: checkouts that share a target
/// folder run each other's binary.
pub(crate) fn root() -> &'static Path {
    static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
    });
    PACKAGE.parent().expect("xtask is a folder of the repository")
}

/// Cargo's target folder. It also keeps downloaded tools and the logs of failed steps.
pub(crate) fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    root().join(folder.unwrap_or_else(|| "target".into()))
}

/// `cargo <subcommand>` at the root. In CI the lock file must already be right.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).arg(subcommand);
    // Cargo sets these for `cargo run`; inherited, they would rebuild crates whose build scripts watch them.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            cargo.env_remove(name);
        }
    }
    if in_ci() && matches!(subcommand, "build" | "clippy" | "test" | "bench" | "run") {
        cargo.arg("--locked");
    }
    cargo
}

/// Whether a continuous integration service runs this.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}
