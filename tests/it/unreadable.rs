//! A version that was published when more was allowed than today.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, Publishing, answer};

/// Its manifest gets an argument that no package may have any more.
const SPOIL: &str = r#"
    update versions v
    set manifest = jsonb_set(manifest, '{action,runnerDockerArguments}', '{"directPassthroughArguments": ["--privileged"]}')
    from jobs j where j.id = v.job_id and j.name = 'old'"#;
const POINTER: &str = "/action/runnerDockerArguments/directPassthroughArguments/0";

/// What a list says of the version of a job.
fn of<'a>(list: &'a Value, job: &str) -> &'a Value {
    let items = list.as_array().unwrap();
    items.iter().find(|item| item["jobId"] == job).unwrap()
}

#[test]
fn it_is_told_with_its_problems_and_stands_in_nobodys_way() {
    actix_rt::System::new().block_on(async {
        let publishing = Publishing::new().await;
        let sound = publishing.publish(&Package::new("sound", "1.0.0")).await.unwrap();
        let old = publishing.publish(&Package::new("old", "1.0.0")).await.unwrap();
        publishing.db.client().await.batch_execute(SPOIL).await.unwrap();
        let (sound, job) = (sound.job_id.to_string(), old.job_id.to_string());

        let app = App::on(publishing.db).await;
        for list in [
            "/api/job/actions",
            "/api/job/triggers",
            "/api/job/triggers:latest",
        ] {
            let list = app.get(list).await;
            assert!(of(&list, &sound).get("problems").is_none(), "{list:#}");
            let told = of(&list, &job);
            assert_eq!(
                (&told["version"], &told["problems"][0]["pointer"]),
                (&json!("1.0.0"), &json!(POINTER))
            );
            let message = told["problems"][0]["message"].as_str().unwrap();
            assert!(message.contains("--privileged"), "{message}");
        }
        assert_eq!(of(&app.get("/api/job/triggers").await, &job)["type"], "http");
        assert_eq!(app.get("/api/job/old").await["version"], "1.0.0");
        assert_eq!(app.get("/api/job/old/versions").await[0]["active"], true);
        assert_eq!(app.call("/old").await.0, StatusCode::NOT_FOUND);

        // Neither is it activated, nor does it keep another version from it.
        let change = json!({ "jobVersionId": old.job_version_id, "force": true });
        let request = app.request(Method::PUT, "/api/job/old").json(&change);
        let (status, refused) = answer(request).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("manifest-invalid"))
        );
        assert_eq!(refused["errors"][0]["pointer"], POINTER);
        let (status, published) = app.publish(&Package::new("old", "1.0.1")).await;
        assert_eq!(status, StatusCode::OK, "{published:#}");
        assert_eq!(published["data"]["active"], true);
        assert_eq!(app.call("/old").await.0, StatusCode::OK);
        app.stop().await;
    });
}
