//! `jobber backup`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::client::{Client, segment};
use super::connection::RemoteArgs;
use crate::backup::{Manifest, ReadError, is_encrypted, verify};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, note, table};
use crate::cli::passphrase::PassphraseArgs;
use crate::cli::text::{ago_of, bytes, text};
use crate::text::counted;

/// How long a server may take for a backup, and for the whole of a download.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct BackupArgs {
    #[command(subcommand)]
    command: Option<Below>,
    /// Download the backup to this file, too.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Below {
    /// List the backups that the server has.
    List(List),
    /// Download a backup.
    Download(Download),
    /// Remove a backup from the server.
    Remove(Remove),
    /// Read all of a backup's file on this machine, and hold it against its checksums.
    Verify(Verify),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Download {
    /// The backup's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// The file; one of the backup's name unless given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Remove {
    /// The backup's name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
struct Verify {
    /// The backup's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Answer with JSON.
    #[arg(long)]
    json: bool,
}

impl BackupArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.command {
            Some(Below::List(list)) => list.remote.json,
            Some(Below::Download(download)) => download.remote.json,
            Some(Below::Remove(remove)) => remove.remote.json,
            Some(Below::Verify(verify)) => verify.json,
            None => self.remote.json,
        }
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        match &self.command {
            Some(Below::List(list)) => list.run().await?,
            Some(Below::Download(download)) => download.run().await?,
            Some(Below::Remove(remove)) => remove.run().await?,
            Some(Below::Verify(verify)) => verify.run()?,
            None => self.make().await?,
        }
        Ok(Exit::Ok)
    }

    async fn make(&self) -> anyhow::Result<()> {
        let passphrase = self.passphrase.read()?;
        if let Some(output) = &self.output {
            free(output)?;
        }
        let client = self.remote.client().await?;
        let body = match &passphrase {
            Some(passphrase) => json!({ "passphrase": passphrase.expose_secret() }),
            None => json!({}),
        };
        note("making the backup");
        let mut made = client
            .change_within(Method::POST, "/api/backups", Some(&body), PATIENCE)
            .await?;
        if let Some(output) = &self.output {
            download(&client, &text(&made, "name"), output, passphrase.as_ref()).await?;
            if let Value::Object(fields) = &mut made {
                fields.insert("file".to_owned(), json!(output));
            }
        }
        self.remote.output().answer(&made, || {
            let size = bytes(made["bytes"].as_u64().unwrap_or(0));
            let kind = if made["encrypted"] == true {
                "encrypted"
            } else {
                "not encrypted, without the key file"
            };
            let mut told = format!("{} ({size}, {kind})", text(&made, "name"));
            if let Some(output) = &self.output {
                told += &format!(" is in {}", output.display());
            }
            Ok(told)
        })
    }
}

impl List {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let backups = client.get("/api/backups").await?;
        self.remote.output().answer(&backups, || Ok(listed(&backups)))
    }
}

fn listed(backups: &Value) -> String {
    let now = Utc::now();
    let row = |backup: &Value| {
        vec![
            text(backup, "name"),
            ago_of(backup, "created", now),
            bytes(backup["bytes"].as_u64().unwrap_or(0)),
            if backup["encrypted"] == true { "yes" } else { "no" }.to_owned(),
        ]
    };
    let backups = backups.as_array().map_or(&[][..], Vec::as_slice);
    table(&["NAME", "CREATED", "SIZE", "ENCRYPTED"], backups.iter().map(row))
}

impl Download {
    async fn run(&self) -> anyhow::Result<()> {
        let passphrase = self.passphrase.read()?;
        // A name from a server's list is no path, and one that somebody typed must not become one.
        let output = match &self.output {
            Some(output) => output.clone(),
            None if self.name.contains('/') => {
                return Err(Failure::usage(format!("{} is no name of a backup", self.name)).into());
            }
            None => PathBuf::from(&self.name),
        };
        free(&output)?;
        let client = self.remote.client().await?;
        download(&client, &self.name, &output, passphrase.as_ref()).await?;
        let document = json!({ "success": true, "name": self.name, "file": output });
        self.remote.output().answer(&document, || {
            Ok(format!("{} is in {}", self.name, output.display()))
        })
    }
}

impl Remove {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.remote.client().await?;
        let path = format!("/api/backups/{}", segment(&self.name));
        client.change(Method::DELETE, &path, None).await?;
        let document = json!({ "success": true, "removed": self.name });
        self.remote
            .output()
            .answer(&document, || Ok(format!("{} is removed", self.name)))
    }
}

impl Verify {
    fn run(&self) -> anyhow::Result<()> {
        let passphrase = self.passphrase.read()?;
        let manifest = checked(&self.file, passphrase.as_ref())?;
        let document = json!({ "success": true, "manifest": manifest });
        Output::new(self.json).answer(&document, || Ok(told(&manifest)))
    }
}

fn told(manifest: &Manifest) -> String {
    let Manifest {
        jobber,
        created,
        postgres,
        schema,
        archives,
        missing_archives,
        has_secrets,
        ..
    } = manifest;
    let secrets = if *has_secrets { "with" } else { "without" };
    let packages = counted(*archives, "package");
    let mut told = format!(
        "whole and readable: Jobber {jobber} as of {created} (schema {schema}, PostgreSQL {postgres}), {packages}, \
         {secrets} the key file and the token"
    );
    if !missing_archives.is_empty() {
        let lost = counted(missing_archives.len() as u64, "package");
        told += &format!("\nnot in it, because not on the server's disk: {lost}");
    }
    told
}

/// Nothing is written over.
fn free(output: &Path) -> anyhow::Result<()> {
    if output.exists() {
        let cause = format!("{} is there already", output.display());
        return Err(Failure::usage(cause)
            .next("name another file with --output")
            .into());
    }
    Ok(())
}

/// Downloads to a file that has its name only when it is whole, and was checked as far as that can be.
async fn download(
    client: &Client,
    name: &str,
    output: &Path,
    passphrase: Option<&SecretString>,
) -> anyhow::Result<()> {
    let shown = output.display();
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file =
        NamedTempFile::new_in(folder).with_context(|| format!("{} can not be written", folder.display()))?;
    let path = format!("/api/backups/{}", segment(name));
    let request = client.request(Method::GET, &path).timeout(PATIENCE);
    let mut response = client.send(request).await?;
    let (expected, mut received) = (response.content_length(), 0);
    while let Some(chunk) = response.chunk().await.context("the download broke off")? {
        file.write_all(&chunk)
            .with_context(|| format!("writing {shown}"))?;
        received += chunk.len() as u64;
    }
    anyhow::ensure!(
        expected.is_none_or(|expected| expected == received),
        "the download broke off after {received} bytes"
    );
    file.as_file()
        .sync_all()
        .with_context(|| format!("writing {shown}"))?;
    let encrypted = is_encrypted(file.as_file()).with_context(|| format!("reading {shown}"))?;
    if encrypted && passphrase.is_none() {
        note("the file was not checked again here: that takes the passphrase (`jobber backup verify`)");
    } else {
        checked(file.path(), passphrase)?;
    }
    file.persist_noclobber(output)
        .map_err(|failed| failed.error)
        .with_context(|| format!("writing {shown}"))?;
    Ok(())
}

fn checked(path: &Path, passphrase: Option<&SecretString>) -> anyhow::Result<Manifest> {
    let opened = File::open(path).map_err(ReadError::Io);
    let checked = opened.and_then(|file| verify(file, passphrase));
    Ok(checked.map_err(|error| refused(path, &error))?)
}

/// What is wrong with a file, and what to do.
pub(in crate::cli) fn refused(path: &Path, error: &ReadError) -> Failure {
    let exit = match error {
        ReadError::Io(_) | ReadError::Target(_) => Exit::Failed,
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, format!("{}: {error}", path.display()));
    match error {
        ReadError::PassphraseNeeded => {
            failure.next("give the passphrase with --passphrase-file or JOBBER_BACKUP_PASSPHRASE")
        }
        ReadError::WrongPassphrase => failure.next("give the passphrase that the backup was made with"),
        ReadError::Truncated(_) | ReadError::Damaged(_) => {
            failure.next("take another copy, or another backup")
        }
        _ => failure,
    }
}
