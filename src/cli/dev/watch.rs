//! Hearing that files change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::cli::files::is_ignored;

/// Editors and compilers write several files one after the other: quiet for this long, they are done.
const QUIET: Duration = Duration::from_millis(80);
/// A folder that is never quiet is published all the same.
const LONGEST_UNREST: Duration = Duration::from_millis(500);

/// The changes below a folder, coalesced.
#[derive(Debug)]
pub(super) struct Changes {
    changed: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches `folder`, except what is not packed and the server's own data, which may be inside.
    pub(super) fn of(folder: &Path, data: &Path) -> anyhow::Result<Self> {
        // One place: however many changes come, one is waiting.
        let (tell, changed) = mpsc::channel(1);
        let (root, data) = (folder.to_owned(), data.to_owned());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&event, &root, &data)) {
                // Full means that a change is waiting already.
                let _waiting_already = tell.try_send(());
            }
        })?;
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .with_context(|| format!("changes in {} can not be watched", folder.display()))?;
        Ok(Self {
            changed,
            _watcher: watcher,
        })
    }

    /// Waits for a change and then for quiet.
    pub(super) async fn next(&mut self) {
        if self.changed.recv().await.is_none() {
            // The watcher's thread is gone, and with it all changes.
            std::future::pending::<()>().await;
        }
        let quiet = async {
            while timeout(QUIET, self.changed.recv())
                .await
                .is_ok_and(|change| change.is_some())
            {}
        };
        tokio::select! {
            () = quiet => {}
            () = sleep(LONGEST_UNREST) => {}
        }
    }
}

fn matters(event: &Event, root: &Path, data: &Path) -> bool {
    let of_interest = |path: &PathBuf| {
        !path.starts_with(data)
            && path
                .strip_prefix(root)
                .map_or(true, |relative| !is_ignored(relative))
    };
    !matches!(event.kind, EventKind::Access(_))
        && (event.paths.is_empty() || event.paths.iter().any(of_interest))
}
