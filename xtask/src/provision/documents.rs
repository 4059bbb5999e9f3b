//! The programs that the documentation's commands use besides Jobber. The tests execute those commands.

use anyhow::Result;

use super::debian;
use crate::command;

/// Each program with Debian's package of it.
const PROGRAMS: [(&str, &str); 5] = [
    ("curl", "curl"),
    ("git", "git"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("openssl", "openssl"),
    ("zip", "zip"),
];

/// Makes sure that they are installed.
///
/// # Errors
/// When one is missing and cannot be installed.
pub(crate) fn ensure() -> Result<()> {
    let missing: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|(program, _)| !command::exists(program))
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian::install(&missing)
}
