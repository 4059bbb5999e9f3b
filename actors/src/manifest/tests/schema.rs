use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::accepted;
use crate::manifest::{Manifest, ProblemCode, json_schema};

pub(super) fn reference(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "docs", "reference", file]
        .iter()
        .collect()
}

/// The `json` blocks of the reference that are whole manifests.
fn examples() -> Vec<Value> {
    let page = fs::read_to_string(reference("manifest.md")).expect("the reference exists");
    let blocks = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let parsed =
        blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}")));
    parsed
        .filter(|value: &Value| value.get("main").is_some())
        .collect()
}

#[test]
fn the_schema_in_the_reference_is_the_one_of_the_types() {
    let generated = serde_json::to_string_pretty(&json_schema()).expect("a schema serialises") + "\n";
    let path = reference("manifest.schema.json");
    if std::env::var_os("JOBBER_UPDATE_REFERENCE").is_some() {
        fs::write(&path, &generated).expect("the reference can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == generated,
        "{} is out of date: run `JOBBER_UPDATE_REFERENCE=1 cargo test -p jobber-actors schema`",
        path.display()
    );
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let examples = examples();
    assert!(examples.len() >= 2, "the reference has examples");
    for example in &examples {
        accepted(example);
    }
}

/// Names of all properties below `schema`, each with where it is.
fn properties(schema: &Value, place: &str, found: &mut BTreeSet<(String, String)>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "properties" {
                    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                        found.insert((place.to_owned(), name.clone()));
                    }
                }
                let place = if place == "$defs" {
                    key
                } else if key == "$defs" {
                    "$defs"
                } else {
                    place
                };
                properties(value, place, found);
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| properties(element, place, found)),
        _ => {}
    }
}

fn names_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                found.insert(name.clone());
                names_in(value, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| names_in(element, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_schema_is_in_the_reference_and_known_to_the_reader() {
    let schema = serde_json::to_value(json_schema()).expect("a schema serialises");
    let mut fields = BTreeSet::new();
    properties(&schema, "", &mut fields);
    assert!(fields.len() > 50, "{fields:?}");
    let page = fs::read_to_string(reference("manifest.md")).expect("the reference exists");
    for (place, name) in &fields {
        // As `name`, `name.field` or `object.name`; the twins of a connection's settings are described once for all.
        let described = [format!("`{name}`"), format!("`{name}."), format!(".{name}`")]
            .iter()
            .any(|written| page.contains(written))
            || (place == "MqttConnection" && name.ends_with("Variable"));
        assert!(described, "{place}.{name} is not in docs/reference/manifest.md");
    }
    // The examples use most fields; had the reader another name for one, it would have warned.
    let mut used = BTreeSet::new();
    for example in examples() {
        let checked = Manifest::check(&example).expect("valid");
        assert!(
            checked
                .warnings
                .iter()
                .all(|warning| warning.code != ProblemCode::UnknownField)
        );
        // With all defaults filled in, so that fields left out are there, too.
        let written = serde_json::to_value(&checked.manifest).expect("a manifest serialises");
        let again = Manifest::check(&written).expect("what is written can be read");
        assert_eq!(again.warnings, checked.warnings);
        names_in(&written, &mut used);
    }
    let unused: Vec<_> = fields
        .iter()
        .filter(|(_, name)| !used.contains(name) && !name.ends_with("Variable"))
        .collect();
    assert!(unused.is_empty(), "no example has {unused:?}");
}
