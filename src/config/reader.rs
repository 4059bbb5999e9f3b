//! Takes options out of the merged sources one by one, collecting what is wrong and what is in force.

use std::fmt;

use figment::Figment;
use figment::value::Value;
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    subject: String,
    message: String,
}

impl ConfigProblem {
    pub(super) fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            message: message.into(),
        }
    }

    /// The variable's name, or the file's.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// One option as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Setting {
    /// The name of its environment variable.
    pub name: String,
    /// Its value, masked if it is secret.
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

/// What stands for a secret when settings are shown.
const MASK: &str = "********";

#[derive(Debug)]
pub(super) struct Reader {
    figment: Figment,
    problems: Vec<ConfigProblem>,
    settings: Vec<Setting>,
}

impl Reader {
    pub(super) fn new(figment: Figment, problems: Vec<ConfigProblem>) -> Self {
        Self {
            figment,
            problems,
            settings: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Vec<Setting>, Vec<ConfigProblem>) {
        (self.settings, self.problems)
    }

    /// An option that always has a value. `None` if it is wrong; that is noted.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name, str::to_owned)?;
        self.parsed(name, &text, parse)
    }

    /// An option that may be empty. `None` if it is wrong.
    pub(super) fn take_optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let text = self.text(name, str::to_owned)?;
        if text.is_empty() {
            Some(None)
        } else {
            self.parsed(name, &text, parse).map(Some)
        }
    }

    /// A URL that may hold a password, which is masked when settings are shown and never part of a problem.
    pub(super) fn take_secret_url(&mut self, name: &'static str) -> Option<String> {
        self.text(name, mask_url)
    }

    /// A secret that may be empty, which is masked when settings are shown.
    pub(super) fn take_optional_secret(&mut self, name: &'static str) -> Option<Option<SecretString>> {
        let mask = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                MASK.to_owned()
            }
        };
        let text = self.text(name, mask)?;
        Some((!text.is_empty()).then(|| text.into()))
    }

    /// Notes what is wrong with an option that was read.
    pub(super) fn problem(&mut self, name: &'static str, message: impl Into<String>) {
        self.problems.push(ConfigProblem::new(name, message));
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let source = self.settings.last().map_or("", |setting| setting.source.as_str());
                let message = format!("`{text}` {reason} (from {source})");
                self.problem(name, message);
                None
            }
        }
    }

    fn text(&mut self, name: &'static str, shown: impl FnOnce(&str) -> String) -> Option<String> {
        let value = match self.figment.find_value(&name.to_lowercase()) {
            Ok(value) => value,
            Err(error) => {
                self.problem(name, error.to_string());
                return None;
            }
        };
        let source = self.source_of(&value);
        let Some(text) = as_text(&value) else {
            self.problem(name, format!("is neither a text nor a number (from {source})"));
            return None;
        };
        self.settings.push(Setting {
            name: name.to_owned(),
            value: shown(&text),
            source,
        });
        Some(text)
    }

    fn source_of(&self, value: &Value) -> String {
        let Some(metadata) = self.figment.get_metadata(value.tag()) else {
            return "the defaults".to_owned();
        };
        match metadata.source.as_ref().and_then(figment::Source::file_path) {
            Some(path) => path.display().to_string(),
            None if metadata.name.starts_with("TOML") => "the defaults".to_owned(),
            None => metadata.name.clone().into_owned(),
        }
    }
}

/// Options are read as texts, whatever TOML took them for, so that all sources mean the same by the same characters.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string())),
        Value::Array(_, elements) => elements
            .iter()
            .map(as_text)
            .collect::<Option<Vec<_>>>()
            .map(|elements| elements.join(",")),
        Value::Char(_, character) => Some(character.to_string()),
        Value::Empty(..) => Some(String::new()),
        Value::Dict(..) => None,
    }
}

/// A URL without its password. What is no URL, or hides a password in its query, is masked as a whole.
fn mask_url(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return MASK.to_owned();
    };
    if rest.contains("password") {
        return MASK.to_owned();
    }
    match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:{MASK}@{host}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(
            mask_url("postgresql://ann:s3:cr@et@db/jobber"),
            "postgresql://ann:********@db/jobber"
        );
        assert_eq!(mask_url("postgresql://db/jobber"), "postgresql://db/jobber");
        assert_eq!(mask_url("postgresql://db/jobber?password=secret"), MASK);
        assert_eq!(mask_url("host=db password=secret"), MASK);
    }
}
