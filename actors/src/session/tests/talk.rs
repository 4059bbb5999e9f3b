//! What a runner says besides its answers: logs, calls and pings.

use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::testing::{eventually, run_paused};
use serde_json::{Value, json};

use super::Bench;
use crate::domain::InvocationId;
use crate::ports::{LogLevel, LogLine, OutputStream};
use crate::protocol::{Flags, FrameKind};

async fn lines(bench: &Bench, count: usize) -> Vec<LogLine> {
    eventually(Duration::from_secs(1), || bench.logs.gauge().waiting == count).await;
    let batch = bench.logs.take(count);
    let lines = batch.items().to_vec();
    batch.done();
    lines
}

#[test]
fn a_message_becomes_its_lines_and_can_be_stored() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let invocation = InvocationId::generate();
        let time = chrono::Utc::now() - chrono::TimeDelta::minutes(1);
        let head =
            json!({ "stream": "stderr", "invocation": invocation, "time": time, "fields": { "a": 1 } });
        bench
            .say(FrameKind::Log, Flags::NONE, 0, head, b"one\ntwo\0\n\xff three")
            .await;
        let lines = lines(&bench, 3).await;
        let texts: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(texts, ["one", "two\u{fffd}", "\u{fffd} three"]);
        for line in lines {
            assert_eq!(line.invocation, Some(invocation));
            assert_eq!((line.stream, line.level), (OutputStream::Stderr, LogLevel::Error));
            assert_eq!(line.time, time);
            assert_eq!(line.fields, Some(json!({ "a": 1 })));
        }
    });
}

#[test]
fn dropped_messages_are_told_and_a_wrong_time_is_now() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let head = json!({ "stream": "stdout", "level": "debug", "time": "yesterday", "dropped": 7 });
        bench.say(FrameKind::Log, Flags::NONE, 0, head, b"after").await;
        let lines = lines(&bench, 2).await;
        assert!(lines[0].message.starts_with("7 lines"));
        assert_eq!(
            (lines[0].stream, lines[0].level),
            (OutputStream::System, LogLevel::Warn)
        );
        assert_eq!(
            (lines[1].message.as_str(), lines[1].level),
            ("after", LogLevel::Debug)
        );
        assert!((chrono::Utc::now() - lines[1].time).num_seconds() < 60);
    });
}

#[test]
fn a_flood_is_held_back_and_told() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let body = "x\n".repeat(30_000);
        let head = json!({ "stream": "stdout" });
        bench
            .say(FrameKind::Log, Flags::NONE, 0, head, body.as_bytes())
            .await;
        bench.say(FrameKind::Ping, Flags::NONE, 0, json!({}), b"").await;
        bench.wire.expect(FrameKind::Pong).await;
        let passed = bench.logs.gauge().waiting;
        assert!((15_000..25_000).contains(&passed), "{passed}");
        let dropped = 30_001 - passed;
        drop(lines(&bench, passed).await);
        bench.session.context.logs.flush(|_| true);
        let note = lines(&bench, 1).await.remove(0);
        assert!(
            note.message.starts_with(&format!("{dropped} lines were dropped")),
            "{}",
            note.message
        );
        assert_eq!(note.stream, OutputStream::System);
        assert_eq!(note.runner, Some(bench.session.runner()));
    });
}

#[test]
fn a_time_that_can_not_be_is_now() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        for time in ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"] {
            let head = json!({ "stream": "stdout", "time": time });
            bench.say(FrameKind::Log, Flags::NONE, 0, head, b"x").await;
        }
        for line in lines(&bench, 2).await {
            assert!((chrono::Utc::now() - line.time).num_seconds().abs() < 60);
        }
    });
}

#[test]
fn a_runner_without_a_job_logs_for_nobody() {
    run_paused(async {
        let mut bench = Bench::greeted().await;
        bench
            .say(
                FrameKind::Log,
                Flags::NONE,
                0,
                json!({ "stream": "stdout" }),
                b"who am I",
            )
            .await;
        bench.say(FrameKind::Ping, Flags::NONE, 0, json!({}), b"").await;
        bench.wire.expect(FrameKind::Pong).await;
        assert_eq!(bench.logs.gauge().waiting, 0);
    });
}

async fn ask(bench: &mut Bench, stream: u32, head: Value, body: &[u8]) -> (Value, Bytes) {
    bench.say(FrameKind::Call, Flags::END, stream, head, body).await;
    let result = bench.wire.expect(FrameKind::Result).await;
    assert_eq!(result.stream, stream);
    (result.head().unwrap(), result.body)
}

#[test]
fn a_function_keeps_and_finds_its_values() {
    run_paused(async {
        let bench = &mut Bench::serving().await;
        let (head, body) = ask(bench, 2, json!({ "method": "store.get", "key": "k" }), b"").await;
        assert_eq!(
            (head["ok"].clone(), head["found"].clone(), body.len()),
            (json!(true), json!(false), 0)
        );
        let (head, _) = ask(
            bench,
            4,
            json!({ "method": "store.set", "key": "k", "ttl": 60 }),
            b"value",
        )
        .await;
        assert_eq!(head["expiry"], json!(head["created"].as_i64().unwrap() + 60));
        let (head, body) = ask(bench, 6, json!({ "method": "store.get", "key": "k" }), b"").await;
        assert_eq!((head["found"].clone(), &body[..]), (json!(true), &b"value"[..]));
        let swap = json!({ "method": "store.compareAndSet", "key": "k", "expectedLength": 5 });
        let (head, _) = ask(bench, 8, swap, b"valueother").await;
        assert_eq!(head["swapped"], true);
        let absent = json!({ "method": "store.compareAndSet", "key": "k", "expectedLength": null });
        let (head, _) = ask(bench, 10, absent, b"new").await;
        assert_eq!(head["swapped"], false);
        let (head, _) = ask(
            bench,
            12,
            json!({ "method": "store.increment", "key": "n", "by": -3 }),
            b"",
        )
        .await;
        assert_eq!(head["value"], -3);
        let (_, body) = ask(bench, 14, json!({ "method": "store.list", "limit": 1 }), b"").await;
        let page: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (page["items"][0]["key"].clone(), page["next"].clone()),
            (json!("k"), json!("k"))
        );
        let (head, _) = ask(bench, 16, json!({ "method": "store.delete", "key": "k" }), b"").await;
        assert_eq!(head["found"], true);
    });
}

#[test]
fn a_call_that_makes_no_sense_is_refused_and_the_session_goes_on() {
    run_paused(async {
        let bench = &mut Bench::serving().await;
        let table = [
            (json!({ "method": "store.fly" }), "bad-request"),
            (json!({ "method": "store.get", "key": "" }), "bad-request"),
            (json!({ "method": "store.increment", "key": "k" }), "bad-request"),
            (
                json!({ "method": "store.set", "key": "k", "ttl": 0 }),
                "bad-request",
            ),
            (
                json!({ "method": "store.set", "key": "k", "ttl": -1.5 }),
                "bad-request",
            ),
            (
                json!({ "method": "store.compareAndSet", "key": "k", "expectedLength": 99 }),
                "bad-request",
            ),
        ];
        for (stream, (head, code)) in (2..).step_by(2).zip(table) {
            let (result, _) = ask(bench, stream, head.clone(), b"body").await;
            assert_eq!(
                (result["ok"].clone(), result["code"].clone()),
                (json!(false), json!(code)),
                "{head}"
            );
        }
        ask(bench, 40, json!({ "method": "store.set", "key": "k" }), b"word").await;
        let (result, _) = ask(
            bench,
            42,
            json!({ "method": "store.increment", "key": "k", "by": 1 }),
            b"",
        )
        .await;
        assert_eq!(result["code"], "not-a-number");
        let (result, _) = ask(
            bench,
            44,
            json!({ "method": "store.set", "key": "k", "ttl": 1e300 }),
            b"",
        )
        .await;
        assert_eq!(result["ok"], true, "for ever is as long as can be");
    });
}

#[test]
fn a_ping_comes_back_and_pings_without_a_reader_fill_no_memory() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        bench
            .say(FrameKind::Ping, Flags::NONE, 0, json!({}), b"12345678")
            .await;
        assert_eq!(bench.wire.expect(FrameKind::Pong).await.body, "12345678");
        for _ in 0..100_000 {
            bench
                .say(FrameKind::Ping, Flags::NONE, 0, json!({}), b"12345678")
                .await;
        }
        let (_, pending) = bench.invocation(crate::invocation::InputBody::Whole(Bytes::new()));
        drop(pending);
        assert!(bench.session.outbound.waiting_bytes() < 600 * 1024);
    });
}
