use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, everything, line, somebody, user};
use crate::support::{App, answer};

async fn put(app: &App, user: &str, change: Value) -> (StatusCode, Value) {
    answer(
        app.request(Method::PUT, &format!("/api/users/{user}"))
            .json(&change),
    )
    .await
}

#[test]
fn users_are_listed_in_parts_by_their_names() {
    App::story(async |app| {
        for name in ["carol", "Ada", "bob"] {
            user(app, name, json!([])).await;
        }
        let (_, first) = app.ask(Method::GET, "/api/users?limit=2").await;
        let names = |body: &Value| -> Vec<String> {
            let users = body["data"].as_array().unwrap().iter();
            users
                .map(|user| user["username"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&first), ["Ada", "bob"]);
        let next = first["next"].as_str().unwrap();
        let (_, last) = app
            .ask(Method::GET, &format!("/api/users?limit=2&cursor={next}"))
            .await;
        assert_eq!(
            (names(&last), &last["next"]),
            (vec!["carol".to_owned()], &Value::Null)
        );
        assert!(!app.dump().await.contains(PASSWORD));
    });
}

#[test]
fn a_name_is_taken_once_in_whatever_case_and_has_a_shape() {
    App::story(async |app| {
        let ada = user(app, "Ada", everything()).await;
        let create = async |name: &str, password: &str| {
            let new = json!({ "username": name, "password": password });
            answer(app.request(Method::POST, "/api/users").json(&new)).await
        };
        let (status, body) = create("aDA", PASSWORD).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("username-taken"))
        );
        for name in ["", " ada", "a\nb", &"a".repeat(129)] {
            let (status, body) = create(name, PASSWORD).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
            assert_eq!(body["errors"][0]["pointer"], "/username");
        }
        let (status, body) = create("bob", "short").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["pointer"], "/password");
        user(app, "bob", json!([])).await;
        let (status, body) = put(app, &ada, json!({ "username": "BOB" })).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("username-taken"))
        );
        let (status, body) = put(app, &ada, json!({ "usernam": "x" })).await;
        assert_eq!(
            (status, &body["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/usernam"))
        );
    });
}

#[test]
fn the_last_administrator_stays() {
    App::story(async |app| {
        let ada = user(app, "ada", everything()).await;
        let refused = async |answered: (StatusCode, Value)| {
            assert_eq!(answered.0, StatusCode::CONFLICT, "{}", answered.1);
            assert_eq!(answered.1["code"], "last-administrator");
        };
        refused(put(app, &ada, json!({ "enabled": false })).await).await;
        refused(put(app, &ada, json!({ "permissions": [] })).await).await;
        refused(app.ask(Method::DELETE, &format!("/api/users/{ada}")).await).await;
        let bob = user(app, "bob", everything()).await;
        assert_eq!(
            app.ask(Method::DELETE, &format!("/api/users/{ada}")).await.0,
            StatusCode::OK
        );
        refused(app.ask(Method::DELETE, &format!("/api/users/{bob}")).await).await;
    });
}

#[test]
fn nobody_gives_or_takes_more_than_they_have() {
    App::story(async |app| {
        let admin = user(app, "admin", everything()).await;
        let users = line("allow", "user", &["read", "write", "delete"]);
        let reads = line("allow", "job", &["read"]);
        let clerk = somebody(app, json!([users, reads])).await;
        let create = async |permissions: Value| {
            let new = json!({ "username": "new", "password": PASSWORD, "permissions": permissions });
            answer(clerk.request(app, Method::POST, "/api/users").json(&new)).await
        };
        let (status, body) = create(json!([line("allow", "job", &["write"])])).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::FORBIDDEN, &json!("more-than-you-have"))
        );
        assert_eq!(
            create(json!([line("allow", "job/shop", &["read"])])).await.0,
            StatusCode::CREATED
        );

        let path = format!("/api/users/{admin}");
        for change in [
            json!({ "password": "battery staple" }),
            json!({ "enabled": false }),
        ] {
            let (status, body) = answer(clerk.request(app, Method::PUT, &path).json(&change)).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::FORBIDDEN, &json!("more-than-you-have")),
                "{change}"
            );
        }
        assert_eq!(
            clerk.status(app, Method::DELETE, &path).await,
            StatusCode::FORBIDDEN
        );
    });
}

#[test]
fn each_part_of_a_user_needs_its_own_permission() {
    App::story(async |app| {
        let bob = user(app, "bob", json!([])).await;
        let renamer = somebody(app, json!([line("allow", "user/*/username", &["write"])])).await;
        let change = async |change: Value| {
            let request = renamer.request(app, Method::PUT, &format!("/api/users/{bob}"));
            answer(request.json(&change)).await.0
        };
        assert_eq!(change(json!({ "username": "robert" })).await, StatusCode::OK);
        assert_eq!(
            change(json!({ "username": "bob", "password": PASSWORD })).await,
            StatusCode::FORBIDDEN
        );
        assert_eq!(change(json!({ "permissions": [] })).await, StatusCode::FORBIDDEN);
        assert_eq!(change(json!({})).await, StatusCode::FORBIDDEN);
    });
}
