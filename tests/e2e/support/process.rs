//! The server's process. It ends with its test, or, when all share it, with the test binary.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to clean up after itself.
const STOP_TIME: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A started server.
pub struct ServerProcess {
    pid: u32,
    keeper: Option<JoinHandle<ExitStatus>>,
}

impl ServerProcess {
    /// Starts it and waits for its line that begins with `ready`. `None` if it ended, or took too long.
    pub fn start(command: Command, bound: Duration) -> Option<Self> {
        let (started, pid) = sync_channel(1);
        let (seen, ready) = sync_channel(1);
        // Linux sends the death signal when the thread that started the process ends; a test's thread ends with the
        // test, so the server gets one of its own.
        let keeper = std::thread::spawn(move || keep(command, &started, seen));
        let pid = pid.recv().expect("the keeper starts the process");
        let process = Self {
            pid,
            keeper: Some(keeper),
        };
        ready.recv_timeout(bound).ok().map(|()| process)
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal and waits for the end.
    #[expect(
        clippy::disallowed_methods,
        reason = "a bounded wait for a level, on a thread that has nothing else to do"
    )]
    pub fn end(&mut self, signal: &str) -> Option<ExitStatus> {
        let keeper = self.keeper.take()?;
        let sent = Command::new("kill")
            .args([signal, &self.pid.to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "kill {signal} {}", self.pid);
        let until = Instant::now() + STOP_TIME;
        while !keeper.is_finished() {
            assert!(
                Instant::now() < until,
                "the server did not end within {STOP_TIME:?}"
            );
            std::thread::sleep(PAUSE);
        }
        Some(keeper.join().unwrap())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if self.keeper.as_ref().is_some_and(|keeper| !keeper.is_finished()) && !std::thread::panicking() {
            self.end("-TERM");
        } else if self.keeper.as_ref().is_some_and(|keeper| !keeper.is_finished()) {
            // A failed test does not wait; the server cleans up by itself.
            drop(Command::new("kill").arg(self.pid.to_string()).status());
        }
    }
}

fn keep(mut command: Command, started: &SyncSender<u32>, seen: SyncSender<()>) -> ExitStatus {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server's binary can be started");
    started.send(child.id()).expect("someone waits for it");
    read_on(&mut child, seen);
    child.wait().expect("it is our child")
}

/// Reads the output to its end: a server whose output nobody reads would stop.
#[expect(clippy::disallowed_methods, reason = "the lines come from our own server")]
fn read_on(child: &mut Child, seen: SyncSender<()>) {
    let mut seen = Some(seen);
    for line in BufReader::new(child.stdout.take().expect("it is a pipe"))
        .lines()
        .map_while(Result::ok)
    {
        if line.starts_with("ready")
            && let Some(seen) = seen.take()
        {
            // Who waited may have given up.
            let _gave_up = seen.send(());
        }
    }
}
