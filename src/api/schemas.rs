//! Schemas of what is no type of this crate: other crates need not know OpenAPI. Tests hold them against what is answered.

#![expect(dead_code, reason = "only their schemas are of use")]

mod action;
mod tree;
mod trigger;
mod unreadable;

pub(super) use action::JobAction;
use serde_json::Value;
pub(super) use tree::{Actor, Runner};
pub(super) use trigger::{Trigger, TriggerStatus};
pub(super) use unreadable::{JobActionOrProblems, TriggerOrProblems};
use utoipa::ToSchema;

/// The zip of a package.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Archive(Value);

/// The file of a backup: a tar, encrypted by age if its name ends in `.age`.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct BackupFile(Value);

/// An upload as a form, which is read part by part.
#[derive(ToSchema)]
pub(super) struct PublishForm {
    archive: Archive,
}

#[cfg(test)]
mod tests {
    use crate::api::openapi::DOCUMENT;

    /// The properties of a schema of the document, sorted.
    pub(super) fn properties(schema: &str) -> Vec<&'static str> {
        let properties = &DOCUMENT["components"]["schemas"][schema]["properties"];
        let mut names: Vec<_> = properties
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names
    }

    /// Those of them that are always there, sorted.
    pub(super) fn required(schema: &str) -> Vec<&'static str> {
        let required = &DOCUMENT["components"]["schemas"][schema]["required"];
        let names = required.as_array().unwrap().iter();
        let mut names: Vec<_> = names.map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        names
    }
}
