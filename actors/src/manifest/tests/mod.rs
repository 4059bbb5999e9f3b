//! The manifest as packages write it, and what its authors are told.

mod action;
mod document;
mod names;
mod passthrough;
mod round_trip;
mod runtime;
mod schema;
mod triggers;

use serde_json::{Value, json};

use super::{Manifest, ManifestErrors, ManifestProblem, ProblemCode, Severity};

/// The least that a package has.
fn minimal() -> Value {
    json!({ "name": "hello", "version": "1.0.0", "main": "./index.js" })
}

/// The least, with one more field.
fn with(field: &str, value: Value) -> Value {
    let mut document = minimal();
    document[field] = value;
    document
}

/// A manifest that gives no reason for a warning.
fn accepted(document: &Value) -> Manifest {
    let checked = Manifest::check(document).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(checked.warnings, [], "no warning was expected");
    checked.manifest
}

fn warnings(document: &Value) -> Vec<ManifestProblem> {
    Manifest::check(document)
        .unwrap_or_else(|errors| panic!("{errors}"))
        .warnings
}

fn refused(document: &Value) -> ManifestErrors {
    Manifest::check(document).expect_err("the manifest was accepted")
}

/// Pointers and codes of the errors, in the order in which they are reported.
fn errors(document: &Value) -> Vec<(String, ProblemCode)> {
    let problems = refused(document).problems;
    let errors = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| (problem.pointer, problem.code)).collect()
}

/// The message of the only problem that is expected.
fn only_error(document: &Value, pointer: &str, code: ProblemCode) -> String {
    let problems = refused(document).problems;
    let [problem] = &problems[..] else {
        panic!("one problem was expected: {problems:?}")
    };
    assert_eq!(
        (problem.pointer.as_str(), problem.code),
        (pointer, code),
        "{}",
        problem.message
    );
    problem.message.clone()
}
