//! Where values come from, and which wins.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::DEFAULTS;
use super::reader::ConfigProblem;

/// Options that hold a secret. The variable `<name>_FILE` may name a file with it: unlike an environment, a file is not
/// shown by `docker inspect` and not inherited by child processes.
const SECRETS: [&str; 6] = [
    "DATABASE_URL",
    "STARTUP_PASSWORD",
    "JOBBER_MASTER_KEY",
    "DATABASE_BACKUP_PASSPHRASE",
    "LOG_DRIVER_LOKI_PUSH",
    "LOG_DRIVER_LOKI_QUERY",
];
/// What options were called before, in the environment. The present name wins.
const FORMER_NAMES: [(&str, &str); 2] = [
    ("DATABASE_BACKUP_TIMEZONE", "DATABASE_BACKUP_SCHEDULE_TIMEZONE"),
    (
        "DATABASE_BACKUP_RETENTION_COUNT",
        "DATABASE_BACKUP_SCHEDULE_RETENTION_COUNT",
    ),
];
/// More than any secret has.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Values that win over file and environment: what the command line says.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(&'static str, String)>);

impl Overrides {
    /// Sets an option, by the name of its environment variable.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

/// Texts under the options' names, from one source.
struct Texts {
    source: &'static str,
    values: Dict,
}

impl Provider for Texts {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// Merges all sources. A file that can not be read, or that has options of unknown names, is a problem; the others are
/// read all the same, so that what is wrong with them is told in the same go.
pub(super) fn merge(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    overrides: Overrides,
    problems: &mut Vec<ConfigProblem>,
) -> Figment {
    let defaults = Figment::from(Toml::string(DEFAULTS));
    let known = names(&defaults);
    let figment = match file {
        Some(file) => from_file(defaults, file, &known, problems),
        None => defaults,
    };
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let variables = known.iter().filter_map(|name| {
        let variable = name.to_uppercase();
        let former = FORMER_NAMES.iter().find(|(present, _)| *present == variable);
        let value = set(&variable).or_else(|| set(former?.1))?;
        Some((name.clone(), Value::from(value)))
    });
    let secrets = secrets(&environment, problems);
    let overrides = overrides
        .0
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), Value::from(value)));
    figment
        .merge(Texts {
            source: "the environment",
            values: variables.collect(),
        })
        .merge(Texts {
            source: "a file that the environment names",
            values: secrets,
        })
        .merge(Texts {
            source: "the command line",
            values: overrides.collect(),
        })
}

fn from_file(defaults: Figment, file: &Path, known: &[String], problems: &mut Vec<ConfigProblem>) -> Figment {
    let source = Toml::file_exact(file);
    let data = match source.data() {
        Ok(data) => data,
        Err(error) => {
            problems.push(ConfigProblem::new(file.display().to_string(), error.to_string()));
            return defaults;
        }
    };
    for name in data
        .values()
        .flat_map(Dict::keys)
        .filter(|name| !known.contains(name))
    {
        let nearest = known
            .iter()
            .max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = nearest
            .map(|nearest| format!("; did you mean `{nearest}`?"))
            .unwrap_or_default();
        problems.push(ConfigProblem::new(
            file.display().to_string(),
            format!("there is no option `{name}`{hint}"),
        ));
    }
    defaults.merge(source)
}

/// The secrets in files that the environment names. What is in such a file is never part of a problem.
fn secrets(environment: &impl Fn(&str) -> Option<String>, problems: &mut Vec<ConfigProblem>) -> Dict {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let mut secrets = Dict::new();
    for name in SECRETS {
        let variable = format!("{name}_FILE");
        let Some(path) = set(&variable) else { continue };
        if set(name).is_some() {
            problems.push(ConfigProblem::new(
                variable,
                format!("is set, and so is {name}: remove one"),
            ));
            continue;
        }
        match secret(Path::new(&path)) {
            Ok(text) => drop(secrets.insert(name.to_lowercase(), Value::from(text))),
            Err(error) => problems.push(ConfigProblem::new(variable, format!("the file {path}: {error}"))),
        }
    }
    secrets
}

/// A file's text without the line break that editors and `echo` end it with.
fn secret(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "with a cap; one byte more tells an excess"
    )]
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(io::Error::other(format!(
            "has more than {MAX_SECRET_BYTES} bytes"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("is no text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::other("is empty"));
    }
    Ok(text.to_owned())
}

fn names(figment: &Figment) -> Vec<String> {
    let data = figment.data().expect("the defaults are compiled in and tested");
    data.values().flat_map(Dict::keys).cloned().collect()
}
