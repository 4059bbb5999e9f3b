//! Texts as Postgres takes them, and as people read them.

use std::borrow::Cow;

use serde_json::Value;

/// Postgres keeps no NUL in texts; one of them must not cost a whole batch.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// The same at any depth.
pub(crate) fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(clean).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (without_nul(&key).into_owned(), clean(value)))
            .collect(),
        other => other,
    }
}

/// So many of something: `1 package`, `2 packages`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let counted = [0, 1, 2].map(|count| counted(count, "package"));
        assert_eq!(counted, ["0 packages", "1 package", "2 packages"]);
    }

    #[test]
    fn nul_is_replaced_wherever_it_hides() {
        let dirty = serde_json::json!({"a\0": ["b\0", 1, {"c": "\0"}]});
        let clean_value = serde_json::json!({"a\u{fffd}": ["b\u{fffd}", 1, {"c": "\u{fffd}"}]});
        assert_eq!(clean(dirty), clean_value);
    }
}
