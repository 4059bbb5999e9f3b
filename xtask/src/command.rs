//! Running other programs: in the foreground, for their answer, or bounded and logged.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Runs `command` in the foreground.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", text(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", text(command));
    }
    Ok(())
}

/// Runs `command` and returns what it printed, trimmed.
///
/// # Errors
/// When it cannot be started or does not succeed; the error then holds all that it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", text(command)))?;
    if !output.status.success() {
        // Where a program says what went wrong differs: dpkg does on its standard output.
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        bail!(
            "{} failed ({})\n{}\n{}",
            text(command),
            output.status,
            stdout.trim(),
            stderr.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether `command` can be started and succeeds. What it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether `program` is on the search path.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    })
}

/// Runs `command` for `limit` at most with all that it prints in the file `log`.
///
/// After the limit its whole process group is ended, and so it is when this process dies: no test outlives its task.
///
/// # Errors
/// When the log cannot be written or the command cannot be started. A failure of the command is in the status.
pub(crate) fn logged(command: &Command, limit: Duration, log: &Path) -> Result<ExitStatus> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = bounded(command, limit);
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    command
        .status()
        .with_context(|| format!("cannot start {}", text(&command)))
}

/// `command` with a bound on its time, for all processes of its group.
///
/// `timeout` makes the group and ends it; `setpriv` tells `timeout` when this process is gone.
pub(crate) fn bounded(command: &Command, limit: Duration) -> Command {
    let mut bounded = Command::new("setpriv");
    bounded.args(["--pdeathsig", "TERM", "timeout", "--kill-after", "10"]);
    bounded
        .arg(limit.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    bounded
}

/// Whether `status` says that [`bounded`] ended the command.
pub(crate) fn ran_out_of_time(status: ExitStatus) -> bool {
    matches!(status.code(), Some(124 | 137))
}

/// The command line as a person would type it.
pub(crate) fn text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_command_is_ended_at_its_limit_with_the_processes_that_it_started() {
        let log = crate::workspace::target()
            .join("test-logs")
            .join(format!("bounded-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 60 & wait"]);
        let begun = Instant::now();
        let status = logged(&command, Duration::from_secs(1), &log).unwrap();
        let printed = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert!(ran_out_of_time(status), "{status}");
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(printed, "begun\n");
    }

    #[test]
    fn an_error_shows_what_the_program_said_on_either_stream() {
        let mut command = Command::new("sh");
        let error = output(command.args(["-c", "echo on stdout; echo on stderr >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("on stdout") && error.contains("on stderr") && error.contains("exit status: 3"),
            "{error}"
        );
    }
}
