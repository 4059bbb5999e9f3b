//! One folder: published at the start and whenever it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::watch as level;

use super::broker::BrokerLender;
use super::pack::Snapshot;
use super::watch::Changes;
use crate::cli::files::MANIFEST;
use crate::publish::{Change, PublishError, PublishOptions, Published, Publisher};
use crate::store::JobStore;

/// What changed files are published as: `<version>-dev.<number>`.
const DEV_SUFFIX: &str = "-dev.";
/// Someone else may publish the same job at the same moment.
const VERSION_ATTEMPTS: u32 = 5;

/// A folder with a package.
pub(super) struct Folder {
    path: PathBuf,
    data: PathBuf,
    publisher: Publisher,
    jobs: JobStore,
    broker: Arc<BrokerLender>,
    /// What was tried last, whether it could be published or not.
    last: Option<[u8; 32]>,
}

impl Folder {
    /// The package in `path`, which [`package_folder`] has checked.
    pub(super) fn new(
        path: &Path,
        data: &Path,
        publisher: Publisher,
        jobs: JobStore,
        broker: Arc<BrokerLender>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            data: data.to_owned(),
            publisher,
            jobs,
            broker,
            last: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Publishes the folder each time it changes, until `stopped`.
    pub(super) async fn follow(mut self, mut changes: Changes, mut stopped: level::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = changes.next() => {}
            }
            self.publish().await;
        }
    }

    /// Publishes the folder unless it is as it was, and tells how it went. What can not be published is told, too, and
    /// the version before it goes on serving.
    pub(super) async fn publish(&mut self) {
        let began = Instant::now();
        match self.try_publish().await {
            Ok(Some(published)) => tell(&published, began),
            Ok(None) => {}
            Err(error) => {
                tracing::error!("{}: {}", self.path.display(), describe(&error));
            }
        }
    }

    async fn try_publish(&mut self) -> anyhow::Result<Option<Published>> {
        let (path, data) = (self.path.clone(), self.data.clone());
        let snapshot = tokio::task::spawn_blocking(move || Snapshot::take(&path, &data)).await??;
        if self.last == Some(snapshot.digest) {
            return Ok(None);
        }
        // Before it is published: its triggers find the broker then.
        self.broker.lend_to(&snapshot.manifest).await;
        let mut version = match self.last {
            None => self.version_so_far(&snapshot).await?,
            Some(_) => self.next_version(&snapshot).await?,
        };
        self.last = Some(snapshot.digest);
        for _ in 1..VERSION_ATTEMPTS {
            match self.publish_as(&snapshot, &version).await? {
                // Changed since this version was published.
                Err(PublishError::VersionTaken { .. }) => version = self.next_version(&snapshot).await?,
                result => return Ok(Some(result?)),
            }
        }
        Ok(Some(self.publish_as(&snapshot, &version).await??))
    }

    async fn publish_as(
        &self,
        snapshot: &Snapshot,
        version: &str,
    ) -> anyhow::Result<Result<Published, PublishError>> {
        let upload = snapshot.upload(version, self.publisher.upload().await?).await?;
        Ok(self.publisher.publish(upload, PublishOptions::default()).await)
    }

    /// At the start: what is active, if it came from this version of the package, for nothing may have changed since.
    async fn version_so_far(&self, snapshot: &Snapshot) -> anyhow::Result<String> {
        let active = self.jobs.find(&snapshot.name).await?.and_then(|job| job.version);
        let same = active
            .filter(|active| *active == snapshot.version || number(active, &snapshot.version).is_some());
        Ok(same.unwrap_or_else(|| snapshot.version.clone()))
    }

    /// The version of the package itself while nobody has taken it, then numbers.
    async fn next_version(&self, snapshot: &Snapshot) -> anyhow::Result<String> {
        let Some(job) = self.jobs.find(&snapshot.name).await? else {
            return Ok(snapshot.version.clone());
        };
        let versions = self.jobs.version_names(job.id).await?;
        if !versions.contains(&snapshot.version) {
            return Ok(snapshot.version.clone());
        }
        let highest = versions
            .iter()
            .filter_map(|known| number(known, &snapshot.version))
            .max()
            .unwrap_or(0);
        Ok(format!("{}{DEV_SUFFIX}{}", snapshot.version, highest + 1))
    }
}

/// The real path of a folder, if there is a package in it.
pub(super) fn package_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let real = path.canonicalize().with_context(|| path.display().to_string())?;
    anyhow::ensure!(
        real.join(MANIFEST).is_file(),
        "{} has no {MANIFEST}",
        path.display()
    );
    Ok(real)
}

/// The number of a development version of `base`.
fn number(version: &str, base: &str) -> Option<u64> {
    version.strip_prefix(base)?.strip_prefix(DEV_SUFFIX)?.parse().ok()
}

fn tell(published: &Published, began: Instant) {
    let (name, version, took) = (&published.name, &published.version, began.elapsed().as_millis());
    match published.change {
        Change::Published => tracing::info!("published {name} {version} in {took} ms"),
        Change::Activated => tracing::info!("activated {name} {version} in {took} ms"),
        Change::Unchanged => tracing::info!("{name} {version} is unchanged"),
    }
    for route in &published.routes {
        let method = route.method.as_deref().unwrap_or("ANY");
        let path = route.path.as_deref().unwrap_or("any path");
        tracing::info!("  {method} {}", route.url.as_deref().unwrap_or(path));
    }
    for warning in &published.warnings {
        tracing::warn!("{name}: {} {}", warning.pointer, warning.message);
    }
}

/// With the stack, if it was the function's own error: that is what its author needs.
fn describe(error: &anyhow::Error) -> String {
    match error.downcast_ref::<PublishError>() {
        Some(PublishError::ImportFailed { error: thrown, .. }) if !thrown.stack.is_empty() => {
            format!("the package can not be imported\n{}", thrown.stack)
        }
        _ => format!("{error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_versions_are_numbered() {
        assert_eq!(number("1.0.0-dev.12", "1.0.0"), Some(12));
        assert_eq!(number("1.0.0", "1.0.0"), None);
        assert_eq!(number("1.0.0-dev.x", "1.0.0"), None);
        assert_eq!(number("1.0.01-dev.1", "1.0.0"), None);
    }
}
