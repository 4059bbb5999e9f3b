//! One session, and a test at the other end of its connection.

mod breaches;
mod ends;
mod handshake;
mod invocations;
mod messages;
mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobber_kernel::Tasks;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Assignment, Session, SessionContext, SessionEvent};
use crate::action::{Lane, LaneLimits};
use crate::domain::{Environment, InvocationId, RunnerId, TriggerId};
use crate::invocation::{
    HttpInput, Input, InputBody, Invocation, InvocationLimits, PendingReply, TriggerRef, reply_channel,
};
use crate::log_sink::{LOG_RING_LIMITS, LogIntake, LogRate, LogRing};
use crate::ports::ArchiveStore;
use crate::protocol::{Flags, FrameKind, RunnerLimits};
use crate::testing::{FakeArchives, FakeCatalogue, FakeFunctionStore, FakePackage, Wire};
use crate::trace::TraceContext;

/// A session that runs, and the runner's end of it.
struct Bench {
    session: Arc<Session>,
    wire: Wire,
    events: mpsc::Receiver<SessionEvent>,
    lane: Arc<Lane>,
    logs: Arc<LogRing>,
    tasks: Arc<Tasks>,
}

impl Bench {
    /// A session that was welcomed and has no package yet.
    async fn greeted() -> Self {
        Self::greeted_by(&[]).await
    }

    /// The same, with a runner that accepts this besides what every runner does.
    async fn greeted_by(accepts: &[&str]) -> Self {
        let (ours, theirs): (DuplexStream, DuplexStream) = tokio::io::duplex(64 * 1024);
        let tasks = Arc::new(Tasks::new("session"));
        let logs = Arc::new(LogRing::new(LOG_RING_LIMITS));
        let context = SessionContext {
            tasks: Arc::clone(&tasks),
            io: Handle::current(),
            logs: Arc::new(LogIntake::new(Arc::clone(&logs), LogRate::default())),
            functions: Arc::new(FakeFunctionStore::default()),
            mqtt: Arc::default(),
        };
        let accepts: Vec<String> = accepts.iter().map(|name| (*name).to_owned()).collect();
        let session = Session::new(RunnerId::generate(), &accepts, context);
        let (tell, events) = mpsc::channel(16);
        let listener = move |event| tell.try_send(event).expect("a test hears of few events");
        let (reader, writer) = tokio::io::split(ours);
        tasks.spawn(
            "session",
            Arc::clone(&session).run(reader, writer, Box::new(listener)),
        );
        let mut wire = Wire::new(theirs);
        let welcome: Value = wire.expect(FrameKind::Welcome).await.head().unwrap();
        assert_eq!(welcome["credit"], 262_144);
        let lane = Lane::new(
            LaneLimits {
                queue_length: 10_000,
                queue_wait: Duration::from_secs(30),
                timeout: Duration::from_secs(60),
            },
            Arc::default(),
        );
        Self {
            session,
            wire,
            events,
            lane,
            logs,
            tasks,
        }
    }

    /// A session whose runner has imported its package.
    async fn serving() -> Self {
        Self::serving_by(&[]).await
    }

    /// The same, with a runner that accepts this besides what every runner does.
    async fn serving_by(accepts: &[&str]) -> Self {
        let mut bench = Self::greeted_by(accepts).await;
        bench.assign().await;
        bench.wire.expect(FrameKind::Load).await;
        bench
            .say(FrameKind::Ready, Flags::NONE, 0, json!({ "importMs": 3 }), b"")
            .await;
        assert!(matches!(bench.event().await, SessionEvent::Ready(_)));
        bench
    }

    async fn assign(&self) {
        let version = FakeCatalogue::default().publish(&FakePackage::named("hello"));
        let files = FakeArchives::default().files(version.archive).await.unwrap();
        let assignment = Assignment {
            job_name: "hello".into(),
            version,
            environment: Arc::new(Environment::default()),
            runner_limits: RunnerLimits {
                concurrency: 100,
                timeout_ms: 60_000,
                buffered_body_bytes: 1000,
            },
            invocation_limits: InvocationLimits {
                queue_wait: Duration::from_secs(30),
                timeout: Duration::from_secs(60),
                cancel_grace: Duration::from_secs(2),
            },
        };
        self.session.assign(&assignment, files).await.unwrap();
    }

    async fn say(&mut self, kind: FrameKind, flags: Flags, stream: u32, head: Value, body: &[u8]) {
        self.wire.send(kind, flags, stream, &head, body).await;
    }

    async fn event(&mut self) -> SessionEvent {
        self.events.recv().await.expect("the session tells how it ends")
    }

    /// How the session ended, and whether the runner broke the protocol.
    async fn end(&mut self) -> (String, bool) {
        loop {
            if let SessionEvent::Ended {
                detail,
                protocol_broken,
                ..
            } = self.event().await
            {
                return (detail, protocol_broken);
            }
        }
    }

    fn invocation(&self, body: InputBody) -> (Invocation, PendingReply) {
        let (reply, pending) = reply_channel();
        let invocation = Invocation {
            id: InvocationId::generate(),
            attempt: 1,
            trace: TraceContext::root(),
            trigger: TriggerRef {
                id: TriggerId::generate(),
                name: None,
            },
            input: Input::Http {
                http: Box::new(HttpInput {
                    method: "GET".into(),
                    target: "/".into(),
                    scheme: "http".into(),
                    authority: "test".into(),
                    headers: Vec::new(),
                    params: BTreeMap::new(),
                    ip: [127, 0, 0, 1].into(),
                    size: None,
                }),
            },
            body,
            admitted: Instant::now(),
            reply,
            permit: self.lane.admit().expect("there is room"),
        };
        (invocation, pending)
    }

    /// Gives the runner an invocation; it is on the stream that comes back.
    async fn invoke(&mut self, body: InputBody) -> (u32, PendingReply) {
        let (invocation, pending) = self.invocation(body);
        self.session
            .invoke(invocation, Instant::now())
            .expect("the session is open");
        (self.wire.expect(FrameKind::Invoke).await.stream, pending)
    }

    async fn call(&mut self) -> (u32, PendingReply) {
        self.invoke(InputBody::Whole(Bytes::new())).await
    }

    /// Permits that are out.
    fn permits(&self) -> u32 {
        self.lane.gauge().waiting
    }
}
