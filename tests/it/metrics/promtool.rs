//! What Prometheus itself makes of the text, the configuration and the alert rules.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use reqwest::StatusCode;

use super::text;
use crate::support::{App, Package};

/// The one of `cargo xtask it`, or the machine's.
fn promtool() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let ours = target.join("tools/promtool/promtool");
    Command::new(if ours.is_file() {
        ours
    } else {
        PathBuf::from("promtool")
    })
}

fn succeeded(output: &Output) {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        said(&output.stdout),
        said(&output.stderr)
    );
}

fn run(arguments: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/prometheus");
    let output = promtool()
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    succeeded(&output.expect("promtool is installed by `cargo xtask it`"));
}

#[test]
fn the_configuration_is_one() {
    run(&["check", "config", "--syntax-only", "prometheus.yml"]);
}

#[test]
fn the_alert_rules_are_valid_and_say_what_they_should() {
    run(&["check", "rules", "jobber.rules.yml"]);
    run(&["test", "rules", "jobber.rules.test.yml"]);
}

#[test]
fn the_text_follows_the_conventions() {
    App::story(async |app| {
        let package = Package::new("shop", "1").routes(&["/shop"]);
        assert_eq!(app.publish(&package).await.0, StatusCode::OK);
        assert_eq!(app.call("/shop").await.0, StatusCode::OK);
        let text = text(app).await;
        let file = app.data.path().join("metrics.txt");
        std::fs::write(&file, &text).unwrap();
        let input = std::fs::File::open(&file).unwrap();
        let output = promtool()
            .args(["check", "metrics"])
            .stdin(input)
            .output()
            .unwrap();
        succeeded(&output);
    });
}
