//! How what was open ends with its session, and what never gets into one.

use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::testing::{eventually, run_paused};
use tokio::time::Instant;

use super::Bench;
use crate::invocation::{InputBody, LostReason, Outcome, Refusal, body_channel};
use crate::session::SessionEvent;

#[test]
fn what_was_open_when_the_connection_ended_waits_for_the_reason() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (_, first) = bench.call().await;
        let (_sender, receiver) = body_channel(10);
        let (_, second) = bench.invoke(InputBody::Stream(receiver)).await;
        let (_, unused) = tokio::io::duplex(1);
        bench.wire = crate::testing::Wire::new(unused);
        let SessionEvent::Ended {
            protocol_broken: false,
            orphans,
            ..
        } = bench.event().await
        else {
            panic!("it has not ended");
        };
        assert_eq!(orphans.len(), 2);
        assert_eq!(bench.permits(), 2);
        orphans.answer(&LostReason::RunnerStopped);
        for pending in [first, second] {
            assert!(matches!(
                pending.outcome().await,
                Outcome::Lost(LostReason::RunnerStopped)
            ));
        }
        assert_eq!(bench.permits(), 0);
        eventually(Duration::from_secs(1), || bench.tasks.is_empty()).await;
    });
}

#[test]
fn orphans_that_nobody_answers_for_answer_by_themselves() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (_sender, receiver) = body_channel(10);
        let (_, pending) = bench.invoke(InputBody::Stream(receiver)).await;
        bench.session.close();
        drop(bench.event().await);
        assert!(matches!(
            pending.outcome().await,
            Outcome::Lost(LostReason::Dropped)
        ));
        assert_eq!(bench.permits(), 0);
        eventually(Duration::from_secs(1), || bench.tasks.is_empty()).await;
    });
}

#[test]
fn a_session_whose_task_is_aborted_tells_its_end_and_gives_back_what_it_had() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (_, pending) = bench.call().await;
        bench.tasks.abort();
        let SessionEvent::Ended { orphans, .. } = bench.event().await else {
            panic!("it has not ended")
        };
        drop(orphans);
        assert!(matches!(
            pending.outcome().await,
            Outcome::Lost(LostReason::Dropped)
        ));
        assert_eq!(bench.permits(), 0);
    });
}

#[test]
fn an_invocation_for_a_session_that_is_over_comes_back_untouched() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        bench.session.close();
        for body in ["small", &"large".repeat(100_000)] {
            let (invocation, _pending) = bench.invocation(InputBody::Whole(Bytes::from(body.to_owned())));
            let returned = bench.session.invoke(invocation, Instant::now()).unwrap_err();
            assert!(matches!(&returned.body, InputBody::Whole(bytes) if *bytes == body));
        }
        assert!(!bench.end().await.1);
    });
}

#[test]
fn a_request_whose_head_is_too_large_fails_alone() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (mut invocation, pending) = bench.invocation(InputBody::Whole(Bytes::new()));
        let crate::invocation::Input::Http { http } = &mut invocation.input else {
            panic!("a request was asked for")
        };
        http.headers.push(("x-large".into(), "x".repeat(70_000)));
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let outcome = pending.outcome().await;
        assert!(
            matches!(outcome, Outcome::Refused(Refusal::HeadTooLarge)),
            "{outcome:?}"
        );
        assert_eq!(bench.permits(), 0);
        assert_eq!(bench.call().await.0, 1, "the session goes on");
    });
}
