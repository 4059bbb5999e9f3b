//! `jobber dev`: the whole of Jobber in one process, for the author of functions.

mod broker;
mod data;
mod engine;
mod folder;
mod pack;
mod terminal;
mod watch;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jobber_actors::trace::SharedRecorder;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::sync::watch as level;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::broker::BrokerLender;
use self::data::{DataDirectory, DevFile};
use self::folder::Folder;
use self::terminal::TerminalLogs;
use super::runtime::{self, Around};
use super::signals::Signals;
use super::text::whole;
use crate::bootstrap::{Extras, Server, Sockets, on};
use crate::child::Spawner;
use crate::config::{Config, Overrides};
use crate::health::Port;
use crate::postgres::EmbeddedPostgres;

/// How long the catalogue may take to be read at the start.
const READY_TIME: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Folders with a package.json, to be published now and whenever a file in them changes.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// What runs the functions.
    #[arg(long, value_enum, default_value_t = DevEngine::Process)]
    engine: DevEngine,
    /// Where everything is kept; a later start goes on with what is there.
    #[arg(long, value_name = "DIR", default_value = ".jobber")]
    data: PathBuf,
    /// The port of the API; 0 is any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 3000, value_parser = whole(0..=u16::MAX))]
    admin_port: u16,
    /// The port on which functions answer; 0 is any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 3001, value_parser = whole(0..=u16::MAX))]
    gateway_port: u16,
    /// The port on which runners dial in; 0 is any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 5211, value_parser = whole(0..=u16::MAX))]
    manager_port: u16,
    /// A configuration file for everything else.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DevEngine {
    /// Child processes with the Node.js that is installed.
    Process,
    /// Containers, as in production.
    Docker,
}

pub(super) fn run(args: DevArgs) -> anyhow::Result<()> {
    let folders = args
        .folders
        .iter()
        .map(|path| folder::package_folder(path))
        .collect::<Result<Vec<_>, _>>()?;
    let args = DevArgs { folders, ..args };
    let data = DataDirectory::open(&args.data)?;
    let config = Config::load(args.config.as_deref(), overrides(&args, &data))?;
    runtime::run(config, |config, around| serve(args, data, config, around))
}

/// What makes a development server of it: loopback, its own data, errors shown to callers.
fn overrides(args: &DevArgs, data: &DataDirectory) -> Overrides {
    let engine = if args.engine == DevEngine::Docker {
        "docker"
    } else {
        "process"
    };
    Overrides::default()
        .set("JOBBER_NAME", data.instance())
        .set("JOBBER_DATA", data.path().display().to_string())
        // Stands in until the private Postgres has told its port.
        .set("DATABASE_URL", "postgresql://127.0.0.1/jobber")
        .set("ADMIN_BIND", "127.0.0.1")
        .set("ADMIN_PORT", args.admin_port.to_string())
        .set("GATEWAY_BIND", "127.0.0.1")
        .set("GATEWAY_PORT", args.gateway_port.to_string())
        .set("MANAGER_BIND", "127.0.0.1")
        .set("MANAGER_PORT", args.manager_port.to_string())
        .set("MANAGER_HOST", "127.0.0.1")
        .set("RUNNER_ENGINE", engine)
        .set("GATEWAY_EXPOSE_ERRORS", "true")
        // Only when it is asked to.
        .set("DATABASE_BACKUP_SCHEDULE", "")
}

async fn serve(args: DevArgs, data: DataDirectory, config: Config, around: Around) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let Around { io, recorder } = around;
    let started = tokio::select! {
        started = Development::start(&args, &data, config, recorder, &io) => started?,
        () = signals.received() => return Ok(()),
    };
    let postgres_gone = tokio::select! {
        () = signals.received() => false,
        _ = started.postgres.ended() => true,
    };
    if !postgres_gone {
        tracing::info!("shutting down");
    }
    signals.or_again(started.stop(&data, &io)).await;
    anyhow::ensure!(
        !postgres_gone,
        "the private Postgres ended by itself; its log is {}",
        data.postgres().join("postgres.log").display()
    );
    Ok(())
}

/// Everything that runs.
struct Development {
    server: Server,
    folders: JoinSet<()>,
    stop_folders: level::Sender<bool>,
    postgres: EmbeddedPostgres,
    broker: Arc<BrokerLender>,
    bridge: Option<engine::Bridge>,
    /// Last: when it goes, so does every child that is left.
    _spawner: Spawner,
}

impl Development {
    async fn start(
        args: &DevArgs,
        data: &DataDirectory,
        mut config: Config,
        recorder: SharedRecorder,
        io: &Handle,
    ) -> anyhow::Result<Self> {
        let spawner = Spawner::start()?;
        let bridge = match args.engine {
            DevEngine::Docker => Some(engine::Bridge::make(&mut config, io).await?),
            DevEngine::Process => None,
        };
        let sockets = Sockets::bind(&config.server, bridge.as_ref().map(engine::Bridge::address))?;
        let (folder, for_postgres) = (data.postgres(), spawner.clone());
        let postgres = on(io, async move {
            EmbeddedPostgres::start(&folder, &for_postgres).await
        })
        .await??;
        config.database.url = postgres.url();
        let extras = Extras {
            wrap_logs: Some(Box::new(|store, jobs| {
                Arc::new(TerminalLogs::new(store, jobs)) as Arc<_>
            })),
            lent_broker: Arc::default(),
            without_users: true,
            recorder,
        };
        let broker = Arc::new(BrokerLender::new(
            data.mosquitto(),
            spawner.clone(),
            Arc::clone(&extras.lent_broker),
        ));
        let server = Server::start(&config, sockets, spawner.clone(), extras, io).await?;
        until_ready(&server).await?;

        let about = DevFile {
            url: format!("http://{}", server.admin),
            gateway: format!("http://{}", server.gateway),
            token: server
                .token
                .token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            database: postgres.url().expose_secret().to_owned(),
            mqtt: None,
        };
        data.announce(&about)?;
        let (stop_folders, stopped) = level::channel(false);
        let mut folders = JoinSet::new();
        for path in &args.folders {
            let (publisher, jobs) = (server.publisher.clone(), server.jobs.clone());
            let folder = Folder::new(path, data.path(), publisher, jobs, Arc::clone(&broker));
            begin(folder, data, &mut folders, &stopped, io).await?;
        }
        if let Some(mqtt) = broker.address() {
            data.announce(&DevFile {
                mqtt: Some(mqtt),
                ..about
            })?;
        }
        say_ready(&server)?;
        tell_sign_in(&server, data);
        Ok(Self {
            server,
            folders,
            stop_folders,
            postgres,
            broker,
            bridge,
            _spawner: spawner,
        })
    }

    async fn stop(mut self, data: &DataDirectory, io: &Handle) {
        self.stop_folders.send_replace(true);
        self.folders.shutdown().await;
        self.server.stop().await;
        let (postgres, broker, bridge) = (self.postgres, self.broker, self.bridge);
        let cleared = on(io, async move {
            if let Err(error) = broker.stop().await {
                tracing::warn!(%error, "the private Mosquitto did not stop in good order");
            }
            if let Some(bridge) = bridge {
                bridge.remove().await;
            }
            postgres.stop().await
        });
        match cleared.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(%error, "the private Postgres did not stop in good order");
            }
        }
        data.withdraw();
    }
}

/// Both ports are ready: jobs of an earlier start are known, and calls are answered.
async fn until_ready(server: &Server) -> anyhow::Result<()> {
    let ready = async {
        let is_ready = |port| server.health.report(port).is_ready();
        while !(is_ready(Port::Admin) && is_ready(Port::Gateway)) {
            sleep(READY_POLL).await;
        }
    };
    timeout(READY_TIME, ready)
        .await
        .with_context(|| not_ready(server))
}

/// What is amiss with a server that did not become ready.
fn not_ready(server: &Server) -> String {
    let report = server.health.report(Port::Admin);
    let checks: Vec<_> = report.amiss().map(|check| format!("{:?}", check.check)).collect();
    format!("the server did not become ready in time: {}", checks.join(", "))
}

/// Publishes a folder, then goes on with it whenever it changes.
async fn begin(
    mut folder: Folder,
    data: &DataDirectory,
    folders: &mut JoinSet<()>,
    stopped: &level::Receiver<bool>,
    io: &Handle,
) -> std::io::Result<()> {
    // Watched first: a change while it is being published is not missed.
    let changes = watch::Changes::of(folder.path(), data.path());
    // One folder after the other: what is wrong with them is easier to read that way.
    let publish = async move {
        folder.publish().await;
        folder
    };
    let folder = on(io, publish).await?;
    match changes {
        Ok(changes) => drop(folders.spawn_on(folder.follow(changes, stopped.clone()), io)),
        Err(error) => tracing::error!("{error:#}; it will not be published again when it changes"),
    }
    Ok(())
}

/// The one line that says that calls are answered now, for people and for programs that wait for it.
fn say_ready(server: &Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "ready: functions on http://{}, API on http://{}",
        server.gateway, server.admin
    )?;
    out.flush()
}

/// Says how to sign in to the panel: a development server has no user.
fn tell_sign_in(server: &Server, data: &DataDirectory) {
    let token = server.token.token.as_ref().map(ExposeSecret::expose_secret);
    let seen = std::io::stderr().is_terminal();
    let told = sign_in(
        server.admin,
        token.filter(|_| seen),
        &data.path().join("dev.json"),
    );
    #[expect(
        clippy::print_stderr,
        reason = "for the author's eyes; a log collector should not keep it"
    )]
    {
        eprintln!("{told}");
    }
}

/// A person in front of a terminal gets an address that signs them in, with the token behind the `#`, which no browser sends. Elsewhere
/// (a file, a pipe, the log of a CI job) standard error is kept and passed on to others, and whoever has the token may do everything:
/// there the address is told all the same, and the file that has the token, which only its owner can read.
fn sign_in(admin: SocketAddr, token: Option<&str>, file: &Path) -> String {
    let panel = format!("http://{admin}/sign-in");
    match token {
        Some(token) => format!("sign in to the panel: {panel}#token={token}"),
        None => format!(
            "sign in to the panel: {panel} with the token in {}",
            file.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_sign_in_is_always_told_and_the_token_only_to_a_terminal() {
        let admin = SocketAddr::from(([127, 0, 0, 1], 3000));
        let file = Path::new("/home/ann/hello/.jobber/dev.json");
        assert_eq!(
            sign_in(admin, Some("secret"), file),
            "sign in to the panel: http://127.0.0.1:3000/sign-in#token=secret"
        );
        assert_eq!(
            sign_in(admin, None, file),
            "sign in to the panel: http://127.0.0.1:3000/sign-in with the token in /home/ann/hello/.jobber/dev.json"
        );
    }
}
