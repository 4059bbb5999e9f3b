//! The golden frames that both sides share.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::codec::Decoder;

use super::{
    Assign, AssignedJob, AssignedVersion, CHUNK_BYTES, CallHead, CancelHead, CreditHead, FailedHead,
    FileHead, Flags, Frame, FrameCodec, FrameError, FrameKind, Hello, Invoke, LogHead, MAX_FRAME_BYTES,
    MemoryHead, Message, PublishHead, Ready, Rejected, RunnerLimits, Shutdown, Side, Welcome, write_frame,
};
use crate::domain::InvocationId;
use crate::invocation::{Input, MqttInput, ResponseHead, TriggerRef};
use crate::manifest::QualityOfService;
use crate::ports::MessageProperties;
use crate::trace::{SpanId, TraceContext, TraceId, TraceState, Traceparent};

const GOLDEN: &str = include_str!("../../testdata/frames/frames.json");

fn golden(part: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(GOLDEN).unwrap();
    document[part].as_array().unwrap().clone()
}

fn hex_of(entry: &Value, field: &str) -> Vec<u8> {
    hex::decode(entry[field].as_str().unwrap()).unwrap()
}

fn side(entry: &Value) -> Side {
    if entry["from"] == "runner" {
        Side::Runner
    } else {
        Side::Manager
    }
}

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    FrameCodec.decode(&mut BytesMut::from(bytes))
}

fn number(entry: &Value, field: &str) -> u32 {
    u32::try_from(entry[field].as_u64().unwrap()).unwrap()
}

#[test]
fn every_golden_frame_is_read_and_written_as_it_is() {
    let frames = golden("frames");
    assert!(frames.len() > 40);
    for entry in frames {
        let name = entry["name"].as_str().unwrap();
        let bytes = hex_of(&entry, "hex");
        let frame = decode(&bytes)
            .unwrap()
            .unwrap_or_else(|| panic!("{name} is not whole"));
        frame
            .check(side(&entry))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.kind.name(), entry["type"], "{name}");
        assert_eq!(u32::from(frame.kind.code()), number(&entry, "code"), "{name}");
        assert_eq!(u32::from(frame.flags.bits()), number(&entry, "flags"), "{name}");
        assert_eq!(frame.stream, number(&entry, "stream"), "{name}");
        assert_eq!(frame.body, hex_of(&entry, "bodyHex"), "{name}");
        let head: Value = frame.head().unwrap();
        match &entry["head"] {
            Value::Null => assert_eq!((frame.head.len(), &head), (0, &json!({})), "{name}"),
            wanted => assert_eq!(&head, wanted, "{name}"),
        }

        let mut again = BytesMut::new();
        write_frame(
            &mut again,
            frame.kind,
            frame.flags,
            frame.stream,
            &head,
            &frame.body,
        )
        .unwrap();
        let written = decode(&again).unwrap().unwrap();
        assert_eq!(written.head::<Value>().unwrap(), head, "{name}");
        let but_the_head = |frame: &Frame| (frame.kind, frame.flags, frame.stream, frame.body.clone());
        assert_eq!(but_the_head(&written), but_the_head(&frame), "{name}");
        if written.head == frame.head {
            assert_eq!(&again[..], &bytes[..], "{name}");
        }
    }
}

fn reads<T: DeserializeOwned>(frame: &Frame, name: &str) {
    if let Err(error) = frame.head::<T>() {
        panic!("{name}: {error}");
    }
}

#[test]
fn the_heads_of_a_runner_are_understood() {
    for entry in golden("frames") {
        let frame = decode(&hex_of(&entry, "hex")).unwrap().unwrap();
        let name = entry["name"].as_str().unwrap();
        match frame.kind {
            FrameKind::Hello => reads::<Hello>(&frame, name),
            FrameKind::Ready => reads::<Ready>(&frame, name),
            FrameKind::Rejected => reads::<Rejected>(&frame, name),
            FrameKind::Response => reads::<ResponseHead>(&frame, name),
            FrameKind::Failed => reads::<FailedHead>(&frame, name),
            FrameKind::Memory => reads::<MemoryHead>(&frame, name),
            FrameKind::Log => reads::<LogHead>(&frame, name),
            FrameKind::Call => {
                reads::<CallHead>(&frame, name);
                if frame.head::<CallHead>().unwrap().method == "mqtt.publish" {
                    reads::<PublishHead>(&frame, name);
                }
            }
            FrameKind::Credit => reads::<CreditHead>(&frame, name),
            _ => {}
        }
    }
}

/// What the manager would write for what this golden head says.
fn rewritten(kind: FrameKind, head: &Value) -> Option<Value> {
    fn json_of(head: impl Serialize) -> Option<Value> {
        Some(serde_json::to_value(head).unwrap())
    }
    fn number(value: &Value) -> u64 {
        value.as_u64().unwrap()
    }
    let text = |value: &'_ Value| value.as_str().unwrap().to_owned();
    match kind {
        FrameKind::Welcome => json_of(Welcome {
            protocol: 1,
            runner_id: text(&head["runnerId"]).parse().unwrap(),
            credit: 262_144,
        }),
        FrameKind::Assign => json_of(Assign {
            job: AssignedJob {
                id: text(&head["job"]["id"]).parse().unwrap(),
                name: head["job"]["name"].as_str().unwrap(),
            },
            version: AssignedVersion {
                id: text(&head["version"]["id"]).parse().unwrap(),
                name: head["version"]["name"].as_str().unwrap(),
            },
            main: head["main"].as_str().unwrap(),
            files: u32::try_from(number(&head["files"])).unwrap(),
            bytes: number(&head["bytes"]),
            limits: RunnerLimits {
                concurrency: u32::try_from(number(&head["limits"]["concurrency"])).unwrap(),
                timeout_ms: number(&head["limits"]["timeoutMs"]),
                buffered_body_bytes: number(&head["limits"]["bufferedBodyBytes"]),
            },
        }),
        FrameKind::File => json_of(FileHead {
            path: head["path"].as_str().unwrap(),
            size: number(&head["size"]),
            executable: head["executable"].as_bool().unwrap(),
        }),
        FrameKind::Cancel if head.as_object().is_some_and(|head| head.len() == 1) => {
            json_of(serde_json::from_value::<CancelHead>(head.clone()).unwrap())
        }
        FrameKind::Credit => json_of(serde_json::from_value::<CreditHead>(head.clone()).unwrap()),
        FrameKind::Invoke => {
            let input: Input = serde_json::from_value(head.clone()).unwrap();
            let trigger = TriggerRef {
                id: text(&head["trigger"]["id"]).parse().unwrap(),
                name: head["trigger"]["name"].as_str().map(Into::into),
            };
            let traceparent = head["traceparent"].as_str();
            let tracestate = TraceState::parse(head["tracestate"].as_str());
            json_of(Invoke {
                id: text(&head["id"]).parse().unwrap(),
                attempt: u32::try_from(number(&head["attempt"])).unwrap(),
                timeout_ms: number(&head["timeoutMs"]),
                traceparent: traceparent.map(|text| Traceparent::parse(text).unwrap()),
                tracestate: tracestate.as_ref(),
                trigger: &trigger,
                input: &input,
            })
        }
        FrameKind::Shutdown => json_of(Shutdown {
            grace_ms: number(&head["graceMs"]),
        }),
        _ => None,
    }
}

#[test]
fn the_managers_heads_are_spelled_as_the_golden_ones() {
    let mut compared = 0;
    for entry in golden("frames") {
        let frame = decode(&hex_of(&entry, "hex")).unwrap().unwrap();
        let head: Value = frame.head().unwrap();
        if let Some(ours) = rewritten(frame.kind, &head) {
            assert_eq!(ours, head, "{}", entry["name"]);
            compared += 1;
        }
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn every_malformed_frame_is_refused() {
    for entry in golden("malformed") {
        let name = entry["name"].as_str().unwrap();
        let mut bytes = hex_of(&entry, "hex");
        bytes.resize(
            bytes.len() + usize::try_from(entry["zeros"].as_u64().unwrap()).unwrap(),
            0,
        );
        let refused = match decode(&bytes) {
            Err(_) => true,
            Ok(Some(frame)) => frame.check(side(&entry)).is_err(),
            Ok(None) => panic!("{name}: more bytes are waited for"),
        };
        assert!(refused, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_not_written_at_all() {
    let mut out = BytesMut::from(&b"before"[..]);
    let long = json!({ "text": "x".repeat(70_000) });
    let written = write_frame(&mut out, FrameKind::Log, Flags::NONE, 0, &long, &[]);
    assert!(matches!(written, Err(FrameError::Head { head, .. }) if head > 70_000));
    let body = vec![0; MAX_FRAME_BYTES];
    let written = write_frame(&mut out, FrameKind::Assign, Flags::NONE, 0, &json!({}), &body);
    assert!(matches!(written, Err(FrameError::Length(_))));
    assert_eq!(&out[..], b"before");
}

proptest! {
    #[test]
    fn bytes_never_panic_and_frames_come_out_however_they_are_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5),
        cut in 1_usize..64,
    ) {
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(frame)) = FrameCodec.decode(&mut input) {
            // Whatever it says, looking at it is safe.
            drop(frame.check(Side::Runner));
        }

        let mut all = BytesMut::new();
        for body in &bodies {
            write_frame(&mut all, FrameKind::Data, Flags::END, 1, &json!({}), body).unwrap();
        }
        let (mut input, mut seen) = (BytesMut::new(), Vec::new());
        for piece in all.chunks(cut) {
            input.extend_from_slice(piece);
            while let Some(frame) = FrameCodec.decode(&mut input).unwrap() {
                seen.push(frame.body);
            }
        }
        prop_assert_eq!(seen, bodies.into_iter().map(Bytes::from).collect::<Vec<_>>());
        prop_assert!(input.is_empty());
    }
}

#[test]
fn a_frame_that_is_printed_shows_none_of_its_content() {
    let frame = Frame {
        kind: FrameKind::Assign,
        flags: Flags::NONE,
        stream: 0,
        head: Bytes::from_static(b"{\"job\":\"hunter1\"}"),
        body: Bytes::from_static(b"{\"KEY\":\"hunter2\"}"),
    };
    let printed = format!("{frame:?}");
    assert!(
        printed.contains("Assign") && printed.contains("body_bytes: 17"),
        "{printed}"
    );
    assert!(!printed.contains("hunter"), "{printed}");
}

const INVOCATION: &str = "0197a6f0-3c1e-7d52-9c0f-5f1d3a2b4c6d";
const TRIGGER: &str = "0197a6f0-0000-7000-8000-000000000003";

fn trace() -> TraceContext {
    TraceContext {
        trace: TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).unwrap(),
        span: SpanId::new(0x00f0_67aa_0ba9_02b7).unwrap(),
        parent: None,
        sampled: true,
        state: None,
    }
}

fn trigger(name: Option<&str>) -> TriggerRef {
    TriggerRef {
        id: TRIGGER.parse().unwrap(),
        name: name.map(Into::into),
    }
}

fn mqtt(topic: &str) -> MqttInput {
    MqttInput {
        topic: topic.into(),
        qos: QualityOfService::AtLeastOnce,
        retain: false,
        duplicate: false,
        properties: MessageProperties::default(),
    }
}

#[test]
fn messages_are_written_as_the_golden_ones() {
    let id: InvocationId = INVOCATION.parse().unwrap();
    let all = MqttInput {
        qos: QualityOfService::ExactlyOnce,
        retain: true,
        duplicate: true,
        ..mqtt("küche/licht")
    };
    let unsampled = TraceContext {
        sampled: false,
        ..trace()
    };
    let messages = [
        (trace(), Some("hello"), mqtt("house/kitchen"), &b"21.5"[..], 13),
        (unsampled, None, all, &b""[..], 15),
    ];
    let golden: Vec<Value> = golden("frames")
        .into_iter()
        .filter(|entry| entry["type"] == "MESSAGE")
        .collect();
    assert_eq!(golden.len(), messages.len());
    for (entry, (trace, name, mqtt, payload, stream)) in golden.iter().zip(messages) {
        let trigger = trigger(name);
        let message = Message::new((id, 1), 60_000, &trace, &trigger, &mqtt, payload).unwrap();
        let mut out = BytesMut::new();
        message.write(&mut out, stream);
        assert_eq!(
            hex::encode(out),
            entry["hex"].as_str().unwrap(),
            "{}",
            entry["name"]
        );
    }
}

/// Whether a message can be written as a MESSAGE.
fn fits(
    attempt: u32,
    timeout_ms: u64,
    trace: &TraceContext,
    name: &str,
    mqtt: &MqttInput,
    size: usize,
) -> bool {
    let id: InvocationId = INVOCATION.parse().unwrap();
    let (trigger, payload) = (trigger(Some(name)), vec![0; size]);
    Message::new((id, attempt), timeout_ms, trace, &trigger, mqtt, &payload).is_some()
}

#[test]
fn a_message_that_has_more_to_say_takes_an_invoke() {
    let (trace, plain) = (trace(), mqtt("house/kitchen"));
    assert!(fits(1, 60_000, &trace, "hello", &plain, 4));
    assert!(
        !fits(2, 60_000, &trace, "hello", &plain, 4),
        "not the first attempt"
    );
    assert!(!fits(1, 1 << 32, &trace, "hello", &plain, 4), "50 days");
    let vendors = TraceContext {
        state: TraceState::parse(["vendor=a"]),
        ..trace.clone()
    };
    assert!(!fits(1, 60_000, &vendors, "hello", &plain, 4));
    for name in ["", &"x".repeat(256)] {
        assert!(!fits(1, 60_000, &trace, name, &plain, 4), "{name}");
    }
    let mut with = plain.clone();
    with.properties.user_properties = vec![("a".into(), "b".into())];
    assert!(!fits(1, 60_000, &trace, "hello", &with, 4));
    let most = CHUNK_BYTES - 64 - "hello".len() - plain.topic.len();
    assert!(fits(1, 60_000, &trace, "hello", &plain, most));
    assert!(!fits(1, 60_000, &trace, "hello", &plain, most + 1));
}
