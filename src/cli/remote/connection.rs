//! Which server is asked, in whose name, and who said so.

use std::fmt;
use std::path::Path;

use clap::Args;
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

use super::client::Client;
use super::profile::Profiles;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;

/// Where the API listens unless something else was said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:3000";
/// Where functions answer on the same machine, unless something else was said.
const GATEWAY_PORT: u16 = 3001;
/// What a running `jobber dev` tells other programs.
const DEV_FILE: &str = ".jobber/dev.json";
/// More than this is no such file.
const MAX_DEV_FILE: u64 = 64 << 10;

/// Which server, and how to answer.
#[derive(Debug, Args)]
pub(in crate::cli) struct RemoteArgs {
    /// The server's admin API. Unless given: that of a `jobber dev` in this folder, the one of the last `login`, or
    /// http://127.0.0.1:3000.
    #[arg(long, env = "JOBBER_URL", value_name = "URL", help_heading = "Server")]
    pub(super) server: Option<String>,
    /// The API token. The environment variable and `login` keep it out of the list of processes.
    #[arg(
        long,
        env = "JOBBER_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    token: Option<SecretString>,
    /// Answer with JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// A server, and what is known of it.
#[derive(Debug)]
pub(in crate::cli) struct Connection {
    /// The API, without a slash at the end.
    pub(in crate::cli) url: String,
    /// Where functions answer, if somebody said so.
    pub(super) gateway: Option<String>,
    /// Who the requests are from.
    pub(in crate::cli) token: Option<SecretString>,
    /// Who named the server.
    pub(super) source: Source,
}

/// Who named a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Given,
    Profile,
    Development,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "--server or JOBBER_URL",
            Self::Profile => "`jobber login`",
            Self::Development => ".jobber/dev.json",
            Self::Default => "the default",
        })
    }
}

#[derive(Deserialize)]
struct DevFile {
    url: String,
    gateway: String,
    token: Option<SecretString>,
    database: Option<SecretString>,
}

/// The database of a `jobber dev` that runs in this folder.
pub(in crate::cli) fn development_database() -> Option<SecretString> {
    development(Path::new(DEV_FILE))?.database
}

impl RemoteArgs {
    /// How to answer.
    pub(in crate::cli) fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// The server and its token. A token that is kept for one server is never sent to another.
    pub(in crate::cli) fn connection(&self) -> anyhow::Result<Connection> {
        let profiles = Profiles::load()?;
        let development = development(Path::new(DEV_FILE));
        self.choose(&profiles, development)
    }

    fn choose(&self, profiles: &Profiles, development: Option<DevFile>) -> anyhow::Result<Connection> {
        let (url, source) = match (&self.server, profiles.current(), &development) {
            (Some(given), _, _) => (given.clone(), Source::Given),
            (None, _, Some(development)) => (development.url.clone(), Source::Development),
            (None, Some(current), None) => (current.to_owned(), Source::Profile),
            (None, None, None) => (DEFAULT_SERVER.to_owned(), Source::Default),
        };
        let url = server_url(&url)?;
        let of_development =
            development.filter(|development| server_url(&development.url).ok().as_ref() == Some(&url));
        let (gateway, of_development) = of_development.map_or((None, None), |development| {
            (
                Some(development.gateway.trim_end_matches('/').to_owned()),
                development.token,
            )
        });
        let given = self.token.clone().filter(|token| !is_empty(token));
        let token = given.or_else(|| profiles.token(&url)).or(of_development);
        Ok(Connection {
            url,
            gateway,
            token,
            source,
        })
    }

    /// A client of that server.
    pub(in crate::cli) async fn client(&self) -> anyhow::Result<Client> {
        Client::new(self.connection()?).await
    }
}

fn is_empty(token: &SecretString) -> bool {
    use secrecy::ExposeSecret;
    token.expose_secret().is_empty()
}

/// The server of a `jobber dev` that runs in this folder. Only one on this machine: whoever wrote the folder may not choose where
/// code is sent to.
fn development(file: &Path) -> Option<DevFile> {
    if file.metadata().ok()?.len() > MAX_DEV_FILE {
        return None;
    }
    let found: DevFile = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (is_loopback(&found.url) && is_loopback(&found.gateway)).then_some(found)
}

fn is_loopback(url: &str) -> bool {
    let host = Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// A URL as people write it, without what requests add.
pub(super) fn server_url(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("{text:?} is no server's URL: {why}"))
            .next("give one such as https://jobber.example.org:3000")
    };
    if !["http://", "https://"]
        .iter()
        .any(|scheme| begins_with(text, scheme))
    {
        return Err(wrong("it has to begin with http:// or https://"));
    }
    // What else its parser finds fault with is told in its words: "empty host", "invalid port number".
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it has a user name; sign in with `jobber login` instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has more than an address"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn begins_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl Connection {
    /// Where functions answer: as given, as the server's own machine says, or at the usual port of the server's host.
    pub(super) fn gateway_url(&self, given: Option<&str>) -> Result<String, Failure> {
        if let Some(given) = given {
            return server_url(given);
        }
        if let Some(known) = &self.gateway {
            return Ok(known.clone());
        }
        let mut url = Url::parse(&self.url).map_err(|error| Failure::usage(error.to_string()))?;
        let moved = url.set_port(Some(GATEWAY_PORT));
        moved.map_err(|()| {
            Failure::usage("the server's URL has no port").next("give the gateway's URL with --gateway")
        })?;
        url.set_path("");
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// A route's URL as the server tells it, at the host by which this machine knows the server.
    pub(super) fn reachable(&self, url: &str) -> String {
        let there = |url: &str| Url::parse(&self.url).ok().zip(Url::parse(url).ok());
        let Some((server, mut route)) = there(url) else {
            return url.to_owned();
        };
        if !is_loopback(url) || is_loopback(&self.url) || route.set_host(server.host_str()).is_err() {
            return url.to_owned();
        }
        route.to_string()
    }

    /// Why somebody is not signed in.
    pub(super) fn not_signed_in(&self) -> Failure {
        Failure::new(Exit::NotAllowed, format!("there is no token for {}", self.url))
            .next(format!("run `jobber login {}`, or set JOBBER_TOKEN", self.url))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn arguments(server: Option<&str>, token: Option<&str>) -> RemoteArgs {
        RemoteArgs {
            server: server.map(str::to_owned),
            token: token.map(Into::into),
            json: false,
        }
    }

    fn profiles() -> Profiles {
        let mut profiles = Profiles::default();
        profiles.keep("https://a.example:3000", &"token-a".into(), None);
        profiles
    }

    fn chosen(arguments: &RemoteArgs, development: Option<DevFile>) -> (String, Option<String>) {
        let connection = arguments.choose(&profiles(), development).unwrap();
        (
            connection.url,
            connection.token.map(|token| token.expose_secret().to_owned()),
        )
    }

    fn development_file() -> DevFile {
        DevFile {
            url: "http://127.0.0.1:4000".into(),
            gateway: "http://127.0.0.1:4001".into(),
            token: Some("token-dev".into()),
            database: None,
        }
    }

    #[test]
    fn what_is_given_goes_before_what_is_kept() {
        let given = arguments(Some("https://b.example/"), Some("token-b"));
        assert_eq!(
            chosen(&given, None),
            ("https://b.example".into(), Some("token-b".into()))
        );
        assert_eq!(
            chosen(&arguments(None, None), None),
            ("https://a.example:3000".into(), Some("token-a".into()))
        );
        assert_eq!(
            chosen(&arguments(None, None), Some(development_file())),
            ("http://127.0.0.1:4000".into(), Some("token-dev".into()))
        );
    }

    #[test]
    fn a_kept_token_is_not_sent_to_another_server() {
        let other = arguments(Some("https://b.example"), None);
        assert_eq!(chosen(&other, Some(development_file())).1, None);
        let same = arguments(Some("https://a.example:3000/"), None);
        assert_eq!(chosen(&same, None).1.as_deref(), Some("token-a"));
    }

    #[test]
    fn a_development_server_is_believed_on_this_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev.json");
        for (url, believed) in [
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://evil.example", false),
        ] {
            let about = serde_json::json!({ "url": url, "gateway": "http://127.0.0.1:3001", "token": "t" });
            std::fs::write(&file, about.to_string()).unwrap();
            assert_eq!(development(&file).is_some(), believed, "{url}");
        }
    }

    #[test]
    fn only_addresses_are_servers() {
        for wrong in ["", "localhost:3000", "ftp://a", "http://a/?x", "http://u:p@a"] {
            assert_eq!(server_url(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
        for wrong in ["", "a", "//a:3000", "localhost:3000"] {
            let told = server_url(wrong).unwrap_err().message;
            assert!(told.contains("begin with http:// or https://"), "{told}");
        }
        assert_eq!(server_url("https://a/jobber/").unwrap(), "https://a/jobber");
        assert_eq!(server_url("HTTP://a:3000").unwrap(), "http://a:3000");
    }

    #[test]
    fn the_gateway_is_beside_the_server() {
        let connection = |url: &str| {
            arguments(Some(url), None)
                .choose(&Profiles::default(), None)
                .unwrap()
        };
        let remote = connection("https://a.example:3000");
        assert_eq!(remote.gateway_url(None).unwrap(), "https://a.example:3001");
        assert_eq!(
            remote.gateway_url(Some("https://fn.example/")).unwrap(),
            "https://fn.example"
        );
        assert_eq!(
            remote.reachable("http://127.0.0.1:3001/hello/:name"),
            "http://a.example:3001/hello/:name"
        );
        assert_eq!(
            connection("http://localhost:3000").reachable("http://127.0.0.1:3001/a"),
            "http://127.0.0.1:3001/a"
        );
    }
}
