//! Grafana Loki, as far as its HTTP API for pushing and for asking over a range goes, with the limits that it has unless an
//! operator sets others. It is strict where Loki is, and gives lines of one nanosecond in no order.

mod logql;
mod shelf;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jobber::config::LokiSection;
use serde_json::json;

pub use shelf::Labels;
use shelf::{Question, Refusal, Shelf};

/// `grpc_server_max_recv_msg_size`.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// A Loki of the test's own.
pub struct Loki {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    shelf: Shelf,
    /// How the next requests are answered instead of being taken.
    refusals: Vec<(StatusCode, Option<u64>)>,
    /// The next pushes are taken, and nobody hears of it.
    deaf: u32,
    pushes: u32,
    questions: Vec<Question>,
    credentials: Option<String>,
}

impl Loki {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (started, handle) = mpsc::sync_channel(1);
        let shared = Data::from(Arc::clone(&state));
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(PayloadConfig::new(MOST_BODY))
                        .route("/loki/api/v1/push", web::post().to(push))
                        .route("/loki/api/v1/query_range", web::post().to(ask))
                        .route("/loki/api/v1/query_range", web::get().to(ask))
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap();
                let server = server.run();
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

    /// How Jobber reaches it.
    pub fn section(&self) -> LokiSection {
        LokiSection {
            push: format!("http://ann:secret@{}/loki/api/v1/push", self.address).into(),
            query: format!("http://ann:secret@{}/loki/api/v1/query_range", self.address).into(),
            look_back: std::time::Duration::from_secs(86_400),
        }
    }

    /// The next so many requests are refused like this, with a word on how many seconds to wait.
    pub fn refuse(&self, times: usize, status: u16, seconds: Option<u64>) {
        let status = StatusCode::from_u16(status).unwrap();
        self.state().refusals = vec![(status, seconds); times];
    }

    /// The next so many pushes are taken, but what is answered says otherwise.
    pub fn be_deaf(&self, times: u32) {
        self.state().deaf = times;
    }

    /// How many pushes were taken.
    pub fn pushes(&self) -> u32 {
        self.state().pushes
    }

    /// What was asked.
    pub fn questions(&self) -> Vec<Question> {
        self.state().questions.clone()
    }

    /// What the last request proved itself with.
    pub fn credentials(&self) -> Option<String> {
        self.state().credentials.clone()
    }

    /// The labels of all streams.
    pub fn streams(&self) -> Vec<Labels> {
        self.state().shelf.labels()
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.state().shelf.lines()
    }

    /// Puts a line there as another program would.
    pub fn put(&self, labels: Labels, nanosecond: i64, line: &str) {
        let body = json!({ "streams": [{ "stream": labels, "values": [[nanosecond.to_string(), line]] }] });
        self.state().shelf.push(body.to_string().as_bytes()).unwrap();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Loki {
    fn drop(&mut self) {
        // The command is on its way before the future is looked at.
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            // Its panics are the test's own failures already.
            let _ = thread.join();
        }
    }
}

impl State {
    fn refusal(&mut self, request: &HttpRequest) -> Option<HttpResponse> {
        let credentials = request.headers().get(AUTHORIZATION);
        self.credentials = credentials.map(|value| value.to_str().unwrap().to_owned());
        let (status, seconds) = self.refusals.pop()?;
        let mut answer = HttpResponse::build(status);
        if let Some(seconds) = seconds {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        Some(answer.body("Ingestion rate limit exceeded"))
    }
}

async fn push(state: Data<Mutex<State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if let Some(refusal) = state.refusal(&request) {
        return refusal;
    }
    // Anything else is taken for snappy-compressed protobuf.
    if request
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind != "application/json")
    {
        return HttpResponse::BadRequest().body("snappy: corrupt input");
    }
    match state.shelf.push(&body) {
        Ok(()) if state.deaf > 0 => {
            state.deaf -= 1;
            HttpResponse::GatewayTimeout().body("context deadline exceeded")
        }
        Ok(()) => {
            state.pushes += 1;
            HttpResponse::NoContent().finish()
        }
        Err(refusal) => refused(refusal),
    }
}

async fn ask(state: Data<Mutex<State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if let Some(refusal) = state.refusal(&request) {
        return refusal;
    }
    let text = format!("{}&{}", request.query_string(), String::from_utf8_lossy(&body));
    let answer = Question::read(&text).and_then(|question| {
        state.questions.push(question.clone());
        state.shelf.ask(&question)
    });
    match answer {
        Ok(result) => HttpResponse::Ok().json(json!({
            "status": "success",
            "data": { "resultType": "streams", "result": result, "stats": {} },
        })),
        Err(refusal) => refused(refusal),
    }
}

fn refused(Refusal(status, reason): Refusal) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(reason)
}
