//! The admin server's socket and threads.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_cors::Cors;
use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::error::PathError;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::{Condition, DefaultHeaders, NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, Error, web};
use async_trait::async_trait;
use jobber_actors::ports::{HttpServer, HttpServerError};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::connection::Patient;
use super::input::BodyLimit;
use super::patience::bound_body_time;
use super::problem::ApiError;
use super::state::ApiState;

/// The HTTP server of the panel and the API.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
    state: ApiState,
}

impl AdminServer {
    /// A server on a socket that listens already.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn new(listener: TcpListener, state: ApiState) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            state,
        })
    }

    fn server(&self) -> io::Result<Server> {
        let config = self.state.config.clone();
        let data = web::Data::new(self.state.clone());
        let json_bytes = config.json_bytes;
        let serving = config.clone();
        let app = move || {
            App::new()
                .wrap(from_fn(bound_body_time))
                .wrap(NormalizePath::new(TrailingSlash::Trim))
                .wrap(cors(&serving.cors_origins))
                .wrap(safe_headers())
                .app_data(data.clone())
                .app_data(BodyLimit(json_bytes))
                .app_data(
                    web::PathConfig::default()
                        .error_handler(|error, _| ApiError::not_found(no_id(&error)).into()),
                )
                .configure(super::operations::routes)
                .default_service(web::to(super::panel::serve))
        };
        // What actix-web's own server does, but that it has no limit for clients that do not take their answers.
        let address = self.address;
        let builder = Server::build()
            .workers(config.workers)
            .max_concurrent_connections(config.connections.div_ceil(config.workers).max(1))
            .shutdown_timeout(config.shutdown.as_secs().max(1))
            .disable_signals();
        let stopping = builder.graceful_shutdown_signal();
        let builder = builder.listen("admin", self.listener.try_clone()?, move || {
            let (stopping, write_timeout) = (stopping.clone(), config.write_timeout);
            let app = app()
                .into_factory()
                .map_err(|error: Error| error.error_response());
            let http = HttpService::build()
                .client_request_timeout(config.head_timeout)
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .local_addr(address)
                .h1(map_config(app, move |()| AppConfig::default()));
            fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                // An answer of several writes would wait for the client's delayed acknowledgement of the first.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "the connection ended before it was served");
                }
                ready(Ok::<_, DispatchError>((
                    Patient::new(socket, write_timeout),
                    peer,
                )))
            })
            .and_then(http)
        })?;
        Ok(builder.run())
    }
}

/// What browsers are told about every answer: to take it for what it says it is, to show it in no frame, to run nothing in it,
/// and to keep no copy. A page that needs more says so itself.
fn safe_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((X_FRAME_OPTIONS, "DENY"))
        .add((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .add((REFERRER_POLICY, "no-referrer"))
        .add((CACHE_CONTROL, "no-store"))
        .add((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
}

/// Lets pages of these origins use the API with a token. Cookies are for pages of this server only.
fn cors(origins: &[String]) -> Condition<Cors> {
    let cors = origins
        .iter()
        .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors
        .allowed_methods(["GET", "POST", "PUT", "DELETE"])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE])
        .max_age(3_600);
    Condition::new(!origins.is_empty(), cors)
}

#[async_trait]
impl HttpServer for AdminServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn serve(&self, mut stop: watch::Receiver<bool>) -> Result<(), HttpServerError> {
        let failed = |error: io::Error| HttpServerError(error.to_string());
        self.state.leave(false);
        let mut server = self.server().map_err(failed)?;
        let handle = server.handle();
        tokio::select! {
            ended = &mut server => {
                ended.map_err(failed)?;
                return Err(HttpServerError("the admin server ended by itself".to_owned()));
            }
            // An owner that is gone wants the server to stop, too.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.state.leave(true);
        let (ended, ()) = tokio::join!(server, handle.stop(true));
        ended.map_err(failed)
    }
}

/// Why a part of a path can not be an id, without the framework's words.
fn no_id(error: &PathError) -> String {
    let text = error.to_string();
    let reason = text.strip_prefix("Path deserialize error: ").unwrap_or(&text);
    format!("a part of the path is not what stands there: {reason}")
}
