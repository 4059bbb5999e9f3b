//! The reserved paths, and that every code has its page.

use super::TestGateway;
use crate::gateway::{Code, PAGES};

#[tokio::test]
async fn health_is_not_readiness() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/healthz", "").await;
    assert_eq!(client.answer().await.text(), "ok\n");
    client.request("GET", "/readyz", "").await;
    assert_eq!(client.answer().await.status, 503);
    gateway.gateway.set_ready(true);
    client.request("GET", "/readyz", "").await;
    assert_eq!(client.answer().await.status, 200);
    client.request("POST", "/healthz", "").await;
    assert_eq!(client.answer().await.code(), "method-not-allowed");
    client.request("GET", "/_jobber/anything", "").await;
    assert_eq!(client.answer().await.code(), "not-found");
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_page() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/nowhere", "").await;
    let page = client.answer().await.problem()["type"]
        .as_str()
        .expect("a path")
        .to_owned();
    client.request("GET", &page, "").await;
    let answer = client.answer().await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/markdown; charset=utf-8")
    );
    assert!(answer.text().contains("no-route"));
    client.request("HEAD", &format!("{PAGES}queue-full"), "").await;
    assert_eq!(client.head().await.status, 200);
}

#[test]
fn every_code_has_a_page_that_says_what_to_do() {
    for code in Code::ALL {
        let page = code.page();
        let (name, status) = (code.as_str(), code.status().as_u16());
        assert!(
            page.starts_with(&format!("# {name}\n")),
            "{name}: the title is the code"
        );
        assert!(
            page.contains(&format!("Status {status}")),
            "{name}: the page names the status"
        );
        for section in ["## Meaning", "## Cause", "## What to do"] {
            assert!(page.contains(section), "{name}: {section}");
        }
    }
}
