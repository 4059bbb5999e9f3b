//! Every operation: nobody without proof of who they are, nobody without the permission, and whoever has it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{everything, line, somebody, user};
use crate::support::{App, Package, answer};

/// An operation, and the action and the resource that it needs.
struct Operation {
    method: Method,
    path: &'static str,
    needs: Option<(&'static str, &'static str)>,
}

/// `JOB` is a job's name, `ID` an id that nothing has.
fn operations() -> Vec<Operation> {
    let table = "
        GET    /api/auth                                         -
        GET    /api/auth/sessions                                -
        DELETE /api/auth/sessions/ID                             -
        POST   /api/auth/logout                                  -
        GET    /api/debug/tree                                   read   system/supervision
        GET    /api/audit                                        read   system/audit
        GET    /api/users/ID                                     read   user/ID
        POST   /api/users                                        write  user
        PUT    /api/users/ID                                     write  user/ID
        DELETE /api/users/ID                                     delete user/ID
        GET    /api/api-tokens/ID                                read   api-tokens/ID
        POST   /api/api-tokens                                   write  api-tokens
        PUT    /api/api-tokens/ID                                write  api-tokens/ID
        DELETE /api/api-tokens/ID                                delete api-tokens/ID
        POST   /api/job/publish                                  write  job/-/publish
        GET    /api/job/JOB                                      read   job/JOB
        PUT    /api/job/JOB                                      write  job/JOB
        GET    /api/job/JOB/versions                             read   job/JOB/versions
        GET    /api/job/JOB/versions/ID                          read   job/JOB/versions/ID
        GET    /api/job/JOB/versions/ID/archive                  read   job/JOB/versions/ID
        DELETE /api/job/JOB/versions/ID                          delete job/JOB/versions/ID
        GET    /api/job/JOB/actions                              read   job/JOB/actions
        GET    /api/job/JOB/actions:latest                       read   job/JOB/actions
        GET    /api/job/JOB/actions:current                      read   job/JOB/actions
        GET    /api/job/JOB/triggers                             read   job/JOB/triggers
        GET    /api/job/JOB/triggers:latest                      read   job/JOB/triggers
        GET    /api/job/JOB/triggers:current                     read   job/JOB/triggers
        GET    /api/job/JOB/triggers/main/status                 read   job/JOB/triggers/main
        GET    /api/job/JOB/triggers/main/fires                  read   job/JOB/triggers/main
        POST   /api/job/JOB/triggers/main/run                    write  job/JOB/triggers/main
        GET    /api/job/JOB/logs                                 read   job/JOB/logs
        GET    /api/job/JOB/runners                              read   job/JOB/runners
        DELETE /api/job/JOB/runners/ID                           delete job/JOB/runners/ID
        GET    /api/job/JOB/environment                          read   job/JOB/environment
        POST   /api/job/JOB/environment/A                        write  job/JOB/environment/A
        DELETE /api/job/JOB/environment/A                        delete job/JOB/environment/A
        GET    /api/job/JOB/store                                read   job/JOB/store
        GET    /api/job/JOB/store/a                              read   job/JOB/store/a
        PUT    /api/job/JOB/store/a                              write  job/JOB/store/a
        DELETE /api/job/JOB/store/a                              delete job/JOB/store/a
        POST   /api/job/JOB/store/a/increment                    write  job/JOB/store/a
        POST   /api/job/JOB/store/a/compare-and-set              write  job/JOB/store/a
        GET    /api/job/JOB/queue                                read   job/JOB/queue
        GET    /api/job/JOB/dead-letters                         read   job/JOB/dead-letters
        GET    /api/job/JOB/dead-letters/ID                      read   job/JOB/dead-letters
        POST   /api/job/JOB/dead-letters/ID/redrive              write  job/JOB/dead-letters
        POST   /api/job/JOB/dead-letters/redrive                 write  job/JOB/dead-letters
        DELETE /api/job/JOB/dead-letters/ID                      delete job/JOB/dead-letters
        DELETE /api/job/JOB/dead-letters                         delete job/JOB/dead-letters
        DELETE /api/job/JOB                                      delete job/JOB
    ";
    let rows = table
        .lines()
        .map(str::split_whitespace)
        .map(Iterator::collect::<Vec<_>>);
    rows.filter(|row| !row.is_empty())
        .map(|row| Operation {
            method: row[0].parse().unwrap(),
            path: row[1],
            needs: row.get(3).map(|resource| (row[2], *resource)),
        })
        .collect()
}

const ID: &str = "018f3a5e-7f4e-7c3a-9b0a-0123456789ab";

fn named(text: &str) -> String {
    text.replace("JOB", "shop").replace("ID", ID)
}

#[test]
fn nobody_without_proof_and_nobody_without_the_permission() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let newcomer = somebody(app, json!([])).await;
        for Operation { method, path, needs } in operations() {
            let path = named(path);
            let send = async |request: reqwest::RequestBuilder| {
                let (status, body) = answer(request.json(&json!({}))).await;
                (status, body["code"].clone())
            };
            let anonymous = send(app.stranger(method.clone(), &path)).await;
            assert_eq!(
                anonymous,
                (StatusCode::UNAUTHORIZED, json!("unauthorized")),
                "{method} {path}"
            );
            let Some((action, resource)) = needs else { continue };

            let (status, _) = send(newcomer.request(app, method.clone(), &path)).await;
            // A document is read before anybody can know what it is about.
            let unread = matches!(status, StatusCode::BAD_REQUEST) && !path.starts_with("/api/job/shop/trig");
            assert!(
                status == StatusCode::FORBIDDEN || unread,
                "{method} {path}: {status}"
            );

            let may = somebody(app, json!([line("allow", &named(resource), &[action])])).await;
            let (status, code) = send(may.request(app, method.clone(), &path)).await;
            let allowed = status != StatusCode::FORBIDDEN && status != StatusCode::UNAUTHORIZED;
            assert!(
                allowed && !status.is_server_error(),
                "{method} {path}: {status} {code}"
            );
        }
    });
}

#[test]
fn lists_show_what_one_may_read() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        for name in ["shop", "bank"] {
            app.publish(&Package::new(name, "1.0.0").routes(&[&format!("/{name}")]))
                .await;
        }
        let clerk = somebody(app, json!([line("allow", "job/shop", &["read"])])).await;
        let list = async |path: &str| {
            let (status, body) = answer(clerk.request(app, Method::GET, path)).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            body["data"].as_array().unwrap().clone()
        };
        let jobs = list("/api/job").await;
        assert_eq!((jobs.len(), &jobs[0]["name"]), (1, &json!("shop")));
        assert!(
            list("/api/job/runners")
                .await
                .iter()
                .all(|runner| runner["jobId"] == jobs[0]["id"])
        );
        assert!(list("/api/users").await.is_empty() && list("/api/api-tokens").await.is_empty());
        // Whoever may see only some jobs does not hear which others there are.
        for name in ["bank", "nothing"] {
            let path = format!("/api/job/{name}");
            assert_eq!(clerk.status(app, Method::GET, &path).await, StatusCode::FORBIDDEN);
        }
    });
}
