//! The gateway over real sockets. The test itself plays the function: it takes an invocation and answers it.

mod answers;
mod client;
mod connections;
mod pages;
mod refusals;
mod requests;
mod uploads;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use client::Client;
use jobber_actors::action::{Lane, LaneLimits, Permit};
use jobber_actors::clock::Clock;
use jobber_actors::domain::{InvocationId, JobId, TriggerId, VersionId};
use jobber_actors::invocation::{
    HttpInput, Input, InputBody, Invocation, Outcome, OutputBody, Refusal, ResponseHead, TriggerRef,
};
use jobber_actors::ledger::Book;
use jobber_actors::manifest::Capture;
use jobber_actors::ports::HttpServer;
use jobber_actors::routing::{MethodName, PathPattern, Route, RoutePattern, RouteTable};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Destination, Gateway, GatewayConfig};
use crate::health::Health;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Leads to the test itself.
#[derive(Clone)]
struct ToTest {
    job: JobId,
    trigger: TriggerRef,
    lane: Arc<Lane>,
    refusal: Option<Refusal>,
    refused: Refused,
    calls: mpsc::Sender<Invocation>,
}

/// What was to be recorded of requests that found no place.
type Refused = Arc<Mutex<Vec<(InvocationId, String)>>>;

impl Destination for ToTest {
    fn trigger(&self) -> &TriggerRef {
        &self.trigger
    }

    fn job(&self) -> JobId {
        self.job
    }

    fn admit(&self) -> Result<Permit, Refusal> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => self.lane.admit(),
        }
    }

    fn record_refused(&self, id: InvocationId, refusal: &Refusal, method: &str, target: &str) {
        let refused = format!("{method} {target} {}", refusal.code());
        let mut record = self.refused.lock().expect("no test panics with it");
        record.push((id, refused));
    }

    fn invoke(&self, invocation: Invocation) {
        self.calls.try_send(invocation).expect("tests make few calls");
    }
}

/// A gateway with one function behind the path `/f` (any method), `/f/:id` and `GET /get`.
struct TestGateway {
    gateway: Arc<Gateway<ToTest>>,
    health: Health,
    calls: mpsc::Receiver<Invocation>,
    refused: Refused,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
}

impl TestGateway {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::refusing(None, change)
    }

    fn refusing(refusal: Option<Refusal>, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let mut config = GatewayConfig {
            workers: std::num::NonZeroUsize::MIN,
            linger: Duration::from_millis(200),
            ..GatewayConfig::default()
        };
        change(&mut config);
        let (calls_in, calls) = mpsc::channel(64);
        let refused = Refused::default();
        let target = ToTest {
            job: JobId::generate(),
            trigger: TriggerRef {
                id: TriggerId::generate(),
                name: None,
            },
            lane: Lane::new(
                LaneLimits {
                    queue_length: 3,
                    queue_wait: PATIENCE,
                    timeout: PATIENCE,
                },
                Book::new(
                    JobId::generate(),
                    VersionId::generate(),
                    Capture::None,
                    Clock::System,
                    Arc::default(),
                    None,
                ),
            ),
            refused: Arc::clone(&refused),
            refusal,
            calls: calls_in,
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let health = Health::default();
        let routes = Arc::new(ArcSwap::from_pointee(routes(&target)));
        let gateway = Arc::new(Gateway::new(listener, config, routes, health.clone()).expect("a gateway"));
        let (stop, stopped) = watch::channel(false);
        let mut serving = JoinSet::new();
        let server = Arc::clone(&gateway);
        serving.spawn(async move { server.serve(stopped).await.expect("ends when it is told to") });
        Self {
            gateway,
            health,
            calls,
            refused,
            stop,
            serving,
        }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// The next invocation that reaches the function.
    async fn call(&mut self) -> Invocation {
        tokio::time::timeout(PATIENCE, self.calls.recv())
            .await
            .expect("a call comes")
            .expect("the gateway lives")
    }

    /// Waits until nothing is under way any more.
    async fn settled(&self) {
        eventually(|| self.gateway.gauges().read().in_flight == 0).await;
    }

    async fn stopped(mut self) {
        self.stop.send(true).expect("the gateway listens");
        let ended = tokio::time::timeout(PATIENCE, self.serving.join_next()).await;
        ended
            .expect("ends in time")
            .expect("was there")
            .expect("without a panic");
    }
}

fn routes(target: &ToTest) -> RouteTable<ToTest> {
    let route = |method: Option<&str>, path: &str| Route {
        pattern: RoutePattern {
            host: None,
            method: method.map(|method| MethodName::parse(method).expect("a method")),
            path: Some(PathPattern::parse(path).expect("a path")),
        },
        target: target.clone(),
    };
    RouteTable::build([
        route(None, "/f"),
        route(None, "/f/:id"),
        route(Some("GET"), "/get"),
    ])
    .0
}

/// Waits for a condition.
async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the condition comes true");
}

fn http(invocation: &Invocation) -> &HttpInput {
    let Input::Http { http } = &invocation.input else {
        panic!("the gateway makes no other invocations");
    };
    http
}

fn header<'a>(http: &'a HttpInput, name: &str) -> Vec<&'a str> {
    http.headers
        .iter()
        .filter(|(candidate, _)| candidate == name)
        .map(|(_, value)| value.as_str())
        .collect()
}

fn responded(status: u16, headers: &[(&str, &str)], body: OutputBody) -> Outcome {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Outcome::Responded {
        head: ResponseHead { status, headers },
        body,
    }
}

fn text(body: &'static str) -> Outcome {
    responded(
        200,
        &[("content-type", "text/plain")],
        OutputBody::Whole(Bytes::from_static(body.as_bytes())),
    )
}

async fn read_all(body: &mut InputBody) -> Bytes {
    match body {
        InputBody::Whole(bytes) => bytes.clone(),
        InputBody::Stream(receiver) => {
            let mut all = Vec::new();
            while let Some(chunk) = tokio::time::timeout(PATIENCE, receiver.next())
                .await
                .expect("the body goes on")
            {
                all.extend_from_slice(&chunk.expect("the body is whole"));
            }
            all.into()
        }
    }
}
