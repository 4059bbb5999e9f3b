//! One task for each runner: waits for its end, brings it about when asked to, and clears up.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jobber_actors::domain::RunnerId;
use jobber_actors::ports::RunnerExit;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::runner_folder::RunnerFolder;
use crate::child::ChildProcess;

/// How long the last lines of a runner that is over may take to arrive. Something that it started outside of its group
/// may hold its pipes open for ever.
const LAST_LINES: Duration = Duration::from_millis(250);

/// How others speak to a runner's task.
#[derive(Clone, Debug)]
pub(super) struct RunnerHandle {
    stop_by: watch::Sender<Option<Instant>>,
    over: CancellationToken,
}

impl RunnerHandle {
    /// Asks the runner to end, by this moment at the latest. An earlier request for an earlier end stands.
    pub(super) fn stop_by(&self, deadline: Instant) {
        self.stop_by.send_if_modified(|stop_by| {
            let sooner = stop_by.is_none_or(|present| deadline < present);
            if sooner {
                *stop_by = Some(deadline);
            }
            sooner
        });
    }

    /// Resolves once the runner is over and cleared up.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// A runner's process with all that has to be cleared up after it.
#[derive(Debug)]
pub(super) struct RunnerProcess {
    pub(super) runner: RunnerId,
    pub(super) child: ChildProcess,
    pub(super) folder: RunnerFolder,
    pub(super) output: JoinSet<()>,
    pub(super) heap_exhausted: Arc<AtomicBool>,
    stop_by: watch::Receiver<Option<Instant>>,
    over: CancellationToken,
}

impl RunnerProcess {
    pub(super) fn new(
        runner: RunnerId,
        child: ChildProcess,
        folder: RunnerFolder,
        output: JoinSet<()>,
        heap_exhausted: Arc<AtomicBool>,
    ) -> (Self, RunnerHandle) {
        let (sender, stop_by) = watch::channel(None);
        let over = CancellationToken::new();
        let handle = RunnerHandle {
            stop_by: sender,
            over: over.clone(),
        };
        (
            Self {
                runner,
                child,
                folder,
                output,
                heap_exhausted,
                stop_by,
                over,
            },
            handle,
        )
    }

    /// Waits for the end, however it comes about, and clears up all but the entry among the live runners.
    pub(super) async fn run(mut self) -> (RunnerExit, CancellationToken) {
        let status = match self.until_ended().await {
            Ok(()) => self.child.finish(),
            Err(error) => Err(error),
        };
        let drained = async { while self.output.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_LINES, drained).await.is_err() {
            self.output.abort_all();
        }
        let folder = self.folder.clone();
        match tokio::task::spawn_blocking(move || folder.remove()).await {
            Ok(Ok(())) => {}
            failed => {
                tracing::warn!(runner = %self.runner, ?failed, "a runner's folder could not be removed");
            }
        }
        (self.exit(status), self.over)
    }

    async fn until_ended(&mut self) -> std::io::Result<()> {
        let mut asked = false;
        loop {
            let deadline = *self.stop_by.borrow_and_update();
            if deadline.is_some() && !asked {
                asked = true;
                self.child.signal_group(Signal::TERM)?;
            }
            let late = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = self.child.ended() => return ended,
                // All handles gone: the runner goes on until it ends by itself or the engine is dropped.
                Ok(()) = self.stop_by.changed() => {}
                () = late => {
                    self.child.signal_group(Signal::KILL)?;
                    return self.child.ended().await;
                }
            }
        }
    }

    fn exit(&self, status: std::io::Result<ExitStatus>) -> RunnerExit {
        match status {
            Ok(status) => RunnerExit {
                code: status.code().map(i64::from),
                signal: status.signal(),
                out_of_memory: self.heap_exhausted.load(Ordering::Relaxed),
            },
            Err(error) => {
                tracing::error!(runner = %self.runner, %error, "a runner's process could not be watched");
                RunnerExit::default()
            }
        }
    }
}
