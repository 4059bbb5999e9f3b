//! The admin API, with the whole tree and real Node runners behind it.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, answer, eventually};

#[test]
fn a_published_function_answers_and_a_removed_one_does_not() {
    App::story(async |app| {
        let (status, body) = app
            .publish(&Package::new("@scope/hello", "1.0.0").routes(&["/hello"]))
            .await;
        assert_eq!(
            (status, &body["success"]),
            (StatusCode::OK, &json!(true)),
            "{body}"
        );
        let url = format!("{}/hello", app.gateway_url);
        assert_eq!(body["data"]["routes"][0]["url"], url.as_str());
        assert_eq!(app.call("/hello").await, (StatusCode::OK, "hello".to_owned()));

        // By id and by name, with and without a slash at the end.
        let id = body["data"]["jobId"].as_str().unwrap();
        for path in [format!("/api/job/{id}"), "/api/job/@scope%2Fhello/".to_owned()] {
            let job = app.get(&path).await;
            assert_eq!(
                (&job["name"], &job["version"]),
                (&json!("@scope/hello"), &json!("1.0.0")),
                "{path}"
            );
        }
        assert_eq!(app.get("/api/job/").await.as_array().unwrap().len(), 1);

        let (status, _) = app.ask(Method::DELETE, "/api/job/@scope%2Fhello").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(app.call("/hello").await.0, StatusCode::NOT_FOUND);
        assert_eq!(
            app.ask(Method::GET, &format!("/api/job/{id}")).await.1["code"],
            "job-not-found"
        );
    });
}

#[test]
fn answers_tell_browsers_to_be_careful_and_pages_of_other_origins_get_nothing() {
    App::story(async |app| {
        for path in ["/healthz", "/api/job", "/api/nothing", "/nothing"] {
            let request = app
                .stranger(Method::GET, path)
                .header("origin", "https://evil.example");
            let response = request.send().await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
            assert_eq!(header("cache-control"), Some("no-store"), "{path}");
            assert!(
                header("content-security-policy")
                    .unwrap()
                    .starts_with("default-src 'none'"),
                "{path}"
            );
            assert_eq!(header("access-control-allow-origin"), None, "{path}");
        }
    });
}

#[test]
fn browsers_get_a_page_at_the_root_whether_or_not_the_panel_was_built() {
    App::story(async |app| {
        let ask = |path: &'static str, wants: &'static str| {
            app.stranger(Method::GET, path).header("accept", wants).send()
        };
        let page = ask("/", "text/html").await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        let media_type = page.headers()["content-type"].to_str().unwrap();
        assert!(media_type.starts_with("text/html"), "{media_type}");
        assert!(page.text().await.unwrap().contains("Jobber"));
        // The API is not in the panel's way, nor the panel in the API's.
        assert_eq!(
            ask("/api/nothing", "text/html").await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            ask("/nothing", "*/*").await.unwrap().status(),
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn a_second_version_takes_over_and_the_first_can_be_brought_back() {
    App::story(async |app| {
        let module =
            |text: &str| format!("export const handler = (request, response) => response.text('{text}');");
        let (_, one) = app
            .publish(&Package::new("a", "1").file("index.js", module("one")))
            .await;
        assert_eq!(app.call("/a").await.1, "one");
        let (status, two) = app
            .publish(&Package::new("a", "2").file("index.js", module("two")))
            .await;
        assert_eq!(status, StatusCode::OK, "{two}");
        assert_eq!(app.call("/a").await.1, "two");
        assert_eq!(
            one["data"]["triggers"], two["data"]["triggers"],
            "the trigger is the same one"
        );

        let back = json!({"jobVersionId": one["data"]["jobVersionId"]});
        let (status, body) = answer(app.request(Method::PUT, "/api/job/a").json(&back)).await;
        assert_eq!(
            (status, &body["data"]["version"]),
            (StatusCode::OK, &json!("1")),
            "{body}"
        );
        assert_eq!(app.call("/a").await.1, "one");
        let versions = app.get("/api/job/a/versions").await;
        assert_eq!(
            (&versions[0]["version"], &versions[0]["active"]),
            (&json!("2"), &json!(false))
        );
    });
}

#[test]
fn a_disabled_job_does_not_answer_until_it_is_enabled() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let put = async |change: Value| answer(app.request(Method::PUT, "/api/job/a").json(&change)).await;
        let (status, body) = put(json!({"status": "disabled", "description": "resting"})).await;
        assert_eq!(
            (status, &body["data"]["status"]),
            (StatusCode::OK, &json!("disabled")),
            "{body}"
        );
        assert_eq!(body["data"]["description"], "resting");
        assert_eq!(app.call("/a").await.0, StatusCode::NOT_FOUND);
        // A new version of it is imported, kept as the active one, and not served.
        let (status, body) = app.publish(&Package::new("a", "2")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["data"]["warnings"][0]["code"], "job-disabled");
        assert_eq!(app.call("/a").await.0, StatusCode::NOT_FOUND);

        assert_eq!(put(json!({"status": "enabled"})).await.0, StatusCode::OK);
        assert_eq!(app.call("/a").await.0, StatusCode::OK);
        let (status, body) = put(json!({"statsu": "enabled"})).await;
        assert_eq!(
            (status, &body["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/statsu"))
        );
    });
}

#[test]
fn nobody_gets_in_without_the_token() {
    App::story(async |app| {
        for (method, path) in [
            (Method::GET, "/api/job"),
            (Method::POST, "/api/job/publish"),
            (Method::DELETE, "/api/job/a"),
            (Method::GET, "/api/debug/tree"),
            (Method::GET, "/api/nothing"),
        ] {
            let (status, body) = answer(app.stranger(method.clone(), path)).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
                "{path}"
            );
            let wrong = app.stranger(method, path).bearer_auth("0".repeat(64));
            assert_eq!(answer(wrong).await.0, StatusCode::UNAUTHORIZED, "{path}");
        }
        let response = app.stranger(Method::GET, "/api/job").send().await.unwrap();
        assert!(response.headers().contains_key("www-authenticate"));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        for open in ["/healthz", "/api/errors"] {
            assert_eq!(
                app.stranger(Method::GET, open).send().await.unwrap().status(),
                StatusCode::OK,
                "{open}"
            );
        }
        eventually("it is ready", async || {
            let ready = app.stranger(Method::GET, "/readyz").send().await.unwrap();
            ready.status().is_success().then_some(())
        })
        .await;
    });
}

#[test]
fn a_removed_job_leaves_nothing_but_the_record_of_it() {
    App::story(async |app| {
        for version in ["1", "2"] {
            app.publish(
                &Package::new("a", version)
                    .routes(&["/a"])
                    .file("version.txt", version),
            )
            .await;
        }
        app.publish(&Package::new("b", "1").routes(&["/b"])).await;
        let request = app.request(Method::PUT, "/api/job/a/store/key");
        answer(request.json(&json!({"value": {"text": "kept"}}))).await;
        let request = app.request(Method::POST, "/api/job/a/environment/KEY");
        answer(request.json(&json!({"type": "text", "value": "x"}))).await;
        app.call("/a").await;
        let id = app.get("/api/job/a").await["id"].as_str().unwrap().to_owned();
        let archives = || {
            let files = walk(&app.data.path().join("archives"));
            files.len()
        };
        assert_eq!(archives(), 3);

        let (status, body) = app.ask(Method::DELETE, "/api/job/a").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(archives(), 1, "the archive of the other job stays");
        eventually("its runners have ended", async || {
            let runners = app.get(&format!("/api/job/runners?jobId={id}")).await;
            runners.as_array().unwrap().is_empty().then_some(())
        })
        .await;
        app.run_sql("delete from audit_log").await;
        let dump = app.dump().await;
        assert!(!dump.contains(&id), "{dump}");
        let (status, body) = app.ask(Method::DELETE, &format!("/api/job/{id}")).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("job-not-found"))
        );
    });
}

/// The files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| walk(folder)));
    files
}

#[test]
fn what_a_function_writes_is_in_its_log() {
    App::story(async |app| {
        let module =
            "export const handler = (q, response) => { console.log('written', 1); response.text('x'); };";
        app.publish(&Package::new("a", "1").file("index.js", module))
            .await;
        app.call("/a").await;
        let line = eventually("the line is there", async || {
            let lines = app.get("/api/job/a/logs?limit=1000").await;
            lines
                .as_array()
                .unwrap()
                .iter()
                .find(|line| line["message"] == "written 1")
                .cloned()
        })
        .await;
        assert_eq!(
            (&line["stream"], &line["level"]),
            (&json!("stdout"), &json!("info"))
        );
        assert!(line["invocationId"].is_string(), "{line}");
        let after = format!("/api/job/a/logs?after={}", line["cursor"].as_str().unwrap());
        assert!(!app.get(&after).await.to_string().contains("written 1"));
        for wrong in ["limit=0", "limit=1001", "after=x", "limit=many"] {
            let (status, body) = app.ask(Method::GET, &format!("/api/job/a/logs?{wrong}")).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::BAD_REQUEST, &json!("bad-request")),
                "{wrong}"
            );
        }
    });
}

#[test]
fn runners_are_shown_and_ended() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1").with("action", json!({"runnerMinCount": 1})))
            .await;
        let ready = async || {
            let runners = app.get("/api/job/a/runners").await;
            let runners = runners.as_array().unwrap();
            runners
                .iter()
                .find(|runner| runner["stage"] == "ready")
                .map(|runner| runner["id"].to_string())
        };
        let first = eventually("a runner is ready", ready).await;
        let id = first.trim_matches('"');
        let (status, body) = app
            .ask(Method::DELETE, &format!("/api/job/a/runners/{id}?forceful=true"))
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        eventually("another one replaces it", async || {
            ready().await.filter(|runner| *runner != first)
        })
        .await;
        let (status, body) = app.ask(Method::DELETE, &format!("/api/job/a/runners/{id}")).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("runner-not-found"))
        );
        assert!(!app.get("/api/job/runners").await.as_array().unwrap().is_empty());
    });
}

#[test]
fn actions_triggers_and_the_tree_are_shown() {
    App::story(async |app| {
        let triggers = json!([
            {"type": "http", "path": "/a"},
            {"type": "mqtt", "topics": ["x"],
             "connection": {"protocol": "mqtt", "host": "h", "password": "pa55"}},
        ]);
        let (status, body) = app
            .publish(&Package::new("a", "1").with("triggers", triggers))
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let action = app.get("/api/job/a/actions:current").await;
        assert_eq!(
            (&action["runnerMinCount"], &action["runnerTimeout"]),
            (&json!(0), &json!(60)),
            "{action}"
        );
        assert_eq!(action["id"], body["data"]["actionId"]);
        let triggers = app.get("/api/job/a/triggers:current").await;
        assert_eq!(triggers[0]["id"], body["data"]["triggers"][0]["id"]);
        assert_eq!(triggers[1]["type"], "mqtt");
        assert!(!triggers.to_string().contains("pa55"));
        assert_eq!(app.get("/api/job/a/actions").await.as_array().unwrap().len(), 1);
        assert!(app.get("/api/debug/tree").await.to_string().contains("job"));
        for (method, path, status) in [
            (Method::GET, "/api/job/none/triggers", 404),
            (Method::GET, "/api/nothing", 404),
            (Method::GET, "/nothing", 404),
            (Method::PATCH, "/api/job/a", 405),
        ] {
            let (found, body) = app.ask(method, path).await;
            assert_eq!(
                (found.as_u16(), &body["success"]),
                (status, &json!(false)),
                "{path}"
            );
        }
    });
}
