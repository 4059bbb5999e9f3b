//! Everything that is in a system is in the restored one.

use std::collections::BTreeSet;

use jobber::sealing::{KeySource, Keys};
use jobber::store::{PostgresDurableQueue, QueueLimits, establish_keys};
use jobber_actors::ports::DurableQueue as _;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Empty, Small, backups_of, definitions, key_opens, packages, passphrase, rows};
use crate::access::{everything, token, user};
use crate::support::calls::Calling;
use crate::support::queue::{dead, due};
use crate::support::{App, Package, TestDatabase, answer, eventually};

const MODULE: &str = "
    export const handler = async (request, response, context) => {
        if (!request.path) return;
        console.log('called', request.path());
        await context.increment('visits');
        response.text('hello');
    };";

/// One job with something of everything.
async fn furnish(app: &App) {
    let keys = Keys::load(KeySource::File(app.data.path().join("master-key"))).unwrap();
    establish_keys(&app.database, &keys).await.unwrap();
    for version in ["1.0.0", "2.0.0"] {
        let package = Package::new("shop", version)
            .file("index.js", MODULE)
            .with("action", json!({ "runnerMinCount": 0, "capture": "all" }))
            .with(
                "triggers",
                json!([
                    { "type": "http", "path": "/shop", "name": "main" },
                    { "type": "schedule", "cron": "0 0 1 1 *", "name": "yearly" },
                ]),
            );
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    for (name, kind) in [("KEY", "secret"), ("TEXT", "text")] {
        let variable = json!({ "type": kind, "value": "péché \"'\\\n" });
        let path = format!("/api/job/shop/environment/{name}");
        let (status, body) = answer(app.request(Method::POST, &path).json(&variable)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    app.get("/api/job/shop/callback-secret").await;
    let clerk = user(app, "clerk", everything()).await;
    token(app, &clerk, json!([])).await;
    let login = json!({ "username": "clerk", "password": crate::access::PASSWORD });
    let (status, _) = answer(app.stranger(Method::POST, "/api/auth/login").json(&login)).await;
    assert_eq!(status, StatusCode::OK);
}

/// What comes of it while it runs.
async fn run(app: &App) {
    assert_eq!(app.call("/shop").await, (StatusCode::OK, "hello".to_owned()));
    let later = app.later(Method::POST, "/shop").header("idempotency-key", "once");
    assert_eq!(later.body("later").send().await.unwrap().status(), 202);
    let (status, body) = app.ask(Method::POST, "/api/job/shop/triggers/yearly/run").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let job = app.get("/api/job/shop").await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let queue = PostgresDurableQueue::new(app.database.clone(), "it", QueueLimits::default());
    queue
        .keep(&[dead(job), dead(job), due(job, 86_400)])
        .await
        .unwrap();
    eventually("what happened is recorded", async || {
        app.hint_deliveries();
        let recorded = "select least(
            (select count(*) from invocations), (select count(*) from runner_logs), (select count(*) from job_store),
            (select count(*) from schedule_fires where state = 'fired'),
            (select count(*) from async_calls where ending is not null))";
        (app.count(recorded).await > 0).then_some(())
    })
    .await;
    app.run_sql(
        "select make_daily_partition('metric_rollups', current_date);
         insert into metric_rollups
         select now(), id, 'http', gen_random_uuid(), 1, 0, 0, 0, 0, 0, 0, 1, 5, 9, 1, 3, array_fill(1::int8, array[18]),
             array_fill(2::int8, array[18]), array_fill(3::int8, array[18]), 1, 1, 1 from jobs",
    )
    .await;
}

#[test]
fn a_restored_system_has_every_row_every_definition_and_every_package() {
    actix_rt::System::new().block_on(async {
        let db = TestDatabase::new().await;
        let (url, database) = (db.url.clone(), db.database.clone());
        let app = App::calling_on(db, Calling::default()).await;
        furnish(&app).await;
        run(&app).await;
        // From now on nothing changes any more.
        app.shut_down().await;
        let source = TestDatabase { database, url };
        let before = rows(&source.client().await).await;
        let filled: BTreeSet<_> = before
            .iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(table, _)| table.as_str())
            .collect();
        let base = |table: &str| {
            // A day's partition is called after its table.
            filled.iter().any(|filled| filled.starts_with(table))
        };
        for table in [
            "actions",
            "admin_token",
            "api_tokens",
            "async_calls",
            "audit_log",
            "deliveries",
            "delivery_usage",
            "environment_variables",
            "idempotency_keys",
            "invocation_payloads",
            "invocations",
            "job_store",
            "job_store_usage",
            "jobs",
            "master_key",
            "metric_rollups",
            "runner_logs",
            "schedule_cursors",
            "schedule_fires",
            "secrets",
            "sessions",
            "triggers",
            "users",
            "version_triggers",
            "versions",
        ] {
            assert!(base(table), "nothing is in {table}");
        }

        let backups = backups_of(&source, app.data.path(), 3);
        let made = backups.make(Some(passphrase())).await.unwrap();
        assert!(made.encrypted);
        let file = app.data.path().join("backups").join(&made.name);
        let target = Empty::new().await;
        let restored = target.restore(&file, Some(passphrase()), false).await.unwrap();
        assert_eq!((restored.stock.jobs, restored.stock.versions), (1, 2));
        assert!(restored.missing_keys.is_empty() && restored.has_token);

        let (old, new) = (source.client().await, target.db.client().await);
        let after = rows(&new).await;
        assert_eq!(rows(&old).await, before, "the source is as it was");
        let names = |tables: &std::collections::BTreeMap<String, Vec<String>>| -> Vec<String> {
            tables.keys().cloned().collect()
        };
        assert_eq!(names(&after), names(&before));
        for (table, rows) in &before {
            assert_eq!(&after[table], rows, "{table}");
        }
        assert_eq!(definitions(&new).await, definitions(&old).await);
        assert_eq!(packages(target.data.path()), packages(app.data.path()));
        assert_eq!(packages(target.data.path()).len(), 2);
        for secret in ["master-key", "admin-token"] {
            let read = |data: &std::path::Path| std::fs::read(data.join(secret)).unwrap();
            assert_eq!(read(target.data.path()), read(app.data.path()), "{secret}");
        }
        key_opens(&target.db, target.data.path()).await;
        app.stop().await;
    });
}

#[tokio::test]
async fn without_a_passphrase_no_secret_is_in_it_and_what_is_missing_is_told() {
    let small = Small::new().await;
    let made = small.backups.make(None).await.unwrap();
    let file = small.path_of(&made);
    let key = std::fs::read_to_string(small.publishing.data.path().join("master-key")).unwrap();
    let content = std::fs::read(&file).unwrap();
    let shown = String::from_utf8_lossy(&content);
    assert!(!made.encrypted && !shown.contains(key.trim()), "the key is in it");

    let target = Empty::new().await;
    let restored = target.restore(&file, None, false).await.unwrap();
    let needed = small.publishing.keys.ring().active().to_string();
    assert_eq!(restored.missing_keys, [needed]);
    assert!(!restored.has_token);
    assert!(!target.data.path().join("master-key").exists());
}

#[tokio::test]
async fn with_the_old_key_in_its_place_nothing_is_missing() {
    let small = Small::new().await;
    let made = small.backups.make(None).await.unwrap();
    let target = Empty::new().await;
    let (from, to) = (small.publishing.data.path(), target.data.path());
    std::fs::copy(from.join("master-key"), to.join("master-key")).unwrap();
    let restored = target.restore(&small.path_of(&made), None, false).await.unwrap();
    assert!(restored.missing_keys.is_empty());
    key_opens(&target.db, to).await;
}

#[tokio::test]
async fn replaced_is_only_what_was_there_and_all_of_it() {
    let (small, other) = (Small::new().await, Small::new().await);
    let made = small.backups.make(Some(passphrase())).await.unwrap();
    let before = rows(&small.publishing.db.client().await).await;
    let client = other.publishing.db.client().await;
    client
        .batch_execute(
            "create table newer (n int); create function newer() returns int language sql as 'select 1'",
        )
        .await
        .unwrap();
    // Its server stops.
    other.publishing.db.database.close();
    let (db, data) = (&other.publishing.db, other.publishing.data.path());
    drop(client);
    let file = small.path_of(&made);
    let replaced = eventually("the other's connections are gone", async || {
        super::restore_into(db, data, &file, Some(passphrase()), true)
            .await
            .ok()
    })
    .await;
    assert!(replaced.replaced.database && replaced.replaced.archives);
    assert_eq!(rows(&db.client().await).await, before);
    assert_eq!(packages(data), packages(small.publishing.data.path()));
    key_opens(db, data).await;
    assert!(!data.join("archives.before-restore").exists());
}
