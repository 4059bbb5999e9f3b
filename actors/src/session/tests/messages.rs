//! Messages of MQTT on a session: the frame that the runner takes.

use std::sync::Arc;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::Value;
use tokio::time::Instant;

use super::Bench;
use crate::invocation::{Input, InputBody, Invocation, MqttInput, Outcome, PendingReply};
use crate::manifest::QualityOfService;
use crate::ports::MessageProperties;
use crate::protocol::{CHUNK_BYTES, Flags, FrameKind, MESSAGE};

fn message(bench: &Bench, payload: Bytes) -> (Invocation, PendingReply) {
    let (mut invocation, pending) = bench.invocation(InputBody::Whole(payload));
    invocation.input = Input::Mqtt {
        mqtt: Arc::new(MqttInput {
            topic: "house/kitchen".into(),
            qos: QualityOfService::AtLeastOnce,
            retain: false,
            duplicate: false,
            properties: MessageProperties::default(),
        }),
    };
    (invocation, pending)
}

#[test]
fn a_runner_that_accepts_messages_gets_them_without_json() {
    run_paused(async {
        let mut bench = Bench::serving_by(&["something", MESSAGE]).await;
        let (invocation, pending) = message(&bench, Bytes::from_static(b"21.5"));
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let frame = bench.wire.expect(FrameKind::Message).await;
        assert!(frame.flags.is_end() && frame.head.is_empty());
        assert!(frame.body.ends_with(b"house/kitchen21.5"));
        bench
            .say(
                FrameKind::Settled,
                Flags::SETTLED,
                frame.stream,
                serde_json::json!({}),
                b"",
            )
            .await;
        assert!(matches!(pending.outcome().await, Outcome::Settled));

        let (large, _pending) = message(&bench, vec![0; CHUNK_BYTES].into());
        bench.session.invoke(large, Instant::now()).unwrap();
        let head: Value = bench.wire.expect(FrameKind::Invoke).await.head().unwrap();
        assert_eq!(head["mqtt"]["topic"], "house/kitchen", "what does not fit");
    });
}

#[test]
fn every_other_runner_gets_them_with_an_invoke() {
    run_paused(async {
        let mut bench = Bench::serving().await;
        let (invocation, _pending) = message(&bench, Bytes::from_static(b"21.5"));
        bench.session.invoke(invocation, Instant::now()).unwrap();
        let frame = bench.wire.expect(FrameKind::Invoke).await;
        assert_eq!(frame.body, "21.5");
        let head: Value = frame.head().unwrap();
        assert_eq!(head["kind"], "mqtt");
    });
}
