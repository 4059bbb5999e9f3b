//! `jobber publish`: from a folder to a version that serves.

mod build;
mod locate;
mod pack;
mod report;
mod upload;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use self::locate::line_of;
use super::connection::RemoteArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::files::MANIFEST;
use crate::cli::output::note;
use crate::cli::text::bytes;

/// More than this is no manifest.
const MAX_MANIFEST: usize = 1 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishArgs {
    /// The folder with the package.json.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Do not run the package's build script.
    #[arg(long)]
    no_build: bool,
    /// Keep the version without activating it.
    #[arg(long)]
    no_rollout: bool,
    /// Activate the version even if it can not be imported.
    #[arg(long)]
    force: bool,
    /// Write the zip here instead of sending it to a server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_rollout", "force"])]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A folder's package.json.
struct Manifest {
    text: String,
    value: Value,
}

impl PublishArgs {
    /// Whether to answer with JSON.
    pub(in crate::cli) fn json(&self) -> bool {
        self.remote.json
    }

    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let manifest = Manifest::read(&self.folder)?;
        if let Some(file) = &self.output {
            return self.write(&manifest, file).await;
        }
        let client = self.remote.client().await?;
        if client.connection.token.is_none() {
            return Err(client.connection.not_signed_in().into());
        }
        // Before the work is done: that nobody is signed in should not be heard after a long build and upload.
        client.get("/api/auth").await?;
        self.build(&manifest)?;
        let packed = pack::pack(&self.folder).await?;
        note(&format!("packed {} files, {}", packed.files, bytes(packed.bytes)));
        let options = upload::Options {
            rollout: !self.no_rollout,
            force: self.force,
        };
        let published = upload::upload(&client, &packed, options)
            .await
            .map_err(|error| with_lines(error, &manifest.text))?;
        report::warnings(&published, &manifest.text);
        self.remote.output().answer(&published, || {
            Ok(report::published(&published, &client.connection))
        })?;
        Ok(Exit::Ok)
    }

    async fn write(&self, manifest: &Manifest, file: &Path) -> anyhow::Result<Exit> {
        self.build(manifest)?;
        let packed = pack::pack(&self.folder).await?;
        tokio::fs::copy(packed.file.path(), file)
            .await
            .with_context(|| file.display().to_string())?;
        let document = serde_json::json!({ "file": file, "files": packed.files, "bytes": packed.bytes });
        self.remote.output().answer(&document, || {
            Ok(format!(
                "{}: {} files, {}",
                file.display(),
                packed.files,
                bytes(packed.bytes)
            ))
        })?;
        Ok(Exit::Ok)
    }

    fn build(&self, manifest: &Manifest) -> anyhow::Result<()> {
        if self.no_build || !manifest.value["scripts"]["build"].is_string() {
            return Ok(());
        }
        build::run(&self.folder)
    }
}

impl Manifest {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let file = std::fs::File::open(&path).map_err(|error| {
            Failure::new(
                Exit::Refused,
                format!("{} can not be read: {error}", path.display()),
            )
            .next("name the package's folder, or make one with `jobber init`")
        })?;
        let bytes =
            super::prompt::read_all(file, MAX_MANIFEST).with_context(|| path.display().to_string())?;
        let wrong =
            |why: String| Failure::new(Exit::Refused, format!("{} is no JSON: {why}", path.display()));
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { text, value })
    }
}

/// Faults of the manifest with the lines where they are.
fn with_lines(error: anyhow::Error, manifest: &str) -> anyhow::Error {
    let mut failure = match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => return error,
    };
    for fault in &mut failure.faults {
        fault.line = line_of(manifest, &fault.pointer);
    }
    failure.into()
}
