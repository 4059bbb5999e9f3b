//! The workflow that users copy for GitHub's runners: its steps run here as they do there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use regex::{Captures, Regex};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::place::user;
use super::root;
use super::script::copy;
use crate::support::{Server, shared};

const BOUND: Duration = Duration::from_secs(180);

/// What the repository's settings and the workflow say, by the names that expressions use.
struct Repository<'a> {
    workflow: &'a Value,
    checkout: TempDir,
    temporary: TempDir,
    url: String,
    token: String,
}

impl<'a> Repository<'a> {
    /// A repository with an example in it.
    fn of(example: &str, workflow: &'a Value, server: &Server, token: &str) -> Self {
        let checkout = tempfile::tempdir().unwrap();
        copy(&root().join("examples").join(example), checkout.path());
        Self {
            workflow,
            checkout,
            temporary: tempfile::tempdir().unwrap(),
            url: server.url.clone(),
            token: token.to_owned(),
        }
    }

    /// A text of the workflow with its expressions evaluated.
    fn evaluated(&self, text: &str) -> String {
        let expression = Regex::new(r"\$\{\{ *(\w+)\.(\w+) *\}\}").unwrap();
        let value = |found: &Captures<'_>| match (&found[1], &found[2]) {
            ("vars", "JOBBER_URL") => self.url.clone(),
            ("secrets", "JOBBER_TOKEN") => self.token.clone(),
            ("env", name) => self.workflow["jobs"]["publish"]["env"][name]
                .as_str()
                .unwrap()
                .to_owned(),
            other => panic!("the workflow asks for {other:?}"),
        };
        expression.replace_all(text, value).into_owned()
    }

    /// Runs the steps that have commands. Gives whether all succeeded, and what they have said.
    async fn run(&self) -> (bool, String) {
        let mut said = String::new();
        for step in self.workflow["jobs"]["publish"]["steps"].as_array().unwrap() {
            let Some(commands) = step["run"].as_str() else {
                let action = step["uses"].as_str().unwrap();
                assert!(action.starts_with("actions/"), "{action} is GitHub's own");
                continue;
            };
            let folder = self.evaluated(step["working-directory"].as_str().unwrap_or("."));
            let mut shell = Command::new("bash");
            shell
                .args([
                    "--noprofile",
                    "--norc",
                    "-eo",
                    "pipefail",
                    "-c",
                    &self.evaluated(commands),
                ])
                .current_dir(self.checkout.path().join(folder))
                .env("RUNNER_TEMP", self.temporary.path())
                .stdin(Stdio::null())
                .kill_on_drop(true);
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                shell.env(name, self.evaluated(value.as_str().unwrap()));
            }
            let output = timeout(BOUND, shell.output()).await.expect("it ends").unwrap();
            said += &String::from_utf8_lossy(&output.stdout);
            said += &String::from_utf8_lossy(&output.stderr);
            if !output.status.success() {
                return (false, said);
            }
        }
        (true, said)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.checkout.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
}

fn workflow() -> Value {
    let file = Path::new("examples/github-action.yml");
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(file)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_workflow_builds_packs_and_publishes() {
    let (server, workflow) = (shared().await, workflow());
    assert!(workflow["on"]["push"]["branches"].is_array());
    let (_, token) = user(server, "job/-/publish", &["write"]).await;

    // One that is bundled, and one that is published as it is.
    for (example, name, route) in [
        ("hono", "ci-bundled", "/hono"),
        ("hello-http", "ci-plain", "/hello"),
    ] {
        let repository = Repository::of(example, &workflow, server, &token);
        repository.edit(
            "package.json",
            &format!("\"name\": \"{example}\""),
            &format!("\"name\": \"{name}\""),
        );
        let moved = format!("/{name}");
        repository.edit("package.json", &format!("\"{route}"), &format!("\"{moved}"));
        if example == "hono" {
            repository.edit(
                "src/index.js",
                "basePath('/hono')",
                &format!("basePath('{moved}')"),
            );
        }
        let (success, said) = repository.run().await;
        assert!(success && said.contains(r#""change":"published""#), "{said}");
        assert!(!said.contains(&token));
        assert_eq!(server.get(&moved).await.status(), 200);

        // The same again is no fault, other content under the same version is.
        let (success, said) = repository.run().await;
        assert!(success && said.contains(r#""change":"unchanged""#), "{said}");
        repository.edit("package.json", "\"runnerMinCount\": 1", "\"runnerMinCount\": 0");
        let (success, said) = repository.run().await;
        assert!(!success && said.contains(r#""status":409"#), "{said}");
        server
            .ask(reqwest::Method::DELETE, &format!("/api/job/{name}"), None)
            .await;
    }
}
