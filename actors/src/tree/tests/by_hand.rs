//! What a person begins.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;

use super::{hello, seconds};
use crate::domain::{JobId, JobVersion, TriggerId, VersionId};
use crate::invocation::{ByHand, HttpInput, Input, TriggerRef};
use crate::ports::InvocationStatus as Status;
use crate::testing::TestTree;
use crate::tree::{Begin, BeginError};

/// A request that nobody has sent.
fn begin(job: JobId, version: Option<VersionId>, path: &str) -> Begin {
    let http = HttpInput {
        method: "GET".into(),
        target: path.into(),
        scheme: "http".into(),
        authority: "test".into(),
        headers: Vec::new(),
        params: BTreeMap::new(),
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        size: None,
    };
    Begin {
        job,
        version,
        reason: ByHand::Test,
        trigger: TriggerRef {
            id: TriggerId::generate(),
            name: None,
        },
        input: Input::Http { http: Box::new(http) },
        body: Bytes::new(),
        answer_bytes: 1_000,
    }
}

fn on(version: &JobVersion, path: &str) -> Begin {
    begin(version.job, Some(version.id), path)
}

#[test]
fn an_answer_is_heard_to_its_end_and_its_beginning_is_kept() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        let begun = tree
            .handle
            .begin_by_hand(on(&version, "/hello/stream/300"), seconds(60));
        let heard = begun.await.expect("it was begun").heard_within(seconds(60)).await;
        let answer = heard.answer.expect("it was answered");
        assert_eq!(
            (answer.head.status, answer.bytes, answer.body.len()),
            (200, 300 * 1024, 1_000)
        );
        let end = heard.end.expect("it has ended");
        assert!(end.status == Status::Succeeded && end.error.is_none());
        tree.until(|| !tree.invocations.records().is_empty()).await;
        let record = tree.invocations.records().remove(0);
        assert_eq!(
            (record.by_hand, record.output_bytes),
            (Some(ByHand::Test), Some(300 * 1024))
        );
        assert!(record.payload.is_some(), "it is kept whatever the package says");
        tree.shut_down().await;
    });
}

#[test]
fn who_does_not_wait_for_the_end_does_not_end_it() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        let begun = tree
            .handle
            .begin_by_hand(on(&version, "/hello/wait/3000"), seconds(60));
        let mut begun = begun.await.expect("it was begun");
        let heard = begun.heard_within(Duration::from_millis(500)).await;
        assert!(heard.answer.is_none() && heard.end.is_none());
        assert_eq!(begun.end().await, Some(Status::Succeeded));
        tree.shut_down().await;
    });
}

#[test]
fn a_version_that_does_not_serve_does_it_and_serves_nobody_else() {
    run_paused(async {
        let tree = TestTree::start();
        let serving = tree.serve(&hello()).await;
        let other = tree.catalogue.publish(&hello().version("2.0.0"));
        let begun = tree.handle.begin_by_hand(on(&other, "/hello/throw"), seconds(60));
        let heard = begun.await.expect("it was begun").heard_within(seconds(60)).await;
        let end = heard.end.expect("it has ended");
        assert_eq!(end.status, Status::Failed);
        assert_eq!(end.error.expect("it threw").message, "it threw");
        tree.until(|| !tree.invocations.records().is_empty()).await;
        assert_eq!(tree.invocations.records()[0].version, Some(other.id));
        tree.get("/hello/x").await;
        tree.until(|| tree.invocations.records().len() == 2).await;
        assert_eq!(tree.invocations.records()[1].version, Some(serving.id));
        tree.shut_down().await;
    });
}

#[test]
fn nothing_is_begun_where_no_version_serves() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.catalogue.publish(&hello());
        let begun = tree
            .handle
            .begin_by_hand(begin(version.job, None, "/hello/x"), seconds(60));
        assert_eq!(begun.await.expect_err("nothing serves"), BeginError::NotServed);
        assert!(tree.invocations.records().is_empty());
        tree.shut_down().await;
    });
}
