//! Lists of the admin API: their parts, their orders and what is left out of them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{everything, line, token, user};
use crate::support::{App, Package, SECRET, answer};

const JOBS: [&str; 5] = ["delta", "alpha", "echo", "bravo", "charlie"];

/// Five jobs with two versions each, published one after another.
async fn fill(app: &App) {
    for name in JOBS {
        for version in ["1.0.0", "2.0.0"] {
            let triggers = json!([
                {"type": "http", "name": "page", "path": format!("/{name}")},
                {"type": "schedule", "name": "daily", "cron": "0 3 * * *"},
                {"type": "http", "name": "other", "path": format!("/{name}/other")},
            ]);
            let package = Package::new(name, version).with("triggers", triggers);
            let (status, body) = app.publish(&package).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
    }
    let change = json!({"description": "Not for ALPHA eyes", "status": "disabled"});
    let (status, body) = answer(app.request(Method::PUT, "/api/job/echo").json(&change)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn texts(app: &App, path: &str, field: &str) -> Vec<String> {
    let items = app.parts(path).await;
    let text = |item: &Value| item[field].as_str().unwrap().to_owned();
    items.iter().map(text).collect()
}

fn reversed(mut items: Vec<String>) -> Vec<String> {
    items.reverse();
    items
}

#[test]
fn jobs_come_in_parts_in_every_order_and_filtered() {
    App::story(async |app| {
        fill(app).await;
        let names = async |query: &str| texts(app, &format!("/api/job?{query}"), "name").await;
        let sorted = ["alpha", "bravo", "charlie", "delta", "echo"];
        for limit in [1, 2, 3, 5, 6] {
            assert_eq!(names(&format!("limit={limit}")).await, sorted);
            assert_eq!(names(&format!("limit={limit}&sort=created")).await, JOBS);
        }
        assert_eq!(
            names("limit=2&sort=-name").await,
            reversed(names("limit=2").await)
        );
        let newest = names("limit=2&sort=-created").await;
        assert_eq!(newest, reversed(names("sort=created").await));
        let changed = names("limit=1&sort=-modified").await;
        assert_eq!(changed[0], "echo");
        assert_eq!(names("sort=modified").await, reversed(changed));

        assert_eq!(names("status=disabled").await, ["echo"]);
        assert_eq!(names("limit=1&status=enabled").await, sorted[..4]);
        assert_eq!(names("limit=1&search=ALPHA").await, ["alpha", "echo"]);
        assert_eq!(names("search=%25").await, [""; 0]);

        // Whoever knows nothing of parts gets all.
        assert_eq!(app.get("/api/job/").await.as_array().unwrap().len(), 5);
        let (_, first) = app.ask(Method::GET, "/api/job?limit=2&sort=-name").await;
        let next = first["next"].as_str().unwrap();
        let other = format!("/api/job?sort=name&cursor={next}");
        assert_eq!(app.ask(Method::GET, &other).await.0, StatusCode::BAD_REQUEST);
    });
}

/// A part begins where the one before ended, whatever happened to its last item.
#[test]
fn what_goes_and_comes_meanwhile_disturbs_no_part() {
    App::story(async |app| {
        fill(app).await;
        let (_, first) = app.ask(Method::GET, "/api/job?limit=2").await;
        let next = first["next"].as_str().unwrap();
        let (status, _) = app.ask(Method::DELETE, "/api/job/bravo").await;
        assert_eq!(status, StatusCode::OK);
        app.publish(&Package::new("aaa", "1").routes(&["/aaa"])).await;
        app.publish(&Package::new("bzz", "1").routes(&["/bzz"])).await;
        let rest = app.get(&format!("/api/job?limit=9&cursor={next}")).await;
        let names: Vec<_> = rest.as_array().unwrap().iter().map(|job| &job["name"]).collect();
        assert_eq!(names, ["bzz", "charlie", "delta", "echo"]);
    });
}

#[test]
fn versions_actions_and_triggers_come_in_parts() {
    App::story(async |app| {
        fill(app).await;
        let versions = async |query: &str| {
            let path = format!("/api/job/alpha/versions?{query}");
            texts(app, &path, "version").await
        };
        assert_eq!(versions("limit=1").await, ["2.0.0", "1.0.0"]);
        assert_eq!(versions("limit=1&sort=created").await, ["1.0.0", "2.0.0"]);
        assert_eq!(versions("version=1.0.0").await, ["1.0.0"]);
        assert_eq!(versions("importState=failed").await, [""; 0]);
        assert_eq!(versions("limit=1&importState=succeeded").await.len(), 2);

        let alpha = app.get("/api/job/alpha").await["id"].as_str().unwrap().to_owned();
        let of_alpha = format!("jobId={alpha}&limit=1");
        for (path, all) in [("actions", 10), ("actions:latest", 5)] {
            let ids = async |query: &str| texts(app, &format!("/api/job/{path}?{query}"), "id").await;
            let whole = ids("limit=1000").await;
            assert_eq!(whole.len(), all);
            assert_eq!(ids("limit=3").await, whole);
            assert_eq!(reversed(ids("limit=3&sort=created").await), whole);
            let own = ids(&of_alpha).await;
            assert!(own.len() == all / 5 && own.iter().all(|id| whole.contains(id)));
        }
        for (path, all) in [("triggers", 30), ("triggers:latest", 15)] {
            let names = async |query: &str| texts(app, &format!("/api/job/{path}?{query}"), "name").await;
            let ids = async |query: &str| texts(app, &format!("/api/job/{path}?{query}"), "id").await;
            let whole = ids("sort=-created").await;
            assert_eq!(whole.len(), all);
            // Parts that end within a version, whose triggers always come in the manifest's order.
            assert_eq!(ids("limit=2").await, whole);
            let mut oldest = ids("limit=4&sort=created").await;
            oldest.chunks_exact_mut(3).for_each(<[_]>::reverse);
            assert_eq!(reversed(oldest), whole);
            for query in ["limit=4", "limit=4&sort=created"] {
                assert_eq!(names(query).await[..4], ["page", "daily", "other", "page"]);
            }
            assert_eq!(names("type=schedule&limit=2").await, vec!["daily"; all / 3]);
            assert_eq!(names(&of_alpha).await.len(), all / 5);
        }
        let path = "/api/job/alpha/triggers:current?limit=2&sort=created";
        assert_eq!(texts(app, path, "name").await, ["page", "daily", "other"]);
        let daily = app.get("/api/job/alpha/triggers:current?type=schedule").await;
        assert_eq!(daily[0]["next"].as_array().unwrap().len(), 5);
    });
}

#[test]
fn runners_come_in_parts_and_filtered() {
    App::story(async |app| {
        for name in ["a", "b"] {
            let always = json!({"runnerMinCount": 2});
            app.publish(
                &Package::new(name, "1")
                    .routes(&[&format!("/{name}")])
                    .with("action", always),
            )
            .await;
        }
        let ids = async |query: &str| texts(app, &format!("/api/job/runners?{query}"), "id").await;
        let all = ids("ready=true").await;
        assert!(all.len() >= 2, "each job has been imported by a runner: {all:?}");
        let oldest = ids("limit=1").await;
        assert_eq!(reversed(ids("limit=1&sort=-created").await)[..2], oldest[..2]);
        let version = app.get("/api/job/a").await["jobVersionId"]
            .as_str()
            .unwrap()
            .to_owned();
        let of_a = app
            .parts(&format!("/api/job/runners?limit=1&versionId={version}"))
            .await;
        assert!(!of_a.is_empty() && of_a.iter().all(|runner| runner["versionId"] == json!(version)));
        let path = "/api/job/b/runners?limit=1";
        assert!(
            app.parts(path)
                .await
                .iter()
                .all(|runner| runner["versionId"] != json!(version))
        );
        assert!(app.parts("/api/job/b/runners?ready=false").await.len() < 3);
    });
}

#[test]
fn the_logs_of_all_jobs_are_one_and_say_whose_each_line_is() {
    App::story(async |app| {
        for name in ["a", "b"] {
            let module = format!(
                "export const handler = (q, response) => {{ console.log('by {name}'); response.text('x'); }};"
            );
            app.publish(
                &Package::new(name, "1")
                    .routes(&[&format!("/{name}")])
                    .file("index.js", &module),
            )
            .await;
            app.call(&format!("/{name}")).await;
        }
        let of = async |query: &str| {
            let lines = app.get(&format!("/api/job/logs?limit=1000{query}")).await;
            let lines = lines.as_array().unwrap().clone();
            let own = lines.into_iter().filter(|line| line["stream"] == "stdout");
            own.map(|line| (line["jobId"].clone(), line["message"].clone()))
                .collect::<Vec<_>>()
        };
        let mut expected = Vec::new();
        for name in ["a", "b"] {
            let id = app.get(&format!("/api/job/{name}")).await["id"].clone();
            expected.push((id, json!(format!("by {name}"))));
        }
        let both = crate::support::eventually("both lines are there", async || {
            let mut lines = of("").await;
            lines.sort_by_key(|(_, message)| message.to_string());
            (lines.len() == 2).then_some(lines)
        })
        .await;
        assert_eq!(both, expected);
        let only = format!("&jobId={}", expected[1].0.as_str().unwrap());
        assert_eq!(of(&only).await, expected[1..]);
    });
}

#[test]
fn the_configuration_is_told_without_secrets() {
    App::story(async |app| {
        let settings = app.get("/api/config").await;
        let setting = |name: &str| {
            let all = settings.as_array().unwrap();
            all.iter()
                .find(|setting| setting["name"] == name)
                .cloned()
                .unwrap()
        };
        assert_eq!(setting("MANAGER_PORT")["value"], "5211");
        assert!(setting("MANAGER_PORT")["source"].is_string());
        assert!(!setting("DATABASE_URL")["value"].as_str().unwrap().is_empty());
        let all = settings.to_string();
        assert!(
            !all.contains(SECRET) && !all.contains(&hex::encode(SECRET)),
            "{all}"
        );
    });
}

/// A list with what the jobs are made of now needs one request, and shows no more than one may read.
#[test]
fn jobs_are_listed_with_their_runners_and_triggers() {
    App::story(async |app| {
        fill(app).await;
        let list = app.get("/api/job?detailed=true").await;
        let of = |name: &str| {
            list.as_array()
                .unwrap()
                .iter()
                .find(|job| job["name"] == name)
                .unwrap()
        };
        let alpha = of("alpha");
        assert_eq!(
            (&alpha["version"], &alpha["runners"]["most"]),
            (&json!("2.0.0"), &json!(16))
        );
        assert!(alpha["runners"]["now"].as_u64().unwrap() >= 1, "{alpha}");
        let told = |job: &Value, field: &str| {
            let triggers = job["triggers"].as_array().unwrap().iter();
            json!(triggers.map(|trigger| &trigger[field]).collect::<Vec<_>>())
        };
        assert_eq!(told(alpha, "name"), json!(["page", "daily", "other"]));
        assert_eq!(told(alpha, "type"), json!(["http", "schedule", "http"]));
        assert_eq!(told(alpha, "status"), json!(["healthy", "healthy", "healthy"]));
        assert_eq!(
            told(of("echo"), "status"),
            json!(["unknown", "unknown", "unknown"]),
            "it is disabled"
        );
        // Whoever does not ask gets what there always was.
        let plain = app.get("/api/job").await;
        assert!(plain[0].get("triggers").is_none() && plain[0].get("runners").is_none());

        let ada = user(app, "ada", everything()).await;
        let some = json!([
            line("allow", "job/alpha", &["read"]),
            line("deny", "job/alpha/runners", &["read"]),
            line("deny", "job/alpha/triggers/daily", &["read"]),
        ]);
        let (_, token) = token(app, &ada, some).await;
        let request = app
            .stranger(Method::GET, "/api/job?detailed=true")
            .bearer_auth(&token);
        let (status, seen) = answer(request).await;
        assert_eq!(
            (status, seen["data"].as_array().unwrap().len()),
            (StatusCode::OK, 1)
        );
        assert_eq!(seen["data"][0]["runners"], Value::Null);
        assert_eq!(told(&seen["data"][0], "name"), json!(["page", "other"]));
    });
}
