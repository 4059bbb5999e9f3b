//! Frames that a runner may not send. Each ends its session, and nothing else.

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::{Value, json};

use super::Bench;
use crate::invocation::{InputBody, LostReason, Outcome};
use crate::protocol::{CHUNK_BYTES, Flags, FrameKind};
use crate::session::SessionEvent;

/// Sends a frame on a session with one open invocation, and gives what the log will say.
async fn breach(kind: FrameKind, stream: u32, head: Value, body: &[u8]) -> String {
    let mut bench = Bench::serving().await;
    let (number, pending) = bench.call().await;
    assert_eq!(number, 1);
    bench.say(kind, Flags::NONE, stream, head, body).await;
    let SessionEvent::Ended {
        detail,
        protocol_broken: true,
        orphans,
    } = bench.event().await
    else {
        panic!("{} on stream {stream} was accepted", kind.name());
    };
    assert_eq!(orphans.len(), 1);
    orphans.answer(&LostReason::RunnerStopped);
    assert!(matches!(
        pending.outcome().await,
        Outcome::Lost(LostReason::RunnerStopped)
    ));
    assert_eq!(bench.permits(), 0);
    let (invocation, _) = bench.invocation(InputBody::Whole(Bytes::new()));
    assert!(
        bench
            .session
            .invoke(invocation, tokio::time::Instant::now())
            .is_err()
    );
    detail
}

#[test]
fn every_breach_ends_the_session_and_says_why() {
    let response = json!({ "status": 200, "headers": [] });
    let long = vec![0; CHUNK_BYTES + 1];
    let table: Vec<(FrameKind, u32, Value, &[u8], &str)> = vec![
        (FrameKind::Response, 3, response.clone(), b"", "which is not open"),
        (FrameKind::Response, 2, response.clone(), b"", "on stream 2"),
        (
            FrameKind::Response,
            1,
            json!({ "status": "OK" }),
            b"",
            "head of a RESPONSE",
        ),
        (FrameKind::Response, 1, response, &long, "65537 bytes"),
        (FrameKind::Data, 1, json!({}), b"early", "without an open answer"),
        (FrameKind::Data, 3, json!({}), b"", "which is not open"),
        (FrameKind::Settled, 5, json!({}), b"", "which is not open"),
        (
            FrameKind::Failed,
            5,
            json!({ "error": {} }),
            b"",
            "which is not open",
        ),
        (FrameKind::Failed, 1, json!({}), b"", "head of a FAILED"),
        (FrameKind::StopReading, 7, json!({}), b"", "which is not open"),
        (
            FrameKind::Log,
            1,
            json!({ "stream": "stdout" }),
            b"",
            "on stream 1",
        ),
        (
            FrameKind::Log,
            0,
            json!({ "stream": "stdin" }),
            b"",
            "head of a LOG",
        ),
        (FrameKind::Ready, 0, json!({}), b"", "twice"),
        (FrameKind::Hello, 0, json!({}), b"", "after WELCOME"),
        (FrameKind::Invoke, 3, json!({}), b"", "not this side's"),
        (FrameKind::Shutdown, 0, json!({}), b"", "not this side's"),
        (FrameKind::Ping, 0, json!({}), b"123456789", "9 bytes"),
        (
            FrameKind::Call,
            1,
            json!({ "method": "store.get" }),
            b"",
            "on stream 1",
        ),
        (FrameKind::Call, 2, json!({}), b"", "head of a CALL"),
    ];
    for (kind, stream, head, body, reason) in table {
        let detail = run_paused(breach(kind, stream, head.clone(), body));
        assert!(
            detail.contains(reason),
            "{} on stream {stream} with {head}: {detail}",
            kind.name()
        );
    }
}

#[test]
fn bytes_that_are_no_frame_end_the_session() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        bench.wire.writer.send_raw(b"GET / HTTP/1.1\r\n\r\n").await;
        let (detail, broken) = bench.end().await;
        assert!(broken && detail.contains("a frame of"), "{detail}");
    });
}

#[test]
fn what_belongs_to_a_package_is_refused_before_there_is_one() {
    run_paused(async {
        for (kind, stream, head) in [
            (FrameKind::Ready, 0, json!({})),
            (FrameKind::Rejected, 0, json!({ "phase": "import", "error": {} })),
            (FrameKind::Call, 2, json!({ "method": "store.get", "key": "k" })),
            (FrameKind::Settled, 1, json!({})),
        ] {
            let mut bench = Bench::greeted().await;
            bench.say(kind, Flags::NONE, stream, head, b"").await;
            let (detail, broken) = bench.end().await;
            assert!(broken, "{}: {detail}", kind.name());
        }
    });
}

#[test]
fn an_answer_over_its_window_ends_the_session() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, _pending) = bench.call().await;
        bench
            .say(
                FrameKind::Response,
                Flags::NONE,
                stream,
                json!({ "status": 200 }),
                b"",
            )
            .await;
        for _ in 0..5 {
            bench
                .say(FrameKind::Data, Flags::NONE, stream, json!({}), &[0; CHUNK_BYTES])
                .await;
        }
        let (detail, broken) = bench.end().await;
        assert!(broken && detail.contains("had credit for 0"), "{detail}");
    });
}

#[test]
fn two_answers_for_one_stream_end_the_session() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (stream, pending) = bench.call().await;
        for _ in 0..2 {
            bench
                .say(
                    FrameKind::Response,
                    Flags::END,
                    stream,
                    json!({ "status": 200 }),
                    b"",
                )
                .await;
        }
        let (detail, broken) = bench.end().await;
        assert!(broken && detail.contains("a second answer"), "{detail}");
        assert!(
            matches!(pending.outcome().await, Outcome::Responded { .. }),
            "the first one counts"
        );
    });
}
