//! Lets callbacks through to allowed hosts, and to nowhere else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use super::hosts::AllowedHosts;

/// Most bytes of a callback's address.
const MAX_URL_BYTES: usize = 2_048;
/// How long a name is resolved while its request waits.
const RESOLVE_TIME: Duration = Duration::from_secs(3);
/// Most addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 64;

/// Why something is no address for a callback.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It can not be understood.
    #[error("{0}")]
    Malformed(&'static str),
    /// The operator does not allow the host.
    #[error("callbacks to the host {0} are not allowed here")]
    HostNotAllowed(String),
    /// The host leads to an address that the operator does not allow.
    #[error("the host {0} leads to an address that callbacks may not go to")]
    AddressNotAllowed(String),
    /// The host's name can not be resolved.
    #[error("the host {host} can not be found: {error}")]
    Unresolved {
        /// Which.
        host: String,
        /// What the resolver says.
        error: String,
    },
}

/// Where a callback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Reads an address: `http` or `https`, with a host and without credentials.
    ///
    /// # Errors
    /// [`TargetError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let malformed = |what| Err(TargetError::Malformed(what));
        if text.len() > MAX_URL_BYTES {
            return malformed("the URL has more than 2,048 bytes");
        }
        let Ok(mut url) = Url::parse(text) else {
            return malformed("it is no absolute URL");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return malformed("the URL is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return malformed("the URL holds a user name or a password");
        }
        if url.host().is_none() {
            return malformed("the URL names no host");
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The whole address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Its host, as a name or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address that the host is, if it is no name.
    fn address(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }
}

/// Finds the addresses of names.
#[async_trait]
pub trait NameResolver: Send + Sync + 'static {
    /// All addresses of a host.
    ///
    /// # Errors
    /// What the system says.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

#[async_trait]
impl NameResolver for SystemNames {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).take(MOST_ADDRESSES).collect())
    }
}

/// Checks where callbacks go. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    allowed: Arc<AllowedHosts>,
    names: Arc<dyn NameResolver>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate to these hosts.
    #[must_use]
    pub fn new(allowed: AllowedHosts, names: Arc<dyn NameResolver>) -> Self {
        Self {
            allowed: Arc::new(allowed),
            names,
        }
    }

    /// Checks an address that a caller named. A name that is allowed and can not be resolved just now is let in: it is checked
    /// again when the callback is sent. A name that can not be allowed is not even resolved.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn check(&self, target: &Target) -> Result<(), TargetError> {
        let host = target.host();
        if target.address().is_some() {
            return self.check_literal(target);
        }
        let named = self.allowed.has_name(host);
        if !named && !self.allowed.has_networks() {
            return Err(TargetError::HostNotAllowed(host.to_owned()));
        }
        match timeout(RESOLVE_TIME, self.addresses(host)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(TargetError::Unresolved { .. })) | Err(_) if named => Ok(()),
            Ok(Err(TargetError::Unresolved { .. })) | Err(_) => {
                Err(TargetError::HostNotAllowed(host.to_owned()))
            }
            Ok(Err(refused)) => Err(refused),
        }
    }

    /// Checks a host that is an address: no resolver is asked for those.
    ///
    /// # Errors
    /// [`TargetError::HostNotAllowed`].
    pub(super) fn check_literal(&self, target: &Target) -> Result<(), TargetError> {
        match target.address() {
            Some(address) if !self.allowed.permits(target.host(), address) => {
                Err(TargetError::HostNotAllowed(target.host().to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The addresses of a host, each of which may be called. One that may not be is enough to refuse all: which of them would be
    /// called is not ours to say.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, TargetError> {
        let unresolved = |error: String| TargetError::Unresolved {
            host: host.to_owned(),
            error,
        };
        let found = self.names.resolve(host).await;
        let found = found.map_err(|error| unresolved(error.to_string()))?;
        if found.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        if !found.iter().all(|address| self.allowed.permits(host, *address)) {
            let named = self.allowed.has_name(host);
            return Err(if named {
                TargetError::AddressNotAllowed(host.to_owned())
            } else {
                TargetError::HostNotAllowed(host.to_owned())
            });
        }
        Ok(found)
    }
}

/// What the client connects to is what was checked: it asks nobody else.
impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.clone();
        Box::pin(async move {
            let found = gate.addresses(name.as_str()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Known(HashMap<&'static str, Vec<IpAddr>>);

    #[async_trait]
    impl NameResolver for Known {
        async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            self.0
                .get(host)
                .cloned()
                .ok_or_else(|| io::Error::other("no such host"))
        }
    }

    fn gate(allowed: &str) -> Gate {
        let public = "93.184.216.34".parse().unwrap();
        let inner = "10.1.0.7".parse().unwrap();
        let known = HashMap::from([
            ("good.example", vec![public]),
            ("inner.example", vec![inner]),
            ("both.example", vec![public, inner]),
            ("other.org", vec![public]),
        ]);
        Gate::new(AllowedHosts::parse(allowed).unwrap(), Arc::new(Known(known)))
    }

    async fn check(allowed: &str, url: &str) -> Result<(), TargetError> {
        gate(allowed).check(&Target::parse(url).unwrap()).await
    }

    #[tokio::test]
    async fn every_address_of_a_host_has_to_be_allowed() {
        let not_allowed = |host: &str| Err(TargetError::HostNotAllowed(host.to_owned()));
        let leads_inside = |host: &str| Err(TargetError::AddressNotAllowed(host.to_owned()));
        assert_eq!(
            check("", "https://good.example/").await,
            not_allowed("good.example")
        );
        assert_eq!(check("*.example", "https://good.example/").await, Ok(()));
        assert_eq!(
            check("*.example", "https://inner.example/").await,
            leads_inside("inner.example")
        );
        assert_eq!(
            check("*.example", "https://both.example/").await,
            leads_inside("both.example")
        );
        assert_eq!(
            check("*.example,10.1.0.0/16", "https://both.example/").await,
            Ok(())
        );
        assert_eq!(check("10.1.0.0/16", "http://inner.example/").await, Ok(()));
        assert_eq!(
            check("10.1.0.0/16", "http://other.org/").await,
            not_allowed("other.org")
        );
        assert_eq!(
            check("10.1.0.0/16", "http://unknown.org/").await,
            not_allowed("unknown.org")
        );
        assert_eq!(
            check("*.example", "http://unknown.example/").await,
            Ok(()),
            "checked again when it is sent"
        );
    }

    #[tokio::test]
    async fn addresses_are_checked_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(check("*", url).await.is_err(), "{url}");
        }
        assert_eq!(check("127.0.0.0/8", "http://127.0.0.1:8080/").await, Ok(()));
        assert_eq!(check("::1", "http://[::1]:8080/").await, Ok(()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "/path",
            "ftp://a/",
            "http://",
            "http://user@a/",
            "http://:secret@a/",
            "mailto:a@b",
        ] {
            assert!(
                matches!(Target::parse(url), Err(TargetError::Malformed(_))),
                "{url}"
            );
        }
        assert!(Target::parse(&format!("http://a/{}", "x".repeat(3000))).is_err());
        assert_eq!(
            Target::parse("https://a/b?c#d").unwrap().url().as_str(),
            "https://a/b?c"
        );
    }
}
