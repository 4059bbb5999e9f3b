//! Looks at documents that no command uses.

use std::io::Write;
use std::process::{Command, Stdio};

use jobber_actors::manifest::Manifest;
use serde_json::Value;

/// Whether a block is what its language says.
///
/// # Errors
/// What is wrong with it.
pub fn check(language: &str, text: &str) -> Result<(), String> {
    match language {
        "json" => json(text),
        "yaml" => serde_saphyr::from_str::<Value>(text)
            .map(|_| ())
            .map_err(|error| error.to_string()),
        "toml" => configuration(text),
        "js" => syntax(text),
        _ => unreachable!("pages have no other documents"),
    }
}

fn json(text: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if ["name", "version", "main"]
        .iter()
        .any(|field| value.get(field).is_none())
    {
        return Ok(());
    }
    match Manifest::check(&value) {
        Ok(checked) if checked.warnings.is_empty() => Ok(()),
        Ok(checked) => Err(format!("{:?}", checked.warnings)),
        Err(problems) => Err(format!("{problems:?}")),
    }
}

/// A file that the server takes without a warning.
fn configuration(text: &str) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    file.write_all(text.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobber"));
    command.args(["config", "--config"]).arg(file.path()).env_clear();
    succeeds(&mut command)
}

/// A module that could be imported, as far as its text says.
fn syntax(text: &str) -> Result<(), String> {
    let mut file = tempfile::Builder::new()
        .suffix(".mjs")
        .tempfile()
        .map_err(|error| error.to_string())?;
    file.write_all(text.as_bytes())
        .map_err(|error| error.to_string())?;
    succeeds(Command::new("node").arg("--check").arg(file.path()))
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else {
        Err(said.into_owned())
    }
}
