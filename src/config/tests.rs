use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::engine::docker::DockerArgumentKind;

fn load(environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    load_file(None, environment)
}

fn load_file(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut variables: HashMap<_, _> = environment.iter().copied().collect();
    variables
        .entry("DATABASE_URL")
        .or_insert("postgresql://ann:secret@db/jobber");
    Config::load_with(
        file,
        |name| variables.get(name).map(|&value| value.to_owned()),
        Overrides::default(),
    )
}

#[test]
fn the_defaults_need_nothing_but_a_database() {
    let config = load(&[]).unwrap();
    assert_eq!(
        config.server.gateway,
        Listen {
            bind: Ipv4Addr::UNSPECIFIED.into(),
            port: 3001
        }
    );
    assert_eq!(config.runners.images[&24], "jobber/runner-node:24");
    assert_eq!(config.server.manager_host, None);
    assert!(config.runners.allowed.is_empty());
    assert!(config.warnings.is_empty());
}

#[test]
fn a_server_that_can_not_export_spans_says_so() {
    let config = load(&[(telemetry::ENDPOINT, "http://127.0.0.1:4318")]).unwrap();
    let told = config
        .warnings
        .iter()
        .any(|warning| warning.contains("without the feature `otlp`"));
    assert_eq!(told, cfg!(not(feature = "otlp")), "{:?}", config.warnings);
    assert!(load(&[(telemetry::ENDPOINT, "")]).unwrap().warnings.is_empty());
}

#[test]
fn every_option_of_the_defaults_is_read_and_none_besides() {
    let listed: Vec<String> = DEFAULTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_uppercase())
        .collect();
    let mut read: Vec<_> = load(&[])
        .unwrap()
        .settings
        .into_iter()
        .map(|setting| setting.name)
        .collect();
    let mut listed = listed;
    listed.sort();
    read.sort();
    assert_eq!(listed, read);
}

#[test]
fn a_secret_may_be_in_a_file_and_is_told_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    std::fs::write(&path, "postgresql://ann:from-a-file@db/jobber\n").unwrap();
    let path = path.to_str().unwrap();
    let in_file = |others: &[(&str, &str)]| {
        let mut variables: HashMap<_, _> = others.iter().copied().collect();
        variables.entry("DATABASE_URL_FILE").or_insert(path);
        let environment = |name: &str| variables.get(name).map(|&value| value.to_owned());
        Config::load_with(None, environment, Overrides::default())
    };

    let config = in_file(&[]).unwrap();
    let url = secrecy::ExposeSecret::expose_secret(&config.database.url).to_owned();
    assert_eq!(url, "postgresql://ann:from-a-file@db/jobber");
    let shown = config
        .settings
        .iter()
        .find(|setting| setting.name == "DATABASE_URL");
    let shown = shown.unwrap();
    assert_eq!(shown.source, "a file that the environment names");
    assert!(!shown.value.contains("from-a-file"), "{}", shown.value);

    let both = in_file(&[("DATABASE_URL", "postgresql://db/jobber")]).unwrap_err();
    assert!(
        both.to_string().contains("DATABASE_URL_FILE: is set, and so is"),
        "{both}"
    );
    let lost = in_file(&[("STARTUP_PASSWORD_FILE", "/nowhere")]).unwrap_err();
    assert!(
        lost.to_string()
            .contains("STARTUP_PASSWORD_FILE: the file /nowhere"),
        "{lost}"
    );
    // What is in a file that is wrong stays there.
    let wrong = in_file(&[("JOBBER_MASTER_KEY_FILE", path)]).unwrap_err();
    assert!(!wrong.to_string().contains("from-a-file"), "{wrong}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_command_line_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobber.toml");
    std::fs::write(&file, "admin_port = 1\ngateway_port = 2\nmanager_port = 3\n").unwrap();
    let environment = |name: &str| match name {
        "GATEWAY_PORT" => Some("20".to_owned()),
        "MANAGER_PORT" => Some("30".to_owned()),
        "DATABASE_URL" => Some("postgresql://db/jobber".to_owned()),
        _ => None,
    };
    let overrides = Overrides::default().set("MANAGER_PORT", "300");

    let config = Config::load_with(Some(&file), environment, overrides).unwrap();

    assert_eq!(config.server.admin.port, 1);
    assert_eq!(config.server.gateway.port, 20);
    assert_eq!(config.server.manager.port, 300);
    let source = |name: &str| {
        config
            .settings
            .iter()
            .find(|setting| setting.name == name)
            .unwrap()
            .source
            .clone()
    };
    assert!(source("ADMIN_PORT").ends_with("jobber.toml"));
    assert_eq!(source("GATEWAY_PORT"), "the environment");
    assert_eq!(source("MANAGER_PORT"), "the command line");
    assert_eq!(source("RUNNER_MEMORY"), "the defaults");
}

#[test]
fn all_that_is_wrong_is_told_at_once_by_name() {
    let errors = load(&[
        ("MANAGER_PORT", "70000"),
        ("RUNNER_MEMORY", "lots"),
        ("RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES", "volumes,everything"),
        ("LOG_DRIVER", "loki"),
        ("LOG_DRIVER_LOKI_QUERY", "loki:secret@host"),
        ("LOG_DRIVER_LOKI_QUERY_RANGE", "0"),
        ("LOG_RETENTION_DAYS", "a fortnight"),
        ("GATEWAY_KEEP_ALIVE", "75"),
        ("DATABASE_URL", "mysql://ann:secret@db"),
    ])
    .unwrap_err();

    let subjects: Vec<_> = errors.problems().iter().map(ConfigProblem::subject).collect();
    assert_eq!(
        subjects,
        [
            "MANAGER_PORT",
            "DATABASE_URL",
            "RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES",
            "RUNNER_MEMORY",
            "GATEWAY_KEEP_ALIVE",
            "LOG_DRIVER_LOKI_PUSH",
            "LOG_DRIVER_LOKI_QUERY",
            "LOG_DRIVER_LOKI_QUERY_RANGE",
            "LOG_RETENTION_DAYS"
        ]
    );
    assert!(!errors.to_string().contains("secret"), "{errors}");
    assert!(errors.to_string().contains("`everything`"), "{errors}");
}

#[test]
fn values_that_look_like_numbers_stay_texts() {
    let config = load(&[
        ("JOBBER_NAME", "007"),
        ("GATEWAY_WORKERS", "4"),
        ("RUNNER_CPUS", "0.5"),
    ])
    .unwrap();
    assert_eq!(config.server.name, "007");
    assert_eq!(config.gateway.workers, 4);
    assert_eq!(config.runners.milli_cpus, Some(500));
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(load(&[("MANAGER_PORT", "")]).unwrap().server.manager.port, 5211);
}

#[test]
fn lists_are_read() {
    let config = load(&[
        ("RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES", "volumes, memoryLimit"),
        ("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8,::1/128"),
        ("SHUTDOWN_DEADLINE", "1500ms"),
    ])
    .unwrap();
    assert_eq!(
        config.runners.allowed.into_iter().collect::<Vec<_>>(),
        [DockerArgumentKind::Volumes, DockerArgumentKind::MemoryLimit]
    );
    assert_eq!(config.gateway.trusted_proxies.len(), 2);
    assert_eq!(config.server.shutdown_deadline, Duration::from_millis(1500));
}

#[test]
fn a_file_with_an_unknown_option_is_refused_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobber.toml");
    std::fs::write(&file, "gatway_port = 2\n").unwrap();
    let errors = load_file(Some(&file), &[("ADMIN_PORT", "x")]).unwrap_err();
    assert_eq!(errors.problems().len(), 2, "{errors}");
    assert!(
        errors.to_string().contains("did you mean `gateway_port`?"),
        "{errors}"
    );
}

#[test]
fn secrets_are_masked_in_what_is_shown() {
    let shown = load(&[]).unwrap().settings;
    let url = shown
        .iter()
        .find(|setting| setting.name == "DATABASE_URL")
        .unwrap();
    assert_eq!(url.value, "postgresql://ann:********@db/jobber");
}

#[test]
fn backups_are_made_at_midnight_unless_something_else_is_said() {
    let backups = load(&[]).unwrap().backups;
    let schedule = backups.schedule.unwrap();
    assert_eq!(
        (schedule.cron.as_str(), schedule.timezone.name(), backups.keep),
        ("0 0 * * *", "UTC", 32)
    );
    assert!(backups.folder.is_none() && backups.passphrase.is_none());

    // The names with `SCHEDULE` in them are those of before.
    let config = load(&[
        ("DATABASE_BACKUP_SCHEDULE", "@weekly"),
        ("DATABASE_BACKUP_SCHEDULE_TIMEZONE", "Europe/Berlin"),
        ("DATABASE_BACKUP_SCHEDULE_RETENTION_COUNT", "9"),
        ("DATABASE_BACKUP_RETENTION_COUNT", "4"),
    ]);
    let backups = config.unwrap().backups;
    assert_eq!(
        (backups.schedule.unwrap().timezone.name(), backups.keep),
        ("Europe/Berlin", 4)
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "database_backup_schedule = \"\"\n").unwrap();
    assert!(
        load_file(Some(file.path()), &[])
            .unwrap()
            .backups
            .schedule
            .is_none()
    );
}

#[test]
fn wrong_options_of_backups_are_told_and_no_passphrase_is() {
    let wrong = load(&[
        ("DATABASE_BACKUP_SCHEDULE", "midnight"),
        ("DATABASE_BACKUP_TIMEZONE", "Europe/Berlim"),
        ("DATABASE_BACKUP_RETENTION_COUNT", "0"),
        ("DATABASE_BACKUP_PASSPHRASE", "hunter2"),
    ]);
    let told = wrong.unwrap_err().to_string();
    for name in ["SCHEDULE", "TIMEZONE", "RETENTION_COUNT", "PASSPHRASE"] {
        assert!(told.contains(&format!("DATABASE_BACKUP_{name}: ")), "{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_loki_needs_its_addresses_and_their_passwords_are_not_shown() {
    let config = load(&[
        ("LOG_DRIVER", "loki"),
        (
            "LOG_DRIVER_LOKI_PUSH",
            "http://ann:hunter2@loki:3100/loki/api/v1/push",
        ),
        ("LOG_DRIVER_LOKI_QUERY", "https://loki/loki/api/v1/query_range"),
        ("LOG_DRIVER_LOKI_QUERY_RANGE", "3600"),
        ("LOG_RETENTION_DAYS", "3"),
    ])
    .unwrap();
    let LogDriver::Loki(loki) = &config.logs.driver else {
        panic!("it is Loki");
    };
    assert_eq!(loki.look_back, Duration::from_secs(3600));
    assert_eq!(config.logs.retention, chrono::Days::new(3));
    let shown = format!("{:?}", config.settings);
    assert!(shown.contains("http://ann:********@loki:3100"), "{shown}");
    assert!(!shown.contains("hunter2"));

    let errors = load(&[("LOG_DRIVER", "loki")]).unwrap_err();
    let subjects: Vec<_> = errors.problems().iter().map(ConfigProblem::subject).collect();
    assert_eq!(subjects, ["LOG_DRIVER_LOKI_PUSH", "LOG_DRIVER_LOKI_QUERY"]);
    assert!(matches!(load(&[]).unwrap().logs.driver, LogDriver::Database));
}

#[test]
fn origins_are_checked() {
    let config = load(&[("ADMIN_CORS_ORIGINS", "https://a.example, http://b.example:8080")]).unwrap();
    assert_eq!(
        config.access.cors_origins,
        ["https://a.example", "http://b.example:8080"]
    );
    for wrong in ["*", "a.example", "https://a.example/", "https://"] {
        let errors = load(&[("ADMIN_CORS_ORIGINS", wrong)]).unwrap_err().to_string();
        assert!(errors.contains("ADMIN_CORS_ORIGINS"), "{errors}");
    }
}

#[test]
fn the_first_users_password_is_never_shown() {
    let config = load(&[("STARTUP_PASSWORD", "hunter2hunter2")]).unwrap();
    assert_eq!(config.access.startup_username, "admin");
    assert!(config.access.startup_password.is_some());
    let shown = config
        .settings
        .iter()
        .find(|setting| setting.name == "STARTUP_PASSWORD");
    assert_eq!(shown.unwrap().value, "********");
    let errors = load(&[("STARTUP_PASSWORD", "hunter2")]).unwrap_err().to_string();
    assert!(
        errors.contains("STARTUP_PASSWORD: has fewer than 8 bytes"),
        "{errors}"
    );
    assert!(!errors.contains("hunter2"));
}

#[test]
fn the_gateways_public_address_is_checked() {
    assert_eq!(load(&[]).unwrap().gateway.public_url, None);
    let config = load(&[("GATEWAY_PUBLIC_URL", "https://example.com/functions/")]).unwrap();
    assert_eq!(
        config.gateway.public_url.as_deref(),
        Some("https://example.com/functions")
    );
    for wrong in [
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///a",
        "https://a:b@example.com",
        "https://a/?b",
        "https://a b",
    ] {
        let errors = load(&[("GATEWAY_PUBLIC_URL", wrong)]).unwrap_err().to_string();
        assert!(errors.contains("GATEWAY_PUBLIC_URL"), "{wrong}: {errors}");
    }
}
