//! The record of invocations: in Postgres, and as the admin API tells it.

mod bulk;
mod keeping;
mod outage;
mod points;
mod replay;
mod secrets;
mod telling;
mod testing;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{App, Package, eventually};

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
