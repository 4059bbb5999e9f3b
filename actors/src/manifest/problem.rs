//! What is wrong with a manifest: all of it at once, each with a JSON pointer.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

/// Most problems that are reported; the rest of a hopeless file is only counted.
const MAX_PROBLEMS: usize = 100;

/// One fault of a manifest, or something its author should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestProblem {
    /// Where, as a JSON pointer (RFC 6901) into `package.json`; empty for the whole document.
    pub pointer: String,
    /// What kind of problem, for programs.
    pub code: ProblemCode,
    /// What is wrong and what would be right, for people.
    pub message: String,
    /// Whether it keeps the package from being published.
    pub severity: Severity,
}

/// Whether a problem keeps a package from being published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The package is refused.
    Error,
    /// The package is published, and the problem is part of the answer.
    Warning,
}

/// The kinds of problems. The names that programs see are in kebab case and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// `package.json` is larger than Jobber reads.
    TooLarge,
    /// `package.json` is no JSON.
    InvalidJson,
    /// A required field is absent.
    Missing,
    /// Another type of value is needed.
    WrongType,
    /// The right type, but not a value that can be used.
    InvalidValue,
    /// A number, a length or a count beyond its limits.
    OutOfRange,
    /// Jobber does not know the field.
    UnknownField,
    /// The same thing twice.
    Duplicate,
    /// Two settings contradict each other.
    Conflict,
    /// No runtime of this Jobber satisfies `engines.node`.
    UnknownRuntime,
    /// The setting has no effect.
    NoEffect,
    /// More problems were found than are listed.
    More,
}

/// Why a manifest is refused: every problem that was found, warnings included, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestErrors {
    /// At least one of them is an error.
    pub problems: Vec<ManifestProblem>,
}

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("package.json is not valid:")?;
        for problem in self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
        {
            let place = if problem.pointer.is_empty() {
                "(whole file)"
            } else {
                &problem.pointer
            };
            write!(f, "\n  {place}: {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}

/// Collects problems while a manifest is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<ManifestProblem>>,
    beyond: RefCell<(usize, bool)>,
}

impl Problems {
    pub(super) fn error(&self, pointer: &str, code: ProblemCode, message: impl Into<String>) {
        self.add(pointer, code, message.into(), Severity::Error);
    }

    pub(super) fn warning(&self, pointer: &str, code: ProblemCode, message: impl Into<String>) {
        self.add(pointer, code, message.into(), Severity::Warning);
    }

    fn add(&self, pointer: &str, code: ProblemCode, message: String, severity: Severity) {
        let mut found = self.found.borrow_mut();
        if found.len() < MAX_PROBLEMS {
            found.push(ManifestProblem {
                pointer: pointer.to_owned(),
                code,
                message,
                severity,
            });
        } else {
            let (count, refused) = &mut *self.beyond.borrow_mut();
            *count += 1;
            *refused |= severity == Severity::Error;
        }
    }

    /// All problems, and whether one of them is an error.
    pub(super) fn finish(self) -> (Vec<ManifestProblem>, bool) {
        let mut found = self.found.into_inner();
        let (count, refused_beyond) = self.beyond.into_inner();
        let refused = refused_beyond || found.iter().any(|problem| problem.severity == Severity::Error);
        if count > 0 {
            found.push(ManifestProblem {
                pointer: String::new(),
                code: ProblemCode::More,
                message: format!("{count} more problems are not listed"),
                severity: if refused_beyond {
                    Severity::Error
                } else {
                    Severity::Warning
                },
            });
        }
        (found, refused)
    }
}
