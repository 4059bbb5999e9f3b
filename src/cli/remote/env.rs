//! `jobber env`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::client::{Client, job_path, segment};
use super::connection::RemoteArgs;
use super::env_file::{self, checked_name};
use super::prompt;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::table;
use crate::cli::text::{ago_of, text};

const MOST: usize = 10_000;
/// Most bytes of a file of variables; all of a job's together have fewer.
const MAX_FILE: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct EnvArgs {
    #[command(subcommand)]
    command: Option<Change>,
    /// The job of which the variables are listed, secrets without their values.
    #[arg(value_name = "JOB", required = true)]
    job: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Set variables. A value that is not given is asked for, or read from standard input.
    Set(Set),
    /// Remove variables.
    Unset(Unset),
    /// Set all variables of a file (`.env`).
    Import(Import),
}

#[derive(Debug, Args)]
struct Set {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// `NAME=VALUE`, or a `NAME` alone: its value then does not show in the list of processes.
    #[arg(value_name = "VARIABLE", required = true)]
    variables: Vec<String>,
    /// Secrets: their values are never shown again.
    #[arg(long)]
    secret: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Unset {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// Their names.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Import {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Secrets: their values are never shown again.
    #[arg(long)]
    secret: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl EnvArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.command {
            Some(Change::Set(set)) => set.remote.json,
            Some(Change::Unset(unset)) => unset.remote.json,
            Some(Change::Import(import)) => import.remote.json,
            None => self.remote.json,
        }
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        match (&self.command, &self.job) {
            (Some(Change::Set(set)), _) => set.run().await?,
            (Some(Change::Unset(unset)), _) => unset.run().await?,
            (Some(Change::Import(import)), _) => import.run().await?,
            (None, Some(job)) => list(&self.remote, job).await?,
            (None, None) => return Err(Failure::usage("which job?").into()),
        }
        Ok(Exit::Ok)
    }
}

async fn list(remote: &RemoteArgs, job: &str) -> anyhow::Result<()> {
    let client = remote.client().await?;
    let variables = client.list(&job_path(job, "/environment"), &[], MOST).await?;
    remote.output().answer(&variables, || Ok(listed(&variables)))
}

fn listed(variables: &[Value]) -> String {
    let now = Utc::now();
    let row = |variable: &Value| {
        let value = if variable["type"] == "secret" {
            "********".to_owned()
        } else {
            text(variable, "value")
        };
        vec![
            text(variable, "name"),
            text(variable, "type"),
            ago_of(variable, "updated", now),
            value,
        ]
    };
    table(&["NAME", "TYPE", "SET", "VALUE"], variables.iter().map(row))
}

/// One variable to be set.
struct Variable {
    name: String,
    value: SecretString,
}

impl Set {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        set_all(
            &client,
            &self.job,
            &given(&self.variables)?,
            self.secret,
            &self.remote,
        )
        .await
    }
}

/// Variables as they are on the command line. Standard input has one value at most.
fn given(arguments: &[String]) -> anyhow::Result<Vec<Variable>> {
    let without_value = arguments
        .iter()
        .filter(|argument| !argument.contains('='))
        .count();
    if without_value > 1 && !prompt::is_possible() {
        let failure = Failure::usage("standard input can have the value of one variable only");
        return Err(failure.next("use `jobber env import JOB -` for several").into());
    }
    let variable = |argument: &String| {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        let name = checked_name(name).ok_or_else(|| {
            Failure::usage(format!(
                "{name:?} is no name of a variable: letters, digits and _ only"
            ))
        })?;
        let value = match value {
            Some(value) => value.into(),
            None if prompt::is_possible() => {
                not_empty(&name, prompt::ask_secret(&format!("value of {name}"))?)?
            }
            None => not_empty(&name, prompt::piped_secret()?)?,
        };
        Ok(Variable { name, value })
    };
    arguments.iter().map(variable).collect()
}

/// What was read. Nothing at all is rather a file that was not there or a command that failed than a value.
fn not_empty(name: &str, value: SecretString) -> Result<SecretString, Failure> {
    if value.expose_secret().is_empty() {
        let failure = Failure::usage(format!("standard input has no value for {name}: it is empty"));
        return Err(failure.next(format!("write `{name}=` to set an empty value on purpose")));
    }
    Ok(value)
}

async fn set_all(
    client: &Client,
    job: &str,
    variables: &[Variable],
    secret: bool,
    remote: &RemoteArgs,
) -> anyhow::Result<()> {
    let kind = if secret { "secret" } else { "text" };
    for Variable { name, value } in variables {
        let body = json!({ "type": kind, "value": value.expose_secret() });
        let path = job_path(job, &format!("/environment/{}", segment(name)));
        client.change(Method::POST, &path, Some(&body)).await?;
    }
    let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    let document = json!({ "success": true, "set": names, "type": kind });
    remote.output().answer(&document, || {
        Ok(format!(
            "set {}; the job's runners are replaced without losing a call",
            names.join(", ")
        ))
    })
}

impl Unset {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        for name in &self.names {
            let path = job_path(&self.job, &format!("/environment/{}", segment(name)));
            client.change(Method::DELETE, &path, None).await?;
        }
        let document = json!({ "success": true, "unset": self.names });
        self.remote
            .output()
            .answer(&document, || Ok(format!("removed {}", self.names.join(", "))))
    }
}

impl Import {
    async fn run(&self) -> anyhow::Result<()> {
        let shown = self.file.display();
        let text = if self.file.as_os_str() == "-" {
            prompt::piped_text(MAX_FILE)?
        } else {
            let file = File::open(&self.file).with_context(|| shown.to_string())?;
            let bytes = prompt::read_all(file, MAX_FILE).with_context(|| shown.to_string())?;
            String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{shown} is no UTF-8")))?
        };
        let found =
            env_file::parse(&text).map_err(|why| Failure::new(Exit::Refused, format!("{shown}: {why}")))?;
        let variables: Vec<_> = found
            .into_iter()
            .map(|found| Variable {
                name: found.name,
                value: found.value.into(),
            })
            .collect();
        let client = self.remote.client().await?;
        set_all(&client, &self.job, &variables, self.secret, &self.remote).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_an_equals_sign() {
        let found = given(&["a=b=c".to_owned()]).unwrap();
        assert_eq!(
            (found[0].name.as_str(), found[0].value.expose_secret()),
            ("A", "b=c")
        );
        assert!(given(&["a-b=c".to_owned()]).is_err());
    }

    #[test]
    fn an_empty_value_is_set_only_where_it_is_written() {
        let found = given(&["a=".to_owned()]).unwrap();
        assert!(found[0].value.expose_secret().is_empty());
        let refused = not_empty("A", "".into()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.next.unwrap().contains("`A=`"));
        assert_eq!(not_empty("A", " ".into()).unwrap().expose_secret(), " ");
    }

    #[test]
    fn secrets_are_listed_without_a_value() {
        let shown = listed(&[
            json!({ "name": "A", "type": "secret" }),
            json!({ "name": "B", "type": "text", "value": "v" }),
        ]);
        assert!(shown.contains("********") && shown.contains('v'), "{shown}");
    }
}
