//! What tells a process from a later one that was given the same id.

use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// Most bytes of `/proc/<pid>/stat`.
const MAX_STAT_BYTES: u64 = 4096;

/// A process's id with the moment it started, in clock ticks since the machine's start. Kept in a file, it lets the next
/// server end what a dead one left behind without ever hitting a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process's id.
    pub pid: u32,
    /// When it started.
    pub started: u64,
}

impl ProcessIdentity {
    /// The identity of the process that has this id now.
    ///
    /// # Errors
    /// When there is none, or `/proc` can not be read.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = Stat::of(pid)?;
        Ok(Self {
            pid,
            started: stat.started,
        })
    }

    /// Whether this very process is still there and not merely waiting to be reaped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        Stat::of(self.pid).is_ok_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Kills the process and the group it leads, if it is still there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill_group(&self) -> io::Result<()> {
        self.send(Signal::KILL, kill_process_group)
    }

    /// Sends it a signal, if it is still there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.send(signal, kill_process)
    }

    fn send(&self, signal: Signal, how: impl Fn(Pid, Signal) -> rustix::io::Result<()>) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        if self.is_running() {
            super::ignore_gone(how(pid, signal))
        } else {
            Ok(())
        }
    }
}

/// What of `/proc/<pid>/stat` is of interest.
struct Stat {
    state: char,
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> io::Result<Self> {
        let text = crate::child::read_capped(Path::new(&format!("/proc/{pid}/stat")), MAX_STAT_BYTES)?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc/<pid>/stat"))
    }

    /// The second field is the program's name in parentheses and may hold anything, so count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let started = fields.nth(18)?.parse().ok()?;
        Some(Self { state, started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_is_read_right() {
        let text = "42 (a) b) c) S 1 42 42 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000 2 3";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 987_654));
    }

    #[test]
    fn this_process_runs_and_one_of_another_time_does_not() {
        let me = ProcessIdentity::of(std::process::id()).unwrap();
        assert!(me.is_running());
        assert!(
            !ProcessIdentity {
                started: me.started + 1,
                ..me
            }
            .is_running()
        );
    }
}
