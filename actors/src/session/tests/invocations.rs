//! Invocations on a session: bodies, credit, deadlines, cancellation, and how they end with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::testing::{eventually, run_paused};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Bench;
use crate::action::Placed;
use crate::invocation::{BodyError, InputBody, Outcome, OutputBody, TimeoutPhase, body_channel};
use crate::protocol::{CHUNK_BYTES, Flags, FrameKind};
use crate::session::INITIAL_CREDIT_BYTES;
use crate::testing::START;
use crate::trace::TraceState;

const WINDOW: usize = INITIAL_CREDIT_BYTES as usize;
const MOMENT: Duration = Duration::from_millis(100);

/// Bytes of input that come until there is no more for a moment, and whether they were the last.
async fn input(bench: &mut Bench) -> (usize, bool) {
    let mut bytes = 0;
    while let Ok(frame) = timeout(MOMENT, bench.wire.expect(FrameKind::Data)).await {
        assert!(frame.body.len() <= CHUNK_BYTES);
        bytes += frame.body.len();
        if frame.flags.is_end() {
            return (bytes, true);
        }
    }
    (bytes, false)
}

#[test]
fn the_runner_is_told_the_trace_of_an_invocation() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (mut invocation, _pending) = bench.invocation(InputBody::Whole(Bytes::new()));
        invocation.trace.state = TraceState::parse(["vendor=a"]);
        let traceparent = invocation.trace.traceparent().to_string();
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let head: Value = bench.wire.expect(FrameKind::Invoke).await.head().unwrap();
        assert_eq!(head["traceparent"], traceparent);
        assert_eq!(head["tracestate"], "vendor=a");

        let (invocation, _pending) = bench.invocation(InputBody::Whole(Bytes::new()));
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let head: Value = bench.wire.expect(FrameKind::Invoke).await.head().unwrap();
        assert_eq!(head.get("tracestate"), None, "nobody said anything");
    });
}

#[test]
fn an_answer_frees_its_place_before_its_caller_hears_it() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        let head = json!({ "status": 201, "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
        bench
            .say(
                FrameKind::Response,
                Flags::END.with(Flags::SETTLED),
                stream,
                head,
                b"made",
            )
            .await;
        let Outcome::Responded {
            head,
            body: OutputBody::Whole(body),
        } = pending.outcome().await
        else {
            panic!("not answered");
        };
        assert_eq!((bench.permits(), bench.session.open_streams()), (0, 0));
        assert_eq!(
            (head.status, head.headers.len(), &body[..]),
            (201, 2, &b"made"[..])
        );
    });
}

#[test]
fn what_waits_goes_to_the_runner_as_soon_as_it_has_settled_another() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let now = Instant::now();
        bench
            .lane
            .add_runner(Arc::clone(&bench.session), START, 1, false, now);
        let (first, _first) = bench.invocation(InputBody::Whole(Bytes::new()));
        let (second, _second) = bench.invocation(InputBody::Whole(Bytes::new()));
        assert_eq!(bench.lane.place(first, now), Placed::Dispatched);
        assert_eq!(bench.lane.place(second, now), Placed::Queued);
        let stream = bench.wire.expect(FrameKind::Invoke).await.stream;
        bench
            .say(FrameKind::Settled, Flags::NONE, stream, json!({}), b"")
            .await;
        // There is no actor in this test.
        bench.wire.expect(FrameKind::Invoke).await;
        assert_eq!((bench.lane.gauge().waiting, bench.lane.gauge().running), (0, 1));
    });
}

#[test]
fn input_goes_as_far_as_its_credit() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, _pending) = bench.invoke(InputBody::Whole(vec![1; 1_000_000].into())).await;
        assert_eq!(input(&mut bench).await, (WINDOW, false));
        bench
            .say(
                FrameKind::Credit,
                Flags::NONE,
                stream,
                json!({ "bytes": 100_000 }),
                b"",
            )
            .await;
        assert_eq!(input(&mut bench).await, (100_000, false));
        bench
            .say(
                FrameKind::Credit,
                Flags::NONE,
                stream,
                json!({ "bytes": u32::MAX }),
                b"",
            )
            .await;
        assert_eq!(input(&mut bench).await, (1_000_000 - 100_000 - WINDOW, true));
    });
}

#[test]
fn a_small_body_goes_with_its_invoke_and_counts_as_input() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (invocation, _pending) = bench.invocation(InputBody::Whole(vec![1; CHUNK_BYTES].into()));
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let invoke = bench.wire.expect(FrameKind::Invoke).await;
        assert!(invoke.flags.is_end());
        assert_eq!(invoke.body.len(), CHUNK_BYTES);
    });
}

#[test]
fn a_runner_that_stops_reading_gets_no_more_input() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (mut sender, receiver) = body_channel(1000);
        let (stream, pending) = bench.invoke(InputBody::Stream(receiver)).await;
        bench
            .say(FrameKind::StopReading, Flags::NONE, stream, json!({}), b"")
            .await;
        // The writer hears that nobody reads, instead of waiting for room.
        let refused = async {
            while sender.send(Bytes::from_static(&[1; 500])).await {
                tokio::task::yield_now().await;
            }
        };
        timeout(MOMENT, refused).await.expect("the writer is told");
        bench
            .say(
                FrameKind::Response,
                Flags::END.with(Flags::SETTLED),
                stream,
                json!({ "status": 200 }),
                b"",
            )
            .await;
        assert!(matches!(pending.outcome().await, Outcome::Responded { .. }));
    });
}

#[test]
fn output_is_granted_again_as_it_is_read() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        bench
            .say(
                FrameKind::Response,
                Flags::NONE,
                stream,
                json!({ "status": 200 }),
                b"",
            )
            .await;
        for _ in 0..WINDOW / CHUNK_BYTES {
            bench
                .say(FrameKind::Data, Flags::NONE, stream, json!({}), &[2; CHUNK_BYTES])
                .await;
        }
        let Outcome::Responded {
            body: OutputBody::Stream(mut body),
            ..
        } = pending.outcome().await
        else {
            panic!("not a stream");
        };
        assert!(
            timeout(MOMENT, bench.wire.expect(FrameKind::Credit))
                .await
                .is_err(),
            "nothing was read"
        );
        let mut read = 0;
        while read < WINDOW {
            read += body.next().await.unwrap().unwrap().len();
        }
        let mut granted = 0;
        while let Ok(credit) = timeout(MOMENT, bench.wire.expect(FrameKind::Credit)).await {
            granted += credit.head::<Value>().unwrap()["bytes"].as_u64().unwrap();
        }
        assert_eq!(granted, WINDOW as u64);
        bench
            .say(
                FrameKind::Data,
                Flags::END.with(Flags::SETTLED),
                stream,
                json!({}),
                b"end",
            )
            .await;
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"end"))));
        assert_eq!(body.next().await, None);
    });
}

#[test]
fn a_caller_that_leaves_cancels_once_and_what_the_handler_still_says_goes_nowhere() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        drop(pending);
        let cancel = bench.wire.expect(FrameKind::Cancel).await;
        assert_eq!(
            (cancel.stream, cancel.head::<Value>().unwrap()),
            (stream, json!({ "reason": "client" }))
        );
        bench
            .say(
                FrameKind::Response,
                Flags::NONE,
                stream,
                json!({ "status": 200 }),
                b"late",
            )
            .await;
        bench
            .say(FrameKind::Data, Flags::NONE, stream, json!({}), b"later")
            .await;
        assert_eq!(bench.permits(), 1, "the handler has not let go");
        bench
            .say(
                FrameKind::Data,
                Flags::END.with(Flags::SETTLED),
                stream,
                json!({}),
                b"",
            )
            .await;
        eventually(Duration::from_secs(1), || bench.permits() == 0).await;
        assert_eq!(bench.call().await.0, stream + 2, "the session goes on");
    });
}

#[test]
fn a_handler_that_does_not_care_about_its_cancellation_can_still_say_all_it_has() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        drop(pending);
        bench.wire.expect(FrameKind::Cancel).await;
        bench
            .say(
                FrameKind::Response,
                Flags::NONE,
                stream,
                json!({ "status": 200 }),
                b"",
            )
            .await;
        for _ in 0..3 {
            for _ in 0..WINDOW / CHUNK_BYTES {
                bench
                    .say(FrameKind::Data, Flags::NONE, stream, json!({}), &[2; CHUNK_BYTES])
                    .await;
            }
            let mut granted = 0;
            while granted < WINDOW as u64 {
                let credit = bench.wire.expect(FrameKind::Credit).await;
                granted += credit.head::<Value>().unwrap()["bytes"].as_u64().unwrap();
            }
        }
        bench
            .say(
                FrameKind::Data,
                Flags::END.with(Flags::SETTLED),
                stream,
                json!({}),
                b"",
            )
            .await;
        eventually(Duration::from_secs(1), || bench.permits() == 0).await;
    });
}

#[test]
fn a_handler_that_is_over_its_time_is_told_and_one_that_does_not_let_go_is_reported() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stubborn, first) = bench.call().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (obedient, second) = bench.call().await;
        let mut now = Instant::now();
        assert_eq!(bench.session.sweep(now).next, Some(now + Duration::from_secs(59)));

        now += Duration::from_secs(59);
        let sweep = bench.session.sweep(now);
        assert_eq!(
            (sweep.next, sweep.stuck),
            (Some(now + Duration::from_secs(1)), false)
        );
        let outcome = first.outcome().await;
        assert!(
            matches!(outcome, Outcome::TimedOut { phase: TimeoutPhase::Handler, after } if after.as_secs() == 60)
        );
        let cancel = bench.wire.expect(FrameKind::Cancel).await;
        assert_eq!(
            (cancel.stream, cancel.head::<Value>().unwrap()),
            (stubborn, json!({ "reason": "timeout" }))
        );

        // A handler that does not let go does not hold up the deadline of another.
        now += Duration::from_secs(2);
        assert!(bench.session.sweep(now).stuck);
        assert!(matches!(second.outcome().await, Outcome::TimedOut { .. }));
        assert_eq!(bench.wire.expect(FrameKind::Cancel).await.stream, obedient);
        let error = json!({ "error": { "name": "AbortError", "message": "aborted" } });
        bench
            .say(FrameKind::Failed, Flags::SETTLED, obedient, error, b"")
            .await;
        eventually(Duration::from_secs(1), || bench.permits() == 1).await;
        assert!(
            !bench.session.sweep(now + Duration::from_secs(60)).stuck,
            "said once"
        );
    });
}

#[test]
fn a_failure_after_the_answer_leaves_the_answer_and_one_in_it_cuts_it_short() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let error = json!({ "error": { "name": "Error", "message": "no", "stack": "Error: no\n  at x" } });
        let (stream, pending) = bench.call().await;
        bench
            .say(
                FrameKind::Response,
                Flags::END,
                stream,
                json!({ "status": 200 }),
                b"whole",
            )
            .await;
        bench
            .say(FrameKind::Failed, Flags::SETTLED, stream, error.clone(), b"")
            .await;
        assert!(matches!(
            pending.outcome().await,
            Outcome::Responded {
                body: OutputBody::Whole(_),
                ..
            }
        ));

        let (stream, pending) = bench.call().await;
        bench
            .say(
                FrameKind::Response,
                Flags::NONE,
                stream,
                json!({ "status": 200 }),
                b"half",
            )
            .await;
        bench
            .say(FrameKind::Failed, Flags::SETTLED, stream, error, b"")
            .await;
        let Outcome::Responded {
            body: OutputBody::Stream(mut body),
            ..
        } = pending.outcome().await
        else {
            panic!("not a stream");
        };
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"half"))));
        assert!(matches!(body.next().await, Some(Err(BodyError::CutShort(_)))));
        eventually(Duration::from_secs(1), || bench.permits() == 0).await;
    });
}

#[test]
fn settling_before_the_answer_is_complete_is_a_failure() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        bench
            .say(
                FrameKind::Response,
                Flags::SETTLED,
                stream,
                json!({ "status": 200 }),
                b"half",
            )
            .await;
        let Outcome::Responded {
            body: OutputBody::Stream(mut body),
            ..
        } = pending.outcome().await
        else {
            panic!("not a stream");
        };
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"half"))));
        assert!(matches!(body.next().await, Some(Err(BodyError::CutShort(_)))));
    });
}
