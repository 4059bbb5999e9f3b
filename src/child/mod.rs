//! Child processes that can not outlive the server.
//!
//! Linux sends a process its *parent-death signal* when the **thread** that started it ends, not when the whole
//! parent does. So every child is started by one thread of its own, the [`Spawner`]'s, that lives as long as the
//! server. The signal is set by `setpriv` (util-linux), which keeps this crate free of unsafe code. Each child leads
//! a process group, so that a Ctrl-C in the terminal reaches the server alone and whatever a child started can be
//! ended with it.
//!
//! A server that is killed in the millisecond between a child's start and `setpriv`'s call leaves that child behind; what
//! must not happen twice is therefore also written down ([`ProcessIdentity`]) and ended by the next server.

mod identity;
mod log;
mod place;
mod spawner;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use identity::ProcessIdentity;
pub(crate) use log::{log_tail, open_log};
pub use place::free_port;
pub(crate) use place::make_private_folder;
pub use spawner::{DeathSignal, Spawner};
pub(crate) use spawner::{find_program, is_executable};

/// How long [`Drop`] waits for a killed child before it leaves it to the kernel.
const DROP_WAIT: Duration = Duration::from_secs(2);

/// A running child, the leader of its own process group. Dropped, it is killed with its group.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
    pid: Pid,
    /// Becomes readable when the process is over. Unlike `wait`, that does not give its pid back to the kernel, so the
    /// group can still be signalled without a chance of hitting someone else.
    ended: AsyncFd<OwnedFd>,
    reaped: bool,
}

impl ChildProcess {
    fn adopt(child: Child) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        #[expect(
            deprecated,
            reason = "what is unsound is a type that changes or closes its descriptor while it is registered; an \
                      `OwnedFd` does neither, and the replacement is an unsafe function"
        )]
        let ended = AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)?;
        Ok(Self {
            child,
            pid,
            ended,
            reaped: false,
        })
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What tells this process from a later one with the same id.
    ///
    /// # Errors
    /// When `/proc` can not be read.
    pub fn identity(&self) -> io::Result<ProcessIdentity> {
        ProcessIdentity::of(self.child.id())
    }

    /// Its standard input, once, if it is a pipe.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once, if it is a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its standard error, once, if it is a pipe.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits until the process is over, without reaping it. Safe to cancel.
    ///
    /// # Errors
    /// When the kernel's notice can not be read.
    pub async fn ended(&self) -> io::Result<()> {
        self.ended.readable().await.map(drop)
    }

    /// Blocks this thread until the process is over, at most for `limit`; tells whether it is. For destructors, which
    /// can not await.
    pub(crate) fn wait_blocking(&self, limit: Duration) -> bool {
        let mut watched = [PollFd::new(self.ended.get_ref(), PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        self.reaped || matches!(poll(&mut watched, limit.as_ref()), Ok(1..))
    }

    /// Whether the process is over already.
    ///
    /// # Errors
    /// When its state can not be asked for.
    pub fn try_reap(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status)
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// When the kernel refuses. A process that is over is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.reaped {
            Ok(())
        } else {
            ignore_gone(kill_process(self.pid, signal))
        }
    }

    /// Sends a signal to the process and all that it started.
    ///
    /// # Errors
    /// When the kernel refuses. A group that is over is no error.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        if self.reaped {
            Ok(())
        } else {
            ignore_gone(kill_process_group(self.pid, signal))
        }
    }

    /// Kills what the process left behind in its group, then reaps it. To be called once it [`ended`](Self::ended);
    /// before that it kills the process itself.
    ///
    /// # Errors
    /// When the exit status can not be read.
    pub fn finish(&mut self) -> io::Result<ExitStatus> {
        self.signal_group(Signal::KILL)?;
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }

    /// Asks the whole group to end with `first`, kills it after `grace`, and reaps it.
    ///
    /// # Errors
    /// When the process can not be signalled or its exit status can not be read.
    pub async fn stop(&mut self, first: Signal, grace: Duration) -> io::Result<ExitStatus> {
        self.signal_group(first)?;
        if let Ok(ended) = tokio::time::timeout(grace, self.ended()).await {
            ended?;
        } else {
            self.signal_group(Signal::KILL)?;
            self.ended().await?;
        }
        self.finish()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        if let Err(error) = self.signal_group(Signal::KILL) {
            tracing::warn!(pid = self.id(), %error, "a child process could not be killed");
            return;
        }
        // SIGKILL takes effect at once unless the process hangs in the kernel; never wait for that without a bound.
        if self.wait_blocking(DROP_WAIT) && self.try_reap().is_err() {
            tracing::warn!(pid = self.id(), "a child process could not be reaped");
        }
    }
}

/// Reads a small text file, at most `limit` bytes of it.
///
/// # Errors
/// When it can not be read or is not UTF-8.
#[expect(clippy::disallowed_methods, reason = "`take` bounds it")]
pub(crate) fn read_capped(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn ignore_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_group_is_ended_with_its_leader() {
        let spawner = Spawner::start().unwrap();
        let mut command = spawner.command("/bin/sh", DeathSignal::Kill);
        command
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(Stdio::piped());
        let mut leader = spawner.spawn(command).await.unwrap();
        let grandchild = first_line(&mut leader).await;
        let grandchild = ProcessIdentity::of(grandchild.parse().unwrap()).unwrap();

        let status = leader.stop(Signal::TERM, Duration::from_secs(10)).await.unwrap();

        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        gone(grandchild).await;
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_request_is_killed_after_the_grace() {
        let spawner = Spawner::start().unwrap();
        let mut command = spawner.command("/bin/sh", DeathSignal::Kill);
        command
            .args(["-c", "trap '' TERM; echo up; while :; do sleep 1; done"])
            .stdout(Stdio::piped());
        let mut child = spawner.spawn(command).await.unwrap();
        first_line(&mut child).await;

        let status = child.stop(Signal::TERM, Duration::from_millis(50)).await.unwrap();

        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[tokio::test]
    async fn a_child_ends_with_the_thread_that_started_it() {
        let spawner = Spawner::start().unwrap();
        let mut command = spawner.command("/bin/sh", DeathSignal::Kill);
        command
            .args(["-c", "echo up; exec sleep 1000"])
            .stdout(Stdio::piped());
        let mut child = spawner.spawn(command).await.unwrap();
        first_line(&mut child).await;

        drop(spawner);

        tokio::time::timeout(Duration::from_secs(10), child.ended())
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let spawner = Spawner::start().unwrap();
        let mut command = spawner.command("/bin/sleep", DeathSignal::Kill);
        command.arg("1000");
        let child = spawner.spawn(command).await.unwrap();
        let identity = child.identity().unwrap();

        drop(child);

        assert!(!identity.is_running());
    }

    async fn first_line(child: &mut ChildProcess) -> String {
        use futures_util::StreamExt;
        use tokio_util::codec::{FramedRead, LinesCodec};
        let stdout = tokio::process::ChildStdout::from_std(child.take_stdout().unwrap()).unwrap();
        let mut lines = FramedRead::new(stdout, LinesCodec::new_with_max_length(1024));
        lines.next().await.unwrap().unwrap()
    }

    async fn gone(process: ProcessIdentity) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while process.is_running() {
            assert!(Instant::now() < deadline, "{process:?} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
