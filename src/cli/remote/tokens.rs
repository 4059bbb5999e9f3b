//! `jobber tokens`.

use chrono::Utc;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::segment;
use super::connection::RemoteArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{note, table};
use crate::cli::text::{ago_of, given_end, text};

const MOST: usize = 100_000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct TokensArgs {
    #[command(subcommand)]
    command: Option<Change>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Make a token, and show it this once.
    Create(Create),
    /// Remove a token: it is of no use at once.
    Remove(Remove),
}

#[derive(Debug, Args)]
struct Create {
    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// What it may do, as `ACTIONS:RESOURCE`: `read,write:job/hello`, `read:job/*/logs`, `write:job/-/publish`. Can be given several
    /// times.
    #[arg(long, value_name = "PERMISSION", required = true)]
    allow: Vec<String>,
    /// What it may not do in spite of that.
    #[arg(long, value_name = "PERMISSION")]
    deny: Vec<String>,
    /// When it ends: a time, or how long from now (`12h`, `30d`).
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Remove {
    /// The token's id.
    #[arg(value_name = "TOKEN-ID")]
    id: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl TokensArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.command {
            Some(Change::Create(create)) => create.remote.json,
            Some(Change::Remove(remove)) => remove.remote.json,
            None => self.remote.json,
        }
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        match &self.command {
            Some(Change::Create(create)) => create.run().await?,
            Some(Change::Remove(remove)) => remove.run().await?,
            None => self.list().await?,
        }
        Ok(Exit::Ok)
    }

    async fn list(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let tokens = client.list("/api/api-tokens", &[], MOST).await?;
        self.remote.output().answer(&tokens, || Ok(listed(&tokens)))
    }
}

fn listed(tokens: &[Value]) -> String {
    let now = Utc::now();
    let row = |token: &Value| {
        let state = if token["enabled"] == true {
            "enabled"
        } else {
            "disabled"
        };
        vec![
            text(token, "id"),
            text(token, "prefix"),
            text(token, "username"),
            state.to_owned(),
            text(token, "expires"),
            ago_of(token, "lastUsed", now),
            text(token, "description"),
        ]
    };
    let columns = ["ID", "BEGINS", "USER", "STATE", "EXPIRES", "USED", "DESCRIPTION"];
    table(&columns, tokens.iter().map(row))
}

impl Create {
    async fn run(&self) -> anyhow::Result<()> {
        let permissions = permissions(&self.allow, &self.deny)?;
        let mut token = json!({ "description": self.description, "permissions": permissions });
        if let Some(expires) = &self.expires {
            let end = given_end(expires, Utc::now()).map_err(Failure::usage)?;
            token["expires"] = json!(end);
        }
        let client = self.remote.client().await?;
        let made = client
            .change(Method::POST, "/api/api-tokens", Some(&token))
            .await?;
        self.remote.output().answer(&made, || Ok(text(&made, "token")))?;
        note("this is the only time that the token is shown");
        Ok(())
    }
}

impl Remove {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let path = format!("/api/api-tokens/{}", segment(&self.id));
        client.change(Method::DELETE, &path, None).await?;
        let document = json!({ "success": true, "removed": self.id });
        self.remote
            .output()
            .answer(&document, || Ok(format!("{} is removed", self.id)))
    }
}

/// The lines of a list of permissions.
fn permissions(allow: &[String], deny: &[String]) -> Result<Vec<Value>, Failure> {
    let allowed = allow.iter().map(|text| permission("allow", text));
    allowed
        .chain(deny.iter().map(|text| permission("deny", text)))
        .collect()
}

fn permission(effect: &str, given: &str) -> Result<Value, Failure> {
    let wrong = || {
        Failure::usage(format!("{given:?} is no permission"))
            .next("write actions and resource as `read,write:job/hello`; docs/reference/permissions.md lists the resources")
    };
    let (actions, resource) = given.split_once(':').ok_or_else(wrong)?;
    let actions: Vec<&str> = actions.split(',').map(str::trim).collect();
    let known = |action: &&str| matches!(*action, "read" | "write" | "delete");
    if resource.is_empty() || !actions.iter().all(known) {
        return Err(wrong());
    }
    Ok(json!({ "effect": effect, "resource": resource, "actions": actions }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_actions_and_a_resource() {
        let lines = permissions(&["read,write:job/a".into()], &["delete:*".into()]).unwrap();
        assert_eq!(
            json!(lines),
            json!([
                { "effect": "allow", "resource": "job/a", "actions": ["read", "write"] },
                { "effect": "deny", "resource": "*", "actions": ["delete"] },
            ])
        );
        for wrong in ["", "read", "read:", "see:job/a", ":job/a"] {
            assert_eq!(
                permission("allow", wrong).unwrap_err().exit,
                Exit::Usage,
                "{wrong}"
            );
        }
    }
}
