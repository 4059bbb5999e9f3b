//! Secrets do not get into the log, if a function writes one by mistake.

use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::domain::Environment;

/// What stands for a secret.
const MASK: &str = "********";
/// Shorter secrets are not masked: they are found everywhere, and what is left of a text would tell them.
pub(super) const MIN_SECRET_BYTES: usize = 6;

/// Finds a job's secrets in what its functions write.
#[derive(Default)]
pub(crate) struct Mask(Option<Secrets>);

struct Secrets {
    finder: AhoCorasick,
    /// Where each stands, for what is cut in the middle of one.
    lines: Vec<SecretString>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(…)")
    }
}

impl Mask {
    /// Masks the secrets among these variables, each of their lines by itself: a log has lines.
    pub(crate) fn of(environment: &Environment) -> Self {
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
        Self(found.ok().map(|finder| Secrets {
            finder,
            lines: lines.into_iter().map(SecretString::from).collect(),
        }))
    }

    /// Whether there is anything to find.
    pub(crate) fn finds(&self) -> bool {
        self.0.is_some()
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        match &self.0 {
            Some(Secrets { finder, .. }) if finder.is_match(&text) => {
                finder.replace_all(&text, &vec![MASK; finder.patterns_len()])
            }
            _ => text,
        }
    }

    /// The bytes without secrets, whatever they are. Of those that are `cut`, the end may be the beginning of a secret: that goes, too.
    pub(crate) fn bytes(&self, bytes: Bytes, cut: bool) -> Bytes {
        let Some(Secrets { finder, lines }) = &self.0 else {
            return bytes;
        };
        let whole = if cut {
            let lines = lines.iter().map(ExposeSecret::expose_secret);
            let begun = lines.map(|line| begun_at_end(&bytes, line.as_bytes())).max();
            bytes.slice(..bytes.len() - begun.unwrap_or_default())
        } else {
            bytes
        };
        if finder.is_match(&whole) {
            finder
                .replace_all_bytes(&whole, &vec![MASK; finder.patterns_len()])
                .into()
        } else {
            whole
        }
    }

    /// The value without secrets, at whatever depth.
    pub(crate) fn value(&self, value: Value) -> Value {
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

/// How many bytes at the end are the beginning of this secret, and not all of it.
fn begun_at_end(bytes: &[u8], secret: &[u8]) -> usize {
    let most = secret.len().saturating_sub(1).min(bytes.len());
    (1..=most)
        .rev()
        .find(|&count| bytes.ends_with(&secret[..count]))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
    fn bytes_are_masked_also_where_they_are_no_text_or_cut_in_a_secret() {
        let mask = mask(&[("KEY", "hunter2", true)]);
        let bytes = |bytes: &'static [u8]| Bytes::from_static(bytes);
        assert_eq!(
            mask.bytes(bytes(b"\xff hunter2 \xc3"), false),
            &b"\xff ******** \xc3"[..]
        );
        assert_eq!(mask.bytes(bytes(b"hunter2, hunt"), true), "********, ");
        assert_eq!(mask.bytes(bytes(b"hunter2, hunt"), false), "********, hunt");
        assert_eq!(mask.bytes(bytes(b"a hunter2"), true), "a ********");
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
