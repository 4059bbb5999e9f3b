//! The PostgreSQL programs. `jobber dev` and the tests start servers of their own from them.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::debian;
use crate::command;

/// Makes sure that `initdb` and `postgres` are installed.
///
/// # Errors
/// When they are missing and cannot be installed.
pub(crate) fn ensure() -> Result<()> {
    if command::exists("initdb") && command::exists("postgres") || debian_has_programs() {
        return Ok(());
    }
    debian::install(&["postgresql"])
}

/// Debian keeps the server's programs in a folder for each major version, which is not on the search path.
fn debian_has_programs() -> bool {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return false;
    };
    versions.flatten().any(|version| {
        let has = |program: &str| Path::new(&version.path()).join("bin").join(program).is_file();
        has("initdb") && has("postgres")
    })
}
