//! What the program says when it is set up wrongly, and `jobber serve`.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::eventually;

const BOUND: Duration = Duration::from_secs(60);

/// The program with nothing of this process's environment but what finds other programs.
pub fn jobber(arguments: &[&str]) -> Command {
    jobber_within(&[], arguments)
}

/// The program, started by another one that becomes it: `wrapper` is that one with its arguments.
pub fn jobber_within(wrapper: &[&str], arguments: &[&str]) -> Command {
    let words = [wrapper, &[env!("CARGO_BIN_EXE_jobber")], arguments].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

struct Said {
    success: bool,
    out: String,
    error: String,
}

async fn run(mut command: Command) -> Said {
    let output = timeout(BOUND, command.output()).await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        success: output.status.success(),
        out: text(output.stdout),
        error: text(output.stderr),
    }
}

#[tokio::test]
async fn the_configuration_in_force_is_printed_without_secrets() {
    let mut command = jobber(&["config"]);
    command
        .env("DATABASE_URL", "postgresql://ann:hunter2@db/jobber")
        .env("MANAGER_PORT", "6000");
    let said = run(command).await;
    assert!(said.success, "{}", said.error);
    assert!(said.out.contains("MANAGER_PORT=6000"), "{}", said.out);
    assert!(said.out.contains("ann:********@db"), "{}", said.out);
    assert!(!said.out.contains("hunter2") && !said.error.contains("hunter2"));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let mut command = jobber(&["serve"]);
    command.env("MANAGER_PORT", "x").env("RUNNER_MEMORY", "y");
    let said = run(command).await;
    assert!(!said.success);
    for name in ["DATABASE_URL", "MANAGER_PORT", "RUNNER_MEMORY"] {
        assert!(said.error.contains(name), "{}", said.error);
    }
}

#[tokio::test]
async fn a_folder_without_a_package_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = jobber(&["dev", "nothing-here", "--data", "data"]);
    command.current_dir(folder.path());
    let said = run(command).await;
    assert!(
        !said.success && said.error.contains("nothing-here"),
        "{}",
        said.error
    );
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn a_taken_port_is_told_by_its_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = tempfile::tempdir().unwrap();
    let mut command = jobber(&[
        "dev",
        "--admin-port",
        "0",
        "--manager-port",
        "0",
        "--gateway-port",
        &port,
    ]);
    command.arg("--data").arg(data.path());
    let said = run(command).await;
    assert!(
        !said.success && said.error.contains("GATEWAY_PORT"),
        "{}",
        said.error
    );
}

/// `jobber serve` as an operator runs it, but with child processes for runners.
fn serve(wrapper: &[&str], data: &Path, database: &str, ports: [u16; 3]) -> Child {
    let mut command = jobber_within(wrapper, &["serve"]);
    command
        .env("DATABASE_URL", database)
        .env("JOBBER_DATA", data)
        .env("RUNNER_ENGINE", "process")
        .env("ADMIN_BIND", "127.0.0.1")
        .env("GATEWAY_BIND", "127.0.0.1")
        .env("MANAGER_BIND", "127.0.0.1")
        .env("MANAGER_HOST", "127.0.0.1")
        .env("ADMIN_PORT", ports[0].to_string())
        .env("GATEWAY_PORT", ports[1].to_string())
        .env("MANAGER_PORT", ports[2].to_string())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_makes_its_token_and_its_first_user_once_serves_and_stops_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = Spawner::start().unwrap();
    let postgres = EmbeddedPostgres::start(&folder.path().join("postgres"), &spawner)
        .await
        .unwrap();
    let data = folder.path().join("data");
    let database = postgres.url();
    let mut tokens = Vec::new();
    let mut password = None;
    for start in ["the first start", "the second start"] {
        let (server, admin) = started(&data, database.expose_secret()).await;
        let token = std::fs::read_to_string(data.join("admin-token"))
            .unwrap()
            .trim()
            .to_owned();
        let client = jobber::outgoing::without_tls().build().unwrap();
        let jobs = format!("{admin}/api/job/");
        let without = client.get(&jobs).send().await.unwrap();
        assert_eq!(without.status(), 401, "{start}");
        let with = client.get(&jobs).bearer_auth(&token).send().await.unwrap();
        assert_eq!(with.status(), 200, "{start}");
        if let Some(password) = &password {
            let login = serde_json::json!({ "username": "admin", "password": password });
            let login = client.post(format!("{admin}/api/auth/login")).json(&login);
            assert_eq!(login.send().await.unwrap().status(), 200);
            let said = rotated(&data, database.expose_secret()).await;
            assert!(
                said.out.starts_with("1 values were sealed anew with"),
                "{} {}",
                said.out,
                said.error
            );
            let keys = std::fs::read_to_string(data.join("master-key")).unwrap();
            assert_eq!(keys.lines().count(), 2);
            assert!(keys.lines().all(|key| !said.out.contains(key)));
        }

        let pid = server.id().unwrap().to_string();
        assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
        let output = timeout(BOUND, server.wait_with_output())
            .await
            .expect("it stops")
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{start}: {said}");
        assert!(!said.contains(&token), "no token in what may be a log: {said}");
        assert_eq!(
            said.contains("admin-token"),
            start == "the first start",
            "where the token is, is told once: {said}"
        );
        let shown = said.split("with the password ").nth(1);
        assert_eq!(
            shown.is_some(),
            start == "the first start",
            "a password is shown once: {said}"
        );
        let shown = shown.and_then(|shown| shown.split_whitespace().next());
        password = password.or(shown.map(str::to_owned));
        tokens.push(token);
    }
    assert_eq!(tokens[0], tokens[1]);

    // A data directory without the key: none is made that would be of no use, unless what is sealed is given up.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let rotate = |arguments: &[&str]| {
        let mut command = jobber(arguments);
        command
            .env("DATABASE_URL", database.expose_secret())
            .env("JOBBER_DATA", &other);
        run(command)
    };
    let said = rotate(&["rotate-key"]).await;
    assert!(
        !said.success && said.error.contains("which this server does not have"),
        "{}",
        said.error
    );
    assert!(!other.join("master-key").exists());
    let said = rotate(&["rotate-key", "--discard-unreadable"]).await;
    assert!(said.success, "{}", said.error);
    assert!(other.join("master-key").exists());
    postgres.stop().await.unwrap();
}

/// `jobber rotate-key` beside a server that runs.
async fn rotated(data: &Path, database: &str) -> Said {
    let mut command = jobber(&["rotate-key"]);
    command.env("DATABASE_URL", database).env("JOBBER_DATA", data);
    let said = run(command).await;
    assert!(said.success, "{}", said.error);
    said
}

/// A server whose API answers. Ports that were free a moment ago may be taken by another test: then it is tried anew.
pub async fn started(data: &Path, database: &str) -> (Child, String) {
    started_within(&[], data, database).await
}

/// The same, started by another program that becomes the server.
pub async fn started_within(wrapper: &[&str], data: &Path, database: &str) -> (Child, String) {
    for _ in 0..5 {
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = sockets
            .each_ref()
            .map(|socket| socket.local_addr().unwrap().port());
        drop(sockets);
        let mut server = serve(wrapper, data, database, ports);
        let admin = format!("http://127.0.0.1:{}", ports[0]);
        let client = jobber::outgoing::without_tls().build().unwrap();
        let url = format!("{admin}/readyz");
        let ready = eventually("the server is ready, or has ended", BOUND, || {
            let ended = server.try_wait().unwrap().is_some();
            let request = client.get(&url).send();
            async move {
                if ended {
                    Some(false)
                } else {
                    request.await.is_ok_and(|r| r.status() == 200).then_some(true)
                }
            }
        })
        .await;
        if ready {
            return (server, admin);
        }
    }
    panic!("no server could be started on free ports");
}
