//! The compose file, brought up under a name and on ports of its own. Whatever happens, nothing of it stays.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::eventually;

/// How long the system may take until it serves: the database is made, the schema, the image checks run.
const START_TIME: Duration = Duration::from_secs(120);

/// What settings of the compose file, and of Compose, begin with.
const SETTINGS: [&str; 6] = ["COMPOSE_", "JOBBER_", "GATEWAY_", "ADMIN_", "RUNNER_", "LOG_"];

/// What a program said.
pub struct Said {
    pub success: bool,
    pub out: String,
    pub error: String,
}

/// Runs a program on a thread that may wait for it.
async fn run(mut command: Command) -> Said {
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = output.await.unwrap().unwrap();
    Said {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `docker …`, which has to succeed.
pub async fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(arguments);
    let said = run(command).await;
    assert!(said.success, "docker {arguments:?}: {}", said.error);
    said.out
}

/// The repository, where the compose file is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `docker compose`, or the program that `cargo xtask` has found for it. Settings of whoever runs the tests do not count.
fn compose() -> Command {
    let mut command = match std::env::var_os("JOBBER_TEST_COMPOSE") {
        Some(program) => Command::new(program),
        None => {
            let mut docker = Command::new("docker");
            docker.arg("compose");
            docker
        }
    };
    let foreign = |name: &OsString| {
        let name = name.to_string_lossy();
        SETTINGS.iter().any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(name)) {
        command.env_remove(name);
    }
    // The progress of a terminal has no place in an assertion's message.
    command.args(["--ansi", "never"]).current_dir(root());
    command
}

/// `docker compose` with these profiles and the settings of a file.
pub async fn compose_with(settings: &str, profiles: &[&str], arguments: &[&str]) -> Said {
    let mut command = compose();
    command.args(["--env-file", settings]);
    for profile in profiles {
        command.args(["--profile", profile]);
    }
    command.args(arguments);
    run(command).await
}

/// A system of its own.
pub struct Project {
    /// Its name, which is also the tag of its images.
    pub name: String,
    tags: Vec<String>,
    ports: [u16; 3],
    down: bool,
}

impl Project {
    /// Builds the server's image from the binary under test, and names all images for a project of this story.
    pub async fn prepare(story: &str) -> Self {
        let name = format!("jobber-e2e-{}-{story}", std::process::id());
        let mut project = Self {
            tags: Vec::new(),
            ports: free_ports(),
            down: false,
            name,
        };
        stripped(Path::new(env!("CARGO_BIN_EXE_jobber")), story).await;
        let image = format!("jobber/server:{}", project.name);
        project.tags.push(image.clone());
        let file = root().join("docker/server.Dockerfile");
        let build = ["build", "--quiet", "--target", "prebuilt", "--tag", &image];
        let place = ["--file", file.to_str().unwrap(), root().to_str().unwrap()];
        docker(&[&build[..], &place].concat()).await;
        for major in [20, 22, 24] {
            let tag = format!("jobber/runner-node:{major}-{}", project.name);
            docker(&["tag", &format!("jobber/runner-node:{major}"), &tag]).await;
            project.tags.push(tag);
        }
        project
    }

    /// The same images under another tag, as a release has them.
    pub async fn release(&mut self, version: &str) {
        let known: Vec<_> = self.tags.clone();
        for image in known {
            let tag = image.replace(&self.name, version);
            docker(&["tag", &image, &tag]).await;
            self.tags.push(tag);
        }
    }

    /// A program `docker` whose `docker compose` is about this system: what an operator types in the folder of the compose file.
    pub fn docker_script(&self) -> String {
        let program = std::env::var("JOBBER_TEST_COMPOSE").unwrap_or_else(|_| "docker compose".to_owned());
        let [admin, gateway, mqtt] = self.ports;
        let (name, root) = (&self.name, root().display());
        format!(
            "#!/bin/sh
PATH=${{PATH#*:}}
if [ \"$1\" != compose ]; then exec docker \"$@\"; fi
shift
if [ \"$1\" = up ]; then set -- \"$@\" --no-build; fi
export JOBBER_VERSION={name} JOBBER_ADMIN_PORT={admin} JOBBER_GATEWAY_PORT={gateway} MQTT_PORT={mqtt}
exec {program} --ansi never --project-directory {root} --file {root}/docker-compose.yaml --env-file /dev/null \\
  --project-name {name} --profile mqtt \"$@\"
"
        )
    }

    fn command(&self, version: &str, arguments: &[&str]) -> Command {
        let mut command = compose();
        let [admin, gateway, mqtt] = self.ports.map(|port| port.to_string());
        command
            .args(["--env-file", "/dev/null", "--project-name", &self.name])
            .args(["--profile", "mqtt"])
            .args(arguments)
            .env("JOBBER_VERSION", version)
            .env("JOBBER_ADMIN_PORT", admin)
            .env("JOBBER_GATEWAY_PORT", gateway)
            .env("MQTT_PORT", mqtt);
        command
    }

    /// `docker compose …`, which has to succeed, with the images of a version.
    pub async fn compose_at(&self, version: &str, arguments: &[&str]) -> String {
        let said = run(self.command(version, arguments)).await;
        assert!(
            said.success,
            "compose {arguments:?}: {}{}\n{}",
            said.out,
            said.error,
            self.logs().await
        );
        said.out
    }

    /// `docker compose …`, which has to succeed.
    pub async fn compose(&self, arguments: &[&str]) -> String {
        self.compose_at(&self.name, arguments).await
    }

    /// What all services have written.
    pub async fn logs(&self) -> String {
        let said = run(self.command(&self.name, &["logs", "--no-color"])).await;
        said.out + &said.error
    }

    /// `docker inspect` of a service's container.
    pub async fn container(&self, service: &str) -> Value {
        let id = self.compose(&["ps", "--all", "--quiet", service]).await;
        let inspected: Value = serde_json::from_str(&docker(&["inspect", id.trim()]).await).unwrap();
        inspected[0].clone()
    }

    /// Waits until a service's health check says so.
    pub async fn until_healthy(&self, service: &str) {
        let what = format!("{service} is healthy");
        eventually(&what, START_TIME, || async {
            (self.container(service).await["State"]["Health"]["Status"] == "healthy").then_some(())
        })
        .await;
    }

    /// A file of the running server's container.
    pub async fn read(&self, path: &str) -> String {
        self.compose(&["exec", "-T", "jobber", "cat", path])
            .await
            .trim()
            .to_owned()
    }

    /// Where the API answers.
    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Where functions answer.
    pub fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// Everything that Docker still has of it: containers, volumes and networks.
    pub async fn leftovers(&self) -> String {
        let label = format!("label=com.docker.compose.project={}", self.name);
        let runners = format!("label=jobber.instance={}", self.name);
        let mut found = docker(&["ps", "--all", "--quiet", "--filter", &label]).await;
        found += &docker(&["ps", "--all", "--quiet", "--filter", &runners]).await;
        found += &docker(&["volume", "ls", "--quiet", "--filter", &label]).await;
        found + &docker(&["network", "ls", "--quiet", "--filter", &label]).await
    }

    /// Removes everything, as an operator does it.
    pub async fn end(&mut self) {
        self.compose(&["down", "--volumes"]).await;
        self.down = self.leftovers().await.is_empty();
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let quietly = |command: &mut Command| {
            let ran = command.stdin(Stdio::null()).output();
            ran.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                .unwrap_or_default()
        };
        if !self.down {
            quietly(&mut self.command(&self.name, &["kill"]));
            // Runners belong to the server and not to the compose file. One that ended badly has left them.
            let filter = format!("label=jobber.instance={}", self.name);
            let runners = quietly(Command::new("docker").args(["ps", "-aq", "--filter", &filter]));
            for runner in runners.lines() {
                quietly(Command::new("docker").args(["rm", "--force", "--volumes", runner]));
            }
            quietly(&mut self.command(&self.name, &["down", "--volumes", "--remove-orphans"]));
        }
        quietly(Command::new("docker").args(["image", "rm"]).args(&self.tags));
    }
}

/// Puts the binary where its Dockerfile looks for it, without what only a debugger reads.
async fn stripped(binary: &Path, story: &str) {
    let folder = root().join("target/image");
    std::fs::create_dir_all(&folder).unwrap();
    let new: PathBuf = folder.join(format!("jobber.{}.{story}", std::process::id()));
    let mut strip = Command::new("strip");
    strip.arg("--output-file").arg(&new).arg(binary);
    let said = run(strip).await;
    assert!(said.success, "strip: {}", said.error);
    std::fs::rename(new, folder.join("jobber")).unwrap();
}

/// Ports that nobody listens on. They are known before the start, because a restart must find them again.
fn free_ports() -> [u16; 3] {
    let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}
