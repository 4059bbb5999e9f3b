//! Backups by the admin API.

use jobber::backup::verify;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{PASSPHRASE, passphrase};
use crate::access::{everything, line, somebody, user};
use crate::support::{App, Package, answer};

#[test]
fn a_backup_is_made_listed_downloaded_and_removed() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1.0.0")).await;
        let (status, body) = app.ask(Method::POST, "/api/backups").await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let name = body["data"]["name"].as_str().unwrap().to_owned();
        assert_eq!(body["data"]["encrypted"], false);
        assert_eq!(app.get("/api/backups").await, json!([body["data"]]));

        let path = format!("/api/backups/{name}");
        let response = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.content_length(), body["data"]["bytes"].as_u64());
        let bytes = response.bytes().await.unwrap();
        let file = app.data.path().join("downloaded");
        std::fs::write(&file, bytes).unwrap();
        let manifest = verify(std::fs::File::open(&file).unwrap(), None).unwrap();
        assert_eq!(manifest.archives, 1);

        let (status, _) = app.ask(Method::DELETE, &path).await;
        assert_eq!(status, StatusCode::OK);
        let (status, body) = app.ask(Method::DELETE, &path).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("backup-not-found"))
        );
        assert_eq!(app.get("/api/backups").await, json!([]));
        let audited = app.get("/api/audit?resource=/api/backups").await;
        let actions: Vec<_> = audited
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["action"])
            .collect();
        assert_eq!(actions[2], "POST /api/backups");
        assert_eq!(audited[2]["after"]["name"], json!(name));
    });
}

#[test]
fn a_passphrase_is_used_and_told_nowhere() {
    App::story(async |app| {
        let with = json!({ "passphrase": PASSPHRASE });
        let (status, body) = answer(app.request(Method::POST, "/api/backups").json(&with)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        assert_eq!(body["data"]["encrypted"], true);
        let name = body["data"]["name"].as_str().unwrap();
        let file = std::fs::File::open(app.data.path().join("backups").join(name)).unwrap();
        assert!(verify(file, Some(&passphrase())).unwrap().has_secrets);
        assert!(!app.dump().await.contains(PASSPHRASE));

        let short = json!({ "passphrase": "hunter2" });
        let (status, body) = answer(app.request(Method::POST, "/api/backups").json(&short)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["pointer"], "/passphrase");
    });
}

#[test]
fn whoever_may_only_read_gets_the_list_and_not_the_content() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        let (_, body) = app.ask(Method::POST, "/api/backups").await;
        let path = format!("/api/backups/{}", body["data"]["name"].as_str().unwrap());
        let reader = somebody(app, json!([line("allow", "*", &["read"])])).await;
        assert_eq!(
            reader.status(app, Method::GET, "/api/backups").await,
            StatusCode::OK
        );
        assert_eq!(
            reader.status(app, Method::GET, &path).await,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            reader.status(app, Method::POST, "/api/backups").await,
            StatusCode::FORBIDDEN
        );
    });
}
