//! The record of invocations: in Postgres, and as the admin API tells it.

mod outage;
mod secrets;

use std::time::Duration;

use chrono::{Days, TimeDelta, Utc};
use jobber::store::{InvocationFilter, Listing, PostgresInvocations};
use jobber_actors::domain::{InvocationId, JobId, ServerId, TriggerId, VersionId};
use jobber_actors::invocation::{HttpInput, Input, TriggerRef};
use jobber_actors::ports::{
    CapturedBody, CapturedPayload, ColdStart, InvocationRecord, InvocationStatus, InvocationStore,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{App, Package, TestDatabase, answer, eventually};

const MODULE: &str = r#"
    export const handler = async (request, response) => {
        if (request.path() === "/throws") throw new TypeError(`no ${await request.text()} today`);
        response.header("set-cookie", "session=1").text(`hello ${request.header("x-name") ?? ""}`);
    };
"#;

/// The records of a job, once there are as many.
async fn recorded(app: &App, parameters: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/job/shop/invocations?limit=100{parameters}");
    eventually("the records are written", async || {
        let records = app.get(&path).await;
        let records = records.as_array().unwrap().clone();
        let written = records.len() == count && records.iter().all(|record| record["ended"].is_string());
        written.then_some(records)
    })
    .await
}

async fn publish(app: &App) {
    let package = Package::new("shop", "1")
        .routes(&["/answers", "/throws"])
        .file("index.js", MODULE);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[test]
fn what_became_of_an_invocation_is_told_with_its_input() {
    App::story(async |app| {
        publish(app).await;
        let client = jobber::outgoing::without_tls().build().unwrap();
        let throws = format!("{}/throws?token=open-sesame", app.gateway_url);
        let request = client.post(throws).header("authorization", "Bearer open-sesame");
        let response = request.body("bread").send().await.unwrap();
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-jobber-invocation"]
            .to_str()
            .unwrap()
            .to_owned();
        app.call("/answers").await;

        let records = recorded(app, "", 2).await;
        assert_eq!(records[0]["subject"], "GET /answers");
        assert_eq!(records[0]["status"], "succeeded");
        assert_eq!(records[0]["httpStatus"], 200);
        assert_eq!(records[0]["captured"], false);
        let failed = &records[1];
        assert_eq!((&failed["id"], &failed["status"]), (&json!(id), &json!("failed")));
        let error = json!({ "code": "function-failed", "name": "TypeError", "message": "no bread today" });
        assert_eq!((&failed["error"], &failed["inputBytes"]), (&error, &json!(5)));

        let opened = app.get(&format!("/api/invocations/{id}")).await;
        assert_eq!(opened["attempts"].as_array().unwrap().len(), 1);
        let timeline = opened["timeline"].as_array().unwrap();
        let moments: Vec<_> = timeline
            .iter()
            .map(|moment| moment["what"].as_str().unwrap())
            .collect();
        assert_eq!(moments, ["queued", "started", "failed"]);
        let payload = &opened["payload"];
        assert_eq!(payload["inputBody"]["text"], "bread");
        assert_eq!(payload["input"]["http"]["target"], "/throws?token=[redacted]");
        let headers = payload["input"]["http"]["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["authorization", "[redacted]"])));
        assert!(!opened.to_string().contains("open-sesame"), "{opened}");
        assert!(opened["logs"].as_str().unwrap().contains(&id));
    });
}

#[test]
fn invocations_are_found_by_what_is_known_of_them() {
    App::story(async |app| {
        publish(app).await;
        for path in ["/answers", "/throws", "/answers", "/throws", "/answers"] {
            app.call(path).await;
            // Ids and filters tell milliseconds apart, no less.
            let now = || Utc::now().timestamp_millis();
            let called = now();
            while now() == called {
                tokio::task::yield_now().await;
            }
        }
        let all = recorded(app, "", 5).await;
        let version = all[0]["versionId"].as_str().unwrap();
        let trigger = all[0]["triggerId"].as_str().unwrap();
        let middle = all[2]["id"].as_str().unwrap();
        let made = Uuid::parse_str(middle)
            .unwrap()
            .get_timestamp()
            .unwrap()
            .to_unix();
        let made = chrono::DateTime::from_timestamp(made.0.try_into().unwrap(), made.1).unwrap();
        let time = |time: chrono::DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        for (parameters, count) in [
            ("&status=failed".to_owned(), 2),
            ("&status=failed,succeeded".to_owned(), 5),
            ("&status=lost".to_owned(), 0),
            ("&type=http".to_owned(), 5),
            ("&type=mqtt".to_owned(), 0),
            (format!("&versionId={version}"), 5),
            (format!("&triggerId={trigger}"), 3),
            ("&text=TODAY".to_owned(), 2),
            ("&text=%25".to_owned(), 0),
            ("&longerThan=60000".to_owned(), 0),
            ("&shorterThan=60000".to_owned(), 5),
            (format!("&from={}", time(made + TimeDelta::milliseconds(1))), 2),
            (format!("&to={}", time(made)), 2),
        ] {
            assert_eq!(
                recorded(app, &parameters, count).await.len(),
                count,
                "{parameters}"
            );
        }
        let parts = app.parts("/api/invocations?limit=2&sort=made").await;
        let ids = |records: &[Value]| records.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
        let mut oldest_first = ids(&all);
        oldest_first.reverse();
        assert_eq!(ids(&parts), oldest_first);
        for (path, parameter) in [
            ("/api/invocations?status=lucky", "/status"),
            ("/api/invocations?state=failed", "/state"),
            ("/api/invocations?from=now", "/from"),
        ] {
            let (status, body) = app.ask(Method::GET, path).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {body}");
            assert_eq!(body["errors"][0]["pointer"], parameter, "{body}");
        }
    });
}

#[test]
fn an_invocation_is_done_again_as_it_was_or_edited() {
    App::story(async |app| {
        publish(app).await;
        app.call("/answers").await;
        let client = jobber::outgoing::without_tls().build().unwrap();
        let request = client.post(format!("{}/throws", app.gateway_url));
        request.body("bread").send().await.unwrap();
        let records = recorded(app, "", 2).await;
        let (failed, answered) = (
            records[0]["id"].as_str().unwrap(),
            records[1]["id"].as_str().unwrap(),
        );
        let replay = |id: &str, changes: Option<Value>| {
            let request = app.request(Method::POST, &format!("/api/invocations/{id}/replay"));
            answer(match changes {
                Some(changes) => request.json(&changes),
                None => request,
            })
        };
        let (status, body) = replay(answered, None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("invocation-not-captured"))
        );

        let (status, body) = replay(failed, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let again = body["data"]["invocationId"].as_str().unwrap().to_owned();
        recorded(app, "", 3).await;
        let opened = app.get(&format!("/api/invocations/{again}")).await;
        assert_eq!(
            (&opened["replayOf"], &opened["status"]),
            (&json!(failed), &json!("failed"))
        );
        assert_eq!(opened["error"]["message"], "no bread today");

        // A repetition is kept whatever becomes of it, and one can be edited.
        let mut input = opened["payload"]["input"].clone();
        input["http"]["target"] = json!("/answers");
        input["http"]["method"] = json!("GET");
        input["http"]["headers"] = json!([["x-name", "Ada"], ["authorization", "[redacted]"]]);
        let (status, body) = replay(failed, Some(json!({ "input": input, "body": "" }))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        assert_eq!(body["data"]["leftOut"], json!(["authorization"]));
        let edited = body["data"]["invocationId"].as_str().unwrap().to_owned();
        recorded(app, "", 4).await;
        let opened = app.get(&format!("/api/invocations/{edited}")).await;
        assert_eq!(opened["payload"]["outputBody"]["text"], "hello Ada");
        let cookie = json!(["set-cookie", "[redacted]"]);
        let headers = opened["payload"]["output"]["headers"].as_array().unwrap();
        assert!(headers.contains(&cookie), "{headers:?}");

        for (changes, pointer) in [
            (json!({ "body": "a", "bodyBase64": "YQ==" }), "/bodyBase64"),
            (json!({ "bodyBase64": "?" }), "/bodyBase64"),
            (json!({ "input": { "kind": "carrier pigeon" } }), "/input"),
            (json!({ "payload": "a" }), "/payload"),
        ] {
            let (status, body) = replay(failed, Some(changes.clone())).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{changes}: {body}");
            assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
        }
        let (status, body) = replay(&InvocationId::generate().to_string(), None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("invocation-not-found"))
        );
        let disable = app
            .request(Method::PUT, "/api/job/shop")
            .json(&json!({ "status": "disabled" }));
        assert_eq!(answer(disable).await.0, StatusCode::OK);
        let (status, body) = replay(failed, None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("job-not-served")),
            "{body}"
        );
    });
}

#[test]
fn an_invocation_is_done_again_on_a_version_that_does_not_serve() {
    App::story(async |app| {
        publish(app).await;
        app.call("/throws").await;
        let failed = recorded(app, "", 1).await[0].clone();
        let mended = Package::new("shop", "2").routes(&["/answers", "/throws"]).file(
            "index.js",
            "export const handler = (request, response) => response.text('mended');",
        );
        assert_eq!(app.publish(&mended).await.0, StatusCode::OK);
        let broken = Package::new("shop", "3").file("index.js", "throw new Error('not today')");
        assert_eq!(app.publish(&broken).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let versions = app.get("/api/job/shop/versions").await;
        let version = |name: &str| {
            let mut versions = versions.as_array().unwrap().iter();
            versions.find(|version| version["version"] == name).unwrap()["id"].clone()
        };
        let replay = format!("/api/invocations/{}/replay", failed["id"].as_str().unwrap());
        let replay = |version: Value| {
            let request = app.request(Method::POST, &replay);
            answer(request.json(&json!({ "versionId": version })))
        };

        for (name, status) in [("2", "succeeded"), ("1", "failed")] {
            let (code, body) = replay(version(name)).await;
            assert_eq!(code, StatusCode::ACCEPTED, "{body}");
            let again = body["data"]["invocationId"].as_str().unwrap().to_owned();
            let opened = eventually("it is recorded", async || {
                let (_, body) = app.ask(Method::GET, &format!("/api/invocations/{again}")).await;
                body["data"]["ended"].is_string().then(|| body["data"].clone())
            })
            .await;
            assert_eq!(
                (&opened["versionId"], &opened["status"], &opened["replayOf"]),
                (&version(name), &json!(status), &failed["id"])
            );
        }
        // Callers still get the one that serves.
        assert_eq!(app.call("/throws").await, (StatusCode::OK, "mended".into()));

        let (code, body) = replay(version("3")).await;
        assert_eq!(
            (code, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("import-failed")),
            "{body}"
        );
        let (code, body) = replay(json!(VersionId::generate())).await;
        assert_eq!(
            (code, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("version-not-found")),
            "{body}"
        );
    });
}

fn record(job: JobId, status: InvocationStatus) -> InvocationRecord {
    let now = Utc::now();
    InvocationRecord {
        id: InvocationId::generate(),
        attempt: 1,
        job,
        version: Some(VersionId::generate()),
        trigger: TriggerRef {
            id: TriggerId::generate(),
            name: Some("a name".into()),
        },
        kind: Input::HTTP,
        subject: "GET /a\0b".into(),
        status,
        queued: now - TimeDelta::milliseconds(1500),
        started: Some(now - TimeDelta::milliseconds(1000)),
        ended: status.is_final().then_some(now),
        runner: None,
        cold_start: Some(ColdStart {
            connect: Duration::from_millis(200),
            load: Duration::from_millis(30),
        }),
        input_bytes: Some(3),
        output_bytes: None,
        http_status: None,
        error: None,
        replay_of: None,
        payload: None,
        replaces: false,
    }
}

fn payload() -> Box<CapturedPayload> {
    let http = HttpInput {
        method: "GET".into(),
        target: "/a\0b".into(),
        scheme: "http".into(),
        authority: "shop".into(),
        headers: Vec::new(),
        params: std::collections::BTreeMap::new(),
        ip: [127, 0, 0, 1].into(),
        size: None,
    };
    Box::new(CapturedPayload {
        input: Input::Http { http: Box::new(http) },
        input_body: CapturedBody {
            bytes: vec![0, 1, 255].into(),
            truncated: true,
        },
        output: None,
        output_body: CapturedBody::default(),
    })
}

async fn statuses(store: &PostgresInvocations, job: JobId) -> Vec<String> {
    let (filter, listing) = (InvocationFilter::default(), Listing::default());
    let page = store.list(&[job], &filter, &listing).await.unwrap();
    page.items.into_iter().map(|record| record.status).collect()
}

#[tokio::test]
async fn records_that_come_again_are_kept_once_and_a_final_one_stays() {
    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(30));
    let (server, job) = (ServerId::generate(), JobId::generate());
    let mut open = record(job, InvocationStatus::Running);
    store.append(server, std::slice::from_ref(&open)).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["running"]);

    open.status = InvocationStatus::Succeeded;
    open.ended = Some(Utc::now());
    open.payload = Some(payload());
    open.replaces = true;
    let fresh = record(job, InvocationStatus::Failed);
    let batch = [open.clone(), fresh];
    store.append(server, &batch).await.unwrap();
    // The answer of a commit was lost: the whole batch comes again.
    store.append(server, &batch).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["failed", "succeeded"]);
    open.status = InvocationStatus::Lost;
    store.append(server, &[open.clone()]).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["failed", "succeeded"]);

    let found = store.find(open.id).await.unwrap().remove(0);
    assert_eq!(found.subject, "GET /a\u{fffd}b");
    assert_eq!(
        found.cold_start.map(|cold| (cold.connect_ms, cold.load_ms)),
        Some((200, 30))
    );
    let captured = store.captured(open.id, 1).await.unwrap().expect("it was kept");
    assert_eq!(
        (&captured.input_body[..], captured.input_truncated),
        (&[0, 1, 255][..], true)
    );
    assert_eq!(captured.input["http"]["target"], "/a\u{fffd}b");
}

#[tokio::test]
async fn what_a_server_had_in_hand_is_lost_with_it_and_not_before() {
    use jobber::store::{Listener, ListenerConfig};
    use tokio::sync::watch;
    use tokio::task::JoinSet;

    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(30));
    let (other, job) = (ServerId::generate(), JobId::generate());
    let (stop, stopped) = watch::channel(false);
    let listener = Listener::new(db.database.clone(), other, ListenerConfig::default());
    let (begun, mut begins) = watch::channel(false);
    let mut life = JoinSet::new();
    let hint = move |_| {
        begun.send_replace(true);
    };
    life.spawn(listener.run(hint, stopped));
    begins.wait_for(|begun| *begun).await.unwrap();

    let open = record(job, InvocationStatus::Running);
    store.append(other, std::slice::from_ref(&open)).await.unwrap();
    let me = ServerId::generate();
    assert_eq!(store.lose_of_dead_servers(me).await.unwrap(), 0, "it is there");
    stop.send_replace(true);
    life.join_all().await;
    assert_eq!(
        store.lose_of_dead_servers(me).await.unwrap(),
        0,
        "one look is not enough"
    );
    eventually("its connection is over", async || {
        (store.lose_of_dead_servers(me).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(statuses(&store, job).await, ["lost"]);

    // It was alive after all, and only its connection was away.
    let end = InvocationRecord {
        status: InvocationStatus::Succeeded,
        ended: Some(Utc::now()),
        replaces: true,
        ..open
    };
    store.append(other, &[end]).await.unwrap();
    assert_eq!(statuses(&store, job).await, ["succeeded"]);
}

#[tokio::test]
async fn old_days_are_dropped_and_days_to_come_are_ready() {
    let db = TestDatabase::new().await;
    let store = PostgresInvocations::new(db.database.clone(), Days::new(2));
    let (server, job) = (ServerId::generate(), JobId::generate());
    for days in 0..5 {
        let time = Utc::now() - TimeDelta::days(days);
        let milliseconds = u64::try_from(time.timestamp_millis()).unwrap();
        let mut old = record(job, InvocationStatus::Succeeded);
        let id = Uuid::new_v7(uuid::Timestamp::from_unix_time(milliseconds / 1000, 0, 0, 0));
        old.id = id.into();
        store.append(server, &[old]).await.unwrap();
    }
    assert_eq!(statuses(&store, job).await.len(), 5);
    assert_eq!(store.turn_partitions().await.unwrap(), 2);
    assert_eq!(statuses(&store, job).await.len(), 3);
    let partitions = "select count(*) from pg_inherits where inhparent = 'invocations'::regclass";
    assert_eq!(
        db.count(partitions).await,
        5,
        "two days before, today, and two to come"
    );
    // A day that somebody dropped is made again when it is needed.
    let mut late = record(job, InvocationStatus::Succeeded);
    let time = u64::try_from((Utc::now() - TimeDelta::days(4)).timestamp()).unwrap();
    late.id = Uuid::new_v7(uuid::Timestamp::from_unix_time(time, 0, 0, 0)).into();
    store.append(server, &[late]).await.unwrap();
    assert_eq!(statuses(&store, job).await.len(), 4);
}
