//! Schemathesis on the real server: whatever is sent, no operation fails, and each answers what the document says.
//!
//! `JOBBER_SEED=17 cargo xtask it schemathesis` sends something else.

mod furnish;
mod report;
mod run;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use self::furnish::furnish;
use self::run::Run;
use crate::support::{App, answer};

/// What is sent follows from this, unless `JOBBER_SEED` says otherwise.
const SEED: u64 = 1;

#[test]
fn the_server_does_what_its_document_says() {
    App::story(async |app| {
        let furnished = furnish(app).await;
        let seed = std::env::var("JOBBER_SEED");
        let seed = seed.map_or(SEED, |seed| seed.parse().expect("JOBBER_SEED is a number"));
        println!("seed {seed}");
        let run = Run::of(app, &furnished, seed).await;

        let operations = operations(app).await;
        assert!(operations.len() > 40);
        let without = |seen: BTreeSet<String>| operations.difference(&seen).cloned().collect::<Vec<_>>();
        assert_eq!(without(run.report.tested()), [""; 0], "not tried: {run}");
        // Chance leaves some out; and nobody can think of a package, which `api_publish.rs` has.
        let never_successful = without(run.report.succeeded());
        assert!(
            never_successful.len() <= operations.len() / 10,
            "never successful: {never_successful:?}: {run}"
        );
        let request = app
            .stranger(Method::GET, "/api/auth")
            .bearer_auth(&furnished.token);
        assert_eq!(
            answer(request).await.0,
            StatusCode::OK,
            "the token was lost: {run}"
        );
    });
}

/// All operations of the document, as methods and paths, but for those whose answers have no end.
async fn operations(app: &App) -> BTreeSet<String> {
    let (status, document) = answer(app.stranger(Method::GET, "/api/openapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    let paths = document["paths"].as_object().unwrap().iter();
    let named = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        let ends = |about: &Value| about["responses"]["200"]["content"]["text/event-stream"].is_null();
        methods
            .filter(move |(_, about)| ends(about))
            .map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
    });
    named.collect()
}
