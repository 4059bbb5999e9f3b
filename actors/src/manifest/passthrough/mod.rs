//! `directPassthroughArguments`: those arguments of `docker run` that a package may give, each as a value of its own type.
//!
//! [`UNDERSTOOD`] is all of them; what is not in it is refused when a package is published. The reference lists what each
//! becomes in a container, and tests hold the two together.

mod limits;
mod list;
mod places;
mod refused;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::quantities::{ByteSize, Cpus};

pub use limits::{Capability, CpuSet, CpuShares, GpuRequest, Sysctl, Ulimit};
pub(super) use list::read;
pub use places::{DeviceAccess, DnsOption, GroupName, HostAddress, HostAlias, HostName, TmpfsMount};

/// One argument of `docker run`. Written as text it is `--name=value`, whichever way the package wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassthroughArgument {
    /// A line of `/etc/hosts`.
    AddHost(HostAlias),
    /// A capability that the container does not drop.
    CapAdd(Capability),
    /// Its weight where processors are short.
    CpuShares(CpuShares),
    /// Processors, as `action.cpus`.
    Cpus(Cpus),
    /// Which processors it may run on.
    CpusetCpus(CpuSet),
    /// A device of the host.
    Device(DeviceAccess),
    /// A name server.
    Dns(IpAddr),
    /// An option of the resolver.
    DnsOption(DnsOption),
    /// A domain in which short names are looked for.
    DnsSearch(HostName),
    /// Graphics processors.
    Gpus(GpuRequest),
    /// A further group of the function's user.
    GroupAdd(GroupName),
    /// The container's host name.
    Hostname(HostName),
    /// An init process. Every container has one.
    Init,
    /// Memory below which it is pushed where memory is short.
    MemoryReservation(ByteSize),
    /// Most processes and threads, within the operator's limit.
    PidsLimit(NonZeroU32),
    /// Size of `/dev/shm`, which is not there otherwise.
    ShmSize(ByteSize),
    /// A parameter of the kernel that belongs to the container alone.
    Sysctl(Sysctl),
    /// A folder in memory.
    Tmpfs(TmpfsMount),
    /// A limit of each process.
    Ulimit(Ulimit),
}

/// What is known about an argument before its value is read.
#[derive(Clone, Copy, Debug)]
pub struct Understood {
    /// Without its dashes.
    pub name: &'static str,
    /// How its value is written; `None` if it has none.
    pub value: Option<&'static str>,
    /// Whether it may be given more than once.
    pub repeats: bool,
    read: fn(&str) -> Result<PassthroughArgument, String>,
}

/// The fewest processes and threads with which Node starts.
const LEAST_PIDS: u32 = 16;

/// Every argument that is understood, in the order of the alphabet.
pub const UNDERSTOOD: [Understood; 19] = {
    use PassthroughArgument as Argument;
    const fn once(
        name: &'static str,
        value: &'static str,
        read: fn(&str) -> Result<PassthroughArgument, String>,
    ) -> Understood {
        Understood {
            name,
            value: Some(value),
            repeats: false,
            read,
        }
    }
    const fn often(
        name: &'static str,
        value: &'static str,
        read: fn(&str) -> Result<PassthroughArgument, String>,
    ) -> Understood {
        Understood {
            repeats: true,
            ..once(name, value, read)
        }
    }
    [
        often("add-host", "NAME:ADDRESS", |text| {
            HostAlias::parse(text).map(Argument::AddHost)
        }),
        often("cap-add", "CAPABILITY", |text| {
            Capability::parse(text).map(Argument::CapAdd)
        }),
        once("cpu-shares", "N", |text| {
            CpuShares::parse(text).map(Argument::CpuShares)
        }),
        once("cpus", "N", |text| cpus(text).map(Argument::Cpus)),
        once("cpuset-cpus", "0-2,4", |text| {
            CpuSet::parse(text).map(Argument::CpusetCpus)
        }),
        often("device", "/dev/HOST[:/dev/CONTAINER][:rwm]", |text| {
            DeviceAccess::parse(text).map(Argument::Device)
        }),
        often("dns", "ADDRESS", |text| address(text).map(Argument::Dns)),
        often("dns-option", "OPTION", |text| {
            DnsOption::parse(text).map(Argument::DnsOption)
        }),
        often("dns-search", "DOMAIN", |text| {
            HostName::parse(text).map(Argument::DnsSearch)
        }),
        once("gpus", "all|N|device=ID,ID", |text| {
            GpuRequest::parse(text).map(Argument::Gpus)
        }),
        often("group-add", "GROUP", |text| {
            GroupName::parse(text).map(Argument::GroupAdd)
        }),
        once("hostname", "NAME", |text| {
            HostName::parse(text).map(Argument::Hostname)
        }),
        Understood {
            name: "init",
            value: None,
            repeats: false,
            read: init,
        },
        once("memory-reservation", "SIZE", |text| {
            size(text).map(Argument::MemoryReservation)
        }),
        once("pids-limit", "N", |text| pids(text).map(Argument::PidsLimit)),
        once("shm-size", "SIZE", |text| size(text).map(Argument::ShmSize)),
        often("sysctl", "NAME=VALUE", |text| {
            Sysctl::parse(text).map(Argument::Sysctl)
        }),
        often("tmpfs", "/FOLDER[:size=SIZE,mode=MODE,…]", |text| {
            TmpfsMount::parse(text).map(Argument::Tmpfs)
        }),
        often("ulimit", "NAME=SOFT[:HARD]", |text| {
            Ulimit::parse(text).map(Argument::Ulimit)
        }),
    ]
};

impl Understood {
    /// The argument of this name, without dashes.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        UNDERSTOOD.iter().find(|understood| understood.name == name)
    }

    /// How it is written: `--cpus=N`.
    #[must_use]
    pub fn usage(&self) -> String {
        match self.value {
            Some(value) => format!("--{}={value}", self.name),
            None => format!("--{}", self.name),
        }
    }
}

impl PassthroughArgument {
    /// Its name, without dashes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddHost(_) => "add-host",
            Self::CapAdd(_) => "cap-add",
            Self::CpuShares(_) => "cpu-shares",
            Self::Cpus(_) => "cpus",
            Self::CpusetCpus(_) => "cpuset-cpus",
            Self::Device(_) => "device",
            Self::Dns(_) => "dns",
            Self::DnsOption(_) => "dns-option",
            Self::DnsSearch(_) => "dns-search",
            Self::Gpus(_) => "gpus",
            Self::GroupAdd(_) => "group-add",
            Self::Hostname(_) => "hostname",
            Self::Init => "init",
            Self::MemoryReservation(_) => "memory-reservation",
            Self::PidsLimit(_) => "pids-limit",
            Self::ShmSize(_) => "shm-size",
            Self::Sysctl(_) => "sysctl",
            Self::Tmpfs(_) => "tmpfs",
            Self::Ulimit(_) => "ulimit",
        }
    }

    fn write_value(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddHost(value) => write!(f, "={value}"),
            Self::CapAdd(value) => write!(f, "={value}"),
            Self::CpuShares(value) => write!(f, "={value}"),
            Self::Cpus(value) => write!(f, "={}", f64::from(value.milli()) / 1000.0),
            Self::CpusetCpus(value) => write!(f, "={value}"),
            Self::Device(value) => write!(f, "={value}"),
            Self::Dns(value) => write!(f, "={value}"),
            Self::DnsOption(value) => write!(f, "={value}"),
            Self::DnsSearch(value) | Self::Hostname(value) => write!(f, "={value}"),
            Self::Gpus(value) => write!(f, "={value}"),
            Self::GroupAdd(value) => write!(f, "={value}"),
            Self::Init => Ok(()),
            Self::MemoryReservation(value) | Self::ShmSize(value) => write!(f, "={value}"),
            Self::PidsLimit(value) => write!(f, "={value}"),
            Self::Sysctl(value) => write!(f, "={value}"),
            Self::Tmpfs(value) => write!(f, "={value}"),
            Self::Ulimit(value) => write!(f, "={value}"),
        }
    }
}

impl fmt::Display for PassthroughArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}", self.name())?;
        self.write_value(f)
    }
}

impl Serialize for PassthroughArgument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for PassthroughArgument {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PassthroughArgument".into()
    }

    /// An argument, or the value of the one before it.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let with_value: Vec<_> = UNDERSTOOD
            .iter()
            .filter(|understood| understood.value.is_some())
            .map(|understood| understood.name)
            .collect();
        json_schema!({
            "type": "string",
            "pattern": format!("^(--({})(=.*)?|--init(=true)?|[^-].*)$", with_value.join("|")),
        })
    }
}

/// Sizes as Docker's command line takes them: the unit in either case, with or without a `b`, bytes without one.
fn size(text: &str) -> Result<ByteSize, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "b" => "b",
        "k" | "kb" => "k",
        "m" | "mb" => "m",
        "g" | "gb" => "g",
        _ => return Err(format!("`{text}` is no size such as `64m` (units b, k, m, g)")),
    };
    let size = ByteSize::parse(&format!("{digits}{unit}")).map_err(|error| error.to_string())?;
    if size.bytes() == 0 {
        return Err("must be more than nothing".to_owned());
    }
    // Docker counts in signed numbers.
    if i64::try_from(size.bytes()).is_err() {
        return Err(format!("`{text}` is more than Docker counts"));
    }
    Ok(size)
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is no number of processors such as `0.5`"))?;
    let milli = (number * 1000.0).round();
    if !(f64::from(Cpus::LEAST_MILLI)..=f64::from(Cpus::MOST_MILLI)).contains(&milli) {
        return Err("must be from 0.01 to 1024".to_owned());
    }
    // Within the limits that were just compared.
    NonZeroU32::new(milli as u32)
        .map(Cpus::from_milli)
        .ok_or_else(|| "must be more than 0".to_owned())
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no IP address"))
}

fn pids(text: &str) -> Result<NonZeroU32, String> {
    match text.parse::<NonZeroU32>() {
        Ok(number) if number.get() >= LEAST_PIDS => Ok(number),
        _ => Err(format!(
            "must be a whole number from {LEAST_PIDS}, which Node needs to start"
        )),
    }
}

fn init(text: &str) -> Result<PassthroughArgument, String> {
    match text {
        "" | "true" => Ok(PassthroughArgument::Init),
        _ => Err(
            "can not be turned off: without an init what a function leaves behind is never reaped".to_owned(),
        ),
    }
}

/// Whether a text is made of these bytes and at least one.
fn is_made_of(text: &str, good: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(good)
}

/// A path that is absolute, in its plainest form, and safe inside of Docker's notations, which part at `:` and `,`.
fn is_plain_path(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains([':', ',']))
    })
}
