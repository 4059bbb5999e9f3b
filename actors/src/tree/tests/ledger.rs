//! What is recorded of invocations.

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::sleep;

use super::{hasty, hello, seconds};
use crate::invocation::{Input, InputBody, Outcome};
use crate::metrics::Phase;
use crate::ports::{InvocationRecord, InvocationStatus as Status};
use crate::testing::{Refused, Sent, TestTree, whole};

impl TestTree {
    /// The only record, once it is final.
    async fn record(&self) -> InvocationRecord {
        let only = || self.invocations.records().pop();
        self.until(|| only().is_some_and(|record| record.status.is_final()))
            .await;
        let records = self.invocations.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.into_iter().next().expect("there is one")
    }
}

#[test]
fn an_answered_call_is_recorded_with_its_times_and_sizes() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        let began = tree.handle.surroundings().settings.clock.now();
        let body = InputBody::Whole(Bytes::from_static(b"12345"));
        let pending = tree.send_body("/hello/wait/300/?token=abc", body);
        pending.expect("admitted").outcome().await;
        let record = tree.record().await;
        assert_eq!((record.job, record.version), (version.job, Some(version.id)));
        assert_eq!((record.attempt, record.kind), (1, "http"));
        assert_eq!(record.subject, "GET /hello/wait/300/");
        assert_eq!(
            (record.status, record.http_status),
            (Status::Succeeded, Some(200))
        );
        assert_eq!(record.input_bytes, Some(5));
        assert!(record.output_bytes.is_some_and(|bytes| bytes > 0));
        assert!(record.runner.is_some() && record.error.is_none() && record.payload.is_none());
        assert_eq!(record.cold_start, None, "the runner was there");
        assert_eq!(record.peak_memory, Some(50_000_000), "as the runner said");
        assert!(record.queued >= began && record.started >= Some(record.queued));
        let took = record.ended.expect("it ended") - record.queued;
        assert!(took.num_milliseconds() >= 300, "{took}");
        tree.shut_down().await;
    });
}

#[test]
fn what_was_thrown_is_recorded_with_the_input_and_without_credentials() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let body = InputBody::Whole(Bytes::from_static(b"the input"));
        let pending = tree.send_body("/hello/throw/?token=abc&page=2", body);
        pending.expect("admitted").outcome().await;
        let record = tree.record().await;
        assert_eq!(record.status, Status::Failed);
        let error = record.error.expect("it failed");
        assert_eq!((&*error.code, &*error.message), ("function-failed", "it threw"));
        assert_eq!(error.name.as_deref(), Some("Error"));
        let payload = record.payload.expect("failures are captured");
        assert_eq!(payload.input_body.bytes, "the input");
        assert!(!payload.input_body.truncated && payload.output.is_none());
        let Input::Http { http } = payload.input else {
            panic!("it was a request")
        };
        assert_eq!(http.target, "/hello/throw/?token=[redacted]&page=2");
        tree.shut_down().await;
    });
}

#[test]
fn a_package_says_whose_input_and_output_is_kept() {
    run_paused(async {
        for (capture, path, kept) in [
            ("none", "/hello/throw", false),
            ("errors", "/hello/x", false),
            ("all", "/hello/x", true),
        ] {
            let tree = TestTree::start();
            tree.serve(&hello().action(json!({ "capture": capture }))).await;
            tree.call(path).await;
            let payload = tree.record().await.payload;
            assert_eq!(payload.is_some(), kept, "{capture} {path}");
            if let Some(payload) = payload {
                assert_eq!(payload.output.expect("answered").status, 200);
                assert_eq!(payload.output_body.bytes, "hello");
            }
            tree.shut_down().await;
        }
    });
}

#[test]
fn bodies_that_go_by_in_pieces_are_counted_and_their_beginning_is_kept() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello().action(json!({ "capture": "all" }))).await;
        let body = Bytes::from(vec![b'b'; 300_000]);
        let pending = tree.send_body("/hello/echo", InputBody::Whole(body));
        let Outcome::Responded { body, .. } = pending.expect("admitted").outcome().await else {
            panic!("not answered")
        };
        assert_eq!(whole(body).await.map(|body| body.len()), Ok(300_000));
        let record = tree.record().await;
        assert_eq!(record.status, Status::Succeeded);
        assert_eq!(
            (record.input_bytes, record.output_bytes),
            (Some(300_000), Some(300_000))
        );
        let payload = record.payload.expect("all is captured");
        for body in [payload.input_body, payload.output_body] {
            assert_eq!((body.bytes.len(), body.truncated), (16 * 1024, true));
        }
        tree.shut_down().await;
    });
}

#[test]
fn each_way_to_end_has_its_name() {
    run_paused(async {
        for (path, status, code) in [
            ("/hello/settle", Status::Succeeded, None),
            ("/hello/never", Status::TimedOut, Some("function-timeout")),
            ("/hello/exit", Status::Lost, Some("runner-lost")),
            ("/hello/half", Status::Lost, Some("runner-lost")),
        ] {
            let tree = TestTree::start();
            tree.serve(&hasty()).await;
            if let Outcome::Responded { body, .. } = tree.call(path).await {
                assert!(whole(body).await.is_err(), "{path} breaks off");
            }
            let record = tree.record().await;
            let found = record.error.as_ref().map(|error| &*error.code);
            assert_eq!((record.status, found), (status, code), "{path}");
            tree.shut_down().await;
        }
    });
}

#[test]
fn a_caller_that_leaves_is_recorded_as_such_wherever_its_invocation_is() {
    run_paused(async {
        let tree = TestTree::start();
        let one = json!({ "runnerAsynchronous": false, "runnerMaxCount": 1 });
        tree.serve(&hello().action(one)).await;
        let running = tree.send("/hello/never").expect("admitted");
        let waiting = tree.send("/hello/x").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        drop(waiting);
        drop(running);
        let all_cancelled = || {
            let records = tree.invocations.records();
            records.len() == 2 && records.iter().all(|record| record.status == Status::Cancelled)
        };
        tree.until(all_cancelled).await;
        let mut subjects: Vec<_> = tree
            .invocations
            .records()
            .into_iter()
            .map(|record| (record.subject, record.runner.is_some()))
            .collect();
        subjects.sort();
        let expected = [("GET /hello/never", true), ("GET /hello/x", false)];
        assert_eq!(subjects, expected.map(|(subject, ran)| (subject.to_owned(), ran)));
        tree.shut_down().await;
    });
}

#[test]
fn what_takes_long_can_be_seen_while_it_does() {
    run_paused(async {
        let tree = TestTree::start();
        let one = json!({ "runnerAsynchronous": false, "runnerMaxCount": 1 });
        tree.serve(&hello().action(one)).await;
        let running = tree.send("/hello/wait/9000").expect("admitted");
        let waiting = tree.send("/hello/wait/9001").expect("admitted");
        let states = || {
            let records = tree.invocations.records();
            let mut states: Vec<_> = records
                .iter()
                .map(|record| (record.subject.clone(), record.status))
                .collect();
            states.sort();
            states
        };
        let named = |first, second| {
            vec![
                ("GET /hello/wait/9000".to_owned(), first),
                ("GET /hello/wait/9001".to_owned(), second),
            ]
        };
        tree.until(|| states() == named(Status::Running, Status::Queued))
            .await;
        running.outcome().await;
        tree.until(|| states() == named(Status::Succeeded, Status::Running))
            .await;
        waiting.outcome().await;
        tree.until(|| states() == named(Status::Succeeded, Status::Succeeded))
            .await;
        tree.shut_down().await;
    });
}

#[test]
fn a_call_that_waits_for_a_new_runner_has_a_cold_start() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello().action(json!({ "runnerMinCount": 0, "runnerMaxIdleAge": 1 })))
            .await;
        tree.until_runners("/hello/x", 0).await;
        tree.call("/hello/x").await;
        let record = tree.record().await;
        assert_eq!(record.status, Status::Succeeded);
        let cold = record.cold_start.expect("there was no runner");
        let waited = record.started.expect("it ran") - record.queued;
        assert!(cold.connect + cold.load <= waited.to_std().expect("it waited") + seconds(1));
        // The same is in the numbers: what it waited for is apart from the queue.
        let jobs = tree.handle.tallies().all();
        let (_, tally) = jobs.first().expect("there is one job");
        let (_, http) = tally.by_trigger().next().expect("HTTP comes first");
        assert_eq!((http.cold_starts(), tally.runners().failed()), (1, 0));
        assert!(tally.runners().ready() >= 1);
        let sum = |phase| http.times(phase).sum;
        let parts = [Phase::Queue, Phase::Connect, Phase::Load, Phase::Handler].map(sum);
        assert_eq!(parts.into_iter().sum::<std::time::Duration>(), sum(Phase::Total));
        tree.shut_down().await;
    });
}

#[test]
fn records_wait_for_a_store_that_fails_however_long_it_does() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.invocations.fail(50);
        for _ in 0..20 {
            tree.get("/hello/x").await;
        }
        sleep(seconds(60)).await;
        assert_eq!(tree.invocations.records().len(), 0);
        assert_eq!(tree.crash("ledger"), 1);
        tree.until(|| tree.invocations.records().len() == 20).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_flood_of_refused_requests_is_recorded_in_part() {
    run_paused(async {
        let tree = TestTree::start();
        let none = json!({ "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 1 } });
        tree.serve(&hello().action(none)).await;
        tree.until_runners("/hello/x", 1).await;
        let _held = [tree.send("/hello/never"), tree.send("/hello/never")];
        let target = tree.route("/hello/x").expect("there is a route");
        for _ in 0..1000 {
            let Err(Refused::ByLane(refusal)) = tree.send("/hello/x") else {
                panic!("it is full")
            };
            let id = crate::domain::InvocationId::generate();
            let action = &target.action;
            action.record_refused(id, &target.trigger, &refusal, "GET", "/hello/x?a=b");
        }
        let refused = || {
            let mut records = tree.invocations.records();
            records.retain(|record| record.status == Status::Refused);
            records
        };
        tree.until(|| refused().len() >= 10).await;
        assert!(refused().len() <= 20, "{}", refused().len());
        let record = refused().pop().expect("there is one");
        assert_eq!(record.subject, "GET /hello/x");
        assert_eq!(record.error.expect("why").code, "queue-full");
        assert_eq!(target.action.gauge().refused, 1000);
        tree.shut_down().await;
    });
}

#[test]
fn attempts_at_a_message_have_a_record_each() {
    run_paused(async {
        let tree = TestTree::start();
        let trigger = json!({
            "type": "mqtt", "topics": ["a/+"], "connection": { "host": "broker" },
        });
        let retries = json!({ "retries": { "max": 1, "backoff": 1 } });
        tree.serve(&hello().action(retries).trigger(trigger)).await;
        let subscribed = || tree.broker.sessions().values().any(|filters| !filters.is_empty());
        tree.until(subscribed).await;
        tree.broker.publish(&Sent::new("a/throw", "x"));
        let attempts = || {
            let mut records = tree.invocations.records();
            records.sort_by_key(|record| record.attempt);
            records
        };
        tree.until(|| attempts().len() == 2).await;
        let attempts = attempts();
        assert_eq!(attempts[0].id, attempts[1].id);
        let seen = attempts
            .iter()
            .map(|record| (record.attempt, record.kind, record.status));
        assert!(seen.eq([(1, "mqtt", Status::Failed), (2, "mqtt", Status::Failed)]));
        assert_eq!(attempts[0].subject, "a/throw");
        assert_eq!(attempts[0].http_status, None);
        tree.shut_down().await;
    });
}
