//! Variables do not lie in the database in clear, and their key can be changed.

use std::path::Path;
use std::sync::Arc;

use jobber::sealing::{KeySource, Keys};
use jobber::store::{
    EnvironmentStore, PostgresCatalogue, SealedError, VariableKind, VariableSet, discard, establish_keys,
    require_no_key, reseal,
};
use jobber_actors::domain::JobId;
use jobber_actors::ports::Catalogue;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{App, Package, Publishing, answer, eventually};

const SECRET: &str = "hunter2-hunter2-hunter2";

fn keys_of(folder: &Path) -> Arc<Keys> {
    Arc::new(Keys::load(KeySource::File(folder.join("master-key"))).unwrap())
}

fn given(key: char) -> Arc<Keys> {
    let key = key.to_string().repeat(64);
    Arc::new(Keys::load(KeySource::Given(key.into())).unwrap())
}

async fn set(publishing: &Publishing, keys: &Arc<Keys>, job: JobId, name: &str, value: &str) {
    let store = EnvironmentStore::new(publishing.db.database.clone(), Arc::clone(keys));
    let set = store
        .set(job, name, VariableKind::Secret, &value.to_owned().into())
        .await;
    assert_eq!(set.unwrap(), VariableSet::Done);
}

async fn value(publishing: &Publishing, keys: &Arc<Keys>, job: JobId, name: &str) -> Option<String> {
    let catalogue = PostgresCatalogue::new(publishing.db.database.clone(), Arc::clone(keys));
    let job = catalogue.job(job).await.unwrap()?;
    let variable = job.environment.get(name)?;
    Some(variable.value.expose_secret().to_owned())
}

#[test]
fn a_function_gets_its_secret_and_the_database_does_not() {
    App::story(async |app| {
        let module = "export const handler = (request, response) => {
                console.log('the key is', process.env.KEY);
                response.text(process.env.KEY ?? 'none');
            };";
        app.publish(&Package::new("a", "1").file("index.js", module))
            .await;
        let secret = json!({ "type": "secret", "value": SECRET });
        let (status, _) = answer(
            app.request(Method::POST, "/api/job/a/environment/KEY")
                .json(&secret),
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        eventually("the function has its secret", async || {
            (app.call("/a").await.1 == SECRET).then_some(())
        })
        .await;
        eventually("the log has the line, without the secret", async || {
            let log = app.get("/api/job/a/logs").await.to_string();
            log.contains("the key is ********").then_some(())
        })
        .await;
        let dump = app.dump().await;
        assert!(!dump.contains(SECRET) && !dump.contains(&hex::encode(SECRET)));
        let listed = app.get("/api/job/a/environment").await;
        assert_eq!(
            (listed[0].get("value"), &listed[0]["name"]),
            (None, &json!("KEY"))
        );
    });
}

#[tokio::test]
async fn what_an_earlier_version_left_in_clear_is_sealed_at_the_start() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let client = publishing.db.client().await;
    let plain = "insert into environment_variables (job_id, name, kind, value) values ($1, $2, 'secret', $3)";
    for index in 0..600 {
        let name = format!("KEY_{index}");
        client
            .execute(plain, &[job.as_uuid(), &name, &SECRET])
            .await
            .unwrap();
    }
    let keys = &publishing.keys;
    // A server that runs already reads what one of an earlier version writes beside it, and writes over it.
    assert_eq!(
        value(&publishing, keys, job, "KEY_0").await.as_deref(),
        Some(SECRET)
    );
    set(&publishing, keys, job, "KEY_0", SECRET).await;
    let clear = "update environment_variables set value = $1, sealed = null where name = 'KEY_0'";
    client.execute(clear, &[&SECRET]).await.unwrap();
    assert_eq!(establish_keys(&publishing.db.database, keys).await.unwrap(), 600);
    assert_eq!(
        value(&publishing, keys, job, "KEY_599").await.as_deref(),
        Some(SECRET)
    );
    assert_eq!(establish_keys(&publishing.db.database, keys).await.unwrap(), 0);
    let clear = "select count(*) from environment_variables where value is not null or bytes <> 23";
    assert_eq!(publishing.db.count(clear).await, 0);
}

#[tokio::test]
async fn a_server_without_the_key_does_not_start() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let database = &publishing.db.database;
    establish_keys(database, &given('a')).await.unwrap();
    set(&publishing, &given('a'), job, "KEY", SECRET).await;
    let refused = establish_keys(database, &given('b')).await.unwrap_err();
    assert!(
        matches!(refused, SealedError::OtherKey(key) if key == given('a').ring().active()),
        "{refused}"
    );
    // Whoever lacks the database's key does not write with another one.
    let store = EnvironmentStore::new(database.clone(), given('c'));
    let refused = store
        .set(job, "OTHER", VariableKind::Secret, &SECRET.to_owned().into())
        .await;
    assert!(refused.unwrap_err().to_string().contains("which is not there"));
    // It has the database's key, and not the one of a value.
    let client = publishing.db.client().await;
    let activate = "update master_key set key_id = $1";
    let key = |digit| given(digit).ring().active();
    client.execute(activate, &[&key('c').as_bytes()]).await.unwrap();
    set(&publishing, &given('c'), job, "OTHER", SECRET).await;
    client.execute(activate, &[&key('a').as_bytes()]).await.unwrap();
    let refused = establish_keys(database, &given('a'))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("1 variables with the key"), "{refused}");
    // The job whose variable does not open is not served, and no other one suffers.
    assert_eq!(value(&publishing, &given('a'), job, "KEY").await, None);
}

#[tokio::test]
async fn servers_that_start_together_agree_on_a_key() {
    let publishing = Publishing::new().await;
    let database = &publishing.db.database;
    let (one, two) = (given('a'), given('b'));
    let (one, two) = tokio::join!(establish_keys(database, &one), establish_keys(database, &two));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let folder = tempfile::tempdir().unwrap();
    let made: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.path().to_owned();
            std::thread::spawn(move || keys_of(&folder).ring().active())
        })
        .collect();
    let made: Vec<_> = made.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(made.iter().all(|key| *key == made[0]), "{made:?}");
}

#[tokio::test]
async fn another_key_seals_everything_anew_while_servers_run() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let (database, running) = (&publishing.db.database, &publishing.keys);
    establish_keys(database, running).await.unwrap();
    for index in 0..1_200 {
        set(
            &publishing,
            running,
            job,
            &format!("KEY_{index}"),
            &format!("value {index}"),
        )
        .await;
    }
    let old = running.ring().active();

    let rotating = keys_of(publishing.key_folder.path());
    assert!(rotating.add().unwrap());
    let resealed = reseal(database, &rotating);
    let changing = async {
        for index in 0..50 {
            set(
                &publishing,
                running,
                job,
                &format!("KEY_{}", index * 20),
                "changed",
            )
            .await;
        }
    };
    let (resealed, ()) = tokio::join!(resealed, changing);
    let resealed = resealed.unwrap();
    assert!(resealed.values >= 1_100, "{resealed:?}");
    assert_ne!(resealed.active, old);

    // The server that runs reads the file again, and has lost nothing.
    assert_eq!(
        value(&publishing, running, job, "KEY_1").await.as_deref(),
        Some("value 1")
    );
    for index in 0..50 {
        let name = format!("KEY_{}", index * 20);
        assert_eq!(
            value(&publishing, running, job, &name).await.as_deref(),
            Some("changed")
        );
    }
    let again = reseal(database, &rotating).await.unwrap();
    assert_eq!(again.unused, [old]);
    establish_keys(database, &rotating).await.unwrap();
}

#[tokio::test]
async fn another_key_passes_over_what_does_not_open_and_names_it() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let (database, lost, kept) = (&publishing.db.database, given('a'), given('b'));
    require_no_key(database).await.unwrap();
    set(&publishing, &lost, job, "LOST", SECRET).await;
    let lost_key = lost.ring().active();
    let refused = require_no_key(database).await.unwrap_err();
    assert!(
        matches!(&refused, SealedError::MissingKeys(keys) if keys == &[(lost_key, 1)]),
        "{refused}"
    );
    for name in ["KEY_1", "MOVED", "KEY_2"] {
        set(&publishing, &kept, job, name, name).await;
    }
    let client = publishing.db.client().await;
    let moved = "update environment_variables set sealed =
        (select sealed from environment_variables where name = 'KEY_1') where name = 'MOVED'";
    client.execute(moved, &[]).await.unwrap();

    let new = "c".repeat(64);
    let both = Keys::load(KeySource::Given(format!("{new},{}", "b".repeat(64)).into())).unwrap();
    let resealed = reseal(database, &both).await.unwrap();
    assert_eq!(resealed.values, 2);
    let unopened: Vec<_> = resealed
        .unopened
        .iter()
        .map(|one| (one.job.as_str(), one.name.as_str(), one.key))
        .collect();
    let kept_key = kept.ring().active();
    assert_eq!(
        unopened,
        [("a", "LOST", Some(lost_key)), ("a", "MOVED", Some(kept_key))]
    );
    let with_lost = Keys::load(KeySource::Given(format!("{new},{}", "a".repeat(64)).into())).unwrap();
    let again = reseal(database, &with_lost).await.unwrap();
    assert_eq!((again.values, again.unopened.len()), (1, 1), "nothing is lost");

    // What was set anew since it was found is not removed.
    set(&publishing, &given('c'), job, "LOST", "anew").await;
    assert_eq!(discard(database, &resealed.unopened).await.unwrap(), 1);
    assert_eq!(
        value(&publishing, &given('c'), job, "LOST").await.as_deref(),
        Some("anew")
    );
    assert_eq!(value(&publishing, &given('c'), job, "MOVED").await, None);
    let short = "update environment_variables set sealed = '\\x01'::bytea where name = 'LOST'";
    let refused = client.execute(short, &[]).await.unwrap_err();
    let refused = refused.as_db_error().and_then(|error| error.constraint());
    assert_eq!(refused, Some("environment_variables_sealed_length"));
}

#[test]
fn a_variable_that_does_not_open_can_be_set_anew_and_removed_by_the_api() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let path = |name: &str| format!("/api/job/a/environment/{name}");
        let set = async |name: &str| {
            let variable = json!({ "type": "secret", "value": SECRET });
            let (status, body) = answer(app.request(Method::POST, &path(name)).json(&variable)).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        };
        set("KEY").await;
        set("OTHER").await;
        app.run_sql(
            "update environment_variables set sealed = set_byte(sealed, 5, get_byte(sealed, 5) # 255)",
        )
        .await;
        set("KEY").await;
        let (status, body) = app.ask(Method::DELETE, &path("OTHER")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let listed = app.get("/api/job/a/environment").await;
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["name"], "KEY");
    });
}
