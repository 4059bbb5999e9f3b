use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, only_error, warnings, with};
use crate::manifest::{
    ActionConfig, ByteSize, Capture, ContainerLabel, DockerArguments, MountMode, PassthroughArgument,
    ProblemCode, QueueConfig, RetryPolicy, RunnerMode, VolumeMount,
};

fn action(value: Value) -> ActionConfig {
    accepted(&with("action", value)).action
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not 0")
}

#[test]
fn the_defaults_are_those_that_users_rely_on() {
    let action = action(json!({}));
    assert!(action.runner_asynchronous);
    assert_eq!(
        (action.runner_min_count, action.runner_max_count),
        (1, Some(number(16)))
    );
    assert_eq!(action.runner_timeout, Duration::from_secs(60));
    assert_eq!(action.runner_max_idle_age, None);
    assert_eq!(action.runner_max_age, Some(Duration::from_secs(900)));
    assert_eq!(action.runner_max_age_hard, Some(Duration::from_secs(960)));
    assert_eq!(action.runner_mode, RunnerMode::Standard);
    assert!(action.runner_docker_arguments.is_empty());
    assert_eq!(action.concurrency, number(100));
    assert_eq!(
        action.queue,
        QueueConfig {
            length: 1_000,
            wait: Duration::from_secs(30)
        }
    );
    assert_eq!((action.requested_memory(), action.cpus), (None, None));
    assert_eq!(
        action.retries,
        RetryPolicy {
            max: 0,
            backoff: Duration::from_secs(1)
        }
    );
    assert_eq!(action.capture, Capture::Errors);
}

#[test]
fn every_field_can_be_set() {
    let action = action(json!({
        "runnerAsynchronous": true, "runnerMinCount": 0, "runnerMaxCount": 0, "runnerTimeout": 0.25,
        "runnerMaxIdleAge": 30, "runnerMaxAge": 0, "runnerMaxAgeHard": 0, "runnerMode": "standard",
        "concurrency": 7, "queue": { "length": 0, "wait": 0 }, "memory": "256m", "cpus": 0.5,
        "retries": { "max": 3, "backoff": 2.5 }, "capture": "all",
    }));
    assert_eq!((action.runner_min_count, action.runner_max_count), (0, None));
    assert_eq!(action.runner_timeout, Duration::from_millis(250));
    assert_eq!(action.runner_max_idle_age, Some(Duration::from_secs(30)));
    assert_eq!((action.runner_max_age, action.runner_max_age_hard), (None, None));
    assert_eq!(action.concurrency, number(7));
    assert_eq!(
        action.queue,
        QueueConfig {
            length: 0,
            wait: Duration::ZERO
        }
    );
    assert_eq!(action.requested_memory(), Some(ByteSize::from_mebibytes(256)));
    assert_eq!(action.cpus.map(crate::manifest::Cpus::milli), Some(500));
    assert_eq!(
        action.retries,
        RetryPolicy {
            max: 3,
            backoff: Duration::from_millis(2_500)
        }
    );
    assert_eq!(action.capture, Capture::All);
}

#[test]
fn a_runner_that_is_not_asynchronous_or_runs_once_handles_one_invocation_at_a_time() {
    assert_eq!(
        action(json!({ "runnerAsynchronous": false })).concurrency,
        number(1)
    );
    assert_eq!(
        action(json!({ "runnerAsynchronous": false, "concurrency": 1 })).concurrency,
        number(1)
    );
    assert_eq!(action(json!({ "runnerMode": "run-once" })).concurrency, number(1));
    let contradiction = with("action", json!({ "runnerAsynchronous": false, "concurrency": 2 }));
    only_error(&contradiction, "/action/concurrency", ProblemCode::Conflict);
    let useless = with("action", json!({ "runnerMode": "run-once", "concurrency": 2 }));
    assert_eq!(warnings(&useless)[0].code, ProblemCode::NoEffect);
}

#[test]
fn a_minimum_above_the_maximum_is_refused_also_when_the_maximum_is_the_default() {
    let message = only_error(
        &with("action", json!({ "runnerMinCount": 17 })),
        "/action/runnerMinCount",
        ProblemCode::Conflict,
    );
    assert!(message.contains("which is 16"), "{message}");
    assert_eq!(
        action(json!({ "runnerMinCount": 17, "runnerMaxCount": 0 })).runner_min_count,
        17
    );
}

#[test]
fn a_hard_age_below_the_soft_one_is_a_warning_because_packages_that_set_only_one_have_it() {
    let found = warnings(&with("action", json!({ "runnerMaxAge": 3600 })));
    assert_eq!(
        (found[0].pointer.as_str(), found[0].code),
        ("/action/runnerMaxAgeHard", ProblemCode::NoEffect)
    );
    for fine in [
        json!({ "runnerMaxAge": 0 }),
        json!({ "runnerMaxAge": 3600, "runnerMaxAgeHard": 0 }),
    ] {
        action(fine);
    }
}

#[test]
fn wrong_values_are_refused() {
    use ProblemCode::{InvalidValue, OutOfRange, WrongType};
    for (field, value, code) in [
        ("runnerAsynchronous", json!("true"), WrongType),
        ("runnerMinCount", json!(1.5), WrongType),
        ("runnerMaxCount", json!(-1), OutOfRange),
        ("runnerMaxCount", json!(5e9), OutOfRange),
        ("runnerTimeout", json!(0), OutOfRange),
        ("runnerTimeout", json!(0.0001), OutOfRange),
        ("runnerTimeout", json!(3e9), OutOfRange),
        ("runnerMaxIdleAge", json!(-1), OutOfRange),
        ("runnerMode", json!("Standard"), InvalidValue),
        ("concurrency", json!(0), OutOfRange),
        ("concurrency", json!(10_001), OutOfRange),
        ("queue", json!(7), WrongType),
        ("memory", json!(512), WrongType),
        ("memory", json!("512"), InvalidValue),
        ("memory", json!("512M"), InvalidValue),
        ("memory", json!("-1m"), InvalidValue),
        ("memory", json!("99999999999999999999g"), InvalidValue),
        ("memory", json!("99999999999g"), InvalidValue),
        ("memory", json!("5m"), OutOfRange),
        ("cpus", json!(0), OutOfRange),
        ("cpus", json!(1025), OutOfRange),
        ("cpus", json!("1"), WrongType),
        ("retries", json!([]), WrongType),
        ("capture", json!("some"), InvalidValue),
        ("capture", json!(true), WrongType),
    ] {
        let pointer = format!("/action/{field}");
        let mut action = json!({});
        action[field] = value;
        only_error(&with("action", action), &pointer, code);
    }
    only_error(
        &with("action", json!({ "retries": { "max": 101 } })),
        "/action/retries/max",
        OutOfRange,
    );
    only_error(
        &with("action", json!({ "retries": { "backoff": 0 } })),
        "/action/retries/backoff",
        OutOfRange,
    );
    only_error(
        &with("action", json!({ "queue": { "length": 2_000_000 } })),
        "/action/queue/length",
        OutOfRange,
    );
    only_error(&with("action", json!(7)), "/action", WrongType);
}

#[test]
fn docker_arguments_are_typed() {
    let action = action(json!({ "runnerDockerArguments": {
        "networks": ["backend"],
        "volumes": [{ "source": "/srv/data", "target": "/data", "mode": "ro" }, { "source": "cache", "target": "/cache" }],
        "labels": [{ "key": "team", "value": "a.b-c_1" }],
        "memoryLimit": "1g",
        "directPassthroughArguments": ["--dns=10.0.0.2"],
    }}));
    let volume = |source: &str, target: &str, mode| VolumeMount {
        source: source.into(),
        target: target.into(),
        mode,
    };
    assert_eq!(
        action.runner_docker_arguments,
        DockerArguments {
            networks: vec!["backend".into()],
            volumes: vec![
                volume("/srv/data", "/data", MountMode::Ro),
                volume("cache", "/cache", MountMode::Rw)
            ],
            labels: vec![ContainerLabel {
                key: "team".into(),
                value: "a.b-c_1".into()
            }],
            memory_limit: Some(ByteSize::from_mebibytes(1_024)),
            direct_passthrough_arguments: vec![PassthroughArgument::Dns([10, 0, 0, 2].into())],
        }
    );
    assert_eq!(action.requested_memory(), Some(ByteSize::from_mebibytes(1_024)));
}

#[test]
fn memory_comes_before_dockers_own_way_to_say_it() {
    let both = with(
        "action",
        json!({ "memory": "64m", "runnerDockerArguments": { "memoryLimit": "1g" } }),
    );
    assert_eq!(warnings(&both)[0].code, ProblemCode::NoEffect);
    let manifest = crate::manifest::Manifest::check(&both).expect("valid").manifest;
    assert_eq!(
        manifest.action.requested_memory(),
        Some(ByteSize::from_mebibytes(64))
    );
}

#[test]
fn wrong_docker_arguments_are_refused() {
    use ProblemCode::{InvalidValue, Missing, OutOfRange, WrongType};
    for (field, value, below, code) in [
        ("networks", json!("backend"), "", WrongType),
        ("networks", json!(["a b"]), "/0", InvalidValue),
        ("networks", json!(vec!["n"; 65]), "", OutOfRange),
        ("volumes", json!([{ "target": "/data" }]), "/0/source", Missing),
        (
            "volumes",
            json!([{ "source": "../x", "target": "/data" }]),
            "/0/source",
            InvalidValue,
        ),
        (
            "volumes",
            json!([{ "source": "/a:/b", "target": "/data" }]),
            "/0/source",
            InvalidValue,
        ),
        (
            "volumes",
            json!([{ "source": "a", "target": "data" }]),
            "/0/target",
            InvalidValue,
        ),
        (
            "volumes",
            json!([{ "source": "a", "target": "/data", "mode": "wo" }]),
            "/0/mode",
            InvalidValue,
        ),
        (
            "labels",
            json!([{ "key": "a b", "value": "x" }]),
            "/0/key",
            InvalidValue,
        ),
        (
            "labels",
            json!([{ "key": "jobber.runner", "value": "x" }]),
            "/0/key",
            InvalidValue,
        ),
        (
            "labels",
            json!([{ "key": "a", "value": "" }]),
            "/0/value",
            InvalidValue,
        ),
        ("memoryLimit", json!("1t"), "", InvalidValue),
        ("directPassthroughArguments", json!([7]), "/0", WrongType),
    ] {
        let pointer = format!("/action/runnerDockerArguments/{field}{below}");
        let mut arguments = json!({});
        arguments[field] = value;
        only_error(
            &with("action", json!({ "runnerDockerArguments": arguments })),
            &pointer,
            code,
        );
    }
}

#[test]
fn sizes_are_written_in_the_largest_unit_that_fits() {
    for (text, bytes, written) in [
        ("512m", 512 << 20, "512m"),
        ("1024m", 1 << 30, "1g"),
        ("1536k", 1536 << 10, "1536k"),
        ("7b", 7, "7b"),
        ("0g", 0, "0b"),
    ] {
        let size = ByteSize::parse(text).expect(text);
        assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, written));
    }
}
