//! The MQTT broker Mosquitto. `jobber dev` and the tests start brokers of their own from it.

use anyhow::Result;

use super::debian;
use crate::command;

/// Makes sure that the broker is installed.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn ensure() -> Result<()> {
    // Where systemd runs, Debian's package also starts a broker of the system's. Nothing here uses that one.
    if command::exists("mosquitto") && command::exists("mosquitto_passwd") {
        return Ok(());
    }
    debian::install(&["mosquitto"])
}
