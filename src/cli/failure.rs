//! Why a command did not do what it was asked, and the status that it ends with.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

/// What the program's exit status says. docs/reference/command-line.md lists them for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Ok,
    /// It was tried, and failed.
    Failed,
    /// The command line itself is wrong; clap ends with the same.
    Usage,
    /// Nobody is signed in, or they may not do this.
    NotAllowed,
    /// There is no such job, version, invocation, ….
    NotFound,
    /// The server can not be reached, or something else answers in its place.
    Unreachable,
    /// What was sent is wrong or can not be taken now.
    Refused,
}

impl Exit {
    /// As a number.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotAllowed => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::Refused => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// One fault of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// Where, as a JSON pointer; empty if it is about the whole.
    pub(super) pointer: String,
    /// What is wrong there.
    pub(super) message: String,
    /// The line of the file, where one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
}

/// A cause, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// The cause.
    pub(super) message: String,
    /// A stable code of the API.
    pub(super) code: Option<String>,
    /// The faults one by one.
    pub(super) faults: Vec<Fault>,
    /// More than fits into a line: a stack.
    pub(super) detail: Option<Box<str>>,
    /// What to do next.
    pub(super) next: Option<String>,
}

impl Failure {
    /// A cause.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            code: None,
            faults: Vec::new(),
            detail: None,
            next: None,
        }
    }

    /// The command line says something that can not be meant.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// With what to do next.
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        for fault in &self.faults {
            f.write_str("\n  ")?;
            match (fault.pointer.is_empty(), fault.line) {
                (true, _) => {}
                (false, Some(line)) => write!(f, "{} (line {line}): ", fault.pointer)?,
                (false, None) => write!(f, "{}: ", fault.pointer)?,
            }
            f.write_str(&fault.message)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\nnext: {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// An error as the one JSON document of a command that failed.
#[derive(Debug, Serialize)]
pub(super) struct FailureDocument<'a> {
    success: bool,
    exit: u8,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

impl<'a> FailureDocument<'a> {
    /// What is known of an error.
    pub(super) fn of(error: &'a anyhow::Error) -> Self {
        let failure = error.downcast_ref::<Failure>();
        Self {
            success: false,
            exit: exit_of(error).number(),
            message: failure.map_or_else(|| format!("{error:#}"), |failure| failure.message.clone()),
            code: failure.and_then(|failure| failure.code.as_deref()),
            errors: failure.map_or(&[], |failure| &failure.faults),
            detail: failure.and_then(|failure| failure.detail.as_deref()),
            next: failure.and_then(|failure| failure.next.as_deref()),
        }
    }
}

/// What the program ends with after this.
pub(super) fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<Failure>()
        .map_or(Exit::Failed, |failure| failure.exit)
}

/// Whether whoever reads the output has left, as `head` does: no failure of the command.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_cause_places_and_next_step() {
        let mut failure = Failure::new(Exit::Refused, "package.json has 2 faults").next("repair it");
        failure.code = Some("manifest-invalid".into());
        let fault = |pointer: &str, line| Fault {
            pointer: pointer.into(),
            message: "is wrong".into(),
            line,
        };
        failure.faults = vec![fault("/main", Some(3)), fault("/name", None), fault("", None)];
        assert_eq!(
            failure.to_string(),
            "package.json has 2 faults (manifest-invalid)\n  /main (line 3): is wrong\n  /name: is wrong\n  is wrong\n\
             next: repair it"
        );
        let error = anyhow::Error::from(failure);
        assert_eq!(exit_of(&error), Exit::Refused);
        let document = serde_json::to_value(FailureDocument::of(&error)).unwrap();
        assert_eq!(document["exit"], 6);
        assert_eq!(document["errors"][0]["line"], 3);
    }

    #[test]
    fn an_error_without_more_is_a_plain_failure() {
        assert_eq!(exit_of(&anyhow::anyhow!("no")), Exit::Failed);
    }

    #[test]
    fn a_reader_that_left_is_told_from_other_errors() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(gone).context("writing")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("no")));
    }
}
