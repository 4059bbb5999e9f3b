//! An engine whose runners are tasks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jobber_kernel::Tasks;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::locked;
use super::runner::{Event, RunnerScript, StartScript, Witness, process};
use crate::domain::RunnerId;
use crate::ports::{Engine, EngineError, EngineEvent, RunnerExit, RunnerSpec};
use crate::runner_manager::let_in;
use crate::tree::Surroundings;

/// From a process's start until it dials in.
const DIAL_TIME: Duration = Duration::from_millis(2);
/// From a process's end until the engine tells it.
const EXIT_NEWS_TIME: Duration = Duration::from_millis(5);
/// Bytes of a pipe between runner and manager, in each direction.
const PIPE_BYTES: usize = 64 * 1024;

struct Live {
    kill: watch::Sender<bool>,
    over: watch::Receiver<bool>,
}

#[derive(Default)]
struct State {
    live: BTreeMap<RunnerId, Live>,
    scripts: VecDeque<RunnerScript>,
    script: RunnerScript,
    counts: RunnerCounts,
    unreachable: bool,
    last_token: Option<SecretString>,
}

/// How many runners there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunnerCounts {
    /// Processes that run.
    pub live: usize,
    /// Most at the same time.
    pub most: usize,
    /// Asked for since the beginning.
    pub asked: usize,
}

/// An engine that starts scripted runners.
pub struct FakeEngine {
    state: Mutex<State>,
    witness: Arc<Mutex<Witness>>,
    tasks: Tasks,
    manager: OnceLock<Weak<Surroundings>>,
    tell: mpsc::Sender<EngineEvent>,
    events: Mutex<Option<mpsc::Receiver<EngineEvent>>>,
    me: Weak<Self>,
}

impl std::fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeEngine")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl FakeEngine {
    /// An engine without runners.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (tell, events) = mpsc::channel(1024);
        Arc::new_cyclic(|me| Self {
            state: Mutex::default(),
            witness: Arc::default(),
            tasks: Tasks::new("fake-engine"),
            manager: OnceLock::new(),
            tell,
            events: Mutex::new(Some(events)),
            me: Weak::clone(me),
        })
    }

    /// Where its runners dial in.
    pub(super) fn connect(&self, manager: &Arc<Surroundings>) {
        // A second call could only say the same: an engine belongs to one tree.
        drop(self.manager.set(Arc::downgrade(manager)));
    }

    /// What every runner does for which nothing else is said.
    pub fn script(&self, script: RunnerScript) {
        locked(&self.state).script = script;
    }

    /// What the next runner does, after those of earlier calls.
    pub fn next(&self, script: RunnerScript) {
        locked(&self.state).scripts.push_back(script);
    }

    /// From now on the engine does not answer, or does again.
    pub fn unreachable(&self, unreachable: bool) {
        locked(&self.state).unreachable = unreachable;
    }

    /// How many runners there are and were.
    #[must_use]
    pub fn counts(&self) -> RunnerCounts {
        let state = locked(&self.state);
        RunnerCounts {
            live: state.live.len(),
            ..state.counts
        }
    }

    /// The processes that run, the oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<RunnerId> {
        locked(&self.state).live.keys().copied().collect()
    }

    /// Kills a process from outside, as an operator or the kernel might. `false` if it is not there.
    pub fn kill(&self, runner: RunnerId) -> bool {
        let state = locked(&self.state);
        let live = state.live.get(&runner);
        live.inspect(|live| {
            live.kill.send_replace(true);
        })
        .is_some()
    }

    /// What the manager did that a runner may not accept.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let witness = locked(&self.witness);
        let twice = witness.given.iter().filter(|(_, times)| **times > 1);
        let twice = twice.map(|((id, attempt), times)| {
            format!("attempt {attempt} of {id} was given to runners {times} times")
        });
        witness.faults.iter().cloned().chain(twice).collect()
    }

    /// The variables that the last runner was given.
    #[must_use]
    pub fn environment(&self) -> Value {
        locked(&self.witness).environment.clone()
    }

    /// What the last runner proved itself with.
    #[must_use]
    pub fn last_token(&self) -> Option<SecretString> {
        locked(&self.state).last_token.clone()
    }

    /// The messages and instants that runners were given, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        locked(&self.witness).events.clone()
    }

    /// The reasons of the cancellations that runners were told of.
    #[must_use]
    pub fn cancelled(&self) -> Vec<String> {
        locked(&self.witness).cancelled.clone()
    }

    fn launch(&self, spec: &RunnerSpec, script: RunnerScript) -> Result<(), EngineError> {
        let manager = self.manager.get().and_then(Weak::upgrade);
        let manager = manager.ok_or_else(|| EngineError::Start("the test's tree is gone".into()))?;
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        if !matches!(script.start, StartScript::Silent | StartScript::Exits(_)) {
            let around = Arc::clone(&manager);
            manager.sessions.tasks.spawn("session", async move {
                let (mut reader, writer) = tokio::io::split(theirs);
                // A runner that is let in no more sees its connection closed.
                if let Ok(guest) = let_in(&mut reader, &around).await {
                    guest.speak(reader, writer).await;
                }
            });
        }
        let (kill, mut killed) = watch::channel(false);
        let (done, over) = watch::channel(false);
        let mut state = locked(&self.state);
        state.live.insert(spec.runner, Live { kill, over });
        state.counts.most = state.counts.most.max(state.live.len());
        drop(state);
        let (me, runner) = (Weak::clone(&self.me), spec.runner);
        let (token, witness) = (spec.token.expose_secret().to_owned(), Arc::clone(&self.witness));
        self.tasks.spawn("process", async move {
            let running = async {
                sleep(DIAL_TIME).await;
                process(script, token, ours, witness).await
            };
            let exit = tokio::select! {
 biased;
                exit = running => exit,
                _ = killed.wait_for(|killed| *killed) => RunnerExit { signal: Some(9), ..RunnerExit::default() },
            };
            let Some(engine) = me.upgrade() else { return };
            locked(&engine.state).live.remove(&runner);
            done.send_replace(true);
            sleep(EXIT_NEWS_TIME).await;
            // A tree that is gone hears nothing.
            drop(engine.tell.send(EngineEvent::Exited { runner, exit }).await);
        });
        Ok(())
    }

    fn answers(&self) -> Result<(), EngineError> {
        if locked(&self.state).unreachable {
            return Err(EngineError::Unreachable("a test wants it so".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Engine for FakeEngine {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn check(&self) -> Result<(), EngineError> {
        self.answers()
    }

    async fn start(&self, spec: RunnerSpec) -> Result<(), EngineError> {
        self.answers()?;
        let script = {
            let mut state = locked(&self.state);
            state.counts.asked += 1;
            state.last_token = Some(spec.token.clone());
            let next = state.scripts.pop_front();
            next.unwrap_or_else(|| state.script.clone())
        };
        match &script.start {
            StartScript::Fails(reason) => return Err(EngineError::Start(reason.clone())),
            StartScript::Hangs => std::future::pending().await,
            StartScript::Takes(time) => sleep(*time).await,
            StartScript::Works | StartScript::Silent | StartScript::Exits(_) => {}
        }
        self.launch(&spec, script)
    }

    async fn stop(&self, runner: RunnerId, grace: Duration) -> Result<(), EngineError> {
        self.answers()?;
        let over = locked(&self.state)
            .live
            .get(&runner)
            .map(|live| live.over.clone());
        let Some(mut over) = over else { return Ok(()) };
        if timeout(grace, over.wait_for(|over| *over)).await.is_err() {
            self.kill(runner);
            // An error means that the process's task is gone, and the process with it.
            drop(over.wait_for(|over| *over).await);
        }
        Ok(())
    }

    async fn reap(&self, keep: &[RunnerId]) -> Result<usize, EngineError> {
        self.answers()?;
        let orphans: HashMap<RunnerId, _> = {
            let state = locked(&self.state);
            let orphans = state.live.iter().filter(|(runner, _)| !keep.contains(runner));
            orphans
                .map(|(runner, live)| (*runner, live.over.clone()))
                .collect()
        };
        let count = orphans.len();
        for (runner, mut over) in orphans {
            self.kill(runner);
            drop(over.wait_for(|over| *over).await);
        }
        Ok(count)
    }

    fn events(&self) -> Option<mpsc::Receiver<EngineEvent>> {
        locked(&self.events).take()
    }
}
