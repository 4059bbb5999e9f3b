//! Looking at containers, and ending them, behind Jobber's back.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

async fn docker(arguments: &[&str]) -> String {
    let run = Command::new("docker").args(arguments).kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(30), run)
        .await
        .expect("docker does not answer")
        .unwrap();
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The ids of the running containers of a runner, or with `jobber.instance` of a whole server.
pub async fn containers_of(label: &str, value: &str) -> Vec<String> {
    let filter = format!("label={label}={value}");
    docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter])
        .await
        .lines()
        .map(str::to_owned)
        .collect()
}

/// `docker kill`.
pub async fn kill_container(id: &str) {
    docker(&["kill", id]).await;
}

/// `docker inspect` of a container or an image.
pub async fn inspect(id: &str) -> String {
    docker(&["inspect", id]).await
}

/// What the processes of a container were started with: their environments and command lines.
pub async fn started_with(container: &str) -> String {
    // The shell's glob was made before `cat` was there: a process that has ended since is no fault.
    let read = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'";
    docker(&["exec", container, "sh", "-c", read]).await
}
