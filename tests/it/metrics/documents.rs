//! What is written about metrics is what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use reqwest::StatusCode;
use serde_json::Value;

use super::{MODULE, text};
use crate::support::exposition::{self, Exposition};
use crate::support::{App, Package, eventually};

const REFERENCE: &str = include_str!("../../../docs/reference/metrics.md");

/// A row of the reference.
#[derive(Debug, PartialEq, Eq)]
struct Documented {
    kind: String,
    labels: BTreeSet<String>,
}

/// The metrics that the reference has, by their names.
fn documented() -> BTreeMap<String, Documented> {
    let rows = REFERENCE.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" |").map(str::trim).collect();
        let [name, kind, unit, labels, meaning] = &cells[..] else {
            return None;
        };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        assert!(!meaning.is_empty(), "{line}");
        // The unit is the end of the name, as Prometheus wants it; for what is older than this rule the reference says it.
        for known in ["seconds", "bytes"] {
            let ends = name.trim_end_matches("_total").ends_with(known);
            assert!(!ends || unit == &known, "{line}");
        }
        let labels = labels
            .split(',')
            .map(|label| label.trim().trim_matches('`').to_owned());
        let documented = Documented {
            kind: (*kind).to_owned(),
            labels: labels.filter(|label| !label.is_empty()).collect(),
        };
        Some((name.to_owned(), documented))
    });
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let documented: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(documented.len(), count, "a metric is documented twice");
    documented
}

/// What a server gives that has done something.
async fn given(app: &App) -> Exposition {
    let package = Package::new("shop", "1")
        .routes(&["/answers", "/throws"])
        .file("index.js", MODULE);
    assert_eq!(app.publish(&package).await.0, StatusCode::OK);
    for path in ["/answers", "/throws", "/nowhere"] {
        app.call(path).await;
    }
    let text = eventually("it is counted", async || {
        let text = text(app).await;
        text.contains("ending=\"failed\"} 1").then_some(text)
    })
    .await;
    exposition::read(&text)
}

#[test]
fn every_metric_is_in_the_reference_and_the_other_way_round() {
    App::story(async |app| {
        let (given, documented) = (given(app).await, documented());
        let kinds = |name: &String, kind: &str| format!("{name} {kind}");
        let there: BTreeSet<_> = given
            .iter()
            .map(|(name, family)| kinds(name, &family.kind))
            .collect();
        let known: BTreeSet<_> = documented
            .iter()
            .map(|(name, row)| kinds(name, &row.kind))
            .collect();
        assert_eq!(
            there, known,
            "the server's metrics, and those of docs/reference/metrics.md"
        );
        let mut without = 0;
        for (name, family) in &given {
            if family.samples.is_empty() {
                without += 1;
                continue;
            }
            let labels: BTreeSet<_> = family.labels().into_iter().map(str::to_owned).collect();
            assert_eq!(labels, documented[name].labels, "labels of {name}");
        }
        // Of messages, schedules, dead letters and cold starts there are none here.
        assert!(without < 20, "{without} metrics have no values");
    });
}

fn docker(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(path)
}

/// The metrics that a text asks for, as the reference names them.
fn asked_for(text: &str, documented: &BTreeMap<String, Documented>) -> BTreeSet<String> {
    let names = Regex::new(r"\b(?:jobber|process)_[a-z0-9_]+").unwrap();
    let found = names.find_iter(text).map(|name| {
        let name = name.as_str();
        let whole = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part));
        let of_histogram =
            whole.filter(|whole| documented.get(*whole).is_some_and(|row| row.kind == "histogram"));
        of_histogram.unwrap_or(name).to_owned()
    });
    found.collect()
}

/// All expressions of a dashboard, with its variables'.
fn expressions(dashboard: &Value, found: &mut Vec<String>) {
    match dashboard {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "definition" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is() {
    let documented = documented();
    let dashboard = fs::read_to_string(docker("grafana/dashboards/jobber.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut shown = Vec::new();
    expressions(&dashboard, &mut shown);
    let shown = asked_for(&shown.join("\n"), &documented);
    let rules = fs::read_to_string(docker("prometheus/jobber.rules.yml")).unwrap();
    for name in shown.iter().chain(&asked_for(&rules, &documented)) {
        assert!(documented.contains_key(name), "there is no {name}");
    }
    let hidden: Vec<_> = documented.keys().filter(|name| !shown.contains(*name)).collect();
    assert!(hidden.is_empty(), "the dashboard shows nothing of {hidden:?}");

    // One panel for each identifier, in rows of 24 columns.
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let variables: Vec<_> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(variables, ["datasource", "instance", "job"]);
    assert_eq!(dashboard["uid"], "jobber");
}

#[test]
fn every_alert_is_in_the_reference_and_the_other_way_round() {
    let rules = fs::read_to_string(docker("prometheus/jobber.rules.yml")).unwrap();
    let alerts: BTreeSet<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let row = Regex::new(r"(?m)^\| `(Jobber[A-Za-z]+)` \|").unwrap();
    let known: BTreeSet<_> = row
        .captures_iter(REFERENCE)
        .map(|row| row.get(1).unwrap().as_str())
        .collect();
    assert_eq!(alerts, known);
    assert!(alerts.len() > 15);
}
