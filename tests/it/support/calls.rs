//! Asynchronous calls of a server, and somebody who takes callbacks.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App as WebApp, HttpRequest, HttpResponse, HttpServer};
use jobber::callbacks::{AllowedHosts, Gate, Manners, NameResolver, SystemNames};
use jobber::calls::{CallConfig, CallParts, CallWork, Calls, Locations};
use jobber::sealing::Keys;
use jobber::store::{CallLimits, CallStore, Database, Hint, Listener, ListenerConfig, SecretStore};
use jobber_actors::tree::TreeHandle;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::watch;

use super::{App, eventually};

/// How a server deals with asynchronous calls.
pub struct Calling {
    pub config: CallConfig,
    pub limits: CallLimits,
    pub max_result: usize,
    pub manners: Manners,
    /// Where callbacks may go.
    pub allowed: &'static str,
    pub names: Arc<dyn NameResolver>,
}

impl Default for Calling {
    fn default() -> Self {
        Self {
            config: CallConfig::default(),
            limits: CallLimits::default(),
            max_result: 1 << 20,
            manners: Manners::default(),
            allowed: "",
            names: Arc::new(SystemNames),
        }
    }
}

impl Calling {
    /// The calls in this database.
    pub async fn calls(self, database: &Database, keys: &Arc<Keys>) -> (Calls, CallWork) {
        let secrets = SecretStore::new(database.clone(), Arc::clone(keys));
        let parts = CallParts {
            config: self.config,
            store: CallStore::new(database.clone(), self.limits),
            locations: Locations::new(&secrets.locations().await.unwrap()),
            secrets,
            gate: Gate::new(AllowedHosts::parse(self.allowed).unwrap(), self.names),
            manners: self.manners,
        };
        Calls::new(parts).await.unwrap()
    }
}

/// Passes on what the database says.
pub fn listen(
    database: &Database,
    calls: Calls,
    tree: TreeHandle,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let listener = Listener::new(database.clone(), tree.server(), ListenerConfig::default());
    let hint = move |hint| match hint {
        Hint::Job(_) => {}
        Hint::Deliveries => tree.hint_deliveries(),
        Hint::Calls => calls.look(),
        Hint::Cancelled(call) => tree.cancel_delivery(call),
        Hint::Everything => {
            tree.hint_deliveries();
            calls.look();
        }
    };
    listener.run(hint, stopped)
}

impl App {
    /// A request to a function that is to be answered later.
    pub fn later(&self, method: Method, path: &str) -> RequestBuilder {
        self.gateway(method, path).header("prefer", "respond-async")
    }

    /// The address of a call that is accepted.
    pub async fn accepted(&self, request: RequestBuilder) -> String {
        let response = request.send().await.unwrap();
        let status = response.status();
        let location = response.headers().get("location").cloned();
        assert_eq!(status, 202, "{}", response.text().await.unwrap());
        location.unwrap().to_str().unwrap().to_owned()
    }

    /// How a call stands once it has ended.
    pub async fn ended(&self, location: &str) -> Value {
        eventually("the call has ended", async || {
            let call = self.call_at(&format!("{location}?wait=10s")).await;
            let open = matches!(call["state"].as_str().unwrap(), "queued" | "running");
            (!open).then_some(call)
        })
        .await
    }

    /// How a call stands.
    pub async fn call_at(&self, location: &str) -> Value {
        let response = self.gateway(Method::GET, location).send().await.unwrap();
        assert_eq!(response.status(), 200, "{location}");
        response.json().await.unwrap()
    }
}

/// Status and code of a problem.
pub async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// A callback that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// How the next ones are answered.
    answers: VecDeque<(u16, Option<String>)>,
}

/// Somebody who takes callbacks.
pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (started, handle) = mpsc::sync_channel(1);
        let shared = Data::from(Arc::clone(&state));
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let app = move || {
                    WebApp::new()
                        .app_data(shared.clone())
                        .app_data(PayloadConfig::new(8 << 20))
                        .default_service(web::to(take))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self {
            address,
            state,
            server: handle.recv().unwrap(),
            thread: Some(thread),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next callback is answered like this, perhaps with a place to go to instead.
    pub fn answer_next(&self, status: u16, location: Option<String>) {
        self.state.lock().unwrap().answers.push_back((status, location));
    }

    /// All that came.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Waits until so many have come.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} callbacks"), async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

async fn take(request: HttpRequest, body: Bytes, state: Data<Mutex<State>>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut state = state.lock().unwrap();
    state.received.push(Received {
        path: request.path().to_owned(),
        headers: headers.collect(),
        body,
    });
    let (status, location) = state.answers.pop_front().unwrap_or((204, None));
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    if let Some(location) = location {
        response.insert_header((LOCATION, location));
    }
    response.finish()
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}
