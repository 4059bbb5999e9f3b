//! The Mqtt actor.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message};
use jobber_kernel::{Child, ChildExit, ChildRef, ChildSpec, Context, Intensity, StopOrder, StopReason, tell};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use super::assignment::{SessionKey, Wanted, assign, sub_id};
use super::board::LinesOfJobs;
use super::connection::{Connection, ConnectionParts, Sessions};
use super::line::{Line, LineName};
use super::reconnect::Reconnect;
use super::seed::MqttSeed;
use super::window::WindowLimits;
use crate::domain::ServerId;
use crate::domain::TriggerId;
use crate::ports::{Lease, LeaseState, SessionName, SessionSettings};
use crate::tree::{MqttSettings, Surroundings};

/// A broker has this long to forget a session, each time it is asked.
const FORGET_TIME: Duration = Duration::from_secs(15);
/// A broker that can not be told is asked again for so long.
const FORGET_PATIENCE: Duration = Duration::from_secs(3600);

struct Running {
    child: ChildRef<Connection>,
    line: Arc<Line>,
    sessions: watch::Sender<Sessions>,
    /// Nobody wants it any more.
    ending: Option<Ending>,
}

/// What is to become of a session whose connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The broker goes on keeping messages for it: the job is disabled.
    Keep,
    /// The broker is to forget it: its last trigger is gone.
    Forget,
}

/// Has a connection for each broker and session that the published triggers want, and lets it serve them.
pub struct Mqtt {
    around: Arc<Surroundings>,
    running: BTreeMap<SessionKey, Running>,
    forgetting: usize,
    stopping: bool,
}

impl Mqtt {
    /// An actor without connections yet.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            running: BTreeMap::new(),
            forgetting: 0,
            stopping: false,
        }
    }

    /// Makes what is be what the triggers want.
    fn reconcile(&mut self, ctx: &mut Context<Self>) {
        if self.stopping {
            return;
        }
        let board = Arc::clone(&self.around.mqtt);
        let seeds = board.seeds();
        let assignment = assign(&seeds);
        board.set_conflicts(assignment.conflicts.into_iter().collect());
        for (key, running) in &mut self.running {
            if assignment.connections.contains_key(key) || running.ending.is_some() {
                continue;
            }
            running.ending = Some(if board.is_paused(key.job) {
                Ending::Keep
            } else {
                Ending::Forget
            });
            running.child.stop("no trigger wants it any more");
        }
        let mut lines = LinesOfJobs::new();
        for (key, wanted) in assignment.connections {
            let Some(line) = self.connect(&key, &wanted, ctx) else {
                continue;
            };
            line.serve(&wanted.seeds);
            let of_job = lines.entry(key.job).or_default();
            of_job.extend(
                wanted
                    .seeds
                    .iter()
                    .map(|(seed, _)| (seed.trigger.id, Arc::clone(&line))),
            );
        }
        sort_as_published(&mut lines, &seeds);
        board.set_lines(lines);
        for session in board.take_abandoned() {
            self.forget(session, ctx);
        }
    }

    /// The line of a wanted connection, which is started if need be; `None` while one that ended is still in the way.
    fn connect(&mut self, key: &SessionKey, wanted: &Wanted, ctx: &mut Context<Self>) -> Option<Arc<Line>> {
        let sessions = sessions(key, wanted, &self.around.settings.mqtt, self.around.desk.server);
        if let Some(running) = self.running.get(key) {
            if running.ending.is_some() {
                // Looked at again when it has ended.
                return None;
            }
            running.sessions.send_if_modified(|known| {
                let changed =
                    known.subscriber != sessions.subscriber || known.publisher != sessions.publisher;
                *known = sessions;
                changed
            });
            return Some(Arc::clone(&running.line));
        }
        let line = self.around.mqtt.line(key, || self.new_line(key));
        let (sender, receiver) = watch::channel(sessions);
        let parts = ConnectionParts {
            line: Arc::clone(&line),
            sessions: receiver,
            client: Arc::new(Mutex::new(None)),
        };
        let around = Arc::clone(&self.around);
        let spec = ChildSpec::permanent(format!("connection {} {}", key.broker, key.client_id))
            .intensity(Intensity::UNLIMITED)
            .stop_grace(self.around.settings.drain_time);
        let child = ctx.spawn_child(spec, move || Connection::new(parts.clone(), Arc::clone(&around)));
        let running = Running {
            child,
            line: Arc::clone(&line),
            sessions: sender,
            ending: None,
        };
        self.running.insert(key.clone(), running);
        Some(line)
    }

    fn new_line(&self, key: &SessionKey) -> Arc<Line> {
        let name = LineName {
            job: key.job,
            broker: key.broker.clone(),
            client_id: key.client_id.clone(),
        };
        let MqttSettings {
            unacked_messages,
            unacked_bytes,
            ..
        } = self.around.settings.mqtt;
        let limits = WindowLimits {
            messages: unacked_messages,
            bytes: unacked_bytes,
        };
        Line::new(
            name,
            limits,
            Arc::clone(&self.around.desk),
            self.around.settings.clock,
        )
    }

    /// Has a broker forget a session, as soon as it can be told and no other server has it.
    fn forget(&mut self, session: SessionSettings, ctx: &Context<Self>) {
        if session.clean {
            return;
        }
        self.forgetting += 1;
        let (clients, me) = (Arc::clone(&self.around.mqtt_clients), ctx.address());
        let name = SessionName {
            broker: session.broker.to_string(),
            client_id: session.client_id.clone(),
        };
        let mut lease = self.around.session_leases.claim(name.clone());
        let board = Arc::clone(&self.around.mqtt);
        ctx.tasks().spawn_on(&self.around.io, "forget", async move {
            let (begun, mut reconnect) = (Instant::now(), Reconnect::default());
            // Whoever keeps it for so long wants it.
            let given = timeout(FORGET_PATIENCE, until_given(&mut lease)).await.is_ok();
            // It may be wanted again meanwhile, by a job that came back.
            while given
                && !board.wants(&name)
                && let Err(end) = clients.forget(session.clone(), FORGET_TIME).await {
                if begun.elapsed() > FORGET_PATIENCE {
                    let (broker, client_id) = (&session.broker, &session.client_id);
                    tracing::error!(%broker, client_id, %end, "a broker could not be told to forget a session");
                    break;
                }
                sleep(reconnect.pause(None, Instant::now(), rand::random())).await;
            }
            tell(&me, Forgotten);
        });
    }
}

/// Waits until this server has a lease.
async fn until_given(lease: &mut Lease) {
    while lease.state() != LeaseState::Held {
        lease.changed().await;
    }
}

/// How a connection is made. Every server publishes over a connection of its own.
fn sessions(key: &SessionKey, wanted: &Wanted, settings: &MqttSettings, server: ServerId) -> Sessions {
    let window = wanted
        .seeds
        .iter()
        .map(|(seed, _)| seed.window)
        .max()
        .unwrap_or(1);
    let most = u16::try_from(settings.unacked_messages).unwrap_or(u16::MAX);
    let subscriber = SessionSettings {
        broker: wanted.broker.clone(),
        client_id: key.client_id.clone(),
        clean: wanted.clean,
        receive_maximum: u16::try_from(window).unwrap_or(u16::MAX).clamp(1, most),
        max_packet_bytes: settings.max_packet_bytes,
    };
    let publisher = SessionSettings {
        client_id: sub_id(&key.client_id, &format!("publish {server}")),
        clean: true,
        ..subscriber.clone()
    };
    Sessions {
        subscriber,
        publisher,
    }
}

/// In the order of each job's package: its first broker is where its functions publish if nothing else is said.
fn sort_as_published(lines: &mut LinesOfJobs, seeds: &[Arc<MqttSeed>]) {
    let positions: HashMap<TriggerId, usize> = seeds
        .iter()
        .map(|seed| (seed.trigger.id, seed.position))
        .collect();
    for of_job in lines.values_mut() {
        of_job.sort_by_key(|(trigger, _)| positions.get(trigger).copied());
    }
}

/// Other triggers are published than before.
#[derive(Message)]
#[rtype(result = "()")]
struct BoardChanged;

/// A broker has forgotten a session, or never will.
#[derive(Message)]
#[rtype(result = "()")]
struct Forgotten;

impl Actor for Mqtt {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        let (board, me) = (Arc::clone(&self.around.mqtt), ctx.address());
        ctx.tasks()
            .spawn_on(&self.around.io, "watch triggers", async move {
                loop {
                    board.changed().await;
                    tell(&me, BoardChanged);
                }
            });
        self.reconcile(ctx);
    }
}

impl Child for Mqtt {
    const KIND: &'static str = "mqtt";
    const STOP_CHILDREN: StopOrder = StopOrder::Together;

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        let ended: Vec<SessionKey> = self
            .running
            .iter()
            .filter(|(_, running)| running.child.id() == exit.id)
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            let Some(running) = self.running.remove(&key) else {
                continue;
            };
            let session = running.sessions.borrow().subscriber.clone();
            if running.ending == Some(Ending::Forget) && !self.stopping {
                self.around.mqtt.drop_line(&key);
                // Wanted again meanwhile: then nothing is forgotten.
                let wanted = assign(&self.around.mqtt.seeds()).connections;
                if !wanted.contains_key(&key) {
                    self.forget(session, ctx);
                }
            }
        }
        self.reconcile(ctx);
    }

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        self.stopping = true;
        ctx.stop();
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "connections": self.running.len(), "forgetting": self.forgetting })
    }
}

impl Handler<BoardChanged> for Mqtt {
    type Result = ();

    fn handle(&mut self, _: BoardChanged, ctx: &mut Context<Self>) {
        self.reconcile(ctx);
    }
}

impl Handler<Forgotten> for Mqtt {
    type Result = ();

    fn handle(&mut self, _: Forgotten, ctx: &mut Context<Self>) {
        self.forgetting = self.forgetting.saturating_sub(1);
        self.reconcile(ctx);
    }
}
