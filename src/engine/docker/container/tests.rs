//! What packages and the operator ask for, and what the container is made of.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::DeviceRequest;
use jobber_actors::manifest::{DockerArguments, Manifest, Runtime};
use jobber_actors::ports::Resources;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::engine::ManagerAddress;

fn config() -> DockerEngineConfig {
    DockerEngineConfig {
        host: "unix:///var/run/docker.sock".into(),
        instance: "test".into(),
        manager: ManagerAddress {
            host: "manager".into(),
            port: 5211,
        },
        network: None,
        images: BTreeMap::from([(24, "image:24".into())]),
        pull: false,
        allowed: BTreeSet::from(DockerArgumentKind::ALL),
        memory: 512,
        max_memory: None,
        milli_cpus: None,
        max_milli_cpus: None,
        pids: 64,
        tmp: 1024,
        runtime: None,
    }
}

fn spec(resources: Resources, docker: DockerArguments) -> RunnerSpec {
    RunnerSpec {
        runner: RunnerId::generate(),
        job: None,
        runtime: Runtime::Node24,
        resources,
        docker,
        token: SecretString::from("token"),
    }
}

fn host(config: &DockerEngineConfig, spec: &RunnerSpec) -> HostConfig {
    create_body(config, spec, "image:24").host_config.unwrap()
}

#[test]
fn a_job_gets_what_it_asks_for_within_the_operators_limits() {
    let asks = |memory, milli_cpus| spec(Resources { memory, milli_cpus }, DockerArguments::default());
    let limited = DockerEngineConfig {
        max_memory: Some(1000),
        max_milli_cpus: Some(500),
        ..config()
    };
    let given = |config: &DockerEngineConfig, spec: &RunnerSpec| {
        let host = host(config, spec);
        assert_eq!(host.memory, host.memory_swap);
        (host.memory.unwrap(), host.nano_cpus)
    };
    assert_eq!(given(&config(), &asks(None, None)), (512, None));
    assert_eq!(
        given(&config(), &asks(Some(9000), Some(2000))),
        (9000, Some(2_000_000_000))
    );
    assert_eq!(
        given(&limited, &asks(Some(9000), Some(2000))),
        (1000, Some(500_000_000))
    );
    assert_eq!(given(&limited, &asks(Some(700), None)), (700, Some(500_000_000)));
}

#[test]
fn volumes_are_folders_of_the_host_by_path_and_volumes_by_name() {
    let volume = |source: &str, mode| VolumeMount {
        source: source.into(),
        target: "/data".into(),
        mode,
    };
    let docker = DockerArguments {
        volumes: vec![volume("/srv", MountMode::Ro), volume("cache", MountMode::Rw)],
        ..DockerArguments::default()
    };
    let spec = spec(Resources::default(), docker);

    let mounts = host(&config(), &spec).mounts.unwrap();
    assert_eq!(
        (mounts[0].typ, mounts[0].read_only),
        (Some(MountType::BIND), Some(true))
    );
    assert_eq!(
        (mounts[1].typ, mounts[1].read_only),
        (Some(MountType::VOLUME), Some(false))
    );

    let forbidding = DockerEngineConfig {
        allowed: BTreeSet::new(),
        ..config()
    };
    assert!(host(&forbidding, &spec).mounts.unwrap().is_empty());
}

#[test]
fn a_runtime_without_an_image_is_named_with_its_option() {
    let mut config = config();
    config.images.clear();
    let error = image(&config, &spec(Resources::default(), DockerArguments::default())).unwrap_err();
    assert!(error.to_string().contains("RUNNER_IMAGE_NODE24_URL"), "{error}");
}

/// What a package gets that asks for these arguments.
fn asks(arguments: &[&str]) -> DockerArguments {
    let document = json!({
        "name": "asks", "version": "1.0.0", "main": "./index.js",
        "action": { "runnerDockerArguments": { "directPassthroughArguments": arguments } },
    });
    let checked = Manifest::check(&document).unwrap_or_else(|errors| panic!("{errors}"));
    checked.manifest.action.runner_docker_arguments
}

fn body_of(config: &DockerEngineConfig, arguments: &[&str]) -> ContainerCreateBody {
    create_body(config, &spec(Resources::default(), asks(arguments)), "image:24")
}

/// The arguments of the reference's table, each with the field that it says.
fn reference() -> Vec<(String, String)> {
    let page = include_str!("../../../../docs/reference/manifest.md");
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    rows.map(|row| {
        let mut cells = row.split('`').skip(1).step_by(2).map(str::to_owned);
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

#[test]
fn every_argument_becomes_what_the_reference_says_and_nothing_else() {
    let rows = reference();
    assert_eq!(rows.len(), jobber_actors::manifest::UNDERSTOOD.len());
    let roomy = DockerEngineConfig {
        memory: 512 << 20,
        pids: 256,
        ..config()
    };
    for (argument, field) in rows {
        let pointer = format!("/{}", field.replace('.', "/"));
        let json = |body: ContainerCreateBody| serde_json::to_value(body).unwrap();
        let (mut without, mut with) = (json(body_of(&roomy, &[])), json(body_of(&roomy, &[&argument])));
        assert!(
            with.pointer(&pointer).is_some_and(|value| !value.is_null()),
            "{argument}: {field}"
        );
        if argument != "--init" {
            assert_ne!(
                with.pointer(&pointer),
                without.pointer(&pointer),
                "{argument}: {field}"
            );
        }
        for body in [&mut without, &mut with] {
            body["Labels"]["jobber.runner"] = Value::Null;
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            if argument.starts_with("--shm-size") {
                // /dev/shm needs a namespace that has one.
                body["HostConfig"]["IpcMode"] = Value::Null;
            }
        }
        assert_eq!(with, without, "{argument} changes more than {field}");
    }
}

#[test]
fn arguments_stay_within_the_operators_limits() {
    let limited = DockerEngineConfig {
        max_milli_cpus: Some(500),
        memory: 64 << 20,
        ..config()
    };
    let host = |arguments: &[&str]| body_of(&limited, arguments).host_config.unwrap();
    assert_eq!(host(&["--cpus=4"]).nano_cpus, Some(500_000_000));
    assert_eq!(host(&["--pids-limit=4000"]).pids_limit, Some(64));
    assert_eq!(host(&["--pids-limit=20"]).pids_limit, Some(20));
    assert_eq!(
        host(&["--memory-reservation=1g"]).memory_reservation,
        Some(64 << 20)
    );
    // What Jobber itself has set up stays beside what is asked for.
    let folders = host(&["--tmpfs=/cache"]).tmpfs.unwrap();
    assert!(
        folders.contains_key("/tmp") && folders.contains_key("/cache"),
        "{folders:?}"
    );
    let ulimits = host(&["--ulimit=nofile=64", "--ulimit=core=1"]).ulimits.unwrap();
    let core: Vec<_> = ulimits
        .iter()
        .filter(|ulimit| ulimit.name.as_deref() == Some("core"))
        .collect();
    assert_eq!((ulimits.len(), core.len(), core[0].soft), (3, 1, Some(1)));
    assert_eq!(
        host(&["--cap-add=SYS_NICE"]).cap_drop,
        Some(vec!["ALL".to_owned()])
    );
}

#[test]
fn arguments_that_the_operator_does_not_allow_change_nothing() {
    let forbidding = DockerEngineConfig {
        allowed: BTreeSet::from([DockerArgumentKind::Labels]),
        ..config()
    };
    let (with, without) = (
        body_of(&forbidding, &["--cap-add=SYS_ADMIN", "--cpus=1"]),
        body_of(&forbidding, &[]),
    );
    assert_eq!(with.host_config, without.host_config);
}

#[test]
fn graphics_processors_are_asked_for_as_dockers_command_line_does() {
    let request = |arguments: &[&str]| {
        body_of(&config(), arguments)
            .host_config
            .unwrap()
            .device_requests
            .unwrap()
            .remove(0)
    };
    let gpu = Some(vec![vec!["gpu".to_owned()]]);
    let all = DeviceRequest {
        count: Some(-1),
        capabilities: gpu.clone(),
        ..DeviceRequest::default()
    };
    assert_eq!(request(&["--gpus=all"]), all);
    assert_eq!(request(&["--gpus=2"]).count, Some(2));
    let named = request(&["--gpus=device=0,2"]);
    assert_eq!(named.device_ids, Some(vec!["0".to_owned(), "2".to_owned()]));
    assert_eq!(named.capabilities, gpu);
}

#[test]
fn memory_of_the_action_comes_before_the_limit_of_the_docker_arguments() {
    let docker = DockerArguments {
        memory_limit: Some(ByteSize::from_mebibytes(512)),
        ..DockerArguments::default()
    };
    let resources = Resources {
        memory: Some(64 << 20),
        milli_cpus: None,
    };
    assert_eq!(
        host(&config(), &spec(resources, docker.clone())).memory,
        Some(64 << 20)
    );
    assert_eq!(
        host(&config(), &spec(Resources::default(), docker)).memory,
        Some(512 << 20)
    );
}
