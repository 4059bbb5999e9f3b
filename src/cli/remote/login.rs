//! `jobber login` and `jobber logout`.

use clap::Args;
use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::client::{ANSWER, Client, segment};
use super::connection::{Connection, RemoteArgs, Source, server_url};
use super::profile::{Forgotten, Profiles};
use super::prompt;
use crate::cli::failure::{Exit, Failure, exit_of};
use crate::cli::output::note;

/// The cookie of a session.
const SESSION: &str = "jobber-session";

#[derive(Debug, Args)]
pub(in crate::cli) struct LoginArgs {
    /// The server's admin API; otherwise as --server says.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Who signs in; asked for unless given.
    #[arg(long, short, value_name = "NAME", conflicts_with = "token_stdin")]
    username: Option<String>,
    /// Read the password from standard input.
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Read an API token from standard input instead of signing in with a password.
    #[arg(long)]
    token_stdin: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LogoutArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A token to keep.
struct Proof {
    token: SecretString,
    /// Known where it was made for this login.
    id: Option<String>,
}

impl LoginArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let url = match &self.url {
            Some(url) => server_url(url)?,
            None => self.remote.connection()?.url,
        };
        let proof = if self.token_stdin {
            Proof {
                token: prompt::piped_secret()?,
                id: None,
            }
        } else {
            self.by_password(&url).await?
        };
        let identity = identify(&url, proof.token.clone()).await?;
        let mut profiles = Profiles::load()?;
        profiles.keep(&url, &proof.token, proof.id);
        let file = profiles.save()?;
        let who = identity["user"]["username"]
            .as_str()
            .unwrap_or("the server's own token");
        let document = json!({ "success": true, "server": url, "username": identity["user"]["username"] });
        self.remote.output().answer(&document, || {
            Ok(format!(
                "signed in to {url} as {who}; the token is in {}",
                file.display()
            ))
        })?;
        Ok(Exit::Ok)
    }

    /// A session that makes a token for this machine, and ends.
    async fn by_password(&self, url: &str) -> anyhow::Result<Proof> {
        let username = match &self.username {
            Some(username) => username.clone(),
            None => prompt::ask("user name")?,
        };
        let password = if self.password_stdin {
            prompt::piped_secret()?
        } else {
            prompt::ask_secret("password")?
        };
        let client = client(url, None).await?;
        let login = json!({ "username": username, "password": password.expose_secret() });
        let request = client.request(Method::POST, "/api/auth/login").json(&login);
        let response = client.send(request).await.map_err(wrong_password)?;
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let session = cookies
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .find(|cookie| cookie.starts_with(SESSION))
            .ok_or_else(|| Failure::new(Exit::Failed, "the server began no session"))?
            .to_owned();
        let made = make_token(&client, &session).await;
        let end = client
            .request(Method::POST, "/api/auth/logout")
            .header(COOKIE, &session);
        if let Err(error) = client.send(end).await {
            note(&format!(
                "the session could not be ended, and ends by itself in a week: {error}"
            ));
        }
        made
    }
}

/// The next step of a wrong password is another try, not a token.
fn wrong_password(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) if failure.exit == Exit::NotAllowed => {
            failure.next("see that name and password are right").into()
        }
        Ok(failure) => failure.into(),
        Err(error) => error,
    }
}

/// A token that may do what its user may.
async fn make_token(client: &Client, session: &str) -> anyhow::Result<Proof> {
    let ask = |method, path| client.request(method, path).header(COOKIE, session);
    let identity = client.answer(ask(Method::GET, "/api/auth"), ANSWER).await?;
    let token = json!({
        "description": format!("jobber login on {}", rustix::system::uname().nodename().to_string_lossy()),
        "permissions": identity["data"]["permissions"],
    });
    let request = ask(Method::POST, "/api/api-tokens").json(&token);
    let made = client.answer(request, ANSWER).await;
    let made = made.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) if failure.exit == Exit::NotAllowed => failure
            .next("this user may make no tokens: ask an administrator for one, and give it to `jobber login --token-stdin`")
            .into(),
        Ok(failure) => failure.into(),
        Err(error) => error,
    })?;
    let token = made["data"]["token"].as_str();
    let token = token.ok_or_else(|| Failure::new(Exit::Failed, "the server made no token"))?;
    Ok(Proof {
        token: token.into(),
        id: made["data"]["id"].as_str().map(str::to_owned),
    })
}

async fn client(url: &str, token: Option<SecretString>) -> anyhow::Result<Client> {
    let connection = Connection {
        url: url.to_owned(),
        gateway: None,
        token,
        source: Source::Given,
    };
    Client::new(connection).await
}

async fn identify(url: &str, token: SecretString) -> anyhow::Result<Value> {
    client(url, Some(token)).await?.get("/api/auth").await
}

impl LogoutArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let mut profiles = Profiles::load()?;
        let url = match &self.remote.server {
            Some(url) => server_url(url)?,
            None => {
                let current = profiles.current().map(str::to_owned);
                current.ok_or_else(|| Failure::new(Exit::NotAllowed, "nobody is signed in anywhere"))?
            }
        };
        let forgotten = profiles.forget(&url);
        let forgotten = forgotten
            .ok_or_else(|| Failure::new(Exit::NotAllowed, format!("nobody is signed in to {url}")))?;
        profiles.save()?;
        let removed = remove_token(&url, &forgotten).await;
        let document = json!({ "success": true, "server": url, "tokenRemoved": removed });
        self.remote
            .output()
            .answer(&document, || Ok(format!("signed out of {url}")))?;
        Ok(Exit::Ok)
    }
}

/// Has the server remove the token, if it was made for the login. It is forgotten here in any case.
async fn remove_token(url: &str, forgotten: &Forgotten) -> bool {
    let Some(id) = &forgotten.id else {
        return false;
    };
    let removed = async {
        let client = client(url, Some(forgotten.token.clone())).await?;
        let path = format!("/api/api-tokens/{}", segment(id));
        client.change(Method::DELETE, &path, None).await
    };
    match removed.await {
        Ok(_) => true,
        Err(error) if exit_of(&error) == Exit::NotFound => true,
        Err(error) => {
            note(&format!(
                "the token is forgotten here, but still valid at the server: {error:#}"
            ));
            false
        }
    }
}
