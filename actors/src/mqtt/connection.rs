//! The Connection actor: one session with one broker.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Handler, Message};
use jobber_kernel::{Child, Context, StopReason, tell};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::line::{Line, LineState};
use super::reconnect::Reconnect;
use crate::ports::{Lease, LeaseState, MqttClients, MqttEnd, SessionSettings, Subscriber};
use crate::tree::Surroundings;

/// What was finished is acknowledged, and leave taken of the broker, within this.
const LEAVE_TIME: Duration = Duration::from_secs(3);

/// How the connection is made; published anew when a variable changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sessions {
    pub(super) subscriber: SessionSettings,
    pub(super) publisher: SessionSettings,
}

/// What a connection is made of, over all of its lives.
#[derive(Clone)]
pub(super) struct ConnectionParts {
    pub(super) line: Arc<Line>,
    pub(super) sessions: watch::Receiver<Sessions>,
    /// The client that receives, between two connections: it remembers what of the session must outlive one. Whoever runs it
    /// takes it out, so that one that was interrupted is not used again.
    pub(super) client: Arc<Mutex<Option<Box<dyn Subscriber>>>>,
}

/// Owns the client that receives for a job and the one that publishes for it, each with its own network connection.
pub(crate) struct Connection {
    parts: ConnectionParts,
    around: Arc<Surroundings>,
    open: usize,
    stopping: bool,
}

impl Connection {
    pub(super) fn new(parts: ConnectionParts, around: Arc<Surroundings>) -> Self {
        Self {
            parts,
            around,
            open: 0,
            stopping: false,
        }
    }
}

/// One of the two clients has taken leave.
#[derive(Message)]
#[rtype(result = "()")]
struct Left;

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.parts.line.stay();
        let (io, tasks) = (&self.around.io, ctx.tasks());
        let clients = Arc::clone(&self.around.mqtt_clients);
        let me = actix::AsyncContext::address(ctx);
        let (parts, receiving, done) = (self.parts.clone(), Arc::clone(&clients), me.clone());
        let lease = self.around.session_leases.claim(parts.line.session());
        tasks.spawn_on(io, "receive", async move {
            receive(&parts, &*receiving, lease).await;
            tell(&done, Left);
        });
        let parts = self.parts.clone();
        tasks.spawn_on(io, "publish", async move {
            publish(&parts, &*clients).await;
            tell(&me, Left);
        });
        let line = Arc::clone(&self.parts.line);
        tasks.spawn_on(io, "hand over", async move { line.pump().await });
        let line = Arc::clone(&self.parts.line);
        tasks.spawn_on(io, "expire", async move { line.outlet().expire().await });
        self.open = 2;
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.parts.line.outlet().abandon();
    }
}

/// Receives, connection after connection, until the line leaves. Without the lease of the session it is not connected.
async fn receive(parts: &ConnectionParts, clients: &dyn MqttClients, mut lease: Lease) {
    let line = &parts.line;
    let mut sessions = parts.sessions.clone();
    let mut reconnect = Reconnect::default();
    let mut used: Option<SessionSettings> = None;
    while !line.is_leaving() {
        if !is_held(&mut lease, parts).await {
            break;
        }
        let settings = sessions.borrow_and_update().subscriber.clone();
        let kept = parts.client.lock().await.take();
        let kept = kept.filter(|_| used.as_ref().is_none_or(|used| *used == settings));
        let mut client = kept.unwrap_or_else(|| clients.subscriber(settings.clone()));
        used = Some(settings);
        let left = async {
            line.finished().await;
            sleep(LEAVE_TIME).await;
        };
        let end = tokio::select! {
            end = client.run(&**line) => {
                *parts.client.lock().await = Some(client);
                end
            }
            () = left => MqttEnd::Left,
            () = lease.lost() => {
                tracing::warn!(line = ?line, "another server has taken this connection over");
                continue;
            }
            changed = sessions.changed() => match changed {
                Ok(()) => MqttEnd::Failed("its settings changed".into()),
                Err(_) => MqttEnd::Left,
            },
        };
        match end {
            MqttEnd::Left => {
                line.disconnected(LineState::Disconnected {
                    reason: end.to_string(),
                });
                break;
            }
            MqttEnd::NoRoom => {
                tracing::info!(line = ?line, "a broker sent more than there is room for; connecting again when there is");
                line.disconnected(LineState::Full);
                tokio::select! {
                    () = line.roomy() => {}
                    () = line.finished() => {}
                    () = lease.lost() => {}
                }
            }
            MqttEnd::Failed(reason) => {
                let connected = line.disconnected(LineState::Disconnected {
                    reason: reason.clone(),
                });
                if connected.is_some() {
                    tracing::warn!(line = ?line, %reason, "a broker's connection ended");
                }
                let pause = reconnect.pause(connected, Instant::now(), rand::random());
                tokio::select! {
                    () = sleep(pause) => {}
                    () = line.finished() => {}
                    () = lease.lost() => {}
                    _ = sessions.changed() => {}
                }
            }
        }
    }
    line.finished().await;
    // What ran until now may have published.
    line.outlet().close();
    let clean = sessions.borrow().subscriber.clean;
    line.let_go(clean);
}

/// Waits until this server has the session's lease. `false` if the line leaves before that.
async fn is_held(lease: &mut Lease, parts: &ConnectionParts) -> bool {
    let line = &parts.line;
    loop {
        match lease.state() {
            LeaseState::Held => return true,
            LeaseState::Asked => {}
            LeaseState::Elsewhere => {
                let clean = parts.sessions.borrow().subscriber.clean;
                line.elsewhere(clean);
                // What the client remembers of the session is as old.
                *parts.client.lock().await = None;
            }
            LeaseState::Unknown(reason) => {
                line.disconnected(LineState::Disconnected {
                    reason: format!(
                        "whether another server has the connection can not be found out: {reason}"
                    ),
                });
            }
        }
        tokio::select! {
            () = lease.changed() => {}
            () = line.finished() => return false,
        }
    }
}

/// Publishes what functions ask for, until the outlet is closed and empty.
async fn publish(parts: &ConnectionParts, clients: &dyn MqttClients) {
    let outlet = parts.line.outlet();
    let mut sessions = parts.sessions.clone();
    let mut reconnect = Reconnect::default();
    while outlet.wanted().await {
        let settings = sessions.borrow_and_update().publisher.clone();
        let mut client = clients.publisher(settings);
        let begun = Instant::now();
        let end = tokio::select! {
            end = client.run(outlet) => end,
            changed = sessions.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        if let MqttEnd::Failed(reason) = end {
            let connected = outlet.disconnected(&reason).then_some(begun);
            let pause = reconnect.pause(connected, Instant::now(), rand::random());
            sleep(pause).await;
        }
    }
}

impl Child for Connection {
    const KIND: &'static str = "mqtt-connection";

    fn stop_requested(&mut self, _: &StopReason, ctx: &mut Context<Self>) {
        self.stopping = true;
        self.parts.line.leave();
        if self.open == 0 {
            ctx.stop();
        }
    }

    fn observe(&self) -> serde_json::Value {
        let status = self.parts.line.status();
        json!({
            "broker": status.broker,
            "clientId": status.client_id,
            "state": status.state.to_string(),
            "since": status.since,
            "open": status.open,
            "waiting": status.waiting,
            "messages": status.counts,
            "toPublish": self.parts.line.outlet().waiting(),
        })
    }
}

impl Handler<Left> for Connection {
    type Result = ();

    fn handle(&mut self, _: Left, ctx: &mut Context<Self>) {
        self.open = self.open.saturating_sub(1);
        if self.open == 0 && self.stopping {
            ctx.stop();
        }
    }
}
