//! Runners as children of the server: one `node` each, in its own process group and folder, with an environment of its
//! own making. For development and for machines without Docker; it does not isolate runners from the machine.

mod programs;
mod runner_folder;
mod runtime_files;
mod watch;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobber_actors::domain::RunnerId;
use jobber_actors::ports::{Engine, EngineError, EngineEvent, OutputStream, RunnerSpec};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::runner_folder::RunnerFolder;
use self::watch::{RunnerHandle, RunnerProcess};
use super::outbox::Outbox;
use super::output::OutputPump;
use super::start_line::{ManagerAddress, start_line};
use crate::child::{ChildProcess, DeathSignal, ProcessIdentity, Spawner};

pub use programs::{NodeProgramError, NodePrograms};

/// The runners' `PATH`: a function may start what the system has, and nothing of the operator's own.
const RUNNER_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// How long a killed runner of a dead server may take to be gone.
const REAP_WAIT: Duration = Duration::from_secs(5);

/// How the process engine runs.
#[derive(Clone, Debug)]
pub struct ProcessEngineConfig {
    /// Where runners dial in.
    pub manager: ManagerAddress,
    /// The server's data directory; the engine uses `runners/` and `runtime/` in it.
    pub data: PathBuf,
    /// What the server is called: another one on the same directory has runners of its own, which are not this one's to end.
    pub instance: String,
    /// The Node programs to run.
    pub programs: NodePrograms,
    /// The memory of a runner whose job asks for none, in bytes: V8's heap limit. `None` leaves it to V8.
    pub memory: Option<u64>,
}

/// The engine whose runners are child processes.
#[derive(Debug)]
pub struct ProcessEngine {
    shared: Arc<Shared>,
    spawner: Spawner,
    entry: PathBuf,
    config: ProcessEngineConfig,
    tasks: TaskTracker,
    /// Runtimes about whose stand-in someone was told already.
    told: Mutex<HashSet<u32>>,
}

#[derive(Debug)]
struct Shared {
    outbox: Arc<Outbox>,
    live: Mutex<HashMap<RunnerId, Live>>,
}

#[derive(Clone, Debug)]
enum Live {
    /// Not to be taken for a dead server's.
    Starting,
    Running(RunnerHandle),
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, HashMap<RunnerId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProcessEngine {
    /// Prepares the engine: writes the runtime's files into the data directory.
    ///
    /// # Errors
    /// When they can not be written.
    pub fn new(config: ProcessEngineConfig, spawner: Spawner) -> io::Result<Self> {
        let data = std::path::absolute(&config.data)?;
        let config = ProcessEngineConfig { data, ..config };
        let entry = runtime_files::install(&config.data)?;
        std::fs::create_dir_all(runners(&config))?;
        Ok(Self {
            shared: Arc::new(Shared {
                outbox: Arc::new(Outbox::new()),
                live: Mutex::default(),
            }),
            spawner,
            entry,
            config,
            tasks: TaskTracker::new(),
            told: Mutex::default(),
        })
    }

    fn runners(&self) -> PathBuf {
        runners(&self.config)
    }

    /// The program for a runtime, or what the operator can do about its absence.
    fn program(&self, spec: &RunnerSpec) -> Result<&Path, EngineError> {
        let wanted = spec.runtime.major();
        let Some((found, path)) = self.config.programs.nearest(wanted) else {
            return Err(EngineError::RuntimeMissing {
                runtime: spec.runtime.to_string(),
                reason: "there is no `node` on the PATH; install Node.js, or name a program in RUNNER_NODE24_PATH, \
                         RUNNER_NODE22_PATH or RUNNER_NODE20_PATH"
                    .to_owned(),
            });
        };
        let first_time = || {
            self.told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(wanted)
        };
        if found != wanted && first_time() {
            tracing::warn!(
                "Node {wanted} is not installed here; runners that want it run on Node {found} \
                 (RUNNER_NODE{wanted}_PATH names another program)"
            );
        }
        Ok(path)
    }

    fn command(&self, node: &Path, spec: &RunnerSpec, folder: &RunnerFolder) -> Command {
        let mut command = self.spawner.command(node, DeathSignal::Kill);
        if let Some(bytes) = spec.resources.memory.or(self.config.memory) {
            command.arg(format!("--max-old-space-size={}", (bytes >> 20).max(16)));
        }
        command
            .arg(&self.entry)
            .current_dir(folder.app())
            .env_clear()
            .env("PATH", RUNNER_PATH)
            .env("HOME", folder.tmp())
            .env("TMPDIR", folder.tmp())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn launch(&self, spec: &RunnerSpec, folder: &RunnerFolder) -> Result<RunnerHandle, EngineError> {
        let failed = |error: io::Error| EngineError::Start(error.to_string());
        let command = self.command(self.program(spec)?, spec, folder);
        folder.create().map_err(failed)?;
        let mut child = self.spawner.spawn(command).await.map_err(failed)?;
        folder
            .remember(child.identity().map_err(failed)?)
            .map_err(failed)?;

        let directory = folder.app();
        let directory = directory
            .to_str()
            .ok_or_else(|| EngineError::Start("the data directory is not UTF-8".into()))?;
        let mut stdin = child
            .take_stdin()
            .ok_or_else(|| EngineError::Start("no standard input".into()))?;
        // The pipe is empty and takes more than this line: the write does not block.
        stdin
            .write_all(&start_line(&self.config.manager, &spec.token, directory))
            .map_err(failed)?;
        drop(stdin);

        let heap_exhausted = Arc::new(AtomicBool::new(false));
        let output = self
            .read_output(spec.runner, &mut child, &heap_exhausted)
            .map_err(failed)?;
        let (process, handle) =
            RunnerProcess::new(spec.runner, child, folder.clone(), output, heap_exhausted);
        let shared = self.shared.clone();
        let runner = spec.runner;
        // Known as running before its task can find it over.
        shared.live().insert(runner, Live::Running(handle.clone()));
        self.tasks.spawn(async move {
            let (exit, over) = process.run().await;
            shared.live().remove(&runner);
            over.cancel();
            shared.outbox.exited(runner, exit).await;
        });
        Ok(handle)
    }

    fn read_output(
        &self,
        runner: RunnerId,
        child: &mut ChildProcess,
        heap_exhausted: &Arc<AtomicBool>,
    ) -> io::Result<JoinSet<()>> {
        let pump =
            |stream| OutputPump::new(self.shared.outbox.clone(), runner, stream, heap_exhausted.clone());
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.take_stdout() {
            readers.spawn(pump(OutputStream::Stdout).drain(tokio::process::ChildStdout::from_std(pipe)?));
        }
        if let Some(pipe) = child.take_stderr() {
            readers.spawn(pump(OutputStream::Stderr).drain(tokio::process::ChildStderr::from_std(pipe)?));
        }
        Ok(readers)
    }

    /// Ends what a dead server left in its folders.
    async fn reap_folders(&self) -> io::Result<usize> {
        let mut reaped = 0;
        for (runner, folder) in RunnerFolder::all(&self.runners())? {
            if self.shared.live().contains_key(&runner) {
                continue;
            }
            if let Some(process) = folder.process().filter(ProcessIdentity::is_running) {
                process.kill_group()?;
                wait_until_gone(process).await?;
                reaped += 1;
            }
            tokio::task::spawn_blocking(move || folder.remove())
                .await
                .map_err(io::Error::other)??;
        }
        Ok(reaped)
    }
}

/// Where a server of this name keeps what there is of its runners.
fn runners(config: &ProcessEngineConfig) -> PathBuf {
    config.data.join("runners").join(&config.instance)
}

async fn wait_until_gone(process: ProcessIdentity) -> io::Result<()> {
    let deadline = Instant::now() + REAP_WAIT;
    while process.is_running() {
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("process {} does not die", process.pid),
            ));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[async_trait]
impl Engine for ProcessEngine {
    fn kind(&self) -> &'static str {
        "process"
    }

    async fn check(&self) -> Result<(), EngineError> {
        let gone = self.config.programs.gone();
        gone.map_or(Ok(()), |(major, program)| {
            Err(EngineError::RuntimeMissing {
                runtime: format!("Node {major}"),
                reason: format!("{} is no program any more", program.display()),
            })
        })
    }

    async fn start(&self, spec: RunnerSpec) -> Result<(), EngineError> {
        let folder = RunnerFolder::of(&self.runners(), spec.runner);
        let starting = Starting::announce(&self.shared, spec.runner, folder.clone());
        self.launch(&spec, &folder).await?;
        starting.succeeded();
        Ok(())
    }

    async fn stop(&self, runner: RunnerId, grace: Duration) -> Result<(), EngineError> {
        let live = self.shared.live().get(&runner).cloned();
        if let Some(Live::Running(handle)) = live {
            handle.stop_by(Instant::now() + grace);
            handle.over().await;
        }
        Ok(())
    }

    async fn reap(&self, keep: &[RunnerId]) -> Result<usize, EngineError> {
        let unwanted: Vec<RunnerHandle> = self
            .shared
            .live()
            .iter()
            .filter(|(runner, _)| !keep.contains(runner))
            .filter_map(|(_, live)| match live {
                Live::Running(handle) => Some(handle.clone()),
                Live::Starting => None,
            })
            .collect();
        for handle in &unwanted {
            handle.stop_by(Instant::now());
        }
        for handle in &unwanted {
            handle.over().await;
        }
        let left_behind = self
            .reap_folders()
            .await
            .map_err(|error| EngineError::Unreachable(error.to_string()))?;
        Ok(unwanted.len() + left_behind)
    }

    fn events(&self) -> Option<mpsc::Receiver<EngineEvent>> {
        self.shared.outbox.take_receiver()
    }
}

/// A start under way. Dropped before it succeeded (an error, or a caller that gave up) it leaves nothing behind: the
/// child is killed by its own drop, the folder goes here.
struct Starting<'a> {
    shared: &'a Shared,
    runner: RunnerId,
    folder: Option<RunnerFolder>,
}

impl<'a> Starting<'a> {
    fn announce(shared: &'a Shared, runner: RunnerId, folder: RunnerFolder) -> Self {
        shared.live().insert(runner, Live::Starting);
        Self {
            shared,
            runner,
            folder: Some(folder),
        }
    }

    fn succeeded(mut self) {
        self.folder = None;
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        self.shared.live().remove(&self.runner);
        if let Err(error) = folder.remove() {
            tracing::warn!(runner = %self.runner, %error, "the folder of a runner that did not start stays behind");
        }
    }
}

#[cfg(test)]
mod tests;
