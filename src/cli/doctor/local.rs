//! What is checked on the server's own machine, with its configuration.

use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::finding::{self, Finding};
use crate::bootstrap::database_settings;
use crate::config::{Config, ConfigErrors, EngineKind, Overrides};
use crate::engine::docker::{Survey, survey};
use crate::store::Database;

/// What a server can not do without, as a value or in a file.
const DATABASE: &str = "DATABASE_URL";
const DATABASE_FILE: &str = "DATABASE_URL_FILE";
/// Where a `jobber dev` keeps what it has.
const DEV_DATA: &str = ".jobber";
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Whose configuration there is on this machine.
#[derive(Debug)]
enum Here {
    /// A server's, as `jobber serve` reads it.
    Server(Box<Config>),
    /// A `jobber dev` with a database of its own runs in this folder; ports and engine are what it was started with.
    Development(Box<Config>),
}

/// Everything that can be seen from here. `development` is the database of a `jobber dev` that runs in this folder.
pub(super) async fn look(file: Option<&Path>, development: Option<&SecretString>) -> Vec<Finding> {
    match here(file, |name| std::env::var(name).ok(), development) {
        Ok(Here::Server(config)) => server(&config).await,
        Ok(Here::Development(config)) => beside_development(&config).await,
        Err(finding) => vec![finding],
    }
}

fn here(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    development: Option<&SecretString>,
) -> Result<Here, Finding> {
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let names_database = file.is_some() || [DATABASE, DATABASE_FILE].into_iter().any(is_set);
    let load = |overrides| Config::load_with(file, &environment, overrides).map(Box::new);
    let found = match development.filter(|_| !names_database) {
        Some(database) => {
            let overrides = Overrides::default().set(DATABASE, database.expose_secret());
            load(overrides).map(Here::Development)
        }
        None => load(Overrides::default()).map(Here::Server),
    };
    found.map_err(|errors| wrong(&errors))
}

fn wrong(errors: &ConfigErrors) -> Finding {
    let problems: Vec<_> = errors.problems().iter().map(ToString::to_string).collect();
    Finding::failed(
        "configuration",
        problems.join("; "),
        "run this with the server's own environment and --config, or with --remote to look at nothing here",
    )
}

async fn server(config: &Config) -> Vec<Finding> {
    let mut findings = vec![configuration(config)];
    findings.extend(postgres(config).await);
    findings.extend(match config.runners.engine {
        EngineKind::Docker => docker(config).await,
        EngineKind::Process => vec![Finding::skipped(
            "docker",
            "RUNNER_ENGINE is `process`: runners are no containers",
        )],
    });
    findings.push(manager(config).await);
    findings.push(disk("JOBBER_DATA", &config.server.data));
    findings
}

async fn beside_development(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::skipped(
        "configuration",
        "the `jobber dev` of this folder keeps its own, and its own database (.jobber/dev.json)",
    )];
    findings.extend(postgres(config).await);
    findings.push(disk("data", Path::new(DEV_DATA)));
    findings
}

fn configuration(config: &Config) -> Finding {
    match config.warnings.as_slice() {
        [] => Finding::ok("configuration", format!("{} options", config.settings.len())),
        warnings => Finding::warning(
            "configuration",
            warnings.join("; "),
            "`jobber config` shows what is in force",
        ),
    }
}

async fn postgres(config: &Config) -> Vec<Finding> {
    let remedy = "see that Postgres runs and takes connections from here, and that DATABASE_URL has its host, user, password and database";
    let database = match Database::new(&database_settings(config)) {
        Ok(database) => database,
        Err(error) => return vec![Finding::failed("postgres", error.to_string(), remedy)],
    };
    let before = Utc::now();
    let about = timeout(LOOK, database.about()).await;
    let after = Utc::now();
    database.close();
    match about {
        Ok(Ok((version, theirs))) => {
            let took = (after - before).num_milliseconds();
            vec![
                Finding::ok("postgres", format!("version {version}, answered in {took} ms")),
                finding::clock("Postgres", before, theirs, after),
            ]
        }
        Ok(Err(error)) => vec![Finding::failed("postgres", error.to_string(), remedy)],
        Err(_elapsed) => vec![Finding::failed("postgres", "does not answer", remedy)],
    }
}

async fn docker(config: &Config) -> Vec<Finding> {
    let runners = &config.runners;
    let before = Utc::now();
    let seen = timeout(
        LOOK,
        survey(
            &runners.docker_host,
            runners.network.as_deref(),
            runners.images.values(),
        ),
    )
    .await;
    let after = Utc::now();
    let failed = |seen: String| {
        let remedy = format!(
            "see that the Docker daemon runs (`systemctl start docker`), and that {} (DOCKER_HOST) may be used by this user",
            runners.docker_host
        );
        vec![Finding::failed("docker", seen, remedy)]
    };
    let survey = match seen {
        Ok(Ok(survey)) => survey,
        Ok(Err(error)) => return failed(error.to_string()),
        Err(_elapsed) => return failed("does not answer".to_owned()),
    };
    let mut findings = vec![
        Finding::ok("docker", format!("version {}", survey.version)),
        network(config, &survey),
        images(config, &survey),
    ];
    findings.extend(runtime(config, &survey));
    findings.extend(
        survey
            .clock
            .map(|theirs| finding::clock("Docker", before, theirs, after)),
    );
    // Another machine's folders are not to be seen from here.
    let is_here = runners.docker_host.starts_with("unix:");
    let root = survey.root.filter(|root| is_here && root.is_dir());
    findings.extend(root.map(|root| disk("Docker", &root)));
    findings
}

fn network(config: &Config, survey: &Survey) -> Finding {
    match &config.runners.network {
        None => Finding::ok("network", "Docker's default bridge"),
        Some(name) if survey.has_network => Finding::ok("network", name.clone()),
        Some(name) => Finding::failed(
            "network",
            format!("Docker has no network {name} (RUNNER_CONTAINER_DOCKER_NETWORK)"),
            format!("docker network create {name}"),
        ),
    }
}

/// Nothing is found where none is configured.
fn runtime(config: &Config, survey: &Survey) -> Option<Finding> {
    let runtime = config.runners.runtime.as_ref()?;
    Some(if survey.runtimes.contains(runtime) {
        Finding::ok("runtime", runtime.clone())
    } else {
        Finding::failed(
            "runtime",
            format!(
                "Docker has no runtime {runtime} (RUNNER_CONTAINER_RUNTIME); it has {}",
                survey.runtimes.join(", ")
            ),
            "add it to the `runtimes` of Docker's daemon.json and restart Docker, or take the option away",
        )
    })
}

fn images(config: &Config, survey: &Survey) -> Finding {
    let missing = survey.missing_images.join(", ");
    match survey.missing_images.as_slice() {
        [] => Finding::ok("images", format!("{} runner images", config.runners.images.len())),
        [first, ..] if config.runners.pull => Finding::warning(
            "images",
            format!("not there yet, and pulled when they are needed: {missing}"),
            format!("docker pull {first}, so that the first caller does not wait for it"),
        ),
        _ => Finding::failed(
            "images",
            format!("not there, and pulling is turned off: {missing}"),
            "build them (docker/runner-node has the Dockerfile) or load them with `docker load`",
        ),
    }
}

/// Whether runners could find the server by the name that they are told.
async fn manager(config: &Config) -> Finding {
    let port = config.server.manager.port;
    let Some(host) = &config.server.manager_host else {
        return Finding::ok(
            "manager",
            format!("runners dial this machine's host name, port {port}"),
        );
    };
    let found = timeout(LOOK, lookup_host((host.as_str(), port))).await;
    match found {
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(address) => Finding::ok("manager", format!("MANAGER_HOST {host} is {}", address.ip())),
            None => unknown_manager(host, "it has no address"),
        },
        Ok(Err(error)) => unknown_manager(host, &error.to_string()),
        Err(_elapsed) => unknown_manager(host, "the name server does not answer"),
    }
}

/// The name may be known on the runners' network alone.
fn unknown_manager(host: &str, why: &str) -> Finding {
    let remedy = "set MANAGER_HOST to a name or address at which containers reach this server";
    Finding::warning(
        "manager",
        format!("MANAGER_HOST {host} is not known here: {why}"),
        remedy,
    )
}

fn disk(what: &str, folder: &Path) -> Finding {
    let there = folder
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    match rustix::fs::statvfs(there) {
        Ok(space) => finding::disk(
            &format!("{what} {}", folder.display()),
            space.f_bavail.saturating_mul(space.f_frsize),
            space.f_blocks.saturating_mul(space.f_frsize),
        ),
        Err(error) => Finding::failed(
            "disk",
            format!("{}: {error}", folder.display()),
            "make the folder, and give it to the server's user",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    /// What is found of a configuration with these options.
    fn found(options: &[(&str, &str)], development: bool) -> Result<Here, Finding> {
        let value = |name: &str| {
            let option = options.iter().find(|(known, _)| *known == name);
            option.map(|(_, value)| (*value).to_owned())
        };
        let database = SecretString::from("postgresql://jobber@127.0.0.1:5433/jobber");
        here(None, value, development.then_some(&database))
    }

    #[test]
    fn the_database_of_a_development_server_is_looked_at_where_no_other_is_named() {
        assert!(matches!(found(&[], true), Ok(Here::Development(_))));
        let server = [(DATABASE, "postgresql://127.0.0.1/jobber")];
        for development in [true, false] {
            assert!(matches!(found(&server, development), Ok(Here::Server(_))));
        }
        let finding = found(&[(DATABASE, "none of it")], true).unwrap_err();
        assert!(finding.seen.starts_with("DATABASE_URL: "), "{}", finding.seen);
    }

    #[test]
    fn faults_of_a_configuration_are_one_line() {
        let finding = found(&[("ADMIN_PORT", "many")], false).unwrap_err();
        assert_eq!(finding.state, State::Failed);
        assert!(finding.seen.contains("DATABASE_URL: "), "{}", finding.seen);
        assert!(finding.seen.contains("; "), "{}", finding.seen);
        for wrong in [":;", "\n", "  "] {
            assert!(!finding.seen.contains(wrong), "{}", finding.seen);
        }
        // A development server does not make a wrong option right.
        let finding = found(&[("ADMIN_PORT", "many")], true).unwrap_err();
        assert!(finding.seen.starts_with("ADMIN_PORT: "), "{}", finding.seen);
    }
}
