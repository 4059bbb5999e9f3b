//! What a runner's container is made of. Pure: from the engine's settings and a runner's spec to the API's body.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use jobber_actors::domain::RunnerId;
use jobber_actors::manifest::{ByteSize, MountMode, VolumeMount};
use jobber_actors::ports::{EngineError, RunnerSpec};

use super::config::{DockerArgumentKind, DockerEngineConfig};

/// The label with the name of the server that a container belongs to.
pub(super) const INSTANCE_LABEL: &str = "jobber.instance";
/// The label with the runner's id.
pub(super) const RUNNER_LABEL: &str = "jobber.runner";
const JOB_LABEL: &str = "jobber.job";
const JOB_NAME_LABEL: &str = "jobber.job-name";
/// What labels of packages may not begin with.
const RESERVED_LABELS: &str = "jobber.";

/// Where a package's files are in its container. A volume, not a tmpfs: a tmpfs counts as the container's memory, and
/// Docker mounts it `noexec`, which breaks native addons.
pub(super) const APP_DIRECTORY: &str = "/app";
/// The user that owns [`APP_DIRECTORY`] in the image.
const RUNNER_USER: &str = "10001:10001";

/// The container's name.
pub(super) fn name(instance: &str, runner: RunnerId) -> String {
    format!("jobber-{instance}-{runner}")
}

/// The image for a spec.
pub(super) fn image<'a>(config: &'a DockerEngineConfig, spec: &RunnerSpec) -> Result<&'a str, EngineError> {
    let major = spec.runtime.major();
    config
        .images
        .get(&major)
        .map(String::as_str)
        .ok_or_else(|| EngineError::RuntimeMissing {
            runtime: spec.runtime.to_string(),
            reason: format!("no image is configured for it; set RUNNER_IMAGE_NODE{major}_URL"),
        })
}

/// The body of the create request.
pub(super) fn create_body(
    config: &DockerEngineConfig,
    spec: &RunnerSpec,
    image: &str,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: Some(RUNNER_USER.to_owned()),
        labels: Some(labels(config, spec)),
        volumes: Some(vec![APP_DIRECTORY.to_owned()]),
        working_dir: Some(APP_DIRECTORY.to_owned()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        host_config: Some(host_config(config, spec)),
        ..ContainerCreateBody::default()
    }
}

/// The networks beyond the first that the container joins before it starts.
pub(super) fn further_networks<'a>(config: &DockerEngineConfig, spec: &'a RunnerSpec) -> &'a [String] {
    if allowed(
        config,
        spec,
        DockerArgumentKind::Networks,
        spec.docker.networks.is_empty(),
    ) {
        &spec.docker.networks
    } else {
        &[]
    }
}

fn host_config(config: &DockerEngineConfig, spec: &RunnerSpec) -> HostConfig {
    let memory = as_i64(memory(config, spec));
    let milli_cpus = at_most(
        spec.resources.milli_cpus.or(config.milli_cpus),
        config.max_milli_cpus,
    );
    let passthrough = &spec.docker.direct_passthrough_arguments;
    if allowed(
        config,
        spec,
        DockerArgumentKind::DirectPassthroughArguments,
        passthrough.is_empty(),
    ) {
        tracing::warn!(runner = %spec.runner, ?passthrough, "directPassthroughArguments are not applied by this version");
    }
    HostConfig {
        memory: Some(memory),
        // The same as `memory`: no swap. A runner over its limit ends instead of slowing down the machine.
        memory_swap: Some(memory),
        nano_cpus: milli_cpus.map(|thousandths| i64::from(thousandths) * 1_000_000),
        pids_limit: Some(i64::from(config.pids)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([(
            "/tmp".to_owned(),
            format!("rw,nosuid,nodev,noexec,mode=1777,size={}", config.tmp),
        )])),
        mounts: Some(mounts(config, spec)),
        network_mode: config.network.clone(),
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        // An init reaps what a function leaves behind and passes signals on, which Node as process 1 does not.
        init: Some(true),
        // Removed by the engine: Docker's own removal could come before the exit's cause was read.
        auto_remove: Some(false),
        ipc_mode: Some("private".to_owned()),
        ..HostConfig::default()
    }
}

fn memory(config: &DockerEngineConfig, spec: &RunnerSpec) -> u64 {
    let asked = spec.docker.memory_limit.map(ByteSize::bytes);
    let own = asked.filter(|_| allowed(config, spec, DockerArgumentKind::MemoryLimit, asked.is_none()));
    let wanted = own.or(spec.resources.memory).unwrap_or(config.memory);
    config.max_memory.map_or(wanted, |most| wanted.min(most))
}

/// What is wanted, within what the operator allows. Wanting nothing in particular is wanting all there is.
fn at_most(wanted: Option<u32>, most: Option<u32>) -> Option<u32> {
    match (wanted, most) {
        (Some(wanted), Some(most)) => Some(wanted.min(most)),
        (wanted, most) => wanted.or(most),
    }
}

fn labels(config: &DockerEngineConfig, spec: &RunnerSpec) -> HashMap<String, String> {
    let mut labels = HashMap::new();
    if allowed(
        config,
        spec,
        DockerArgumentKind::Labels,
        spec.docker.labels.is_empty(),
    ) {
        let own = spec
            .docker
            .labels
            .iter()
            .filter(|label| !label.key.starts_with(RESERVED_LABELS));
        labels.extend(own.map(|label| (label.key.clone(), label.value.clone())));
    }
    labels.insert(INSTANCE_LABEL.to_owned(), config.instance.clone());
    labels.insert(RUNNER_LABEL.to_owned(), spec.runner.to_string());
    if let Some((job, name)) = &spec.job {
        labels.insert(JOB_LABEL.to_owned(), job.to_string());
        labels.insert(JOB_NAME_LABEL.to_owned(), name.to_string());
    }
    labels
}

fn mounts(config: &DockerEngineConfig, spec: &RunnerSpec) -> Vec<Mount> {
    if !allowed(
        config,
        spec,
        DockerArgumentKind::Volumes,
        spec.docker.volumes.is_empty(),
    ) {
        return Vec::new();
    }
    let mount = |volume: &VolumeMount| Mount {
        // As `docker run -v` has it: a path is a folder of the host, a name is a volume.
        typ: Some(if volume.source.starts_with('/') {
            MountType::BIND
        } else {
            MountType::VOLUME
        }),
        source: Some(volume.source.clone()),
        target: Some(volume.target.clone()),
        read_only: Some(volume.mode == MountMode::Ro),
        ..Mount::default()
    };
    spec.docker.volumes.iter().map(mount).collect()
}

/// Whether a kind of argument is there and allowed. Publishing has warned of what is not allowed; here it is ignored.
fn allowed(config: &DockerEngineConfig, spec: &RunnerSpec, kind: DockerArgumentKind, absent: bool) -> bool {
    let allowed = config.allowed.contains(&kind);
    if !absent && !allowed {
        tracing::debug!(runner = %spec.runner, kind = kind.name(), "ignored: the operator does not allow it");
    }
    !absent && allowed
}

fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jobber_actors::manifest::{DockerArguments, Runtime};
    use jobber_actors::ports::Resources;
    use secrecy::SecretString;

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
}
