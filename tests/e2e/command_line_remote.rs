//! The commands that ask a server: one package from its beginning to its end, and who may do it.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec};

use futures_util::StreamExt;

use crate::support::{Server, Tool, eventually, shared};

const BOUND: Duration = Duration::from_secs(30);
const MAX_LINE: usize = 64 << 10;

/// A package of the template `http`, published.
async fn published(server: &Server, name: &str) -> Tool {
    let tool = Tool::of(server);
    tool.run(&["init", name]).await.expect();
    tool.run(&["publish", name]).await.expect();
    tool
}

/// The newest invocation of a job, once it is recorded.
async fn newest_run(tool: &Tool, job: &str) -> Value {
    eventually("the invocation is recorded", BOUND, || async {
        let runs = tool.run(&["runs", job, "--json"]).await.json();
        runs.as_array().unwrap().first().cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_made_published_called_watched_and_rolled_back() {
    let server = shared().await;
    let tool = Tool::of(server);
    let made = tool.run(&["init", "story"]).await;
    assert!(made.error.contains("jobber publish story"), "{}", made.error);
    made.expect();
    tool.edit(
        "story/package.json",
        "\"runnerTimeout\": 10",
        "\"runnerTimeout\": 10, \"capture\": \"all\"",
    );

    let told = tool.run(&["publish", "story"]).await;
    assert!(told.error.contains("packed 2 files"), "{}", told.error);
    let told = told.expect();
    assert!(told.starts_with("published story 1.0.0\n"), "{told}");
    assert!(
        told.contains(&format!("try: curl {}/story\n", server.gateway)),
        "{told}"
    );
    let again = tool.run(&["publish", "story", "--json"]).await.json();
    assert_eq!(
        again["change"], "unchanged",
        "the same files are the same content"
    );

    let called = tool.run(&["invoke", "story", "/story/you", "-i"]).await;
    assert!(called.error.contains("200 OK, invocation "), "{}", called.error);
    let called = called.expect();
    assert!(
        called.contains("HTTP/1.1 200 OK\n") && called.contains(r#"{"hello":"you","visits":1}"#),
        "{called}"
    );
    let called = tool.run(&["invoke", "story", "--json"]).await.json();
    assert_eq!(
        (&called["status"], &called["body"]["text"]),
        (&json!(200), &json!(r#"{"hello":"world","visits":2}"#))
    );

    eventually("the log has the line", BOUND, || async {
        let log = tool.run(&["logs", "story", "--text", "visit 2"]).await.expect();
        log.contains("info   hello world, visit 2").then_some(())
    })
    .await;

    let run = newest_run(&tool, "story").await;
    assert_eq!(run["id"], called["invocationId"]);
    let id = run["id"].as_str().unwrap();
    let shown = tool.run(&["runs", id]).await.expect();
    for part in ["GET /story", "succeeded", "queued", "\"visits\":2"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let replayed = tool.run(&["replay", id, "--json"]).await.json();
    assert_eq!(
        (&replayed["replayOf"], &replayed["status"]),
        (&run["id"], &json!("succeeded"))
    );

    tool.edit("story/package.json", "1.0.0", "1.1.0");
    tool.edit(
        "story/index.js",
        "hello: name",
        "hello: name, greeting: process.env.GREETING",
    );
    tool.run(&["publish", "story"]).await.expect();
    tool.run(&["env", "set", "story", "GREETING=hi"]).await.expect();
    eventually("the variable has reached the function", BOUND, || async {
        let called = tool.run(&["invoke", "story"]).await.expect();
        called.contains(r#""greeting":"hi""#).then_some(())
    })
    .await;

    let back = tool.run(&["rollback", "story"]).await.expect();
    assert_eq!(back, "story 1.0.0 serves instead of 1.1.0\n");
    assert!(!tool.run(&["invoke", "story"]).await.expect().contains("greeting"));
    let versions = tool.run(&["versions", "story"]).await.expect();
    let active = versions.lines().find(|line| line.contains(" active ")).unwrap();
    assert!(active.starts_with("1.0.0 "), "{versions}");
    let old = tool
        .run(&["replay", id, "--version", "1.1.0", "--json"])
        .await
        .json();
    assert_ne!(old["versionId"], replayed["versionId"]);

    let jobs = tool.run(&["jobs"]).await.expect();
    assert!(
        jobs.lines()
            .any(|line| line.starts_with("story ") && line.contains("1.0.0")),
        "{jobs}"
    );
    let shown = tool.run(&["jobs", "story"]).await.expect();
    let route = shown.lines().find(|line| line.starts_with("http ")).unwrap();
    assert!(route.ends_with("healthy"), "{shown}");
    tool.run(&["jobs", "remove", "story"]).await.expect();
    tool.run(&["jobs", "story"]).await.refused(4, &["job-not-found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_set_from_pipes_and_files_and_secrets_stay_secret() {
    let tool = published(shared().await, "told-variables").await;
    let secret = tool
        .run_with(
            &["env", "set", "told-variables", "password", "--secret"],
            "hunter2\n",
        )
        .await;
    assert!(secret.expect().starts_with("set PASSWORD;"));
    let file = "# a file\nexport A=1\nB=\"two words\" # comment\n";
    tool.run_with(&["env", "import", "told-variables", "-"], file)
        .await
        .expect();

    let shown = tool.run(&["env", "told-variables"]).await.expect();
    assert!(
        shown.contains("two words") && !shown.contains("hunter2"),
        "{shown}"
    );
    tool.run(&["env", "unset", "told-variables", "a", "B"])
        .await
        .expect();
    let left = tool.run(&["env", "told-variables", "--json"]).await.json();
    assert_eq!(
        (left.as_array().unwrap().len(), &left[0]["name"]),
        (1, &json!("PASSWORD"))
    );
    tool.run(&["env", "unset", "told-variables", "A"])
        .await
        .refused(4, &["variable-not-found"]);
    let wrong = tool
        .run_with(&["env", "import", "told-variables", "-"], "A=1\nB hunter3")
        .await;
    wrong.refused(6, &["line 2"]);
    assert!(!wrong.error.contains("hunter3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_as_it_is_written() {
    let tool = published(shared().await, "followed").await;
    let mut command = tool.command(&["logs", "followed", "-f", "--json", "--stream", "stdout"]);
    let mut following = command.stdin(Stdio::null()).spawn().unwrap();
    let lines = FramedRead::new(
        following.stdout.take().unwrap(),
        LinesCodec::new_with_max_length(MAX_LINE),
    );
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    for visit in 1..=3 {
        tool.run(&["invoke", "followed"]).await.expect();
        let line = timeout(BOUND, lines.next()).await.expect("it comes").unwrap();
        assert_eq!(line["message"], format!("hello world, visit {visit}"));
    }
    following.kill().await.unwrap();
    let ended = tool
        .run(&[
            "logs",
            "followed",
            "-f",
            "--seconds",
            "1",
            "-n",
            "1",
            "--stream",
            "stdout",
        ])
        .await;
    assert!(
        ended.expect().ends_with("visit 3\n"),
        "following for a time ends well"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runners_are_listed_and_ended() {
    let tool = published(shared().await, "ended-by-hand").await;
    let runners = tool.run(&["runners", "ended-by-hand", "--json"]).await.json();
    let id = runners[0]["id"].as_str().unwrap();
    assert!(tool.run(&["runners"]).await.expect().contains(id));
    tool.run(&["runners", "stop", "ended-by-hand", id]).await.expect();
    eventually("another runner is ready", BOUND, || async {
        let now = tool.run(&["runners", "ended-by-hand", "--json"]).await.json();
        let now = now.as_array().unwrap();
        let is_other = |runner: &Value| runner["stage"] == "ready" && runner["id"] != id;
        (now.len() == 1 && is_other(&now[0])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_keeps_a_token_for_its_owner_only_and_a_logout_ends_it() {
    let server = shared().await;
    let everything = json!([{ "effect": "allow", "resource": "*", "actions": ["read", "write", "delete"] }]);
    let user = json!({ "username": "terminal", "password": "correct horse", "permissions": everything });
    server.ask(Method::POST, "/api/users", Some(user)).await;
    let tool = Tool::new();
    let login = ["login", &server.url, "--username", "terminal", "--password-stdin"];
    tool.run_with(&login, "wrong horse\n")
        .await
        .refused(3, &["password"]);
    let said = tool.run_with(&login, "correct horse\n").await.expect();
    assert!(
        said.starts_with(&format!("signed in to {} as terminal;", server.url)),
        "{said}"
    );
    let profile = tool.home().join(".config/jobber/profile.json");
    assert_eq!(profile.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&profile).unwrap()).unwrap();
    let kept = kept["servers"][&server.url]["token"].as_str().unwrap().to_owned();
    assert!(!said.contains(&kept), "a token is not printed: {said}");

    let tokens = tool.run(&["tokens"]).await.expect();
    assert!(tokens.contains("jobber login on"), "{tokens}");
    let create = [
        "tokens",
        "create",
        "--allow",
        "read:job",
        "--description",
        "ci",
        "--expires",
        "1h",
    ];
    let narrow = tool.run(&create).await.expect();
    let narrow_tool = Tool::new()
        .with("JOBBER_URL", &server.url)
        .with("JOBBER_TOKEN", narrow.trim());
    narrow_tool.run(&["jobs"]).await.expect();
    narrow_tool
        .run(&["tokens", "create", "--allow", "read:*"])
        .await
        .refused(3, &["ask an administrator"]);
    // The same token by the other way.
    let piped = Tool::new();
    piped
        .run_with(&["login", &server.url, "--token-stdin"], &narrow)
        .await
        .expect();
    piped.run(&["jobs"]).await.expect();

    tool.run(&["logout"]).await.expect();
    tool.run(&["jobs", "--server", &server.url])
        .await
        .refused(3, &["jobber login"]);
    let revoked = Tool::new()
        .with("JOBBER_URL", &server.url)
        .with("JOBBER_TOKEN", &kept);
    revoked.run(&["jobs"]).await.refused(3, &["no longer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_amiss_and_what_to_do() {
    let server = shared().await;
    let tool = Tool::of(server);
    let well = tool.run(&["doctor", "--remote", "--json"]).await;
    let report: Value = serde_json::from_str(&well.out).unwrap();
    let state = |check: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|known| known["check"] == check).unwrap()["state"].clone()
    };
    assert!(
        ["ok", "warning"].contains(&state("server").as_str().unwrap()),
        "{report:#}"
    );

    let database = server.about()["database"].as_str().unwrap().to_owned();
    let tool = tool
        .with("DATABASE_URL", &database)
        .with("RUNNER_CONTAINER_DOCKER_NETWORK", "jobber-no-such-network")
        .with("RUNNER_IMAGE_NODE20_URL", "jobber/no-such-image")
        .with("RUNNER_IMAGE_PULL", "false")
        .with("RUNNER_CONTAINER_RUNTIME", "no-such-runtime");
    let told = tool.run(&["doctor"]).await;
    assert_eq!(told.status, 1, "{}", told.out);
    for part in [
        "ok       postgres",
        "ok       clock",
        "ok       docker",
        "failed   network        Docker has no network jobber-no-such-network",
        "fix: docker network create jobber-no-such-network",
        "failed   images",
        "failed   runtime        Docker has no runtime no-such-runtime (RUNNER_CONTAINER_RUNTIME); it has ",
        "fix: add it to the `runtimes` of Docker's daemon.json",
        " disk ",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let told = tool
        .with("RUNNER_CONTAINER_RUNTIME", "runc")
        .run(&["doctor"])
        .await;
    assert!(told.out.contains("ok       runtime        runc"), "{}", told.out);
}
