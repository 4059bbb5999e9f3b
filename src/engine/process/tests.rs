use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jobber_actors::manifest::{DockerArguments, Runtime};
use jobber_actors::ports::{Resources, RunnerExit};
use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

const TOKEN: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
const BOUND: Duration = Duration::from_secs(20);

/// A manager that only listens, a data directory, and an engine on both.
struct Stage {
    data: tempfile::TempDir,
    manager: TcpListener,
    engine: ProcessEngine,
    events: mpsc::Receiver<EngineEvent>,
}

impl Stage {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let manager = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let engine = engine(data.path(), &manager).await;
        let events = engine.events().unwrap();
        Self {
            data,
            manager,
            engine,
            events,
        }
    }

    /// The next runner that dials in, with the first frame's head.
    async fn dialled(&self) -> (TcpStream, serde_json::Value) {
        let (mut stream, _) = timeout(BOUND, self.manager.accept())
            .await
            .expect("a runner should dial in")
            .unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame).await.unwrap();
        let head = usize::from(u16::from_be_bytes([frame[6], frame[7]]));
        (stream, serde_json::from_slice(&frame[8..8 + head]).unwrap())
    }

    async fn event(&mut self) -> EngineEvent {
        timeout(BOUND, self.events.recv())
            .await
            .expect("an event should come")
            .expect("the engine is there")
    }

    async fn exit_of(&mut self, runner: RunnerId) -> RunnerExit {
        loop {
            match self.event().await {
                EngineEvent::Exited { runner: other, exit } if other == runner => return exit,
                _ => {}
            }
        }
    }
}

/// Where the engine keeps what there is of its runners.
fn runners(data: &Path) -> PathBuf {
    data.join("runners/jobber")
}

async fn engine(data: &Path, manager: &TcpListener) -> ProcessEngine {
    let address = manager.local_addr().unwrap();
    let config = ProcessEngineConfig {
        manager: ManagerAddress {
            host: address.ip().to_string(),
            port: address.port(),
        },
        data: data.to_owned(),
        instance: "jobber".to_owned(),
        programs: NodePrograms::discover(&BTreeMap::new()).await.unwrap(),
        memory: None,
    };
    ProcessEngine::new(config, Spawner::start().unwrap()).unwrap()
}

fn spec() -> RunnerSpec {
    RunnerSpec {
        runner: RunnerId::generate(),
        job: None,
        runtime: Runtime::Node20,
        resources: Resources::default(),
        docker: DockerArguments::default(),
        token: SecretString::from(TOKEN),
    }
}

fn process_of(data: &Path, runner: RunnerId) -> ProcessIdentity {
    RunnerFolder::of(&runners(data), runner).process().unwrap()
}

/// The runner's environment as the kernel has it.
fn environment(process: ProcessIdentity) -> String {
    let text =
        crate::child::read_capped(Path::new(&format!("/proc/{}/environ", process.pid)), 1 << 20).unwrap();
    text.replace('\0', "\n")
}

#[tokio::test]
async fn a_runner_dials_in_with_its_token_and_nothing_of_the_servers_environment() {
    let mut stage = Stage::new().await;
    let spec = spec();

    stage.engine.start(spec.clone()).await.unwrap();
    let (_session, hello) = stage.dialled().await;

    assert_eq!(hello["token"], TOKEN);
    let environment = environment(process_of(stage.data.path(), spec.runner));
    assert!(!environment.contains("CARGO"), "{environment}");
    assert!(!environment.contains(TOKEN), "{environment}");
    assert!(
        environment.contains("PATH=/usr/local/bin:/usr/bin:/bin"),
        "{environment}"
    );

    stage
        .engine
        .stop(spec.runner, Duration::from_secs(5))
        .await
        .unwrap();
    stage.exit_of(spec.runner).await;
    let left: Vec<_> = std::fs::read_dir(runners(stage.data.path())).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_runner_ends_with_its_session_and_the_exit_is_told() {
    let mut stage = Stage::new().await;
    let spec = spec();
    stage.engine.start(spec.clone()).await.unwrap();
    let (session, _) = stage.dialled().await;

    drop(session);

    let exit = stage.exit_of(spec.runner).await;
    assert!(exit.code.is_some() && !exit.out_of_memory, "{exit:?}");
}

#[tokio::test]
async fn a_killed_runner_is_told_with_its_signal() {
    let mut stage = Stage::new().await;
    let spec = spec();
    stage.engine.start(spec.clone()).await.unwrap();
    let (_session, _) = stage.dialled().await;

    process_of(stage.data.path(), spec.runner).kill_group().unwrap();

    assert_eq!(
        stage.exit_of(spec.runner).await,
        RunnerExit {
            code: None,
            signal: Some(9),
            out_of_memory: false
        }
    );
}

#[tokio::test]
async fn stopping_a_runner_that_is_not_there_is_no_error() {
    let stage = Stage::new().await;
    stage
        .engine
        .stop(RunnerId::generate(), Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test]
async fn reaping_ends_what_is_not_wanted_and_keeps_what_is() {
    let mut stage = Stage::new().await;
    let (wanted, unwanted) = (spec(), spec());
    stage.engine.start(wanted.clone()).await.unwrap();
    stage.engine.start(unwanted.clone()).await.unwrap();
    let _sessions = (stage.dialled().await, stage.dialled().await);

    assert_eq!(stage.engine.reap(&[wanted.runner]).await.unwrap(), 1);

    stage.exit_of(unwanted.runner).await;
    assert!(process_of(stage.data.path(), wanted.runner).is_running());
}

#[tokio::test]
async fn the_next_server_ends_the_runners_of_a_dead_one() {
    let stage = Stage::new().await;
    // A server that died without a word, on a machine without `setpriv`: its runner goes on.
    let folder = RunnerFolder::of(&runners(stage.data.path()), RunnerId::generate());
    folder.create().unwrap();
    let spawner = Spawner::start().unwrap();
    let mut command = spawner.command("/bin/sh", DeathSignal::Kill);
    command.args(["-c", "sleep 1000 & wait"]);
    let left_behind = spawner.spawn(command).await.unwrap();
    folder.remember(left_behind.identity().unwrap()).unwrap();
    // And one whose process is long gone.
    let gone = RunnerFolder::of(&runners(stage.data.path()), RunnerId::generate());
    gone.create().unwrap();

    assert_eq!(stage.engine.reap(&[]).await.unwrap(), 1);

    assert!(!left_behind.identity().is_ok_and(|process| process.is_running()));
    assert_eq!(std::fs::read_dir(runners(stage.data.path())).unwrap().count(), 0);
}

#[tokio::test]
async fn runners_of_another_server_on_the_same_directory_are_left_alone() {
    let stage = Stage::new().await;
    let theirs = spec();
    stage.engine.start(theirs.clone()).await.unwrap();
    let _session = stage.dialled().await;
    let config = ProcessEngineConfig {
        instance: "another".to_owned(),
        ..stage.engine.config.clone()
    };
    let another = ProcessEngine::new(config, Spawner::start().unwrap()).unwrap();

    assert_eq!(another.reap(&[]).await.unwrap(), 0);

    assert!(process_of(stage.data.path(), theirs.runner).is_running());
}

#[tokio::test]
async fn without_node_the_error_says_what_to_do() {
    let stage = Stage::new().await;
    let config = ProcessEngineConfig {
        programs: NodePrograms::default(),
        ..stage.engine.config.clone()
    };
    let engine = ProcessEngine::new(config, Spawner::start().unwrap()).unwrap();

    let error = engine.start(spec()).await.unwrap_err();

    assert!(
        matches!(&error, EngineError::RuntimeMissing { reason, .. } if reason.contains("RUNNER_NODE24_PATH"))
    );
    assert_eq!(std::fs::read_dir(runners(stage.data.path())).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_process_writes_by_itself_becomes_lines() {
    let mut stage = Stage::new().await;
    let spec = spec();
    stage.engine.start(spec.clone()).await.unwrap();
    let (mut session, _) = stage.dialled().await;

    // A frame of an unknown type: the runtime ends and says why on its standard error.
    tokio::io::AsyncWriteExt::write_all(&mut session, &[0, 0, 0, 8, 0xff, 0, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();

    let mut lines = Vec::new();
    while let EngineEvent::Output { line, .. } = stage.event().await {
        lines.push(line);
    }
    assert!(!lines.is_empty(), "the runtime should have said something");
}
