//! The reserved paths, and that every code has its page.

use serde_json::json;

use super::TestGateway;
use crate::gateway::{Code, PAGES};
use crate::health::{Check, Finding, Port, Reason};

#[tokio::test]
async fn health_is_not_readiness() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/healthz", "").await;
    let alive = client.answer().await;
    assert_eq!(
        (alive.status, alive.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(alive.json()["status"], "alive");
    client.request("GET", "/readyz", "").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("failed")));
    for check in Check::ALL {
        gateway.health.found(check, Finding::Well);
    }
    client.request("GET", "/readyz", "").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ok")));
    client.request("HEAD", "/readyz", "").await;
    assert_eq!(client.head().await.status, 200);
    client.request("POST", "/healthz", "").await;
    assert_eq!(client.answer().await.code(), "method-not-allowed");
    client.request("GET", "/_jobber/anything", "").await;
    assert_eq!(client.answer().await.code(), "not-found");
}

#[tokio::test]
async fn strangers_hear_that_something_is_amiss_and_no_details() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    for check in Check::ALL {
        gateway.health.found(check, Finding::Well);
    }
    for check in [Check::Database, Check::Engine] {
        let finding = Finding::Amiss {
            reason: Reason::Unavailable,
            detail: Some("10.0.0.7 refused".to_owned()),
        };
        gateway.health.found(check, finding);
    }
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        client.request("GET", path, "").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains("database") && answer.text().contains("engine"));
        assert!(!answer.text().contains("10.0.0.7"), "{}", answer.text());
    }
    gateway.health.found(Check::Engine, Finding::Well);
    client.request("GET", "/readyz", "").await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &json!("degraded"))
    );
    let database = json!({ "check": "database", "status": "degraded", "reason": "unavailable" });
    assert_eq!(answer.json()["checks"][1], database);
}

#[tokio::test]
async fn a_gateway_that_is_not_served_any_more_is_not_ready() {
    let gateway = TestGateway::start();
    for check in Check::ALL {
        gateway.health.found(check, Finding::Well);
    }
    let mut client = gateway.connect().await;
    client.request("GET", "/readyz", "").await;
    assert_eq!(client.answer().await.status, 200);
    let health = gateway.health.clone();
    gateway.stopped().await;
    let report = health.report(Port::Admin);
    let amiss: Vec<_> = report.amiss().map(|check| (check.check, check.reason)).collect();
    assert_eq!(amiss, [(Check::Gateway, Some(Reason::NotServed))]);
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
