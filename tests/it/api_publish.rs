//! Publishing over HTTP, with the whole tree and real Node runners behind it.

use jobber::archive::ArchiveLimits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, answer, eventually, form};

#[test]
fn a_version_is_downloaded_as_it_was_published_and_removed_once_it_does_not_serve() {
    App::story(async |app| {
        let (one, two) = (
            Package::new("a", "1"),
            Package::new("a", "2").file("more.js", "export {};"),
        );
        let (_, first) = app.publish(&one).await;
        let path = format!(
            "/api/job/a/versions/{}",
            first["data"]["jobVersionId"].as_str().unwrap()
        );
        assert_eq!(app.get(&path).await["publishedBy"], Value::Null);
        assert_eq!(app.get("/api/job/a/versions/1").await, app.get(&path).await);
        let (_, unknown) = app.ask(Method::GET, "/api/job/a/versions/1.0").await;
        assert_eq!(unknown["code"], "version-not-found");
        for path in [&path, "/api/job/a/versions/1"] {
            let (status, body) = app.ask(Method::DELETE, path).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::CONFLICT, &json!("version-active")),
                "{path}"
            );
        }
        app.publish(&two).await;

        let archive = app
            .request(Method::GET, &format!("{path}/archive"))
            .send()
            .await
            .unwrap();
        let name = archive.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(name, "attachment; filename=\"a-1.zip\"");
        let zip = archive.bytes().await.unwrap();
        // The same content once more changes nothing, so it is the same.
        let form = reqwest::multipart::Part::bytes(zip.to_vec());
        let form = reqwest::multipart::Form::new().part("archive", form);
        let request = app.request(Method::POST, "/api/job/publish?allowAutomaticRollout=false");
        let (_, again) = answer(request.multipart(form)).await;
        assert_eq!(
            (&again["data"]["change"], &again["data"]["version"]),
            (&json!("unchanged"), &json!("1"))
        );

        assert_eq!(app.ask(Method::DELETE, &path).await.0, StatusCode::OK);
        assert_eq!(app.ask(Method::GET, &path).await.1["code"], "version-not-found");
        assert_eq!(app.get("/api/job/a/versions").await.as_array().unwrap().len(), 1);
        assert_eq!(app.call("/a").await.0, StatusCode::OK);
    });
}

#[test]
fn refusals_say_what_is_wrong_and_where() {
    App::story(async |app| {
        app.publish(&Package::new("first", "1").routes(&["/taken"])).await;
        let good = Package::new("a", "1");
        for (package, status, code) in [
            (good.clone().file("../evil.js", ""), 400, "archive-entry-name"),
            (
                good.clone().file("INDEX.js", ""),
                400,
                "archive-colliding-entries",
            ),
            (
                good.clone().file("zeros", vec![0; 4 << 20]),
                413,
                "archive-too-large",
            ),
            (good.clone().without("index.js"), 422, "manifest-invalid"),
            (good.clone().with("version", 1), 422, "manifest-invalid"),
            (good.clone().routes(&["/taken"]), 409, "route-taken"),
            (
                Package::new("first", "1").file("index.js", "other"),
                409,
                "version-taken",
            ),
        ] {
            let (found, body) = app.publish(&package).await;
            assert_eq!(
                (found.as_u16(), body["code"].as_str().unwrap()),
                (status, code),
                "{body}"
            );
            assert_eq!(
                (&body["success"], &body["status"]),
                (&json!(false), &json!(status))
            );
        }
        let (_, body) = app.publish(&good.clone().routes(&["/free", "/taken"])).await;
        assert_eq!(body["errors"][0]["pointer"], "/triggers/1");
        let (_, body) = app.publish(&good.clone().file("../evil.js", "")).await;
        assert!(body["detail"].as_str().unwrap().contains("../evil.js"), "{body}");
        let (_, body) = app
            .publish(&good.clone().without("index.js").with("name", ""))
            .await;
        let mut pointers: Vec<_> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/main", "/name"]);
        assert_eq!(app.get("/api/job").await.as_array().unwrap().len(), 1);
    });
}

#[test]
fn an_archive_comes_as_a_form_or_as_it_is_and_as_nothing_else() {
    App::story(async |app| {
        let publish = |media_type: &'static str, body: Vec<u8>| {
            let request = app.request(Method::POST, "/api/job/publish?allowAutomaticRollout=false");
            answer(request.header("content-type", media_type).body(body))
        };
        let zip = Package::new("a", "1").zip();
        let (status, body) = publish("application/zip", zip.clone()).await;
        assert_eq!(
            (status, &body["data"]["active"]),
            (StatusCode::OK, &json!(false)),
            "{body}"
        );
        assert_eq!(
            publish("text/plain", zip.clone()).await.0,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(
            publish("application/zip", Vec::new()).await.1["code"],
            "archive-not-a-zip"
        );
        assert_eq!(
            publish("multipart/form-data", zip).await.1["code"],
            "upload-interrupted"
        );
        let form = reqwest::multipart::Form::new().text("other", "x");
        let (status, body) = answer(app.request(Method::POST, "/api/job/publish").multipart(form)).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::BAD_REQUEST, &json!("archive-missing"))
        );
    });
}

#[test]
fn an_upload_over_the_limit_is_refused_and_leaves_nothing() {
    let limits = ArchiveLimits {
        packed_bytes: 100_000,
        ..ArchiveLimits::default()
    };
    App::limited_story(limits, async |app| {
        let uploads = || std::fs::read_dir(app.data.path().join("tmp")).unwrap().count();
        let (status, body) = answer(
            app.request(Method::POST, "/api/job/publish")
                .multipart(form(vec![1; 300_000])),
        )
        .await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::PAYLOAD_TOO_LARGE, &json!("archive-too-large"))
        );
        // One that does not say how long it is.
        let chunks = (0..6_400).map(|_| Ok::<_, std::io::Error>(vec![1; 10_000]));
        let endless = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let request = app
            .request(Method::POST, "/api/job/publish")
            .header("content-type", "application/zip");
        let (status, body) = answer(request.body(endless)).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::PAYLOAD_TOO_LARGE, &json!("archive-too-large"))
        );
        eventually("nothing is left", async || (uploads() == 0).then_some(())).await;
    });
}

#[test]
fn a_module_that_throws_is_told_with_its_stack_and_the_old_version_serves() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let broken = Package::new("a", "2").file("index.js", "throw new TypeError('not today');");
        let (status, body) = app.publish(&broken).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("import-failed")),
            "{body}"
        );
        assert_eq!(body["error"]["name"], "TypeError");
        assert!(
            body["error"]["stack"].as_str().unwrap().contains("index.js"),
            "{body}"
        );
        assert_eq!(app.call("/a").await, (StatusCode::OK, "hello".to_owned()));
        let versions = app.get("/api/job/a/versions").await;
        assert_eq!(versions[0]["importState"], "failed");

        let forced = app
            .request(Method::POST, "/api/job/publish?force=true")
            .multipart(form(broken.zip()));
        let (status, body) = answer(forced).await;
        assert_eq!(
            (status, &body["data"]["active"]),
            (StatusCode::OK, &json!(true)),
            "{body}"
        );
        assert_eq!(body["data"]["warnings"][0]["code"], "import-failed");
        assert!(app.call("/a").await.0.is_server_error());
    });
}
