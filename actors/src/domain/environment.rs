//! A job's variables. Values are kept from logs by their type.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// One variable of a job's environment.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Whether the API may ever show the value again, and whether logs mask it.
    pub secret: bool,
    /// The value. `Debug` does not show it.
    pub value: SecretString,
}

/// All variables of a job, by upper-cased name.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
}

impl Environment {
    /// An environment of these variables.
    #[must_use]
    pub fn new(variables: BTreeMap<String, Variable>) -> Self {
        Self { variables }
    }

    /// The variable of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// The secrets' values in clear, for whoever keeps them out of logs.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let secrets = self.variables.values().filter(|variable| variable.secret);
        secrets.map(|variable| variable.value.expose_secret())
    }

    /// Every variable with its value in clear, for the one place that hands it to a runner.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.value.expose_secret()))
    }
}

impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        self.variables.len() == other.variables.len()
            && self
                .variables
                .iter()
                .zip(&other.variables)
                .all(|((name, left), (other_name, right))| {
                    name == other_name
                        && left.secret == right.secret
                        && left.value.expose_secret() == right.value.expose_secret()
                })
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    const VALUE: &str = "hunter2-hunter2";

    fn environment() -> Environment {
        let variable = |secret| Variable {
            secret,
            value: SecretString::from(VALUE),
        };
        let variables = [("KEY", variable(true)), ("TEXT", variable(false))];
        Environment::new(
            variables
                .map(|(name, variable)| (name.to_owned(), variable))
                .into(),
        )
    }

    #[test]
    fn a_panic_about_variables_names_them_and_does_not_show_their_values() {
        let refused = || -> Result<(), Environment> { Err(environment()) };
        let panicked = panic::catch_unwind(|| refused().unwrap()).unwrap_err();
        let message = panicked.downcast_ref::<String>().unwrap();
        assert!(message.contains("KEY") && message.contains("TEXT"), "{message}");
        assert!(!message.contains(VALUE), "{message}");
    }
}
