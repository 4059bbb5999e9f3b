//! From a package's `directPassthroughArguments` to the fields of the request that makes a container.
//!
//! Limits that the operator has set are in the request already, and are never raised here.

use bollard::models::{ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, ResourcesUlimits};
use jobber_actors::manifest::{ByteSize, GpuRequest, PassthroughArgument, Ulimit};

/// As Docker's API says "all of them".
const ALL_GPUS: i64 = -1;

/// Thousandths of a processor that the arguments ask for.
pub(super) fn milli_cpus(arguments: &[PassthroughArgument]) -> Option<u32> {
    arguments.iter().find_map(|argument| match argument {
        PassthroughArgument::Cpus(cpus) => Some(cpus.milli()),
        _ => None,
    })
}

/// Applies one argument.
pub(super) fn apply(argument: &PassthroughArgument, body: &mut ContainerCreateBody, host: &mut HostConfig) {
    use PassthroughArgument as Argument;
    match argument {
        Argument::AddHost(alias) => add(&mut host.extra_hosts, alias.to_string()),
        Argument::CapAdd(capability) => add(&mut host.cap_add, capability.name().to_owned()),
        Argument::CpuShares(shares) => host.cpu_shares = Some(shares.get().into()),
        // Decided together with what the action and the operator say.
        Argument::Cpus(_) => {}
        Argument::CpusetCpus(set) => host.cpuset_cpus = Some(set.as_str().to_owned()),
        Argument::Device(device) => add(
            &mut host.devices,
            DeviceMapping {
                path_on_host: Some(device.host().to_owned()),
                path_in_container: Some(device.container().to_owned()),
                cgroup_permissions: Some(device.rights().to_owned()),
            },
        ),
        Argument::Dns(address) => add(&mut host.dns, address.to_string()),
        Argument::DnsOption(option) => add(&mut host.dns_options, option.as_str().to_owned()),
        Argument::DnsSearch(domain) => add(&mut host.dns_search, domain.as_str().to_owned()),
        Argument::Gpus(request) => add(&mut host.device_requests, gpus(request)),
        Argument::GroupAdd(group) => add(&mut host.group_add, group.as_str().to_owned()),
        Argument::Hostname(name) => body.hostname = Some(name.as_str().to_owned()),
        Argument::Init => host.init = Some(true),
        Argument::MemoryReservation(size) => {
            host.memory_reservation = Some(host.memory.map_or(bytes(*size), |most| most.min(bytes(*size))));
        }
        Argument::PidsLimit(number) => {
            let wanted = i64::from(number.get());
            host.pids_limit = Some(host.pids_limit.map_or(wanted, |most| most.min(wanted)));
        }
        Argument::ShmSize(size) => {
            host.shm_size = Some(bytes(*size));
            host.ipc_mode = Some("private".to_owned());
        }
        Argument::Sysctl(sysctl) => {
            let all = host.sysctls.get_or_insert_default();
            all.insert(sysctl.name.clone(), sysctl.value.clone());
        }
        Argument::Tmpfs(folder) => {
            let all = host.tmpfs.get_or_insert_default();
            all.insert(folder.folder().to_owned(), folder.options());
        }
        Argument::Ulimit(ulimit) => limit(host, *ulimit),
    }
}

fn add<T>(list: &mut Option<Vec<T>>, element: T) {
    list.get_or_insert_default().push(element);
}

fn gpus(request: &GpuRequest) -> DeviceRequest {
    let (count, ids) = match request {
        GpuRequest::All => (Some(ALL_GPUS), None),
        GpuRequest::Count(count) => (Some(i64::from(*count)), None),
        GpuRequest::Devices(ids) => (None, Some(ids.clone())),
    };
    DeviceRequest {
        count,
        device_ids: ids,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }
}

/// Takes the place of the limit of the same name, if there is one.
fn limit(host: &mut HostConfig, ulimit: Ulimit) {
    let all = host.ulimits.get_or_insert_default();
    all.retain(|other| other.name.as_deref() != Some(ulimit.name()));
    all.push(ResourcesUlimits {
        name: Some(ulimit.name().to_owned()),
        soft: Some(ulimit.soft()),
        hard: Some(ulimit.hard()),
    });
}

fn bytes(size: ByteSize) -> i64 {
    i64::try_from(size.bytes()).unwrap_or(i64::MAX)
}
