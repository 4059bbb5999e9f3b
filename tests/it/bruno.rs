//! The collection of requests in `bruno/`: it has every operation, and Bruno's own command-line client runs it against a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{App, Package, answer};

/// How long the client may take for the whole story.
const BOUND: Duration = Duration::from_secs(180);
const USERNAME: &str = "collector";
const PASSWORD: &str = "correct horse battery";

/// Where the collection is.
fn collection() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bruno")
}

/// The files of the collection and what is in them, but for installed packages.
fn files(folder: &Path, at: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder.join(at)).unwrap() {
        let entry = entry.unwrap();
        let path = at.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !path.ends_with("node_modules") {
                files(folder, &path, found);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.insert(path, text);
        }
    }
}

fn all_files() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    files(&collection(), Path::new(""), &mut found);
    found
}

/// Method and path of a request, with `{}` for every part that is not fixed; nothing for a file that is no request.
fn operation_of(text: &str) -> Option<(String, String)> {
    let url = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("url: {{baseUrl}}"))?;
    let method = text
        .lines()
        .filter_map(|line| line.strip_suffix(" {"))
        .find(|name| ["get", "post", "put", "delete"].contains(name))?;
    let path = url.split('?').next().unwrap_or_default();
    Some((method.to_owned(), without_names(path, "{{", "}}")))
}

/// A path with `{}` for each of its parameters.
fn without_names(path: &str, open: &str, close: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        // A parameter may have something fixed behind it: `{job}/actions:latest` has not, `{{variable}}_SECRET` has.
        segments.push(match segment.split_once(open) {
            Some((_, rest)) => {
                let (_, fixed) = rest.split_once(close).unwrap_or_default();
                if fixed.starts_with(':') {
                    format!("{{}}{fixed}")
                } else {
                    "{}".to_owned()
                }
            }
            None => segment.to_owned(),
        });
    }
    segments.join("/")
}

#[test]
fn the_collection_has_every_operation_and_no_other() {
    let document = include_str!("../../docs/reference/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (method.clone(), without_names(path, "{", "}")))
        })
        .collect();
    let requested: BTreeSet<_> = all_files()
        .values()
        .filter_map(|text| operation_of(text))
        .collect();
    let missing: Vec<_> = documented.difference(&requested).collect();
    let unknown: Vec<_> = requested.difference(&documented).collect();
    assert!(missing.is_empty(), "bruno/ has no request for {missing:?}");
    assert!(unknown.is_empty(), "the document does not know {unknown:?}");
}

/// A copy of the collection, with the packages that it publishes as zips.
fn copy(to: &Path) -> usize {
    let mut requests = 0;
    for (path, text) in all_files() {
        requests += usize::from(operation_of(&text).is_some());
        let path = to.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for name in ["first", "second"] {
        let read = |file: &str| fs::read_to_string(to.join("packages").join(name).join(file)).unwrap();
        let mut package = Package::new("", "").file("index.js", read("index.js"));
        package.manifest = serde_json::from_str(&read("package.json")).unwrap();
        fs::write(to.join(format!("{name}.zip")), package.zip()).unwrap();
    }
    requests
}

/// Runs the collection, and gives back what each request came to.
async fn run(app: &App, folder: &Path) -> Vec<Value> {
    let client = collection().join("node_modules/@usebruno/cli/bin/bru.js");
    assert!(
        client.is_file(),
        "Bruno's client is not installed: run `cargo xtask it`"
    );
    let report = folder.join("report.json");
    let mut command = Command::new("node");
    command
        .arg(client)
        .args(["run", "--env", "local", "--sandbox", "safe", "--noproxy"])
        .args(["--env-var", &format!("baseUrl={}", app.url)])
        .arg("--reporter-json")
        .arg(&report)
        .current_dir(folder)
        .env("JOBBER_USERNAME", USERNAME)
        .env("JOBBER_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let mut due = tokio::time::interval(Duration::from_millis(100));
    let output = command.output();
    tokio::pin!(output);
    let output = timeout(BOUND, async {
        loop {
            tokio::select! {
                output = &mut output => break output.unwrap(),
                _ = due.tick() => app.hint_deliveries(),
            }
        }
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    report[0]["results"].as_array().unwrap().clone()
}

#[test]
fn the_collection_tells_its_story_twice_and_leaves_nothing() {
    App::story(async |app| {
        let new = json!({
            "username": USERNAME, "password": PASSWORD,
            "permissions": [{"effect": "allow", "resource": "*", "actions": ["read", "write", "delete"]}],
        });
        let (status, body) = answer(app.request(Method::POST, "/api/users").json(&new)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        // Stays when the story fails, with Bruno's report in it.
        let folder = tempfile::tempdir().unwrap().keep();
        let requests = copy(&folder);
        for _ in 0..2 {
            let results = run(app, &folder).await;
            let ran: BTreeSet<_> = results
                .iter()
                .map(|result| result["test"]["filename"].to_string())
                .collect();
            assert_eq!(ran.len(), requests, "every request ran: {ran:?}");
            let assertions: Vec<_> = results
                .iter()
                .flat_map(|result| result["assertionResults"].as_array().unwrap())
                .collect();
            assert!(assertions.len() > requests, "{} assertions", assertions.len());
            let failed: Vec<_> = assertions.iter().filter(|one| one["status"] != "pass").collect();
            assert!(failed.is_empty(), "{failed:?}");

            assert!(app.parts("/api/job?limit=10").await.is_empty());
            assert_eq!(app.parts("/api/users?limit=10").await.len(), 1);
            assert!(app.parts("/api/api-tokens?limit=10").await.is_empty());
        }
        fs::remove_dir_all(folder).unwrap();
    });
}
