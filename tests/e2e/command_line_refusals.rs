//! What commands say when something is wrong, and the status that they end with.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Package, Tool, shared};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_is_told_how_to() {
    let server = shared().await;
    let tool = Tool::new().with("JOBBER_URL", &server.url);
    tool.run(&["jobs"]).await.refused(3, &["next: run `jobber login"]);
    tool.run(&["init", "a"]).await.expect();
    tool.run(&["publish", "a"])
        .await
        .refused(3, &["there is no token for", "JOBBER_TOKEN"]);
    let wrong = tool.with("JOBBER_TOKEN", "jobber_wrong");
    wrong.run(&["jobs"]).await.refused(3, &["no longer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_with_where_to_look() {
    let tool = Tool::of(shared().await);
    for command in [
        &["jobs", "nobody"][..],
        &["versions", "nobody"],
        &["logs", "nobody"],
        &["logs", "nobody", "-f"],
        &["runs", "nobody"],
        &["rollback", "nobody"],
        &["invoke", "nobody"],
        &["env", "nobody"],
    ] {
        tool.run(command)
            .await
            .refused(4, &["(job-not-found)", "next: `jobber jobs`"]);
    }
    let nothing = "01890000-0000-7000-8000-000000000000";
    tool.run(&["runs", nothing])
        .await
        .refused(4, &["invocation-not-found"]);
    tool.run(&["replay", nothing])
        .await
        .refused(4, &["invocation-not-found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_from_one_that_is_something_else() {
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let tool = Tool::new().with("JOBBER_TOKEN", "t");
    tool.run(&["jobs", "--server", &away])
        .await
        .refused(5, &[&away, "refused", "JOBBER_URL"]);
    tool.run(&["doctor", "--remote", "--server", &away])
        .await
        .refused(1, &[]);
    let server = shared().await;
    let gateway = tool.run(&["jobs", "--server", &server.gateway]).await;
    gateway.refused(5, &["admin API", "port 3000"]);
    tool.run(&["jobs", "--server", "localhost"])
        .await
        .refused(2, &["is no server's URL"]);
    tool.run(&["nonsense"])
        .await
        .refused(2, &["unrecognized subcommand"]);
    tool.run(&["login", &server.url])
        .await
        .refused(2, &["no terminal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_manifest_come_with_their_lines() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "faulty"]).await.expect();
    tool.edit(
        "faulty/package.json",
        "\"runnerMinCount\": 1",
        "\"runnerMinCount\": -1",
    );
    tool.edit("faulty/package.json", "\"method\": \"GET\"", "\"method\": 7");
    let said = tool.run(&["publish", "faulty", "--json"]).await;
    said.refused(
        6,
        &[
            "(manifest-invalid)",
            "/action/runnerMinCount (line 12)",
            "/triggers/0/method (line 17)",
            "next:",
        ],
    );
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&document["success"], &document["exit"]),
        (&Value::from(false), &Value::from(6))
    );
    assert_eq!(document["errors"].as_array().unwrap().len(), 2);
    assert_eq!(document["errors"][0]["line"], 12);

    tool.edit("faulty/package.json", "{", "{,");
    tool.run(&["publish", "faulty"])
        .await
        .refused(6, &["is no JSON", "line 1"]);
    tool.run(&["publish", "nowhere"])
        .await
        .refused(6, &["nowhere/package.json", "jobber init"]);
    tool.run(&["init", "faulty"])
        .await
        .refused(6, &["is there already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_can_not_be_imported_is_told_with_its_stack() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "throws-early"]).await.expect();
    tool.edit(
        "throws-early/index.js",
        "/** @type",
        "throw new Error('too early');\n/** @type",
    );
    let said = tool.run(&["publish", "throws-early"]).await;
    said.refused(
        6,
        &[
            "(import-failed)",
            "Error: too early",
            "index.js:1",
            "another `version`",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_ends_before_anything_is_sent() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "unbuilt", "--template", "hono"])
        .await
        .expect();
    tool.run(&["publish", "unbuilt"])
        .await
        .refused(1, &["the build script failed", "npm install"]);
    tool.run(&["publish", "unbuilt", "--no-build"])
        .await
        .refused(6, &["/main"]);
    tool.run(&["jobs", "unbuilt"]).await.refused(4, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_is_a_failed_call() {
    let server = shared().await;
    let module = "export const handler = () => { throw new Error('no'); };";
    server
        .publish(&Package::new("fails-when-called", module))
        .await
        .expect();
    let said = Tool::of(server).run(&["invoke", "fails-when-called"]).await;
    said.refused(1, &["500 Internal Server Error, invocation "]);
}

#[tokio::test]
async fn what_needs_no_server_asks_none() {
    let tool = Tool::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            tool.run(&["completions", shell])
                .await
                .expect()
                .contains("rollback"),
            "{shell}"
        );
    }
    let tool = tool.with("DATABASE_URL", "postgresql://ann:hunter2@db/jobber");
    let settings = tool.run(&["config", "--json"]).await.json();
    let url = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["name"] == "DATABASE_URL")
        .unwrap();
    assert_eq!(url["value"], "postgresql://ann:********@db/jobber");
    assert!(url["source"].as_str().unwrap().contains("environment"), "{url}");
    tool.run(&["init", "packed"]).await.expect();
    let packed = tool
        .run(&["publish", "packed", "--output", "packed.zip", "--json"])
        .await
        .json();
    let length = tool.home().join("packed.zip").metadata().unwrap().len();
    assert_eq!(
        (&packed["files"], &packed["bytes"]),
        (&Value::from(2), &Value::from(length))
    );
}
