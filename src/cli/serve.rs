//! `jobber serve`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use super::runtime::{self, Around};
use super::signals::Signals;
use crate::bootstrap::{Extras, Server, Sockets};
use crate::child::Spawner;
use crate::config::{Config, Overrides};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// A configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    runtime::run(config, serve)
}

async fn serve(config: Config, around: Around) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let sockets = Sockets::bind(&config.server, None)?;
    let spawner = Spawner::start()?;
    let extras = Extras {
        recorder: around.recorder,
        ..Extras::default()
    };
    let server = tokio::select! {
        started = Server::start(&config, sockets, spawner, extras, &around.io) => started?,
        () = signals.received() => return Ok(()),
    };
    tracing::info!(admin = %server.admin, gateway = %server.gateway, "serving");
    tell_token(&server);
    tell_first_user(&server);
    signals.received().await;
    tracing::info!("shutting down");
    signals.or_again(server.stop()).await;
    Ok(())
}

/// A password that was made is shown once, and kept nowhere.
fn tell_first_user(server: &Server) {
    use secrecy::ExposeSecret;
    if let Some(user) = &server.first_user {
        #[expect(
            clippy::print_stderr,
            reason = "for the operator's eyes, once; a log collector should not keep it"
        )]
        {
            eprintln!(
                "The administrator {:?} was made, with the password {}",
                user.username,
                user.password.expose_secret()
            );
        }
    }
}

/// The token is shown once, to a person in front of a terminal. Elsewhere standard error is kept (`docker logs`, a
/// journal), and a log is no place for it: there its file is named.
fn tell_token(server: &Server) {
    use secrecy::ExposeSecret;
    if !server.token.created {
        return;
    }
    if let Some(token) = &server.token.token {
        let file = server.token.file.display();
        let shown = std::io::stderr().is_terminal();
        #[expect(
            clippy::print_stderr,
            reason = "for the operator's eyes, once; a log collector should not keep it"
        )]
        if shown {
            eprintln!(
                "The token of the API is {} (also in {file})",
                token.expose_secret()
            );
        } else {
            eprintln!("The token of the API is in {file}");
        }
    }
}
