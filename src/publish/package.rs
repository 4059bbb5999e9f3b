//! An inspected archive as a package: its manifest, checked against its files.

use jobber_actors::manifest::{
    DockerArguments, Manifest, ManifestErrors, ManifestProblem, ProblemCode, Severity, TriggerConfig,
    TriggerKind,
};
use jobber_actors::routing::RoutePattern;
use serde_json::Value;

use super::answer::Warning;
use crate::archive::Inspection;
use crate::store::{NewTrigger, RouteConflict};

/// A package that may be published.
#[derive(Clone, Debug)]
pub struct Package {
    /// The job's name.
    pub name: String,
    /// The version's name.
    pub version: String,
    /// The package.json as it was published.
    pub json: Value,
    /// Its triggers, in the order of the manifest.
    pub triggers: Vec<PackageTrigger>,
    /// What it asks of Docker.
    pub docker: DockerArguments,
    /// What the author should look at.
    pub warnings: Vec<Warning>,
}

/// One trigger of a package.
#[derive(Clone, Debug)]
pub struct PackageTrigger {
    /// Its identity within the job.
    pub key: String,
    /// `http`, `schedule` or `mqtt`.
    pub kind: &'static str,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Of an HTTP trigger.
    pub route: Option<PackageRoute>,
}

/// What an HTTP trigger answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRoute {
    /// Equal for two routes that no request can tell apart.
    pub key: String,
    /// All of it as people read it: `GET example.org/users/:id`.
    pub written: String,
    /// Absent for any.
    pub method: Option<String>,
    /// Absent for any.
    pub hostname: Option<String>,
    /// As it is in the manifest; absent for any.
    pub path: Option<String>,
}

impl Package {
    /// Reads and checks the manifest of an archive.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(inspection: &Inspection) -> Result<Self, ManifestErrors> {
        let json: Value = match serde_json::from_slice(without_mark(&inspection.package_json)) {
            Ok(json) => json,
            // Says what is wrong in the same words as everywhere.
            Err(_) => {
                return Err(Manifest::parse(&inspection.package_json)
                    .err()
                    .unwrap_or_else(not_json));
            }
        };
        let mut faults = Vec::new();
        find_nul(&json, &mut String::new(), &mut faults);
        let (checked, refused) = match Manifest::check(&json) {
            Ok(checked) => (Some(checked), Vec::new()),
            Err(errors) => (None, errors.problems),
        };
        // The file is looked for even if other fields are wrong: all faults are said at once.
        if let Some(main) = json.get("main").and_then(Value::as_str)
            && !refused.iter().any(|problem| problem.pointer == "/main")
            && !inspection.contains(main.strip_prefix("./").unwrap_or(main))
        {
            faults.push(fault(
                "/main",
                ProblemCode::Missing,
                format!("{main} is not in the archive"),
            ));
        }
        match checked {
            Some(checked) if faults.is_empty() => Ok(Self {
                name: checked.manifest.name.as_str().to_owned(),
                version: checked.manifest.version.as_str().to_owned(),
                json,
                triggers: checked.manifest.triggers.iter().map(PackageTrigger::of).collect(),
                docker: checked.manifest.action.runner_docker_arguments,
                warnings: checked.warnings.into_iter().map(warning).collect(),
            }),
            _ => Err(ManifestErrors {
                problems: refused.into_iter().chain(faults).collect(),
            }),
        }
    }

    /// The keys of its routes.
    #[must_use]
    pub fn route_keys(&self) -> Vec<&str> {
        self.triggers
            .iter()
            .filter_map(|trigger| trigger.route.as_ref())
            .map(|route| route.key.as_str())
            .collect()
    }

    /// Says which of the package's triggers want the routes, and tells these as the package writes them.
    pub(super) fn locate(&self, conflicts: Vec<RouteConflict>) -> Vec<RouteConflict> {
        let wants = |conflict: &RouteConflict| {
            let routes = self.triggers.iter().map(|trigger| trigger.route.as_ref());
            let numbered = routes.enumerate();
            numbered
                .filter_map(|(index, route)| Some((index, route?)))
                .find(|(_, route)| route.key == conflict.key)
        };
        let located = |conflict: RouteConflict| match wants(&conflict) {
            Some((index, route)) => RouteConflict {
                trigger: Some(index),
                route: route.written.clone(),
                ..conflict
            },
            None => conflict,
        };
        conflicts.into_iter().map(located).collect()
    }

    pub(super) fn new_triggers(&self) -> Vec<NewTrigger> {
        let new = |trigger: &PackageTrigger| NewTrigger {
            key: trigger.key.clone(),
            kind: trigger.kind,
            name: trigger.name.clone(),
            route: trigger.route.as_ref().map(|route| route.key.clone()),
        };
        self.triggers.iter().map(new).collect()
    }
}

impl PackageTrigger {
    fn of(trigger: &TriggerConfig) -> Self {
        Self {
            key: trigger.key().as_str().to_owned(),
            kind: trigger.kind.name(),
            name: trigger.name.as_ref().map(|name| name.as_str().to_owned()),
            route: match &trigger.kind {
                TriggerKind::Http(http) => Some(PackageRoute::of(&http.route)),
                TriggerKind::Schedule(_) | TriggerKind::Mqtt(_) => None,
            },
        }
    }
}

impl PackageRoute {
    fn of(pattern: &RoutePattern) -> Self {
        Self {
            key: pattern.key(),
            written: pattern.to_string(),
            method: pattern.method.as_ref().map(|method| method.as_str().to_owned()),
            hostname: pattern.host.as_ref().map(|host| host.as_str().to_owned()),
            path: pattern.path.as_ref().map(|path| path.as_str().to_owned()),
        }
    }

    /// Where to call it, if the gateway is reached at `gateway` (`http://localhost:3001`). The host of a route that
    /// names one takes the place of the gateway's, with its port. `None` for a regular expression.
    #[must_use]
    pub fn url(&self, gateway: &str) -> Option<String> {
        let path = self.path.as_deref().unwrap_or("/");
        if path.starts_with('^') {
            return None;
        }
        let Some(hostname) = &self.hostname else {
            return Some(format!("{gateway}{path}"));
        };
        let (scheme, authority) = gateway.split_once("://").unwrap_or(("http", gateway));
        // Behind the last colon, unless that is within an IPv6 address.
        let port = authority
            .rsplit_once(':')
            .map(|(_, port)| port)
            .filter(|port| !port.contains(']'));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{scheme}://{hostname}{port}{path}"))
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

fn not_json() -> ManifestErrors {
    ManifestErrors {
        problems: vec![fault(
            "",
            ProblemCode::InvalidJson,
            "is not valid JSON".to_owned(),
        )],
    }
}

fn fault(pointer: &str, code: ProblemCode, message: String) -> ManifestProblem {
    ManifestProblem {
        pointer: pointer.to_owned(),
        code,
        message,
        severity: Severity::Error,
    }
}

/// Postgres keeps no NUL characters in JSON, and none of them means anything in a package.json.
fn find_nul(value: &Value, pointer: &mut String, faults: &mut Vec<ManifestProblem>) {
    let length = pointer.len();
    match value {
        Value::String(text) => report_nul(text, pointer, faults),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                find_nul(value, pointer, faults);
                pointer.truncate(length);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                report_nul(key, pointer, faults);
                find_nul(value, pointer, faults);
                pointer.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn report_nul(text: &str, pointer: &str, faults: &mut Vec<ManifestProblem>) {
    if text.contains('\0') {
        faults.push(fault(
            pointer,
            ProblemCode::InvalidValue,
            "must not contain NUL characters".to_owned(),
        ));
    }
}

fn warning(problem: ManifestProblem) -> Warning {
    Warning {
        code: problem_code(problem.code),
        pointer: problem.pointer,
        message: problem.message,
    }
}

/// A code of the manifest's as programs see it: in kebab case.
#[must_use]
pub fn problem_code(code: ProblemCode) -> String {
    match serde_json::to_value(code) {
        Ok(Value::String(code)) => code,
        _ => "invalid-value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(package_json: &str, files: &[&str]) -> Inspection {
        let mut paths: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        paths.sort();
        Inspection {
            digest: [0; 32].into(),
            package_json: package_json.as_bytes().to_vec(),
            paths,
            bytes: 0,
            packed_bytes: 0,
        }
    }

    fn pointers(package_json: &str, files: &[&str]) -> Vec<String> {
        let errors = Package::read(&inspection(package_json, files)).expect_err("should be refused");
        errors
            .problems
            .into_iter()
            .map(|problem| problem.pointer)
            .collect()
    }

    #[test]
    fn a_package_knows_its_triggers_and_where_to_call_them() {
        let package = Package::read(&inspection(
            r#"{"name": "hello", "version": "1.0.0", "main": "./index.js", "triggers": [
                {"type": "http", "name": "users", "method": "get", "path": "/users/:id", "hostname": "Example.org"},
                {"type": "http", "path": "^/x"},
                {"type": "schedule", "cron": "@daily"}
            ]}"#,
            &["index.js"],
        ))
        .unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("hello", "1.0.0")
        );
        assert_eq!(
            package
                .triggers
                .iter()
                .map(|trigger| trigger.kind)
                .collect::<Vec<_>>(),
            ["http", "http", "schedule"]
        );
        let route = package.triggers[0].route.as_ref().unwrap();
        assert_eq!(
            route.url("http://127.0.0.1:3001").unwrap(),
            "http://example.org:3001/users/:id"
        );
        assert_eq!(
            route.url("https://jobs.test").unwrap(),
            "https://example.org/users/:id"
        );
        assert_eq!(
            package.triggers[1]
                .route
                .as_ref()
                .unwrap()
                .url("http://127.0.0.1:3001"),
            None
        );
        assert_eq!(package.route_keys().len(), 2);
    }

    #[test]
    fn a_route_that_is_taken_is_told_as_the_package_writes_it() {
        let package = Package::read(&inspection(
            r#"{"name": "hello", "version": "1.0.0", "main": "./index.js", "triggers": [
                {"type": "schedule", "cron": "@daily"},
                {"type": "http", "method": "get", "path": "/hello/:name"}
            ]}"#,
            &["index.js"],
        ))
        .unwrap();
        let taken = |key: &str| RouteConflict {
            key: key.to_owned(),
            route: "GET /hello/:who".to_owned(),
            job: "greeter".to_owned(),
            trigger: None,
        };
        let key = package.route_keys()[0];
        let located = package.locate(vec![taken(key), taken("GET /other")]);
        assert_eq!(
            (located[0].trigger, located[0].route.as_str()),
            (Some(1), "GET /hello/:name")
        );
        assert_eq!(located[1], taken("GET /other"));
    }

    #[test]
    fn a_missing_main_is_said_together_with_all_other_faults() {
        assert_eq!(
            pointers(
                r#"{"name": "a", "version": "1", "main": "./index.js"}"#,
                &["other.js"]
            ),
            ["/main"]
        );
        let mut both = pointers(r#"{"name": "A B", "version": "1", "main": "./index.js"}"#, &[]);
        both.sort();
        assert_eq!(both, ["/main", "/name"]);
    }

    #[test]
    fn nul_characters_are_found_wherever_they_hide() {
        let package_json =
            r#"{"name": "a", "version": "1", "main": "./i.js", "x/y": [{"~\u0000": "\u0000"}]}"#;
        assert_eq!(
            pointers(package_json, &["i.js"]),
            ["/x~1y/0/~0\u{0}", "/x~1y/0/~0\u{0}"]
        );
    }

    #[test]
    fn what_is_no_json_is_said_so() {
        assert_eq!(pointers("{", &[]), [""]);
        assert_eq!(pointers("\u{feff}{", &[]), [""]);
    }
}
