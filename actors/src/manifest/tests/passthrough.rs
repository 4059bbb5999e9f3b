use std::collections::BTreeSet;

use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};

use super::schema::reference;
use super::{accepted, errors, only_error, warnings, with};
use crate::manifest::{PassthroughArgument, ProblemCode, UNDERSTOOD, json_schema};

fn document(arguments: &Value) -> Value {
    with(
        "action",
        json!({ "runnerDockerArguments": { "directPassthroughArguments": arguments } }),
    )
}

fn read(arguments: &Value) -> Vec<PassthroughArgument> {
    let action = accepted(&document(arguments)).action;
    action.runner_docker_arguments.direct_passthrough_arguments
}

fn written(arguments: &Value) -> Vec<String> {
    read(arguments).iter().map(ToString::to_string).collect()
}

/// What the author of one argument is told.
fn fault_of(argument: &str) -> String {
    let pointer = "/action/runnerDockerArguments/directPassthroughArguments/0";
    only_error(&document(&json!([argument])), pointer, ProblemCode::InvalidValue)
}

/// The arguments of the reference's table, in its order.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string(reference("manifest.md")).expect("the reference exists");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--"));
    rows.map(|row| format!("--{}", row.split('`').next().expect("a row has its argument")))
        .collect()
}

#[test]
fn the_reference_has_every_argument_that_is_understood_and_no_other() {
    let examples = examples();
    let names: BTreeSet<_> = examples
        .iter()
        .map(|example| {
            example
                .trim_start_matches('-')
                .split('=')
                .next()
                .unwrap_or_default()
        })
        .collect();
    let understood: BTreeSet<_> = UNDERSTOOD.iter().map(|understood| understood.name).collect();
    assert_eq!(names, understood);
    for example in &examples {
        let read = read(&json!([example]));
        assert_eq!(read.len(), 1, "{example}");
        let name = example.trim_start_matches('-').split('=').next();
        assert_eq!(Some(read[0].name()), name);
    }
}

#[test]
fn the_schema_accepts_what_is_understood_and_refuses_other_names() {
    let schema = serde_json::to_value(json_schema()).expect("a schema serialises");
    let pattern = schema
        .pointer("/$defs/DockerArguments/properties/directPassthroughArguments/items/pattern")
        .and_then(Value::as_str)
        .expect("the elements have a pattern");
    let pattern = Regex::new(pattern).expect("the pattern is a regular expression");
    for example in examples() {
        assert!(pattern.is_match(&example), "{example}");
    }
    for good in ["0.5", "nofile=1024", "--cpus"] {
        assert!(pattern.is_match(good), "{good}");
    }
    for bad in [
        "--privileged",
        "--cpusx=1",
        "-v",
        "--network=host",
        "--init=false",
        "",
    ] {
        assert!(!pattern.is_match(bad), "{bad}");
    }
}

#[test]
fn a_value_stands_in_the_same_text_or_in_the_next() {
    let together = written(&json!([
        "--cpus=0.5",
        "--add-host=db:10.0.0.2",
        "--init",
        "--dns=10.0.0.1"
    ]));
    let apart = written(&json!([
        "--cpus",
        "0.5",
        "--add-host",
        "db:10.0.0.2",
        "--init",
        "--dns",
        "10.0.0.1"
    ]));
    assert_eq!(
        together,
        ["--cpus=0.5", "--add-host=db:10.0.0.2", "--init", "--dns=10.0.0.1"]
    );
    assert_eq!(apart, together);
}

#[test]
fn values_are_understood_in_the_forms_that_docker_takes() {
    for (given, meant) in [
        ("--add-host=db=10.0.0.2", "--add-host=db:10.0.0.2"),
        ("--add-host=db:[fd00::1]", "--add-host=db:fd00::1"),
        (
            "--add-host=host.internal:host-gateway",
            "--add-host=host.internal:host-gateway",
        ),
        ("--cap-add=cap_sys_nice", "--cap-add=SYS_NICE"),
        ("--cpus=1.50", "--cpus=1.5"),
        ("--cpuset-cpus=0-1,3", "--cpuset-cpus=0-1,3"),
        ("--device=/dev/ttyUSB0", "--device=/dev/ttyUSB0:/dev/ttyUSB0:rwm"),
        ("--device=/dev/ttyUSB0:r", "--device=/dev/ttyUSB0:/dev/ttyUSB0:r"),
        ("--device=/dev/a:/dev/b/c:rw", "--device=/dev/a:/dev/b/c:rw"),
        ("--gpus=\"device=0,1\"", "--gpus=device=0,1"),
        ("--gpus=2", "--gpus=2"),
        ("--init=true", "--init"),
        ("--shm-size=64MB", "--shm-size=64m"),
        ("--shm-size=1048576", "--shm-size=1m"),
        (
            "--sysctl=net.core.somaxconn=1024",
            "--sysctl=net.core.somaxconn=1024",
        ),
        ("--ulimit=nofile=1024", "--ulimit=nofile=1024:1024"),
        ("--ulimit=memlock=-1", "--ulimit=memlock=-1:-1"),
        (
            "--tmpfs=/cache:size=16m,uid=7",
            "--tmpfs=/cache:rw,nosuid,nodev,noexec,mode=1777,size=16777216,uid=7",
        ),
        (
            "--tmpfs=/cache:exec,ro,mode=700",
            "--tmpfs=/cache:ro,nosuid,nodev,exec,mode=700",
        ),
    ] {
        assert_eq!(written(&json!([given])), [meant]);
    }
}

#[test]
fn what_would_open_the_container_is_refused_with_the_alternative() {
    for (argument, alternative) in [
        ("--privileged", "--cap-add"),
        ("--security-opt=seccomp=unconfined", "--device"),
        ("--pid=host", "open the container"),
        ("--userns=host", "open the container"),
        ("--network=host", "`runnerDockerArguments.networks`"),
        ("-v=/:/host", "`runnerDockerArguments.volumes`"),
        ("--mount=type=bind", "`runnerDockerArguments.volumes`"),
        ("-m=1g", "`action.memory`"),
        ("--memory-swap=-1", "no swap"),
        ("-e=KEY=value", "jobber env set"),
        ("--user=0", "10001"),
        ("--cap-drop=ALL", "leave it out"),
        ("--runtime=runc", "RUNNER_CONTAINER_RUNTIME"),
        ("-c=512", "--cpu-shares"),
        ("--ulimits=nofile=1", "did you mean `--ulimit`?"),
        ("--nonsense", "--add-host"),
        ("nonsense", "begin with `--`"),
        ("--cpus 0.5", "write `--cpus=0.5`"),
    ] {
        let message = fault_of(argument);
        assert!(message.contains(alternative), "{argument}: {message}");
        assert!(
            message.contains(argument.split([' ', '=']).next().unwrap_or_default()),
            "{argument}: {message}"
        );
    }
}

#[test]
fn values_that_docker_would_refuse_or_that_reach_too_far_are_told_at_publish() {
    for argument in [
        "--add-host=db",
        "--add-host=db:10.0.0",
        "--add-host=a b:10.0.0.1",
        "--cap-add=ALL",
        "--cap-add=SYS_EVERYTHING",
        "--cpu-shares=1",
        "--cpus=0",
        "--cpus=nan",
        "--cpus=many",
        "--cpuset-cpus=3-1",
        "--cpuset-cpus=+1",
        "--device=/etc/shadow",
        "--device=/dev/../etc/shadow",
        "--device=/dev/null:rwx",
        "--dns=example.org",
        "--dns-option=a b",
        "--dns-search=-x",
        "--gpus=none",
        "--gpus=0",
        "--group-add=4294967296",
        "--hostname=a..b",
        "--init=false",
        "--memory-reservation=0",
        "--pids-limit=-1",
        "--pids-limit=3",
        "--shm-size=1x",
        "--shm-size=99999999999g",
        "--sysctl=kernel.core_pattern=|/tmp/x",
        "--sysctl=net.core.somaxconn",
        "--sysctl=net/../kernel.x=1",
        "--tmpfs=cache",
        "--tmpfs=/",
        "--tmpfs=/app/x",
        "--tmpfs=/tmp:size=1g",
        "--tmpfs=/dev/shm",
        "--tmpfs=/proc/../cache",
        "--tmpfs=/cache:mode=4755",
        "--tmpfs=/cache:suid",
        "--ulimit=nofile",
        "--ulimit=nofile=2:1",
        "--ulimit=nofile=-1:1",
        "--ulimit=nofiles=1",
        "--ulimit=core=-2",
    ] {
        let message = fault_of(argument);
        assert!(message.starts_with("`--"), "{argument}: {message}");
    }
}

#[test]
fn every_fault_is_told_at_the_element_where_it_stands() {
    let arguments = json!([
        "--privileged",
        "--cpus",
        "many",
        "--cpus",
        "1",
        "--cpus=2",
        "--network",
        "host",
        "--dns"
    ]);
    let found = errors(&document(&arguments));
    let at = |index: usize| format!("/action/runnerDockerArguments/directPassthroughArguments/{index}");
    assert_eq!(
        found,
        [
            (at(0), ProblemCode::InvalidValue),
            (at(2), ProblemCode::InvalidValue),
            (at(5), ProblemCode::Duplicate),
            (at(6), ProblemCode::InvalidValue),
            (at(8), ProblemCode::Missing),
        ]
    );
}

#[test]
fn cpus_of_the_action_come_before_those_of_the_arguments() {
    let both = with(
        "action",
        json!({ "cpus": 1, "runnerDockerArguments": { "directPassthroughArguments": ["--cpus=2"] } }),
    );
    assert_eq!(warnings(&both)[0].code, ProblemCode::NoEffect);
}

proptest! {
    #[test]
    fn whatever_is_understood_reads_as_the_same_when_written(
        index in 0..UNDERSTOOD.len(),
        value in "([a-z0-9A-Z_/.:=,-]{0,20}|/dev/[a-z]{1,4}(:r?w?)?|[a-z.]{1,9}=[0-9:-]{1,5}|/[a-z]{1,5}:size=[0-9]{1,4}[kmg]|[a-z.]{1,9}:[0-9.]{7,9})",
    ) {
        let argument = json!([format!("--{}={value}", UNDERSTOOD[index].name)]);
        if let Ok(checked) = crate::manifest::Manifest::check(&document(&argument)) {
            let arguments = checked.manifest.action.runner_docker_arguments.direct_passthrough_arguments;
            let written = serde_json::to_value(&arguments).expect("arguments serialise");
            prop_assert_eq!(read(&written), arguments);
        }
    }
}
