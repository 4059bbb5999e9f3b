//! The golden frames, which the Node runtime's tests read too: both sides agree on every byte.

use bytes::BytesMut;
use jobber_actors::protocol::{Flags, FrameCodec, FrameError, FrameKind, write_frame};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::codec::Decoder;

#[derive(Deserialize)]
struct Golden {
    protocol: u32,
    frames: Vec<Example>,
    malformed: Vec<Malformed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Example {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    code: u8,
    flags: u8,
    stream: u32,
    head: Option<Map<String, Value>>,
    body_hex: String,
    hex: String,
}

#[derive(Deserialize)]
struct Malformed {
    name: String,
    reason: String,
    zeros: usize,
    prefix: bool,
    hex: String,
}

fn golden() -> Golden {
    let text = include_str!("../testdata/frames/frames.json");
    serde_json::from_str(text).expect("the golden file is what this test knows")
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

#[test]
fn golden_frames_decode_to_their_fields() {
    let golden = golden();
    assert_eq!(golden.protocol, jobber_actors::protocol::PROTOCOL_VERSION);
    for example in golden.frames {
        let wire = bytes(&example.hex);
        let mut input = BytesMut::from(&wire[..]);
        let frame = FrameCodec
            .decode(&mut input)
            .unwrap_or_else(|error| panic!("{}: {error}", example.name))
            .unwrap_or_else(|| panic!("{}: not complete", example.name));
        assert!(input.is_empty(), "{}: bytes are left", example.name);
        assert_eq!(frame.kind.name(), example.kind, "{}", example.name);
        assert_eq!(frame.kind.code(), example.code, "{}", example.name);
        assert_eq!(frame.flags.bits(), example.flags, "{}", example.name);
        assert_eq!(frame.stream, example.stream, "{}", example.name);
        assert_eq!(frame.body, bytes(&example.body_hex), "{}", example.name);
        let head: Map<String, Value> = frame.head().expect("a head is an object");
        assert_eq!(head, example.head.unwrap_or_default(), "{}", example.name);
    }
}

#[test]
fn golden_frames_come_out_of_their_fields() {
    for example in golden().frames {
        // This side always writes a head; one of no length only comes from others.
        let Some(head) = &example.head else { continue };
        let kind = FrameKind::from_code(example.code).expect("a known type");
        let body = bytes(&example.body_hex);
        let mut out = BytesMut::new();
        let flags = Flags::from_bits(example.flags);
        write_frame(&mut out, kind, flags, example.stream, head, &body).expect("it fits");
        // Members of a head may be in another order: the length is the same, and so is everything around the head.
        let wire = bytes(&example.hex);
        assert_eq!(out.len(), wire.len(), "{}", example.name);
        assert_eq!(out[..12], wire[..12], "{}", example.name);
        assert_eq!(out[out.len() - body.len()..], body[..], "{}", example.name);
        let head_of = |wire: &[u8]| -> Value {
            serde_json::from_slice(&wire[12..wire.len() - body.len()]).expect("a head is JSON")
        };
        assert_eq!(head_of(&out), head_of(&wire), "{}", example.name);
    }
}

#[test]
fn any_pieces_make_the_same_frames() {
    let wire: Vec<u8> = golden()
        .frames
        .iter()
        .flat_map(|example| bytes(&example.hex))
        .collect();
    let whole = decode_in_pieces(&wire, wire.len());
    assert_eq!(whole.len(), golden().frames.len());
    for size in [1, 2, 3, 5, 11, 12, 13, 1000] {
        assert_eq!(decode_in_pieces(&wire, size), whole, "in pieces of {size}");
    }
}

fn decode_in_pieces(wire: &[u8], size: usize) -> Vec<jobber_actors::protocol::Frame> {
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    for piece in wire.chunks(size) {
        input.extend_from_slice(piece);
        while let Some(frame) = FrameCodec.decode(&mut input).expect("golden frames are good") {
            frames.push(frame);
        }
    }
    assert!(input.is_empty());
    frames
}

#[test]
fn malformed_frames_are_refused_where_they_are_read() {
    for wrong in golden().malformed {
        let mut input = BytesMut::from(&bytes(&wrong.hex)[..]);
        if wrong.prefix {
            input.truncate(4);
        }
        input.resize(input.len() + wrong.zeros, 0);
        let decoded = FrameCodec.decode(&mut input);
        match wrong.reason.as_str() {
            "length-too-small" | "length-too-large" => {
                assert!(matches!(decoded, Err(FrameError::Length(_))), "{}", wrong.name);
            }
            "head-too-long" => assert!(matches!(decoded, Err(FrameError::Head { .. })), "{}", wrong.name),
            "unknown-type" => assert!(matches!(decoded, Err(FrameError::Kind(_))), "{}", wrong.name),
            "head-not-json" | "head-not-utf8" | "head-not-an-object" => {
                let frame = decoded.expect("its frame is good").expect("it is complete");
                assert!(frame.head::<Map<String, Value>>().is_err(), "{}", wrong.name);
            }
            // What a side may send, on which stream and how much of it, is the session's to refuse.
            "direction" | "stream" | "body-too-large" => {
                assert!(decoded.is_ok_and(|frame| frame.is_some()), "{}", wrong.name);
            }
            other => panic!("an unknown reason: {other}"),
        }
    }
}
