//! Requests for which nobody waits: delivered by the durable queue, their answers kept.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::json;

use super::{hasty, seconds};
use crate::domain::{InvocationId, TriggerId};
use crate::invocation::{HttpInput, Input};
use crate::ports::{Delivery, DurableQueue, NewDelivery, Standing, Tries};
use crate::testing::{TestTree, test_settings};
use crate::tree::TreeSettings;

/// Keeps a request for `hello`, due at once.
async fn keep(tree: &TestTree, path: &str, body: &'static [u8]) -> InvocationId {
    let job = tree.route("/hello/x").expect("it is served").job;
    let id = InvocationId::generate();
    let http = HttpInput {
        method: "POST".into(),
        target: path.into(),
        scheme: "http".into(),
        authority: "localhost".into(),
        headers: Vec::new(),
        params: BTreeMap::new(),
        ip: Ipv4Addr::LOCALHOST.into(),
        size: None,
    };
    let new = NewDelivery {
        delivery: Delivery {
            id,
            job,
            trigger: TriggerId::generate(),
            trigger_name: None,
            input: Input::Http { http: Box::new(http) },
            body: Bytes::from_static(body),
            tries: Tries::default(),
        },
        standing: Standing::Due(chrono::DateTime::UNIX_EPOCH),
        failure: None,
    };
    tree.deliveries.keep(&[new]).await.expect("the fake works");
    tree.handle.hint_deliveries();
    id
}

#[test]
fn the_answer_to_a_kept_request_is_kept() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty()).await;
        let id = keep(&tree, "/hello/echo", b"what was sent").await;
        tree.until(|| !tree.deliveries.answers().is_empty()).await;
        let (answered, answer) = tree.deliveries.answers().remove(0);
        assert_eq!(
            (answered, answer.head.status, &answer.body[..]),
            (id, 200, &b"what was sent"[..])
        );
        assert_eq!(tree.deliveries.unfinished(), 0);
        tree.shut_down().await;
    });
}

#[test]
fn an_answer_that_is_too_large_fails_at_once() {
    run_paused(async {
        let settings = TreeSettings {
            max_result_bytes: 3,
            ..test_settings()
        };
        let tree = TestTree::start_with(settings);
        let retries = json!({ "retries": { "max": 5, "backoff": 1 } });
        tree.serve(&hasty().action(retries)).await;
        keep(&tree, "/hello/echo", b"more").await;
        tree.until(|| !tree.deliveries.dead().is_empty()).await;
        let (delivery, failure) = tree.deliveries.dead().remove(0);
        assert_eq!(
            (delivery.tries.failed, failure.reason.as_str()),
            (1, "response-too-large")
        );
        tree.shut_down().await;
    });
}

#[test]
fn a_request_that_nobody_wants_any_more_is_stopped() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty()).await;
        let id = keep(&tree, "/hello/wait/4000", b"").await;
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        tree.deliveries.remove(id);
        tree.handle.cancel_delivery(id);
        assert_eq!(tree.handle.deliveries().held, 0);
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        tokio::time::sleep(seconds(10)).await;
        assert!(tree.deliveries.answers().is_empty() && tree.deliveries.dead().is_empty());
        tree.shut_down().await;
    });
}
