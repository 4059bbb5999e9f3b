use jobber::api::AdminConfig;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{PASSWORD, everything, log_in, sent, user};
use crate::support::{App, answer};

#[test]
fn a_session_begins_with_the_password_and_ends_with_the_logout() {
    App::story(async |app| {
        let ada = user(app, "Ada", everything()).await;
        let cookie = log_in(app, "ada", PASSWORD).await.unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let as_ada = |method, path| app.stranger(method, path).header("cookie", sent(&cookie));
        let (_, body) = answer(as_ada(Method::GET, "/api/auth")).await;
        assert_eq!(body["data"]["user"], json!({ "id": ada, "username": "Ada" }));
        let (_, body) = answer(as_ada(Method::GET, "/api/auth/sessions")).await;
        assert_eq!(body["data"].as_array().unwrap().len(), 1);

        let (status, _) = answer(as_ada(Method::POST, "/api/auth/logout")).await;
        assert_eq!(status, StatusCode::OK);
        let (status, body) = answer(as_ada(Method::GET, "/api/auth")).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized"))
        );
    });
}

#[test]
fn only_the_hash_of_a_session_is_kept_and_each_login_has_a_new_one() {
    App::story(async |app| {
        user(app, "ada", everything()).await;
        let first = log_in(app, "ada", PASSWORD).await.unwrap();
        let secret = sent(&first).strip_prefix("jobber-session=").unwrap();
        let login = json!({ "username": "ada", "password": PASSWORD });
        let request = app.stranger(Method::POST, "/api/auth/login");
        let again = request
            .header("cookie", sent(&first))
            .json(&login)
            .send()
            .await
            .unwrap();
        let second = again.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert_ne!(sent(&first), sent(&second));
        let (status, _) = answer(
            app.stranger(Method::GET, "/api/auth")
                .header("cookie", sent(&first)),
        )
        .await;
        assert_eq!(
            status,
            StatusCode::UNAUTHORIZED,
            "a login ends the session that it came with"
        );
        assert!(!app.dump().await.contains(secret));
    });
}

#[test]
fn a_wrong_password_an_unknown_name_and_a_disabled_user_hear_the_same() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        let ada = user(app, "ada", everything()).await;
        let refused = async |name: &str, password: &str| {
            let (status, body) = log_in(app, name, password).await.unwrap_err();
            (status, body["message"].clone())
        };
        let wrong = refused("ada", "wrong horse").await;
        assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
        assert_eq!(refused("nobody", PASSWORD).await, wrong);
        let change = json!({ "enabled": false });
        let (status, _) = answer(
            app.request(Method::PUT, &format!("/api/users/{ada}"))
                .json(&change),
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(refused("ada", PASSWORD).await, wrong);
    });
}

#[test]
fn who_fails_too_often_has_to_wait() {
    App::story(async |app| {
        user(app, "ada", everything()).await;
        for _ in 0..5 {
            let (status, _) = log_in(app, "ada", "wrong horse").await.unwrap_err();
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        let login = json!({ "username": "ada", "password": PASSWORD });
        let refused = app
            .stranger(Method::POST, "/api/auth/login")
            .json(&login)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=300).contains(&wait));
        assert!(
            log_in(app, "bob", PASSWORD)
                .await
                .is_err_and(|(status, _)| status == StatusCode::UNAUTHORIZED)
        );
    });
}

#[test]
fn a_page_of_another_site_changes_nothing_with_a_cookie() {
    App::story(async |app| {
        user(app, "ada", everything()).await;
        let cookie = log_in(app, "ada", PASSWORD).await.unwrap();
        let logout = |origin: &str| {
            let request = app.stranger(Method::POST, "/api/auth/logout");
            request
                .header("cookie", sent(&cookie))
                .header("origin", origin.to_owned())
        };
        let (status, body) = answer(logout("https://evil.example")).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::FORBIDDEN, &json!("foreign-origin"))
        );
        assert_eq!(answer(logout(&app.url)).await.0, StatusCode::OK);
    });
}

#[test]
fn another_password_ends_all_other_sessions() {
    App::story(async |app| {
        let ada = user(app, "ada", everything()).await;
        let here = log_in(app, "ada", PASSWORD).await.unwrap();
        let there = log_in(app, "ada", PASSWORD).await.unwrap();
        let change = json!({ "password": "battery staple" });
        let request = app.stranger(Method::PUT, &format!("/api/users/{ada}"));
        let (status, body) = answer(request.header("cookie", sent(&here)).json(&change)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let status = async |cookie: &str| {
            answer(
                app.stranger(Method::GET, "/api/auth")
                    .header("cookie", sent(cookie)),
            )
            .await
            .0
        };
        assert_eq!(status(&here).await, StatusCode::OK);
        assert_eq!(status(&there).await, StatusCode::UNAUTHORIZED);
        assert!(log_in(app, "ada", PASSWORD).await.is_err());
        assert!(log_in(app, "ada", "battery staple").await.is_ok());
    });
}

#[test]
fn anybody_hears_whether_the_first_password_still_waits_to_be_used() {
    App::story(async |app| {
        let due = async || {
            let (status, body) = answer(app.stranger(Method::GET, "/api/auth/first-start")).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            // And nothing else: neither a name nor a place.
            let said = body["data"].as_object().unwrap();
            assert_eq!(said.len(), 1, "{body}");
            said["firstSignInDue"] == true
        };
        assert!(!due().await, "without any user there is no password");
        user(app, "admin", everything()).await;
        assert!(due().await);
        let wrong = json!({ "username": "admin", "password": "not this one" });
        let attempt = app.stranger(Method::POST, "/api/auth/login").json(&wrong);
        assert_eq!(answer(attempt).await.0, StatusCode::UNAUTHORIZED);
        assert!(due().await, "who was not let in has not used it");
        let cookie = log_in(app, "admin", PASSWORD).await.unwrap();
        assert!(!due().await);
        let leave = app
            .stranger(Method::POST, "/api/auth/logout")
            .header("cookie", sent(&cookie));
        assert_eq!(answer(leave).await.0, StatusCode::OK);
        assert!(!due().await, "it was used once");
    });
}

#[test]
fn whoever_signs_in_hears_where_functions_answer() {
    let admin = AdminConfig {
        gateway_url: Some("https://functions.example.com".to_owned()),
        gateway_port: 8080,
        ..AdminConfig::default()
    };
    App::administered_story(admin, async |app| {
        let gateway = app.get("/api/auth").await["gateway"].clone();
        assert_eq!(
            gateway,
            json!({ "url": "https://functions.example.com", "port": 8080 })
        );
    });
}
