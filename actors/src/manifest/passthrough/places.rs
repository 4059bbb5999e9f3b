//! Values that name a host, a user's group, a device or a folder.

use std::fmt;
use std::net::IpAddr;

use super::super::quantities::ByteSize;
use super::{is_made_of, is_plain_path, size};

/// A host's or a domain's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_label = |label: &str| {
            label.len() <= 63
                && is_made_of(label, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is no host name"))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAlias {
    /// The name.
    pub name: HostName,
    /// Where it leads.
    pub address: HostAddress,
}

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// There.
    Ip(IpAddr),
    /// To the Docker host, as seen from the container: `host-gateway`.
    Gateway,
}

impl HostAlias {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = text
            .split_once([':', '='])
            .ok_or_else(|| format!("`{text}` is not `NAME:ADDRESS`"))?;
        let plain = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        let address = if plain == "host-gateway" {
            HostAddress::Gateway
        } else {
            HostAddress::Ip(super::address(plain)?)
        };
        Ok(Self {
            name: HostName::parse(name)?,
            address,
        })
    }
}

impl fmt::Display for HostAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            HostAddress::Ip(address) => write!(f, "{}:{address}", self.name),
            HostAddress::Gateway => write!(f, "{}:host-gateway", self.name),
        }
    }
}

/// An option of the resolver, such as `ndots:2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsOption(String);

impl DnsOption {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if is_made_of(text, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':')
        }) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is no option of a resolver such as `ndots:2`"))
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group by its name in the image or its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let good = is_made_of(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        if !good || text.starts_with('-') || (is_number && text.parse::<u32>().is_err()) {
            return Err(format!("`{text}` is no group's name or number"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device of the host and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAccess {
    host: String,
    container: String,
    rights: String,
}

impl DeviceAccess {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(':').collect();
        let are_rights = |text: &str| {
            is_made_of(text, |b| matches!(b, b'r' | b'w' | b'm')) && text.len() <= 3 && {
                let twice = |right| text.matches(right).count() > 1;
                !['r', 'w', 'm'].into_iter().any(twice)
            }
        };
        let (host, container, rights) = match parts[..] {
            [host] => (host, host, "rwm"),
            [host, rights] if are_rights(rights) => (host, host, rights),
            [host, container] => (host, container, "rwm"),
            [host, container, rights] if are_rights(rights) => (host, container, rights),
            _ => return Err(format!("`{text}` is not `/dev/HOST[:/dev/CONTAINER][:rwm]`")),
        };
        for path in [host, container] {
            if !path.starts_with("/dev/") || !is_plain_path(path) {
                return Err(format!("`{path}` is no path below `/dev/`"));
            }
        }
        Ok(Self {
            host: host.to_owned(),
            container: container.to_owned(),
            rights: rights.to_owned(),
        })
    }

    /// Its path on the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its path in the container.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    /// `r` read, `w` write, `m` make the node.
    #[must_use]
    pub fn rights(&self) -> &str {
        &self.rights
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.container, self.rights)
    }
}

/// A folder in memory. It counts as the container's memory, and never has devices or set-id programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsMount {
    folder: String,
    options: TmpfsOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TmpfsOptions {
    read_only: bool,
    programs: bool,
    size: Option<ByteSize>,
    mode: u16,
    user: Option<u32>,
    group: Option<u32>,
}

/// Folders that nothing may be mounted on or below, with the reason.
const TAKEN: [(&str, &str); 7] = [
    ("/app", "is the package's own folder"),
    (
        "/tmp",
        "is there already; the operator sets its size with `RUNNER_TMP`",
    ),
    ("/opt/jobber", "is Jobber's own"),
    ("/proc", "is the kernel's"),
    ("/sys", "is the kernel's"),
    ("/dev", "is the kernel's; `--shm-size` makes `/dev/shm`"),
    ("/etc", "is the image's"),
];

impl TmpfsMount {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (folder, options) = text.split_once(':').unwrap_or((text, ""));
        if !is_plain_path(folder) {
            return Err(format!("`{folder}` is no absolute path of a folder"));
        }
        let is_within = |taken: &str| {
            folder
                .strip_prefix(taken)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some((taken, why)) = TAKEN.into_iter().find(|(taken, _)| is_within(taken)) {
            return Err(format!("`{taken}` {why}"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            options: TmpfsOptions::parse(options)?,
        })
    }

    /// Where it is in the container.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The options of its mount.
    #[must_use]
    pub fn options(&self) -> String {
        self.options.to_string()
    }
}

impl TmpfsOptions {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self {
            read_only: false,
            programs: false,
            size: None,
            // The function is not root: it could not use a folder that is root's.
            mode: 0o1777,
            user: None,
            group: None,
        };
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let id = || {
                value
                    .parse()
                    .map_err(|_| format!("`{value}` is no number of a user or group"))
            };
            match name {
                "ro" if value.is_empty() => options.read_only = true,
                "rw" if value.is_empty() => options.read_only = false,
                "exec" if value.is_empty() => options.programs = true,
                "noexec" if value.is_empty() => options.programs = false,
                // So it is in any case.
                "nosuid" | "nodev" if value.is_empty() => {}
                "size" => options.size = Some(size(value)?),
                "mode" => options.mode = mode(value)?,
                "uid" => options.user = Some(id()?),
                "gid" => options.group = Some(id()?),
                _ => {
                    return Err(format!(
                        "`{option}` is no option of a tmpfs here: ro, rw, exec, noexec, size, mode, uid, gid"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn mode(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o1777)
        .ok_or_else(|| format!("`{text}` is no mode of a folder such as `1777`"))
}

impl fmt::Display for TmpfsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.read_only { "ro" } else { "rw" })?;
        f.write_str(",nosuid,nodev,")?;
        f.write_str(if self.programs { "exec" } else { "noexec" })?;
        write!(f, ",mode={:o}", self.mode)?;
        if let Some(size) = self.size {
            write!(f, ",size={}", size.bytes())?;
        }
        if let Some(user) = self.user {
            write!(f, ",uid={user}")?;
        }
        if let Some(group) = self.group {
            write!(f, ",gid={group}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TmpfsMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.folder, self.options)
    }
}
