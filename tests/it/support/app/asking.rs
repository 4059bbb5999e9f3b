//! What a story asks a server for, and what it does to it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::App;
use crate::support::Package;

impl App {
    /// A request to the API with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// A request without it.
    pub fn stranger(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Asks and gives back status and body.
    pub async fn ask(&self, method: Method, path: &str) -> (StatusCode, Value) {
        answer(self.request(method, path)).await
    }

    /// `data` of a GET that succeeds.
    pub async fn get(&self, path: &str) -> Value {
        let (status, mut body) = self.ask(Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert_eq!(body["success"], true);
        body["data"].take()
    }

    /// All items of a list, part by part; the path has parameters already.
    pub async fn parts(&self, path: &str) -> Vec<Value> {
        const MOST_PARTS: usize = 100;
        let mut items = Vec::new();
        let mut cursor = String::new();
        for _ in 0..MOST_PARTS {
            let (status, body) = self.ask(Method::GET, &format!("{path}{cursor}")).await;
            assert_eq!(status, StatusCode::OK, "{path}{cursor}: {body}");
            items.extend(body["data"].as_array().unwrap().iter().cloned());
            match body["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("{path} has no end");
    }

    /// Publishes as the command line does.
    pub async fn publish(&self, package: &Package) -> (StatusCode, Value) {
        answer(
            self.request(Method::POST, "/api/job/publish")
                .multipart(form(package.zip())),
        )
        .await
    }

    /// The only number that a query gives.
    pub async fn count(&self, query: &str) -> i64 {
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }

    /// As if the database had said that calls have ended.
    pub fn look_for_calls(&self) {
        self.calls.as_ref().unwrap().look();
    }

    /// How many clients wait for the end of a call.
    pub fn waiters(&self) -> usize {
        self.calls.as_ref().unwrap().waiters()
    }

    /// Changes the database by hand.
    pub async fn run_sql(&self, sql: &str) {
        self.sql.batch_execute(sql).await.unwrap();
    }

    /// Everything that is in the database, as text.
    pub async fn dump(&self) -> String {
        let tables = "select table_name::text from information_schema.tables where table_schema = 'public'";
        let mut dump = String::new();
        for table in self.sql.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let rows = format!("select coalesce(string_agg(t::text, E'\n'), '') from \"{table}\" t");
            dump.push_str(self.sql.query_one(&rows, &[]).await.unwrap().get(0));
        }
        assert!(dump.len() > 100, "nothing is dumped");
        dump
    }

    /// Stops the server before the story ends.
    pub async fn shut_down(&self) {
        self.tree.shutdown(Duration::from_secs(10)).await.unwrap();
    }

    /// As if the database had said that something is due: nobody listens to it here.
    pub fn hint_deliveries(&self) {
        self.tree.hint_deliveries();
    }

    /// A request to the gateway.
    pub fn gateway(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.gateway_url))
    }

    /// Calls a function.
    pub async fn call(&self, path: &str) -> (StatusCode, String) {
        let response = self
            .client
            .get(format!("{}{path}", self.gateway_url))
            .send()
            .await
            .unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

/// A form with an archive, whose part claims to be something else.
pub fn form(zip: Vec<u8>) -> reqwest::multipart::Form {
    let part = reqwest::multipart::Part::bytes(zip)
        .file_name("package.tgz")
        .mime_str("text/plain")
        .unwrap();
    reqwest::multipart::Form::new()
        .text("comment", "ignored")
        .part("archive", part)
}

/// Status and JSON of an answer.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}
