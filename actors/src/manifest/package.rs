//! The document as a whole.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::action::ActionConfig;
use super::links::Link;
use super::names::{JobName, RelativePath, VersionName};
use super::problem::{ManifestErrors, ManifestProblem, ProblemCode, Problems};
use super::quantities::ByteSize;
use super::reader::{Fields, Node};
use super::runtime::{Engines, Runtime, RuntimeError};
use super::trigger::{TriggerConfig, TriggerKind};
use crate::routing::{Route, RouteTable};

const MAX_DESCRIPTION: usize = 10_000;
const MAX_LINKS: usize = 100;
const MAX_TRIGGERS: usize = 1_000;

/// A package's manifest: the fields of `package.json` that mean something to Jobber. Other fields are npm's.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Manifest {
    /// The job's unique name, by npm's rules.
    pub name: JobName,
    /// The version's name, unique within the job.
    pub version: VersionName,
    /// The module with the handler, relative to the package, such as `./dist/index.js`.
    pub main: RelativePath,
    /// Shown in the admin panel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_000))]
    pub description: Option<String>,
    /// What the package needs to run.
    #[serde(default)]
    pub engines: Engines,
    /// Shown in the admin panel.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub links: Vec<Link>,
    /// How the package runs.
    #[serde(default)]
    pub action: ActionConfig,
    /// What starts it.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    pub triggers: Vec<TriggerConfig>,
}

/// A valid manifest and what its author should know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Problems that do not keep it from being published.
    pub warnings: Vec<ManifestProblem>,
}

impl Manifest {
    /// Most bytes of a `package.json`.
    pub const MAX_SIZE: ByteSize = ByteSize::from_mebibytes(1);

    /// Reads and checks a `package.json`, with or without a byte order mark.
    ///
    /// # Errors
    /// [`ManifestErrors`] with every problem of the document.
    pub fn parse(bytes: &[u8]) -> Result<CheckedManifest, ManifestErrors> {
        let problems = Problems::default();
        if bytes.len() as u64 > Self::MAX_SIZE.bytes() {
            problems.error(
                "",
                ProblemCode::TooLarge,
                format!("has more than {} bytes", Self::MAX_SIZE.bytes()),
            );
            return Err(ManifestErrors {
                problems: problems.finish().0,
            });
        }
        match serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)) {
            Ok(document) => Self::check(&document),
            Err(error) => {
                problems.error(
                    "",
                    ProblemCode::InvalidJson,
                    format!("is not valid JSON: {error}"),
                );
                Err(ManifestErrors {
                    problems: problems.finish().0,
                })
            }
        }
    }

    /// Checks a document that is JSON already, such as one that was stored.
    ///
    /// # Errors
    /// [`ManifestErrors`] with every problem of the document.
    pub fn check(document: &Value) -> Result<CheckedManifest, ManifestErrors> {
        let problems = Problems::default();
        let manifest = Self::read(Node::root(document, &problems));
        let (found, refused) = problems.finish();
        match manifest {
            Some(manifest) if !refused => Ok(CheckedManifest {
                manifest,
                warnings: found,
            }),
            _ => Err(ManifestErrors { problems: found }),
        }
    }

    /// The runtime that the package runs on.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.engines.runtime
    }

    fn read(document: Node<'_>) -> Option<Self> {
        let mut fields = document.fields()?;
        let name = fields.require("name").and_then(|node| node.parse(JobName::parse));
        let version = fields
            .require("version")
            .and_then(|node| node.parse(VersionName::parse));
        let main = fields
            .require("main")
            .and_then(|node| node.parse(RelativePath::parse));
        let description = fields.take("description").and_then(|node| {
            let text = node.string()?;
            if text.len() > MAX_DESCRIPTION {
                node.error(
                    ProblemCode::OutOfRange,
                    format!("must have at most {MAX_DESCRIPTION} bytes"),
                );
            }
            Some(text.to_owned())
        });
        let engines = fields.take("engines").and_then(read_engines).unwrap_or_default();
        let links = fields
            .take("links")
            .map(|node| node.elements(MAX_LINKS))
            .unwrap_or_default();
        let links = links.into_iter().filter_map(Link::read).collect();
        let action = fields
            .take("action")
            .and_then(ActionConfig::read)
            .unwrap_or_default();
        let triggers = fields
            .take("triggers")
            .map(|node| node.elements(MAX_TRIGGERS))
            .unwrap_or_default();
        // Kept beside their place until the checks that compare them are done.
        let triggers: Vec<_> = (0..)
            .zip(triggers)
            .filter_map(|(index, node)| Some((index, TriggerConfig::read(node)?)))
            .collect();
        check_identities(&triggers, &fields);
        check_routes(&triggers, &fields);
        let triggers = triggers.into_iter().map(|(_, trigger)| trigger).collect();
        Some(Self {
            name: name?,
            version: version?,
            main: main?,
            description,
            engines,
            links,
            action,
            triggers,
        })
    }
}

fn read_engines(node: Node<'_>) -> Option<Engines> {
    // The other engines are not Jobber's.
    let Some(node) = node.fields()?.take("node") else {
        return Some(Engines::default());
    };
    let range = node.string()?;
    match Runtime::select(range) {
        Ok(runtime) => Some(Engines {
            node: Some(range.to_owned()),
            runtime,
        }),
        Err(error) => {
            let code = match error {
                RuntimeError::NotARange => ProblemCode::InvalidValue,
                RuntimeError::Unsatisfied => ProblemCode::UnknownRuntime,
            };
            node.error(code, error.to_string());
            None
        }
    }
}

/// Two triggers with one identity could not be told apart by the next version.
fn check_identities(triggers: &[(usize, TriggerConfig)], fields: &Fields<'_>) {
    let mut seen = HashMap::new();
    for (index, trigger) in triggers {
        if let Some(first) = seen.insert(trigger.key(), *index) {
            let message = match &trigger.name {
                Some(name) => format!(
                    "the {} trigger {first} is called `{name}`, too",
                    trigger.kind.name()
                ),
                None => format!(
                    "is the same trigger as number {first}; give one of them a `name` or another setting"
                ),
            };
            fields.error_in("triggers", *index, ProblemCode::Duplicate, message);
        }
    }
}

/// Two routes that no request can tell apart: one of them would never be called.
fn check_routes(triggers: &[(usize, TriggerConfig)], fields: &Fields<'_>) {
    let routes = triggers
        .iter()
        .filter_map(|(index, trigger)| match &trigger.kind {
            TriggerKind::Http(http) => Some(Route {
                pattern: http.route.clone(),
                target: (*index, trigger.key()),
            }),
            TriggerKind::Schedule(_) | TriggerKind::Mqtt(_) => None,
        });
    let (table, refused) = RouteTable::build(routes);
    for route in refused {
        let Some(taken) = table.conflict(&route.pattern) else {
            continue;
        };
        let ((index, key), (first, first_key)) = (&route.target, &taken.target);
        // Reported as two triggers with one identity already.
        if key != first_key {
            let message = format!("its route `{}` is taken by trigger {first}", route.pattern);
            fields.error_in("triggers", *index, ProblemCode::Conflict, message);
        }
    }
}
