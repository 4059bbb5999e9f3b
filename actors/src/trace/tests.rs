//! What is taken for a trace, and what of it is passed on.

use std::sync::Arc;

use chrono::Utc;
use proptest::prelude::*;

use super::*;
use crate::invocation::ScheduleInput;
use crate::manifest::QualityOfService;
use crate::ports::MessageProperties;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn parse(traceparent: &str) -> Option<RemoteParent> {
    RemoteParent::parse([traceparent], [])
}

fn state(values: &[&str]) -> Option<String> {
    TraceState::parse(values.iter().copied()).map(|state| state.as_str().to_owned())
}

#[test]
fn a_caller_is_continued_by_a_span_of_the_invocations_own() {
    let traceparent = format!("00-{TRACE}-{SPAN}-01");
    let parent = RemoteParent::parse([&*traceparent], ["vendor=a, 1tenant@other=b ", "third=c"]).unwrap();
    let context = TraceContext::child_of(parent.clone());

    assert_eq!(context.trace, parent.trace);
    assert_eq!(context.parent.map(|span| span.to_string()).as_deref(), Some(SPAN));
    assert_ne!(context.span, parent.span);
    assert!(context.sampled);
    assert_eq!(
        context.state.as_ref().map(TraceState::as_str),
        Some("vendor=a,1tenant@other=b,third=c")
    );
    assert_eq!(
        context.traceparent().to_string(),
        format!("00-{TRACE}-{}-01", context.span)
    );
    let again = TraceContext::child_of(parent);
    assert_ne!(context.span, again.span, "each has its own");

    let stateless = RemoteParent::parse([&*traceparent], ["vendor=a,wrong"]);
    assert_eq!(stateless, parse(&traceparent), "the trace goes on without it");
}

#[test]
fn a_caller_that_does_not_record_is_believed() {
    for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
        let parent = parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
        let text = TraceContext::child_of(parent).traceparent().to_string();
        assert_eq!(text.ends_with("-01"), sampled, "{flags} became {text}");
        assert_eq!(text.ends_with("-00"), !sampled, "{flags} became {text}");
    }
}

#[test]
fn what_is_not_right_to_the_letter_is_no_parent() {
    let zeros = |count| "0".repeat(count);
    for wrong in [
        String::new(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", zeros(32)),
        format!("00-{TRACE}-{}-01", zeros(16)),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{TRACE}0-{}-01", &SPAN[1..]),
        format!("00-{}g-{SPAN}-01", &TRACE[1..]),
        format!("00-{}ä-{SPAN}-01", &TRACE[2..]),
        format!("01-{TRACE}-{SPAN}-01more"),
    ] {
        assert_eq!(parse(&wrong), None, "{wrong}");
    }
    let right = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(RemoteParent::parse([&*right, &*right], []), None, "two of them");
    assert_eq!(RemoteParent::parse([], ["a=b"]), None, "none of them");
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let known = parse(&format!("00-{TRACE}-{SPAN}-01"));
    assert!(known.is_some());
    assert_eq!(parse(&format!("01-{TRACE}-{SPAN}-01")), known);
    assert_eq!(parse(&format!("cc-{TRACE}-{SPAN}-01-what-comes-later")), known);
}

#[test]
fn a_tracestate_is_passed_on_whole_or_not_at_all() {
    assert_eq!(
        state(&["a=1,b=2", "", " , c=3\t"]).as_deref(),
        Some("a=1,b=2,c=3")
    );
    assert_eq!(state(&["a=two words"]).as_deref(), Some("a=two words"));
    for wrong in [
        "a",
        "a=",
        "=b",
        "A=b",
        "1=b",
        "a@=b",
        "@a=b",
        "a@1=b",
        "a@b@c=d",
        "a=b=c",
        "a=\u{e4}",
        "a=b,a=c",
        "a =b",
        "a=b\u{7f}",
    ] {
        assert_eq!(state(&[wrong]), None, "{wrong}");
    }
    assert_eq!(state(&[&format!("{}=v", "k".repeat(257))]), None);
    assert_eq!(state(&[&format!("k={}", "v".repeat(257))]), None);
    assert_eq!(state(&[&format!("{}@v=1", "t".repeat(242))]), None);
    assert_eq!(state(&[&format!("t@{}=1", "v".repeat(15))]), None);
    let many = |count| {
        (0..count)
            .map(|n| format!("k{n}=v"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(state(&[&many(32)]), Some(many(32)));
    assert_eq!(state(&[&many(33)]), None);
    assert_eq!(state(&[]), None);
}

#[test]
fn of_a_long_tracestate_the_long_members_go_first_and_then_the_last_ones() {
    let long = format!("long={}", "x".repeat(200));
    let short = |n: usize| format!("k{n:02}={}", "y".repeat(56));
    let short_ones = |count| (0..count).map(short).collect::<Vec<_>>().join(",");
    // Seven of 60 bytes and their commas are 426 bytes, eight 487, nine 548.
    assert_eq!(state(&[&long, &short_ones(7)]), Some(short_ones(7)));
    assert_eq!(state(&[&short_ones(8)]), Some(short_ones(8)));
    assert_eq!(state(&[&short_ones(12)]), Some(short_ones(8)));
}

fn message(user_properties: &[(&str, &str)]) -> Input {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Input::Mqtt {
        mqtt: Arc::new(MqttInput {
            topic: "a".into(),
            qos: QualityOfService::AtLeastOnce,
            retain: false,
            duplicate: false,
            properties: MessageProperties {
                user_properties: user_properties.iter().map(owned).collect(),
                ..MessageProperties::default()
            },
        }),
    }
}

#[test]
fn a_message_continues_what_its_user_properties_name() {
    let id = InvocationId::generate();
    let traceparent = format!("00-{TRACE}-{SPAN}-00");
    let context = TraceContext::of_input(
        id,
        &message(&[
            ("traceparent", &traceparent),
            ("other", "x"),
            ("tracestate", "a=b"),
        ]),
    );
    assert_eq!(context.trace.to_string(), TRACE);
    assert_eq!(context.parent.map(|span| span.to_string()).as_deref(), Some(SPAN));
    assert!(!context.sampled);
    assert_eq!(context.state.as_ref().map(TraceState::as_str), Some("a=b"));

    let twice = TraceContext::of_input(id, &message(&[("traceparent", traceparent.as_str()); 2]));
    assert_eq!((twice.parent, twice.trace), (None, TraceId::of(id)));
}

#[test]
fn attempts_at_the_same_thing_belong_to_one_trace() {
    let schedule = Input::Schedule {
        schedule: ScheduleInput {
            scheduled_at: Utc::now(),
        },
    };
    let (id, other) = (InvocationId::generate(), InvocationId::generate());
    let first = TraceContext::of_input(id, &schedule);
    let second = TraceContext::of_input(id, &schedule);
    assert_eq!(first.trace, second.trace);
    assert_ne!(first.span, second.span);
    assert_eq!((first.parent, first.sampled), (None, true));
    assert_ne!(TraceContext::of_input(other, &schedule).trace, first.trace);
    assert_ne!(TraceContext::root().trace, TraceContext::root().trace);
}

proptest! {
    #[test]
    fn every_context_is_read_as_it_was_written(trace in 1_u128.., span in 1_u64.., sampled: bool) {
        let written = Traceparent { trace: TraceId::new(trace).unwrap(), span: SpanId::new(span).unwrap(), sampled };
        let text = written.to_string();
        prop_assert_eq!(text.len(), 55);
        prop_assert_eq!(serde_json::to_string(&written).unwrap(), format!("\"{text}\""));
        prop_assert_eq!(&text, &format!("00-{trace:032x}-{span:016x}-0{}", u8::from(sampled)));
        prop_assert_eq!(Traceparent::parse(&text), Some(written));
    }

    #[test]
    fn anything_at_all_is_read_without_a_panic_and_only_what_is_right_is_taken(text in "\\PC{0,70}|[0-9a-f-]{50,60}") {
        if let Some(read) = Traceparent::parse(&text) {
            prop_assert!(text.is_ascii() && !text.starts_with("ff"));
            prop_assert_eq!(&read.to_string()[2..53], &text[2..53]);
        }
    }

    #[test]
    fn a_right_one_with_one_character_changed_is_another_one_or_none(at in 0_usize..55, with in "[0-9a-zA-Z_ -]") {
        let right = format!("00-{TRACE}-{SPAN}-01");
        let mut changed = right.clone();
        changed.replace_range(at..=at, &with);
        let is_hex = with.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_part = [2, 35, 52].contains(&at);
        // A version after 00 may be as long as this one, so that any digit may stand there but what makes it ff.
        let allowed = if is_part { with == "-" } else { is_hex };
        prop_assert_eq!(Traceparent::parse(&changed).is_some(), allowed, "{}", changed);
    }

    #[test]
    fn a_tracestate_that_is_passed_on_would_be_passed_on_again(values in proptest::collection::vec("[a-c@=, x]{0,40}|\\PC{0,20}", 0..4)) {
        if let Some(state) = TraceState::parse(values.iter().map(String::as_str)) {
            prop_assert!(!state.as_str().is_empty() && state.as_str().len() <= 512);
            prop_assert_eq!(TraceState::parse([state.as_str()]), Some(state));
        }
    }
}
