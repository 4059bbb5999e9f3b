//! One invocation, in each of the ways in which it can end.

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::Instant;

use super::{hasty, hello, seconds, status};
use crate::invocation::{
    BodyError, InputBody, LostReason, Outcome, OutputBody, Refusal, TimeoutPhase, body_channel,
};
use crate::testing::{Refused, TestTree, whole};

#[test]
fn a_published_function_answers() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        assert_eq!(tree.get("/hello/there").await, "hello");
        assert_eq!(tree.send("/elsewhere/x").err(), Some(Refused::NoRoute));
        tree.shut_down().await;
    });
}

#[test]
fn bodies_of_every_size_come_back_as_they_went() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        for size in [0, 1, 65_536, 65_537, 300_000, 3_000_000] {
            let body = Bytes::from(vec![b'b'; size]);
            let pending = tree.send_body("/hello/echo", InputBody::Whole(body.clone()));
            let Outcome::Responded { body: answer, .. } = pending.expect("admitted").outcome().await else {
                panic!("{size} bytes were not answered");
            };
            assert_eq!(whole(answer).await, Ok(body), "{size} bytes");
        }
        tree.shut_down().await;
    });
}

#[test]
fn a_body_that_streams_in_is_read_at_the_handlers_pace() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let (mut sender, receiver) = body_channel(1024);
        let pending = tree
            .send_body("/hello/echo", InputBody::Stream(receiver))
            .expect("admitted");
        let mut sent = 0;
        for _ in 0..1000 {
            assert!(sender.send(Bytes::from_static(&[7; 1000])).await);
            sent += 1000;
        }
        sender.finish();
        let Outcome::Responded { body, .. } = pending.outcome().await else {
            panic!("not answered")
        };
        assert_eq!(whole(body).await.map(|body| body.len()), Ok(sent));
        tree.shut_down().await;
    });
}

#[test]
fn a_client_whose_body_breaks_off_cancels_its_invocation() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let (mut sender, receiver) = body_channel(1024);
        let pending = tree
            .send_body("/hello/echo", InputBody::Stream(receiver))
            .expect("admitted");
        sender.send(Bytes::from_static(b"half")).await;
        drop(sender);
        assert!(matches!(pending.outcome().await, Outcome::Failed(_)));
        assert_eq!(tree.engine.cancelled(), ["client"]);
        tree.shut_down().await;
    });
}

#[test]
fn what_a_handler_throws_is_its_callers_answer_and_a_line_of_its_log() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let Outcome::Failed(error) = tree.call("/hello/throw").await else {
            panic!("not failed")
        };
        assert_eq!(error.message, "it threw");
        tree.until(|| {
            tree.logs
                .messages()
                .iter()
                .any(|line| line == "Error: it threw\n    at handler")
        })
        .await;
        assert_eq!(tree.get("/hello/next").await, "hello", "the runner goes on");
        tree.shut_down().await;
    });
}

#[test]
fn a_handler_may_settle_without_an_answer() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        assert!(matches!(tree.call("/hello/settle").await, Outcome::Settled));
        tree.shut_down().await;
    });
}

#[test]
fn a_handler_that_is_too_slow_is_timed_out_and_told_so() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty()).await;
        let began = Instant::now();
        let outcome = tree.call("/hello/never").await;
        assert!(
            matches!(outcome, Outcome::TimedOut { phase: TimeoutPhase::Handler, after } if after == seconds(5)),
            "{outcome:?}"
        );
        assert!(began.elapsed() < seconds(6));
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        assert_eq!(tree.engine.cancelled(), ["timeout"]);
        assert_eq!(tree.engine.counts().asked, 1, "the runner let go and stays");
        tree.shut_down().await;
    });
}

#[test]
fn a_handler_that_does_not_let_go_costs_its_runner() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty()).await;
        let bystander = tree.send("/hello/never").expect("admitted");
        tokio::time::sleep(seconds(1)).await;
        assert!(matches!(
            tree.call("/hello/stubborn").await,
            Outcome::TimedOut { .. }
        ));
        assert!(matches!(bystander.outcome().await, Outcome::TimedOut { .. }));
        tree.until(|| tree.engine.counts().asked == 2).await;
        assert_eq!(tree.get("/hello/next").await, "hello");
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_caller_that_leaves_cancels_what_runs_and_what_waits() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hasty().action(json!({ "runnerAsynchronous": false, "runnerMaxCount": 1 })))
            .await;
        let running = tree.send("/hello/never").expect("admitted");
        let waiting = tree.send("/hello/never").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1 && tree.gauge("/hello/x").waiting == 1)
            .await;
        drop(waiting);
        tree.until(|| tree.gauge("/hello/x").waiting == 0).await;
        drop(running);
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        assert_eq!(
            tree.engine.cancelled(),
            ["client"],
            "what waited never reached the runner"
        );
        tree.shut_down().await;
    });
}

#[test]
fn a_reader_that_leaves_in_the_middle_of_an_answer_cancels_it() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let Outcome::Responded {
            body: OutputBody::Stream(mut body),
            ..
        } = tree.call("/hello/stream/2000").await
        else {
            panic!("not answered with a stream");
        };
        assert!(matches!(body.next().await, Some(Ok(_))));
        drop(body);
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        assert_eq!(tree.engine.cancelled(), ["client"]);
        tree.shut_down().await;
    });
}

#[test]
fn an_answer_larger_than_the_window_waits_for_its_reader() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let Outcome::Responded { body, .. } = tree.call("/hello/stream/3000").await else {
            panic!("not answered");
        };
        tokio::time::sleep(seconds(10)).await;
        assert_eq!(tree.gauge("/hello/x").running, 1, "it has not been read");
        assert_eq!(whole(body).await.map(|body| body.len()), Ok(3000 * 1024));
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_handler_that_works_on_after_its_answer_keeps_its_place() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        assert_eq!(status(&tree.call("/hello/late").await), 200);
        assert_eq!(tree.gauge("/hello/x").running, 1);
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_runner_that_exits_loses_what_it_had_and_the_caller_hears_how() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let bystander = tree.send("/hello/never").expect("admitted");
        let Outcome::Lost(LostReason::RunnerExited { exit }) = tree.call("/hello/exit").await else {
            panic!("not lost");
        };
        assert_eq!(exit.code, Some(3));
        assert!(matches!(
            bystander.outcome().await,
            Outcome::Lost(LostReason::RunnerExited { .. })
        ));
        assert_eq!(tree.get("/hello/next").await, "hello", "another runner serves");
        let Outcome::Lost(LostReason::RunnerExited { exit }) = tree.call("/hello/oom").await else {
            panic!("not lost");
        };
        assert!(exit.out_of_memory);
        tree.shut_down().await;
    });
}

#[test]
fn half_an_answer_is_cut_short_and_not_completed() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        let Outcome::Responded { body, .. } = tree.call("/hello/half").await else {
            panic!("not answered")
        };
        assert!(matches!(whole(body).await, Err(BodyError::CutShort(_))));
        tree.shut_down().await;
    });
}

#[test]
fn a_breach_of_the_protocol_ends_that_session_and_is_written_to_the_log() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        for breach in ["/hello/twice", "/hello/overrun"] {
            let bystander = tree.send("/hello/never").expect("admitted");
            let outcome = tree.call(breach).await;
            drop(outcome);
            assert!(matches!(bystander.outcome().await, Outcome::Lost(_)), "{breach}");
            assert_eq!(tree.get("/hello/next").await, "hello", "after {breach}");
        }
        tree.until(|| {
            let lines = tree.logs.messages();
            lines.iter().any(|line| line.contains("a second answer"))
                && lines.iter().any(|line| line.contains("had credit for"))
        })
        .await;
        tree.shut_down().await;
    });
}

#[test]
fn a_full_queue_refuses_and_a_long_wait_times_out() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({
            "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 2, "wait": 8 }, "runnerTimeout": 30,
        });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 1).await;
        let running = tree.send("/hello/wait/20000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        let waiting: Vec<_> = (0..2).map(|_| tree.send("/hello/x").expect("admitted")).collect();
        let refused = tree.send("/hello/x").err();
        assert_eq!(refused, Some(Refused::ByLane(Refusal::QueueFull { limit: 2 })));
        let began = Instant::now();
        for pending in waiting {
            let outcome = pending.outcome().await;
            assert!(
                matches!(
                    outcome,
                    Outcome::TimedOut {
                        phase: TimeoutPhase::Queue,
                        ..
                    }
                ),
                "{outcome:?}"
            );
        }
        assert!((seconds(8)..seconds(9)).contains(&began.elapsed()));
        assert_eq!(status(&running.outcome().await), 200);
        assert_eq!(tree.gauge("/hello/x").refused, 1);
        tree.shut_down().await;
    });
}
