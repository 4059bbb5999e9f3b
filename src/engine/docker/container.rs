//! What a runner's container is made of. Pure: from the engine's settings and a runner's spec to the API's body.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    ResourcesUlimits,
};
use jobber_actors::domain::RunnerId;
use jobber_actors::manifest::{ByteSize, MountMode, PassthroughArgument, VolumeMount};
use jobber_actors::ports::{EngineError, RunnerSpec};

use super::config::{DockerArgumentKind, DockerEngineConfig};
use super::passthrough;

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

/// The kernel writes no memory of a crashed process into a file, and keeps no messages of `mq_open` under `/dev/mqueue`.
const NO_FILES_OF_THE_KERNEL: [&str; 2] = ["core", "msgqueue"];
/// From -1000 (never killed) to 1000 (killed first); other processes have 0.
const OOM_SCORE: i64 = 500;

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
    let mut body = ContainerCreateBody {
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
        ..ContainerCreateBody::default()
    };
    let mut host = host_config(config, spec);
    for argument in passthrough_arguments(config, spec) {
        passthrough::apply(argument, &mut body, &mut host);
    }
    body.host_config = Some(host);
    body
}

/// The networks beyond the first that the container joins before it starts.
pub(super) fn further_networks<'a>(config: &DockerEngineConfig, spec: &'a RunnerSpec) -> &'a [String] {
    if granted(config, spec, DockerArgumentKind::Networks) {
        &spec.docker.networks
    } else {
        &[]
    }
}

/// What is granted of the package's `directPassthroughArguments`.
fn passthrough_arguments<'a>(config: &DockerEngineConfig, spec: &'a RunnerSpec) -> &'a [PassthroughArgument] {
    if granted(config, spec, DockerArgumentKind::DirectPassthroughArguments) {
        &spec.docker.direct_passthrough_arguments
    } else {
        &[]
    }
}

fn host_config(config: &DockerEngineConfig, spec: &RunnerSpec) -> HostConfig {
    let memory = as_i64(memory(config, spec));
    let asked_cpus = spec
        .resources
        .milli_cpus
        .or_else(|| passthrough::milli_cpus(passthrough_arguments(config, spec)));
    let milli_cpus = at_most(asked_cpus.or(config.milli_cpus), config.max_milli_cpus);
    HostConfig {
        memory: Some(memory),
        // The same as `memory`: no swap. A runner over its limit ends instead of slowing down the machine.
        memory_swap: Some(memory),
        // Where the machine itself has no memory left, functions go before the server and its database.
        oom_score_adj: Some(OOM_SCORE),
        nano_cpus: milli_cpus.map(|thousandths| i64::from(thousandths) * 1_000_000),
        pids_limit: Some(i64::from(config.pids)),
        ulimits: Some(NO_FILES_OF_THE_KERNEL.map(nothing).to_vec()),
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
        // Its own, and without /dev/shm: only /tmp and the package's folder can be written.
        ipc_mode: Some("none".to_owned()),
        // The paths in /proc/self/cgroup begin at the container, and tell nothing of the host.
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        runtime: config.runtime.clone(),
        ..HostConfig::default()
    }
}

fn nothing(limit: &str) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(limit.to_owned()),
        soft: Some(0),
        hard: Some(0),
    }
}

fn memory(config: &DockerEngineConfig, spec: &RunnerSpec) -> u64 {
    let limit = spec.docker.memory_limit.map(ByteSize::bytes);
    let granted = limit.filter(|_| granted(config, spec, DockerArgumentKind::MemoryLimit));
    let wanted = spec.resources.memory.or(granted).unwrap_or(config.memory);
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
    if granted(config, spec, DockerArgumentKind::Labels) {
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
    if !granted(config, spec, DockerArgumentKind::Volumes) {
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

/// Whether a kind of argument is asked for and allowed. Publishing has warned of what is not allowed; here it is ignored.
fn granted(config: &DockerEngineConfig, spec: &RunnerSpec, kind: DockerArgumentKind) -> bool {
    let (asked, allowed) = (kind.is_asked_in(&spec.docker), config.allowed.contains(&kind));
    if asked && !allowed {
        tracing::debug!(runner = %spec.runner, kind = kind.name(), "ignored: the operator does not allow it");
    }
    asked && allowed
}

fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
