//! A deploy loses no request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use crate::support::{Package, Server, shared};

const CALLERS: usize = 8;
const DEPLOYS: u32 = 4;

fn says(version: u32) -> String {
    format!(
        "export async function handler(request, response) {{
            await new Promise((resolve) => setTimeout(resolve, 5));
            response.text('{version}');
        }}"
    )
}

/// Calls until it is told to stop. Gives what it heard, in order.
async fn call_until(server: &Server, stop: &AtomicBool) -> Vec<String> {
    let mut heard = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = server.get("/deployed").await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "after {} answers: {text}", heard.len());
        heard.push(text);
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn under_steady_load_no_request_fails_while_versions_follow_one_another() {
    let server = shared().await;
    server.publish(&Package::new("deployed", &says(0))).await.expect();
    let stop = Arc::new(AtomicBool::new(false));
    let callers = join_all((0..CALLERS).map(|_| call_until(server, &stop)));
    let deploys = async {
        for version in 1..=DEPLOYS {
            let package = Package::new("deployed", &says(version)).version(&format!("1.{version}.0"));
            server.publish(&package).await.expect();
            // What publishing answered is true at once.
            assert_eq!(
                server.get("/deployed").await.text().await.unwrap(),
                version.to_string()
            );
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (heard, ()) = tokio::join!(callers, deploys);
    for heard in heard {
        assert!(
            heard.is_sorted(),
            "no caller hears an old version after a new one: {heard:?}"
        );
        assert!(heard.len() > 10, "the load was steady: {} answers", heard.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_with_the_same_content_is_a_no_op_and_with_another_a_conflict() {
    let server = shared().await;
    let package = Package::new("same-version", &says(1));
    server.publish(&package).await.expect();
    let again = server.publish(&package).await;
    assert_eq!(again.status, 200, "{:#}", again.body);
    let other = server.publish(&package.module(&says(2))).await;
    assert_eq!(other.status, 409, "{:#}", other.body);
}
