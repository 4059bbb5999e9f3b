//! Secrets do not get into the log, if a function writes one by mistake.

use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::domain::Environment;

/// What stands for a secret.
const MASK: &str = "********";
/// Shorter secrets are not masked: they are found everywhere, and what is left of a text would tell them.
pub(super) const MIN_SECRET_BYTES: usize = 6;

/// Finds a job's secrets in what its functions write.
#[derive(Default)]
pub(crate) struct Mask(Option<AhoCorasick>);

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(…)")
    }
}

impl Mask {
    /// Masks the secrets among these variables, each of their lines by itself: a log has lines.
    pub(super) fn of(environment: &Environment) -> Self {
        let lines: Vec<&str> = environment
            .secrets()
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|line| line.len() >= MIN_SECRET_BYTES)
            .collect();
        if lines.is_empty() {
            return Self(None);
        }
        let found = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&lines);
        if let Err(error) = &found {
            tracing::error!(%error, "a job's secrets can not be masked in its log");
        }
        Self(found.ok())
    }

    /// Whether there is anything to find.
    pub(crate) fn finds(&self) -> bool {
        self.0.is_some()
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        match &self.0 {
            Some(secrets) if secrets.is_match(&text) => {
                secrets.replace_all(&text, &vec![MASK; secrets.patterns_len()])
            }
            _ => text,
        }
    }

    /// The value without secrets, at whatever depth.
    pub(super) fn value(&self, value: Value) -> Value {
        if self.0.is_none() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(elements) => elements.into_iter().map(|element| self.value(element)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.text(name), self.value(value)))
                .collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::domain::Variable;

    fn mask(variables: &[(&str, &str, bool)]) -> Mask {
        let variables: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value, secret)| {
                let variable = Variable {
                    secret: *secret,
                    value: SecretString::from(*value),
                };
                ((*name).to_owned(), variable)
            })
            .collect();
        Mask::of(&Environment::new(variables))
    }

    #[test]
    fn secrets_are_masked_and_texts_are_not() {
        let mask = mask(&[
            ("KEY", "hunter2", true),
            ("LONG", "hunter2-and-more", true),
            ("URL", "example", false),
        ]);
        let masked = mask.text("hunter2, hunter2-and-more at example".into());
        assert_eq!(masked, "********, ******** at example");
        let fields = json!({ "a": ["x hunter2"], "hunter2": 1, "n": null });
        assert_eq!(
            mask.value(fields),
            json!({ "a": ["x ********"], "********": 1, "n": null })
        );
    }

    #[test]
    fn each_line_of_a_secret_is_masked_and_short_ones_are_not() {
        let mask = mask(&[
            ("PEM", "first line\n  second line\nend", true),
            ("PIN", "12345", true),
        ]);
        assert_eq!(
            mask.text("got second line and 12345 end".into()),
            "got ******** and 12345 end"
        );
    }
}
