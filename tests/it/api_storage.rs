//! How much jobs keep, and what is in their packages.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{everything, line, token, user};
use crate::support::{App, Package, answer};

async fn publish(app: &App, package: &Package) -> Value {
    let (status, body) = app.publish(package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["data"].clone()
}

#[test]
fn what_a_job_keeps_is_told_with_the_room_that_is_left() {
    App::story(async |app| {
        let shop = publish(app, &Package::new("shop", "1").routes(&["/shop"])).await;
        publish(app, &Package::new("idle", "1")).await;
        let item = app
            .request(Method::PUT, "/api/job/shop/store/a")
            .json(&json!({ "value": { "text": "12345" } }));
        assert!(answer(item).await.0.is_success());
        let job = shop["jobId"].as_str().unwrap();
        app.run_sql(&format!(
            "select make_daily_partition('runner_logs', (now() at time zone 'utc')::date);
             insert into runner_logs (job_id, version_id, time, stream, level, message)
             select '{job}', '{}', now(), 'stdout', 'info', 'line ' || n from generate_series(1, 500) n",
            shop["jobVersionId"].as_str().unwrap()
        ))
        .await;

        let told = app.get("/api/storage").await;
        assert_eq!(
            (&told["logEstimated"], &told["invocationsEstimated"]),
            (&json!(false), &json!(false))
        );
        let disk = |which: &str| told["disk"][which].as_u64().unwrap();
        assert!(disk("freeBytes") <= disk("totalBytes") && disk("totalBytes") > 0);
        let of = |job: &Value| {
            told["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["jobId"] == *job)
                .unwrap()
        };
        let shop = of(&shop["jobId"]);
        assert!(shop["logLines"].as_u64().unwrap() >= 500, "{shop}");
        assert!(shop["logBytes"].as_u64().unwrap() > 10_000, "{shop}");
        assert_eq!(
            (&shop["versions"], &shop["storeItems"], &shop["storeBytes"]),
            (&json!(1), &json!(1), &json!(6))
        );
        assert!(shop["archiveBytes"].as_u64().unwrap() > 0);

        let ada = user(app, "ada", everything()).await;
        let (_, token) = token(app, &ada, json!([line("allow", "job/idle/metrics", &["read"])])).await;
        let (status, seen) = answer(app.stranger(Method::GET, "/api/storage").bearer_auth(&token)).await;
        assert_eq!(
            (status, seen["data"]["jobs"].as_array().unwrap().len()),
            (StatusCode::OK, 1)
        );
        assert_eq!(
            seen["data"]["disk"],
            Value::Null,
            "the server's room is not for everybody"
        );
    });
}

#[test]
fn files_and_texts_of_a_version_can_be_read() {
    App::story(async |app| {
        let package = Package::new("shop", "1").file("index.js", "export const handler = () => {};\n");
        let published = publish(
            app,
            &package
                .file("logo.png", "\u{0}\u{1}")
                .file("long.txt", "x".repeat(300 << 10)),
        )
        .await;
        let version = format!(
            "/api/job/shop/versions/{}",
            published["jobVersionId"].as_str().unwrap()
        );
        let listed = app.get(&format!("{version}/files")).await;
        let paths: Vec<_> = listed["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| &file["path"])
            .collect();
        assert_eq!(
            json!(paths),
            json!(["index.js", "logo.png", "long.txt", "package.json"])
        );
        assert_eq!(
            (&listed["files"][0]["bytes"], &listed["more"]),
            (&json!(33), &json!(false))
        );
        assert_eq!(listed["files"][0]["crc32"].as_str().unwrap().len(), 8);

        let text = app.get(&format!("{version}/text?path=index.js")).await;
        assert_eq!(
            text,
            json!({ "path": "index.js", "text": "export const handler = () => {};\n" })
        );
        for (path, status, code) in [
            ("logo.png", 415, "file-not-text"),
            ("long.txt", 413, "file-too-large"),
            ("../index.js", 404, "file-not-found"),
        ] {
            let (told, body) = app.ask(Method::GET, &format!("{version}/text?path={path}")).await;
            assert_eq!((told.as_u16(), &body["code"]), (status, &json!(code)), "{body}");
        }
    });
}
