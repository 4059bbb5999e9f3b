//! The texts that name things: jobs, versions, files, variables.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        #[serde(transparent)]
        $(#[$doc])*
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
    };
}

text_type!(
    /// The unique name of a job: a package name by npm's rules, perhaps with a scope.
    #[schemars(extend("maxLength" = 214, "pattern" = "^(@[a-z0-9._-]+/)?[a-z0-9-][a-z0-9._-]*$"))]
    JobName
);
text_type!(
    /// The name of one version of a job; unique within the job.
    #[schemars(extend("maxLength" = 128, "pattern" = "^[A-Za-z0-9][A-Za-z0-9.+_~-]*$"))]
    VersionName
);
text_type!(
    /// A file of the package, relative to its root: segments with `/` between them, none of them `.` or `..`.
    RelativePath
);
text_type!(
    /// The name of a variable of the job's environment, in upper case.
    VariableName
);
text_type!(
    /// What a package calls one of its triggers; unique among the package's triggers of one type.
    #[schemars(extend("minLength" = 1, "maxLength" = 128))]
    TriggerName
);

/// Why a text can not be such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

fn refuse<T>(reason: impl Into<String>) -> Result<T, NameError> {
    Err(NameError(reason.into()))
}

/// Names that have a meaning of their own in the API's paths and permissions.
const RESERVED_JOB_NAMES: [&str; 6] = ["actions", "triggers", "logs", "runners", "publish", "-"];
/// Names that npm refuses.
const RESERVED_BY_NPM: [&str; 2] = ["node_modules", "favicon.ico"];

impl JobName {
    /// Checks a package name by npm's rules for new packages, and that it means nothing else to Jobber.
    ///
    /// # Errors
    /// [`NameError`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > 214 {
            return refuse("a package name has 1 to 214 characters");
        }
        let name = match text.strip_prefix('@') {
            None => text,
            Some(scoped) => match scoped.split_once('/') {
                Some((scope, name)) => {
                    check_name_part(scope)?;
                    name
                }
                None => return refuse("a package name with a scope is written `@scope/name`"),
            },
        };
        check_name_part(name)?;
        if text.starts_with('_') || name.starts_with('.') {
            return refuse("a package name can not begin with `.` or `_`");
        }
        if RESERVED_BY_NPM.contains(&text) || RESERVED_JOB_NAMES.contains(&text) {
            return refuse(format!("a package can not be called `{text}`"));
        }
        // The API takes either a job's id or its name in one place.
        if uuid::Uuid::try_parse(text).is_ok() {
            return refuse("a package name can not have the form of a UUID");
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_name_part(part: &str) -> Result<(), NameError> {
    if part.is_empty() {
        return refuse("a part of the package name is empty");
    }
    match part
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.')))
    {
        Some(upper) if upper.is_uppercase() => refuse("a package name is in lower case"),
        Some(other) => refuse(format!(
            "a package name can not contain `{}`",
            other.escape_debug()
        )),
        None => Ok(()),
    }
}

impl VersionName {
    /// Checks a version. It need not be a semantic version: it only names.
    ///
    /// # Errors
    /// [`NameError`] with what is allowed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = (1..=128).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_' | b'~');
        if !fits || !text.bytes().all(plain) {
            return refuse(
                "a version has 1 to 128 letters, digits or `.`, `-`, `+`, `_`, `~`, beginning with a letter or digit",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl RelativePath {
    /// Takes a path as a package wrote it, with or without a leading `./`, and brings it into its plainest form.
    ///
    /// # Errors
    /// [`NameError`] for a path that is absolute, leaves the package or can not be a file's.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > 1_024 {
            return refuse("a path has at most 1,024 bytes");
        }
        if let Some(character) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return refuse(format!("a path can not contain `{}`", character.escape_debug()));
        }
        if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
            return refuse("the path must be relative to the package, such as `./dist/index.js`");
        }
        let segments: Vec<&str> = text.split('/').filter(|segment| *segment != ".").collect();
        if segments.contains(&"..") {
            return refuse("the path must not contain `..`");
        }
        if segments.is_empty() || segments.contains(&"") {
            return refuse("the path must name a file, such as `./dist/index.js`");
        }
        Ok(Self(segments.join("/")))
    }
}

impl VariableName {
    /// Takes the name of a variable in any case.
    ///
    /// # Errors
    /// [`NameError`] with what is allowed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins_well || text.len() > 256 || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return refuse(
                "a variable's name has 1 to 256 letters, digits or `_`, not beginning with a digit",
            );
        }
        Ok(Self(text.to_ascii_uppercase()))
    }
}

impl TriggerName {
    /// Checks a trigger's name.
    ///
    /// # Errors
    /// [`NameError`] with what is allowed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let trimmed = text.trim() == text && !text.is_empty();
        if !trimmed || text.len() > 128 || text.chars().any(char::is_control) {
            return refuse(
                "a trigger's name has 1 to 128 bytes without control characters and surrounding spaces",
            );
        }
        Ok(Self(text.to_owned()))
    }
}
