//! Jobs' variables, from the admin API to the function.

use jobber::store::MAX_VARIABLES;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, answer, eventually};

#[test]
fn variables_reach_the_function_and_secrets_are_never_shown() {
    App::story(async |app| {
        let module =
            "export const handler = (q, response) => response.json([process.env.PLAIN, process.env.HIDDEN]);";
        app.publish(&Package::new("a", "1").file("index.js", module))
            .await;
        let set = async |name: &str, body: Value| {
            answer(
                app.request(Method::POST, &format!("/api/job/a/environment/{name}"))
                    .json(&body),
            )
            .await
        };
        assert_eq!(
            set("plain", json!({"type": "text", "value": "seen"})).await.0,
            StatusCode::OK
        );
        let form = reqwest::multipart::Form::new()
            .text("type", "secret")
            .text("value", "s3cret");
        let (status, _) = answer(
            app.request(Method::POST, "/api/job/a/environment/Hidden")
                .multipart(form),
        )
        .await;
        assert_eq!(status, StatusCode::OK);

        let listed = app.get("/api/job/a/environment/").await;
        assert_eq!(
            (&listed[1]["name"], &listed[1]["value"]),
            (&json!("PLAIN"), &json!("seen"))
        );
        assert_eq!(
            (&listed[0]["name"], &listed[0]["type"]),
            (&json!("HIDDEN"), &json!("secret"))
        );
        assert!(!listed.to_string().contains("s3cret"));
        eventually("a runner has them", async || {
            (app.call("/a").await.1 == r#"["seen","s3cret"]"#).then_some(())
        })
        .await;

        assert_eq!(
            set("1x", json!({"type": "text", "value": ""})).await.0,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            set("x", json!({"type": "odd", "value": ""})).await.0,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(
            set("x", json!({"type": "text", "value": "a\u{0}"})).await.0,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(
            app.ask(Method::DELETE, "/api/job/a/environment/plain").await.0,
            StatusCode::OK
        );
        assert_eq!(
            app.ask(Method::DELETE, "/api/job/a/environment/plain").await.1["code"],
            "variable-not-found"
        );
    });
}

#[test]
fn a_changed_variable_reaches_the_function_and_no_call_is_lost() {
    App::story(async |app| {
        let module = "export const handler = async (q, response) => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            response.text(String(process.env.VALUE));
        };";
        app.publish(&Package::new("a", "1").routes(&["/a"]).file("index.js", module))
            .await;
        for value in ["one", "two", "three"] {
            let change = async {
                let body = json!({"type": "text", "value": value});
                let request = app.request(Method::POST, "/api/job/a/environment/VALUE");
                let (status, body) = answer(request.json(&body)).await;
                assert_eq!(status, StatusCode::OK, "{body}");
            };
            // Several at once, all the time, until the new value is all that comes.
            let calls = async {
                eventually("every answer has the new value", async || {
                    let call = || app.call("/a");
                    let answers = futures_util::join!(call(), call(), call(), call());
                    let answers: [_; 4] = answers.into();
                    for (status, text) in &answers {
                        assert_eq!(*status, StatusCode::OK, "{text}");
                    }
                    answers.iter().all(|(_, text)| text == value).then_some(())
                })
                .await;
            };
            futures_util::join!(change, calls);
        }
    });
}

#[test]
fn a_job_has_so_many_variables_and_no_more() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let id = app.get("/api/job/a").await["id"].as_str().unwrap().to_owned();
        let many = format!(
            "insert into environment_variables (job_id, name, kind, value)
             select '{id}', 'V' || n, 'text', '' from generate_series(1, {MAX_VARIABLES}) n"
        );
        app.run_sql(&many).await;
        let set = async |name: &str| {
            let request = app.request(Method::POST, &format!("/api/job/a/environment/{name}"));
            answer(request.json(&json!({"type": "text", "value": "x"}))).await
        };
        let (status, body) = set("ONE_MORE").await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::PAYLOAD_TOO_LARGE, &json!("environment-full"))
        );
        assert_eq!(set("V1").await.0, StatusCode::OK);
        let names = async |query: &str| {
            let variables = app.parts(&format!("/api/job/a/environment?{query}")).await;
            let name = |variable: &Value| variable["name"].as_str().unwrap().to_owned();
            variables.iter().map(name).collect::<Vec<_>>()
        };
        let all = names("limit=300").await;
        assert_eq!(all.len(), usize::try_from(MAX_VARIABLES).unwrap());
        assert!(all.is_sorted());
        let mut backwards = names("limit=700&sort=-name").await;
        backwards.reverse();
        assert_eq!(backwards, all);
        assert!(names("type=secret").await.is_empty());
    });
}
