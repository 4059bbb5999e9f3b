//! How the Docker engine is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jobber_actors::manifest::DockerArguments;

use super::super::ManagerAddress;

/// A kind of Docker argument that a package may ask for in `runnerDockerArguments`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DockerArgumentKind {
    /// Further networks.
    Networks,
    /// Mounts of the host.
    Volumes,
    /// Labels.
    Labels,
    /// A memory limit of its own.
    MemoryLimit,
    /// Arguments of `docker run`.
    DirectPassthroughArguments,
}

impl DockerArgumentKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Volumes,
        Self::Networks,
        Self::Labels,
        Self::MemoryLimit,
        Self::DirectPassthroughArguments,
    ];

    /// Its name in the configuration and in a package.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Networks => "networks",
            Self::Volumes => "volumes",
            Self::Labels => "labels",
            Self::MemoryLimit => "memoryLimit",
            Self::DirectPassthroughArguments => "directPassthroughArguments",
        }
    }

    /// Whether a package asks for something of this kind.
    #[must_use]
    pub fn is_asked_in(self, arguments: &DockerArguments) -> bool {
        match self {
            Self::Networks => !arguments.networks.is_empty(),
            Self::Volumes => !arguments.volumes.is_empty(),
            Self::Labels => !arguments.labels.is_empty(),
            Self::MemoryLimit => arguments.memory_limit.is_some(),
            Self::DirectPassthroughArguments => !arguments.direct_passthrough_arguments.is_empty(),
        }
    }
}

impl FromStr for DockerArgumentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                format!("`{text}` is none of {known}")
            })
    }
}

/// How the Docker engine runs.
#[derive(Clone, Debug)]
pub struct DockerEngineConfig {
    /// The daemon: `unix://…`, `tcp://…` or `http://…`.
    pub host: String,
    /// This server's name. Containers carry it as a label; two servers on one Docker need different ones.
    pub instance: String,
    /// Where runners dial in, as seen from their network.
    pub manager: ManagerAddress,
    /// The runners' network; `None` is Docker's default bridge.
    pub network: Option<String>,
    /// The image of each major version of Node.
    pub images: BTreeMap<u32, String>,
    /// Whether to pull an image that is not there.
    pub pull: bool,
    /// What packages may ask of Docker.
    pub allowed: BTreeSet<DockerArgumentKind>,
    /// Bytes of memory of a runner whose job asks for none.
    pub memory: u64,
    /// Most bytes of memory that a job gets, whatever it asks for.
    pub max_memory: Option<u64>,
    /// Thousandths of a processor of a runner whose job asks for none; `None` is all there are.
    pub milli_cpus: Option<u32>,
    /// Most thousandths of a processor that a job gets, whatever it asks for.
    pub max_milli_cpus: Option<u32>,
    /// Most processes and threads in a runner.
    pub pids: u32,
    /// Bytes of a runner's `/tmp`.
    pub tmp: u64,
    /// The runtime of the containers, such as `runsc`; `None` is the daemon's default.
    pub runtime: Option<String>,
}
