//! Values that raise or lower what a container may use.

use std::fmt;

use super::is_made_of;

/// A capability of the kernel, without its prefix `CAP_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(&'static str);

/// What Linux has of them.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

impl Capability {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Err("must name each capability; `ALL` is refused".to_owned());
        }
        CAPABILITIES
            .into_iter()
            .find(|known| *known == name)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no capability of Linux such as `SYS_NICE`"))
    }

    /// Its name without `CAP_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A weight where processors are short; 1024 is Docker's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuShares(u32);

impl CpuShares {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(shares @ 2..=262_144) => Ok(Self(shares)),
            _ => Err("must be a whole number from 2 to 262144".to_owned()),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for CpuShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Numbers and ranges of processors: `0-2,4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(String);

impl CpuSet {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|_| is_made_of(text, |b| b.is_ascii_digit()))
        };
        let good = text.split(',').all(|part| match part.split_once('-') {
            None => number(part).is_some(),
            Some((first, last)) => {
                matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last)
            }
        });
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is no list of processors such as `0-2,4`"))
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which graphics processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuRequest {
    /// All.
    All,
    /// So many, whichever.
    Count(u16),
    /// Those of these ids.
    Devices(Vec<String>),
}

impl GpuRequest {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(count) = text.parse()
            && count > 0
        {
            return Ok(Self::Count(count));
        }
        // A shell needs the quotes around a list with a comma, and Docker takes them off again.
        let plain = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let ids: Vec<_> = plain
            .strip_prefix("device=")
            .map(|ids| ids.split(',').map(str::to_owned).collect())
            .unwrap_or_default();
        let is_id = |id: &String| {
            is_made_of(id, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.')
            })
        };
        if ids.is_empty() || !ids.iter().all(is_id) {
            return Err(format!("`{text}` is none of `all`, a number, `device=ID,ID`"));
        }
        Ok(Self::Devices(ids))
    }
}

impl fmt::Display for GpuRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
            Self::Devices(ids) => write!(f, "device={}", ids.join(",")),
        }
    }
}

/// A parameter of the kernel in one of the container's own namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Such as `net.core.somaxconn`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What of the kernel's parameters a container has for itself: these, and all that begin with the prefixes.
const OWN_SYSCTLS: [&str; 6] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
];
const OWN_SYSCTL_PREFIXES: [&str; 3] = ["net.", "fs.mqueue.", "kernel.shm"];

impl Sysctl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not `NAME=VALUE`"))?;
        let is_name = name
            .split('.')
            .all(|part| is_made_of(part, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
        let is_own =
            OWN_SYSCTLS.contains(&name) || OWN_SYSCTL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if !is_name || !is_own {
            return Err(format!(
                "`{name}` is not a container's own: only `net.…`, `fs.mqueue.…`, `kernel.shm…`, `kernel.msg…` and `kernel.sem` are"
            ));
        }
        if !is_made_of(value, |b| b.is_ascii_graphic() || b == b' ') {
            return Err(format!("`{name}` needs a value of plain characters"));
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// A limit of each process of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulimit {
    name: &'static str,
    soft: i64,
    hard: i64,
}

/// What Docker calls them.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// As Docker writes "no limit".
const UNLIMITED: i64 = -1;

impl Ulimit {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, limits) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not `NAME=SOFT[:HARD]`"))?;
        let name = ULIMITS
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(|| format!("`{name}` is none of {}", ULIMITS.join(", ")))?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let number = |text: &str| match text.parse() {
            Ok(number @ UNLIMITED..) => Ok(number),
            _ => Err(format!("`{text}` is no limit: a whole number, or -1 for none")),
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        if hard != UNLIMITED && (soft > hard || soft == UNLIMITED) {
            return Err("the soft limit is more than the hard one".to_owned());
        }
        Ok(Self { name, soft, hard })
    }

    /// Such as `nofile`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What a process begins with; -1 is no limit.
    #[must_use]
    pub const fn soft(self) -> i64 {
        self.soft
    }

    /// How far a process may raise it; -1 is no limit.
    #[must_use]
    pub const fn hard(self) -> i64 {
        self.hard
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, self.soft, self.hard)
    }
}
