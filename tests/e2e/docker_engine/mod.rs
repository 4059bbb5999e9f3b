//! The Docker engine by itself, on a real daemon with the real images.

mod daemon;
mod manager;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jobber::engine::ManagerAddress;
use jobber::engine::docker::{DockerArgumentKind, DockerEngine, DockerEngineConfig, ensure_bridge};
use jobber_actors::domain::{JobId, RunnerId};
use jobber_actors::manifest::{ByteSize, ContainerLabel, DockerArguments, Runtime};
use jobber_actors::ports::{
    Engine, EngineError, EngineEvent, OutputStream, Resources, RunnerExit, RunnerSpec,
};
use secrecy::SecretString;
use tokio::sync::mpsc;

use self::daemon::Instance;
use self::manager::Manager;
use crate::support::eventually;

/// More than anything here takes on a slow machine.
const BOUND: Duration = Duration::from_secs(60);
const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// An engine, and a manager on the network of its runners.
struct Stage {
    engine: DockerEngine,
    events: mpsc::Receiver<EngineEvent>,
    manager: Manager,
    config: DockerEngineConfig,
    /// Last, so that what the engine left is removed when the engine is gone.
    instance: Instance,
}

impl Stage {
    async fn new(what: &str) -> Self {
        let instance = Instance::unique(what);
        let bridge = ensure_bridge(&daemon::host(), &instance.0, &instance.0)
            .await
            .unwrap();
        let manager = Manager::listen(bridge).await;
        let config = config(&instance.0, bridge, manager.port());
        let engine = DockerEngine::connect(config.clone()).await.unwrap();
        let events = engine.events().unwrap();
        Self {
            engine,
            events,
            manager,
            config,
            instance,
        }
    }

    async fn exit_of(&mut self, runner: RunnerId) -> RunnerExit {
        within("the runner's end is told", async {
            loop {
                match self.events.recv().await.expect("the engine is there") {
                    EngineEvent::Exited { runner: other, exit } if other == runner => return exit,
                    _ => {}
                }
            }
        })
        .await
    }

    fn container(&self, runner: RunnerId) -> String {
        format!("jobber-{}-{runner}", self.instance.0)
    }

    async fn containers(&self) -> usize {
        daemon::containers(&self.instance.0).await.len()
    }
}

/// Awaits something that must happen.
async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, happens).await {
        Ok(value) => value,
        Err(_) => panic!("not within {BOUND:?}: {what}"),
    }
}

fn config(instance: &str, bridge: IpAddr, port: u16) -> DockerEngineConfig {
    let image = |major: u32| (major, format!("jobber/runner-node:{major}"));
    DockerEngineConfig {
        host: daemon::host(),
        instance: instance.to_owned(),
        manager: ManagerAddress {
            host: bridge.to_string(),
            port,
        },
        network: Some(instance.to_owned()),
        images: BTreeMap::from([20, 22, 24].map(image)),
        pull: false,
        allowed: BTreeSet::new(),
        memory: 128 << 20,
        max_memory: None,
        milli_cpus: Some(1000),
        max_milli_cpus: None,
        pids: 64,
        tmp: 8 << 20,
        runtime: None,
    }
}

fn spec(runtime: Runtime) -> RunnerSpec {
    RunnerSpec {
        runner: RunnerId::generate(),
        job: Some((JobId::generate(), "story".into())),
        runtime,
        resources: Resources::default(),
        docker: DockerArguments::default(),
        token: SecretString::from(TOKEN),
    }
}

#[tokio::test]
async fn a_runner_of_each_runtime_dials_in_and_is_stopped_without_a_trace() {
    let mut stage = Stage::new("runtimes").await;
    assert!(stage.engine.missing_images().await.unwrap().is_empty());
    for (runtime, version) in [
        (Runtime::Node20, "20."),
        (Runtime::Node22, "22."),
        (Runtime::Node24, "24."),
    ] {
        let spec = spec(runtime);
        stage.engine.start(spec.clone()).await.unwrap();
        let (_session, hello) = stage.manager.dialled().await;
        assert_eq!(hello["token"], TOKEN);
        assert!(
            hello["runtimeVersion"]
                .as_str()
                .unwrap()
                .trim_start_matches('v')
                .starts_with(version),
            "{hello}"
        );

        stage
            .engine
            .stop(spec.runner, Duration::from_secs(5))
            .await
            .unwrap();

        stage.exit_of(spec.runner).await;
        assert_eq!(stage.containers().await, 0);
    }
}

#[tokio::test]
async fn a_container_is_hardened_and_shows_no_secret() {
    let stage = Stage::new("hardened").await;
    let spec = spec(Runtime::Node20);
    stage.engine.start(spec.clone()).await.unwrap();
    let _session = stage.manager.dialled().await;

    let container = daemon::inspect(&stage.container(spec.runner)).await;

    assert!(!serde_json::to_string(&container).unwrap().contains(TOKEN));
    let host = container.host_config.unwrap();
    let settings = container.config.unwrap();
    assert_eq!(settings.user.as_deref(), Some("10001:10001"));
    assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    assert_eq!(host.security_opt, Some(vec!["no-new-privileges".to_owned()]));
    assert_eq!(host.readonly_rootfs, Some(true));
    assert_eq!(host.privileged, Some(false));
    assert_eq!(host.ipc_mode.as_deref(), Some("none"));
    assert_eq!(host.oom_score_adj, Some(500));
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    assert_eq!(host.init, Some(true));
    assert!(host.binds.is_none() && host.mounts.unwrap_or_default().is_empty());
    assert_eq!(
        (host.memory, host.memory_swap),
        (Some(128 << 20), Some(128 << 20))
    );
    assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_000_000_000), Some(64)));
    assert_eq!(host.network_mode.as_deref(), Some(stage.instance.0.as_str()));
    let labels = settings.labels.unwrap();
    assert_eq!(labels["jobber.instance"], stage.instance.0);
    assert_eq!(labels["jobber.runner"], spec.runner.to_string());
    assert_eq!(labels["jobber.job-name"], "story");
}

#[tokio::test]
async fn a_killed_runner_is_told_and_removed() {
    let mut stage = Stage::new("killed").await;
    let spec = spec(Runtime::Node20);
    stage.engine.start(spec.clone()).await.unwrap();
    let _session = stage.manager.dialled().await;

    daemon::kill(&stage.container(spec.runner)).await;

    let exit = stage.exit_of(spec.runner).await;
    assert_eq!((exit.signal, exit.out_of_memory), (Some(9), false));
    eventually("the container is removed", BOUND, || async {
        (stage.containers().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_runner_that_exhausts_its_memory_is_told_as_such() {
    let mut stage = Stage::new("memory").await;
    let spec = RunnerSpec {
        resources: Resources {
            memory: Some(64 << 20),
            milli_cpus: None,
        },
        ..spec(Runtime::Node20)
    };
    stage.engine.start(spec.clone()).await.unwrap();
    let (mut session, _) = stage.manager.dialled().await;

    session
        .import("const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));")
        .await;

    let exit = stage.exit_of(spec.runner).await;
    assert!(exit.out_of_memory, "{exit:?}");
}

#[tokio::test]
async fn a_runner_that_exhausts_its_heap_is_told_as_such() {
    let mut stage = Stage::new("heap").await;
    let spec = spec(Runtime::Node20);
    stage.engine.start(spec.clone()).await.unwrap();
    let (mut session, _) = stage.manager.dialled().await;

    session
        .import("const all = []; for (;;) all.push({ some: 'thing', n: all.length });")
        .await;

    let exit = stage.exit_of(spec.runner).await;
    assert!(exit.out_of_memory, "{exit:?}");
}

#[tokio::test]
async fn what_the_process_itself_writes_becomes_lines() {
    let mut stage = Stage::new("output").await;
    let spec = spec(Runtime::Node20);
    stage.engine.start(spec.clone()).await.unwrap();
    let (mut session, _) = stage.manager.dialled().await;

    session
        .import("import fs from 'node:fs'; fs.writeSync(2, 'by itself\\n'); process.abort();")
        .await;

    let line = within("the line", async {
        loop {
            match stage.events.recv().await.unwrap() {
                EngineEvent::Output {
                    stream: OutputStream::Stderr,
                    line,
                    ..
                } if line == "by itself" => return line,
                EngineEvent::Exited { exit, .. } => panic!("it ended before its line came: {exit:?}"),
                EngineEvent::Output { .. } => {}
            }
        }
    });
    assert_eq!(line.await, "by itself");
    assert_eq!(stage.exit_of(spec.runner).await.signal, Some(6));
}

#[tokio::test]
async fn a_runner_that_does_not_want_to_end_is_killed_after_the_grace() {
    let mut stage = Stage::new("stubborn").await;
    let spec = spec(Runtime::Node20);
    stage.engine.start(spec.clone()).await.unwrap();
    let (mut session, _) = stage.manager.dialled().await;
    session.import("for (;;);").await;

    within("the stop", stage.engine.stop(spec.runner, Duration::from_secs(1)))
        .await
        .unwrap();

    stage.exit_of(spec.runner).await;
    assert_eq!(stage.containers().await, 0);
}

#[tokio::test]
async fn the_next_server_removes_what_a_dead_one_left_and_nothing_else() {
    let stage = Stage::new("reap").await;
    let (left, wanted) = (spec(Runtime::Node20), spec(Runtime::Node20));
    stage.engine.start(left.clone()).await.unwrap();
    stage.engine.start(wanted.clone()).await.unwrap();
    let other = Stage::new("reap-other").await;
    let others = spec(Runtime::Node20);
    other.engine.start(others.clone()).await.unwrap();

    // Dropped without a word, as by a kill; the next one has the same name.
    drop(stage.engine);
    let next = DockerEngine::connect(stage.config.clone()).await.unwrap();
    next.check().await.unwrap();

    assert_eq!(next.reap(&[wanted.runner]).await.unwrap(), 1);
    let kept: Vec<_> = daemon::containers(&stage.instance.0).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(
        kept[0].labels.as_ref().unwrap()["jobber.runner"],
        wanted.runner.to_string()
    );
    assert_eq!(other.containers().await, 1);
}

#[tokio::test]
async fn a_missing_image_is_named_with_the_way_to_get_it() {
    let stage = Stage::new("image").await;
    let mut config = stage.config.clone();
    config.images.insert(20, "jobber/no-such-image:1".to_owned());
    let engine = DockerEngine::connect(config).await.unwrap();

    assert_eq!(engine.missing_images().await.unwrap(), ["jobber/no-such-image:1"]);
    let error = engine.start(spec(Runtime::Node20)).await.unwrap_err();

    let EngineError::RuntimeMissing { runtime, reason } = &error else {
        panic!("{error}")
    };
    assert_eq!(runtime, "node20");
    assert!(
        reason.contains("jobber/no-such-image:1") && reason.contains("cargo xtask images"),
        "{reason}"
    );
    assert!(reason.contains("RUNNER_IMAGE_NODE20_URL"), "{reason}");
    assert_eq!(stage.containers().await, 0);
}

#[tokio::test]
async fn a_package_gets_of_docker_what_the_operator_allows() {
    let stage = Stage::new("arguments").await;
    let label = |key: &str| ContainerLabel {
        key: key.to_owned(),
        value: "yes".to_owned(),
    };
    let asked = DockerArguments {
        labels: vec![label("team"), label("jobber.instance")],
        memory_limit: Some(ByteSize::from_mebibytes(96)),
        ..DockerArguments::default()
    };
    let spec = RunnerSpec {
        docker: asked,
        ..spec(Runtime::Node20)
    };
    let config = DockerEngineConfig {
        allowed: BTreeSet::from([DockerArgumentKind::Labels]),
        ..stage.config.clone()
    };
    let engine = DockerEngine::connect(config).await.unwrap();

    engine.start(spec.clone()).await.unwrap();

    let container = daemon::inspect(&stage.container(spec.runner)).await;
    let labels = container.config.unwrap().labels.unwrap();
    assert_eq!(labels["team"], "yes");
    assert_eq!(
        labels["jobber.instance"], stage.instance.0,
        "Jobber's own labels are not a package's to set"
    );
    assert_eq!(
        container.host_config.unwrap().memory,
        Some(128 << 20),
        "the memory limit was not allowed"
    );
}

#[tokio::test]
async fn the_containers_runtime_is_the_one_that_is_configured() {
    let stage = Stage::new("runtime").await;
    let config = |runtime: &str| DockerEngineConfig {
        runtime: Some(runtime.to_owned()),
        ..stage.config.clone()
    };
    let engine = DockerEngine::connect(config("runc")).await.unwrap();
    let spec = spec(Runtime::Node20);
    engine.start(spec.clone()).await.unwrap();
    let container = daemon::inspect(&stage.container(spec.runner)).await;
    assert_eq!(container.host_config.unwrap().runtime.as_deref(), Some("runc"));

    let error = DockerEngine::connect(config("no-such-runtime"))
        .await
        .err()
        .unwrap();
    let told = error.to_string();
    for part in ["no-such-runtime", "runc", "RUNNER_CONTAINER_RUNTIME"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_named() {
    let config = DockerEngineConfig {
        host: "unix:///nowhere/docker.sock".to_owned(),
        ..config("nobody", IpAddr::from([127, 0, 0, 1]), 1)
    };
    let error = DockerEngine::connect(config).await.err().unwrap();
    assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
}
