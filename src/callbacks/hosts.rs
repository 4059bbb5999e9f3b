//! Where callbacks may go: a pure decision.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Addresses of IPv4 that are not anybody's on the Internet (IANA's registry of special purposes), those of multicast included.
const SPECIAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// All that is given out of IPv6.
const GIVEN_OUT_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// And what of it is not anybody's: protocols (Teredo among them), documentation, 6to4, documentation again.
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// A name that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NamePattern {
    /// Every name.
    Any,
    /// This name.
    Exact(String),
    /// Every name that ends with this, which begins with a dot.
    Below(String),
}

/// The hosts that callbacks may go to. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    names: Vec<NamePattern>,
    networks: Vec<IpNet>,
}

impl AllowedHosts {
    /// Reads names (`hooks.example.com`), wildcards (`*.example.com`, `*`), addresses and networks (`10.1.0.0/16`), separated by
    /// commas.
    ///
    /// # Errors
    /// What is wrong, to complete the sentence "the text …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut allowed = Self::default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            let network = part
                .parse::<IpNet>()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) => allowed.networks.push(network),
                Err(_) => allowed.names.push(pattern(part)?),
            }
        }
        Ok(allowed)
    }

    /// Whether no host is allowed at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty()
    }

    /// Whether this name is allowed where it leads to public addresses.
    #[must_use]
    pub fn has_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|pattern| match pattern {
            NamePattern::Any => true,
            NamePattern::Exact(name) => *name == host,
            NamePattern::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
        })
    }

    /// Whether any network is allowed, so that a name is worth resolving which is not allowed itself.
    #[must_use]
    pub fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether a callback for this host may go to this address. One that is not public has to be in an allowed network, whatever
    /// the host is called: who owns a name also says where it leads.
    #[must_use]
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
            || (self.has_name(host) && is_public(address))
    }
}

fn pattern(text: &str) -> Result<NamePattern, String> {
    let wrong =
        || format!("has `{text}`, which is no host, no `*.example.com` and no network such as 10.1.0.0/16");
    if text == "*" {
        return Ok(NamePattern::Any);
    }
    let (name, below) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // What looks like an address and is none was meant to be one.
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if name.len() > 253 || numeric || !name.split('.').all(label) {
        return Err(wrong());
    }
    let name = name.to_ascii_lowercase();
    Ok(if below {
        NamePattern::Below(format!(".{name}"))
    } else {
        NamePattern::Exact(name)
    })
}

/// Whether an address may be somebody's on the Internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let within = |(network, bits)| Ipv6Net::new_assert(network, bits).contains(&address);
            match translated(address) {
                Some(inner) => is_public_v4(inner),
                None => within(GIVEN_OUT_V6) && !SPECIAL_V6.into_iter().any(within),
            }
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4
        .into_iter()
        .any(|(network, bits)| Ipv4Net::new_assert(network, bits).contains(&address))
}

/// The address of IPv4 that a translator (NAT64) takes this for.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else {
        return None;
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let none = AllowedHosts::parse("").unwrap();
        assert!(none.is_empty() && !none.permits("example.com", address("93.184.216.34")));
    }

    #[test]
    fn names_and_wildcards_lead_to_public_addresses_only() {
        let allowed = AllowedHosts::parse("hooks.example.com, *.Example.org").unwrap();
        let public = address("93.184.216.34");
        for host in [
            "hooks.example.com",
            "HOOKS.example.com.",
            "a.example.org",
            "a.b.example.org",
        ] {
            assert!(allowed.permits(host, public), "{host}");
            for inner in [
                "127.0.0.1",
                "10.0.0.1",
                "169.254.169.254",
                "192.168.1.1",
                "172.31.0.1",
                "100.64.0.1",
                "0.0.0.0",
                "224.0.0.1",
                "255.255.255.255",
                "::1",
                "::",
                "fe80::1",
                "fc00::1",
                "fd00:ec2::254",
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "64:ff9b::a9fe:a9fe",
                "2002:7f00:1::",
                "2001::1",
                "ff02::1",
                "::127.0.0.1",
            ] {
                assert!(!allowed.permits(host, address(inner)), "{host} at {inner}");
            }
            for outer in [
                "2606:4700:4700::1111",
                "64:ff9b::5db8:d822",
                "::ffff:93.184.216.34",
            ] {
                assert!(allowed.permits(host, address(outer)), "{host} at {outer}");
            }
        }
        for host in [
            "example.com",
            "x.hooks.example.com",
            "example.org",
            "evilexample.org",
            "93.184.216.34",
        ] {
            assert!(!allowed.permits(host, public), "{host}");
        }
    }

    #[test]
    fn networks_are_allowed_whatever_leads_there() {
        let allowed = AllowedHosts::parse("10.1.0.0/16, 127.0.0.1, fd00::/8").unwrap();
        for inner in ["10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1", "fd12::1"] {
            assert!(allowed.permits("anything.example", address(inner)), "{inner}");
        }
        for other in ["10.2.0.1", "127.0.0.2", "93.184.216.34", "169.254.169.254"] {
            assert!(!allowed.permits("anything.example", address(other)), "{other}");
        }
    }

    #[test]
    fn what_is_no_host_is_told() {
        for wrong in [
            "http://example.com",
            "a..b",
            "*.",
            "*example.com",
            "10.0.0.0/33",
            "300.1.1.1",
            "a b",
            "example.com:80",
        ] {
            assert!(AllowedHosts::parse(wrong).is_err(), "{wrong}");
        }
        assert!(
            AllowedHosts::parse("*")
                .unwrap()
                .permits("any.example", address("93.184.216.34"))
        );
    }
}
