//! Where a page's commands run: a folder, a server and a broker, under the addresses that pages name.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jobber::child::free_port;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::script::copy;
use crate::compose::Project;
use crate::support::{Broker, Server, eventually, inspect, shared};

/// `jobber dev` on ports that are free, and `logs -f` that ends: what a page leaves to the person at the terminal.
const JOBBER: &str = r#"#!/bin/sh
if [ "$1" = dev ]; then
  shift
  exec setpriv --pdeathsig TERM "$JOBBER_PROGRAM" dev --admin-port "$PORT_3000" --gateway-port "$PORT_3001" --manager-port "$PORT_5211" "$@"
fi
case " $* " in *" -f "*) set -- "$@" --seconds 1 ;; esac
exec "$JOBBER_PROGRAM" "$@"
"#;
const PASSWORD: &str = "correct horse battery";

/// A page's place. It goes with its test.
pub struct Place {
    folder: TempDir,
    broker: Option<Broker>,
    environment: Vec<(&'static str, String)>,
    /// What pages call an address, and what it is here.
    addresses: Vec<(&'static str, String)>,
}

impl Place {
    /// On the server that all stories share, with a broker of its own.
    pub async fn shared() -> Self {
        let (server, broker) = (shared().await, Broker::start().await);
        let mut place = Self::empty();
        place.name_addresses(host(&server.url), host(&server.gateway));
        place.addresses.push(("1883", broker.port().to_string()));
        place.addresses.push((
            "https://hooks.example.org",
            format!("http://{}:{}", bridge(server).await, free_port().unwrap()),
        ));
        let (username, token) = user(server, "*", &["read", "write", "delete"]).await;
        place.environment.extend([
            ("JOBBER_URL", server.url.clone()),
            ("JOBBER_GATEWAY_URL", server.gateway.clone()),
            ("JOBBER_TOKEN", token.clone()),
            ("TOKEN", token),
            ("LOGIN_NAME", username),
            ("LOGIN_PASSWORD", PASSWORD.to_owned()),
        ]);
        place.broker = Some(broker);
        place
    }

    /// With no server but the `jobber dev` that the page starts.
    pub fn alone() -> Self {
        let mut place = Self::empty();
        let ports = [(); 3].map(|()| free_port().unwrap());
        let variables = ["PORT_3000", "PORT_3001", "PORT_5211"];
        for (name, port) in variables.into_iter().zip(ports) {
            place.environment.push((name, port.to_string()));
        }
        place.name_addresses(
            &format!("127.0.0.1:{}", ports[0]),
            &format!("127.0.0.1:{}", ports[1]),
        );
        place
    }

    /// On a system in containers.
    pub fn composed(project: &Project) -> Self {
        let mut place = Self::empty();
        place.name_addresses(host(&project.admin()), host(&project.gateway()));
        place.program("docker", &project.docker_script());
        place
    }

    /// A program that a page's commands find before others of its name.
    fn program(&self, name: &str, script: &str) {
        let program = self.folder().join(".programs").join(name);
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("jobber-page-").tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("examples"), &folder.path().join("examples"));
        let types = "docker/runner-node/types";
        copy(&root.join(types), &folder.path().join(types));
        let programs = folder.path().join(".programs");
        std::fs::create_dir(&programs).unwrap();
        let mut path = vec![programs];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let text = |path: &Path| path.to_str().expect("paths of tests are texts").to_owned();
        let environment = vec![
            ("PATH", std::env::join_paths(path).unwrap().into_string().unwrap()),
            ("HOME", text(folder.path())),
            ("PAGE", text(folder.path())),
            (
                "NPM_CONFIG_CACHE",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/npm-cache").to_owned(),
            ),
            (
                "KEEP",
                "JOBBER_PROGRAM JOBBER_URL JOBBER_TOKEN JOBBER_GATEWAY_URL".to_owned(),
            ),
            ("JOBBER_PROGRAM", env!("CARGO_BIN_EXE_jobber").to_owned()),
        ];
        let place = Self {
            folder,
            broker: None,
            environment,
            addresses: Vec::new(),
        };
        place.program("jobber", JOBBER);
        place
    }

    fn name_addresses(&mut self, admin: &str, gateway: &str) {
        self.addresses = vec![
            ("127.0.0.1:3000", admin.to_owned()),
            ("127.0.0.1:3001", gateway.to_owned()),
        ];
    }

    /// Where the page's commands run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Their environment.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// A page's text with the addresses of this place.
    pub fn actual(&self, text: &str) -> String {
        let named = text.replace("localhost:", "127.0.0.1:");
        self.addresses
            .iter()
            .fold(named, |text, (name, here)| text.replace(name, here))
    }

    /// An output with the addresses that pages name.
    pub fn canonical(&self, text: &str) -> String {
        let text = self
            .addresses
            .iter()
            .fold(text.to_owned(), |text, (name, here)| text.replace(here, name));
        text.replace(
            self.environment()
                .find(|(name, _)| *name == "PAGE")
                .map_or("", |(_, page)| page),
            "~",
        )
    }

    /// Removes the jobs that the page may have published: the packages that it has made, and the example that it is about.
    pub async fn tidy(&self, page: &str) {
        if self.broker.is_none() {
            return;
        }
        let (folder, examples) = (self.folder.path(), self.folder.path().join("examples"));
        let mut jobs = jobs(folder, &examples);
        if page.starts_with("examples/") {
            jobs.extend(self::jobs(
                folder.join(page).parent().expect("it is in a folder"),
                folder,
            ));
        }
        let server = shared().await;
        for job in jobs {
            let url = format!("{}/api/job/{}", server.url, job.replace('/', "%2F"));
            let token = server.about()["token"].as_str().unwrap().to_owned();
            let removed = server.client.delete(url).bearer_auth(token).send().await.unwrap();
            assert!(
                removed.status().is_success() || removed.status() == 404,
                "{job}: {}",
                removed.status()
            );
        }
    }
}

/// Makes a user who may do this. Gives the name, and a token.
pub async fn user(server: &Server, resource: &str, actions: &[&str]) -> (String, String) {
    let permissions = json!([{ "effect": "allow", "resource": resource, "actions": actions }]);
    let username = format!("reader-{}", uuid::Uuid::now_v7());
    let user = json!({ "username": username, "password": PASSWORD, "permissions": permissions });
    let user = server.ask(Method::POST, "/api/users", Some(user)).await;
    let token = json!({ "userId": user["data"]["id"], "permissions": permissions });
    let token = server.ask(Method::POST, "/api/api-tokens", Some(token)).await;
    (username, token["data"]["token"].as_str().unwrap().to_owned())
}

fn host(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The address under which the shared server's runners reach this machine.
async fn bridge(server: &Server) -> String {
    let instance = std::fs::read_to_string(server.data().join("instance")).unwrap();
    let network = format!("jobber-{}", instance.trim());
    eventually(
        "the runners' network is there",
        std::time::Duration::from_secs(10),
        || async {
            let inspected: serde_json::Value = serde_json::from_str(&inspect(&network).await).ok()?;
            Some(inspected[0]["IPAM"]["Config"][0]["Gateway"].as_str()?.to_owned())
        },
    )
    .await
}

/// The names of the packages in a folder, but for those in another one.
fn jobs(folder: &Path, without: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && path != without && entry.file_name() != "node_modules" {
                folders.push(path);
            } else if entry.file_name() == "package.json" {
                let package: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let is_job = package.get("triggers").is_some();
                found.extend(package["name"].as_str().filter(|_| is_job).map(str::to_owned));
            }
        }
    }
    found
}
