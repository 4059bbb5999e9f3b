//! What the program says when it is set up wrongly, and `jobber serve`.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Machine, jobber_within};

const BOUND: Duration = Duration::from_secs(60);

/// The program with nothing of this process's environment but what finds other programs.
pub fn jobber(arguments: &[&str]) -> Command {
    jobber_within(&[], arguments)
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_makes_its_token_and_its_first_user_once_serves_and_stops_in_good_order() {
    let machine = Machine::new().await;
    let (data, database) = (machine.data(), machine.database());
    let mut tokens = Vec::new();
    let mut password = None;
    for start in ["the first start", "the second start"] {
        let mut server = machine.serve().await;
        let (admin, token) = (server.admin.clone(), server.token.clone());
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
            let said = rotated(&data, &database).await;
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

        let pid = server.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
        let ended = timeout(BOUND, server.process.wait()).await.expect("it stops");
        let said = server.said();
        assert!(ended.unwrap().success(), "{start}: {said}");
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
    let other = tempfile::tempdir().unwrap();
    let other = other.path();
    let rotate = |arguments: &[&str]| {
        let mut command = jobber(arguments);
        command.env("DATABASE_URL", &database).env("JOBBER_DATA", other);
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
    machine.end().await;
}

/// `jobber rotate-key` beside a server that runs.
async fn rotated(data: &Path, database: &str) -> Said {
    let mut command = jobber(&["rotate-key"]);
    command.env("DATABASE_URL", database).env("JOBBER_DATA", data);
    let said = run(command).await;
    assert!(said.success, "{}", said.error);
    said
}
