//! The parameters after the `?` as the OpenAPI document has them: which there are, and what they may be, in words.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::http::Method;
use jobber_actors::domain::EXAMPLE_ID;
use serde_json::Value;

use super::openapi::{self, DOCUMENT};

/// More of a wrong value is not repeated.
const MOST_GIVEN: usize = 100;

/// The parameters that operations take, by their methods and paths.
static PARAMETERS: LazyLock<HashMap<(String, &str), Vec<Parameter>>> = LazyLock::new(|| {
    let operations = openapi::operations(&DOCUMENT);
    operations
        .map(|operation| {
            let parameters = operation.about["parameters"].as_array().into_iter().flatten();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            (
                (operation.method.to_ascii_uppercase(), operation.path),
                in_query.filter_map(Parameter::of).collect(),
            )
        })
        .collect()
});

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    schema: &'static Value,
}

/// Those that an operation takes.
pub(super) fn of_operation<'a>(method: &Method, pattern: &'a str) -> &'a [Parameter] {
    PARAMETERS
        .get(&(method.to_string(), pattern))
        .map_or(&[][..], Vec::as_slice)
}

impl Parameter {
    fn of(about: &'static Value) -> Option<Self> {
        Some(Self {
            name: about["name"].as_str()?,
            schema: &about["schema"],
        })
    }

    /// What it has to be, and is not. `None` where the document does not say it: of texts with a grammar of their own.
    pub(super) fn wrong(&self, given: &str) -> Option<String> {
        Some(wrong(&must_be(self.schema)?, given))
    }
}

/// What a value has to be, and what was given instead.
pub(super) fn wrong(must_be: &str, given: &str) -> String {
    let given: String = given.chars().take(MOST_GIVEN).collect();
    format!("must be {must_be}, and is {given:?}")
}

fn must_be(schema: &Value) -> Option<String> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(one_of(words.iter().filter_map(Value::as_str)));
    }
    Some(match (schema["type"].as_str()?, schema["format"].as_str()) {
        ("boolean", _) => "true or false".to_owned(),
        ("integer", _) => whole_number(schema["minimum"].as_u64(), schema["maximum"].as_u64()),
        ("string", Some("uuid")) => format!("an id such as {EXAMPLE_ID}"),
        ("string", Some("date-time")) => "a time like 2026-01-31T12:00:00Z".to_owned(),
        ("string", None) => {
            let words = schema["pattern"]
                .as_str()?
                .strip_prefix("^(")?
                .strip_suffix(")$")?;
            one_of(words.split('|'))
        }
        _ => return None,
    })
}

/// A whole number in words.
pub(super) fn whole_number(least: Option<u64>, most: Option<u64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number from {least}"),
        (None, Some(most)) => format!("a whole number up to {most}"),
        (None, None) => "a whole number".to_owned(),
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("one of {}", words.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_value_is_told_with_what_is_allowed() {
        let told = |schema: &Value, given: &str| must_be(schema).map(|must_be| wrong(&must_be, given));
        for (schema, sentence) in [
            (
                json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
                "must be a whole number from 1 to 100, and is \"x\"",
            ),
            (
                json!({ "type": "boolean" }),
                "must be true or false, and is \"x\"",
            ),
            (
                json!({ "type": "string", "format": "uuid" }),
                "must be an id such as 019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4, and is \"x\"",
            ),
            (
                json!({ "type": "string", "format": "date-time" }),
                "must be a time like 2026-01-31T12:00:00Z, and is \"x\"",
            ),
            (
                json!({ "type": "string", "enum": ["name", "-name"] }),
                "must be one of name, -name, and is \"x\"",
            ),
            (
                json!({ "type": "string", "pattern": "^(stdout|stderr)$" }),
                "must be one of stdout, stderr, and is \"x\"",
            ),
        ] {
            assert_eq!(told(&schema, "x").as_deref(), Some(sentence));
        }
        assert_eq!(told(&json!({ "type": "string" }), "x"), None);
        let long = told(&json!({ "type": "boolean" }), &"x".repeat(10_000)).unwrap();
        assert!(long.len() < 200, "{long}");
    }

    /// Else a parser of the standard library would tell what is wrong, in its own words.
    #[test]
    fn the_document_says_of_every_parameter_that_is_no_plain_text_what_it_may_be() {
        let all = || PARAMETERS.values().flatten();
        assert!(all().any(|parameter| parameter.name == "limit"));
        for parameter in all().filter(|parameter| parameter.schema != &json!({ "type": "string" })) {
            let is_text = ["maxLength", "pattern"]
                .iter()
                .any(|limit| !parameter.schema[*limit].is_null());
            assert!(is_text || parameter.wrong("?").is_some(), "{parameter:?}");
        }
    }
}
