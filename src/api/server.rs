//! The admin server's socket and threads.

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::error::JsonPayloadError;
use actix_web::http::StatusCode;
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{App, HttpServer as ActixServer, web};
use async_trait::async_trait;
use jobber_actors::ports::{HttpServer, HttpServerError};
use tokio::sync::watch;

use super::problem::{self, ApiError};
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
        let app = move || {
            App::new()
                .wrap(NormalizePath::new(TrailingSlash::Trim))
                .app_data(data.clone())
                .app_data(json_config(json_bytes))
                .app_data(
                    web::QueryConfig::default()
                        .error_handler(|error, _| ApiError::bad_request(error.to_string()).into()),
                )
                .app_data(
                    web::PathConfig::default()
                        .error_handler(|error, _| ApiError::not_found(error.to_string()).into()),
                )
                .configure(super::operations::routes)
                .default_service(web::to(problem::not_found))
        };
        let server = ActixServer::new(app)
            .workers(config.workers)
            .max_connections(config.connections)
            .client_request_timeout(config.head_timeout)
            .shutdown_timeout(config.shutdown.as_secs().max(1))
            .disable_signals()
            .listen(self.listener.try_clone()?)?;
        Ok(server.run())
    }
}

/// How JSON bodies of at most so many bytes are read.
pub(super) fn json_config(bytes: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(bytes)
        .error_handler(move |error, _| match error {
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
                let detail = format!("a body here has at most {bytes} bytes");
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).into()
            }
            error => ApiError::bad_request(error.to_string()).into(),
        })
}

#[async_trait]
impl HttpServer for AdminServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn serve(&self, mut stop: watch::Receiver<bool>) -> Result<(), HttpServerError> {
        let failed = |error: io::Error| HttpServerError(error.to_string());
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
        let (ended, ()) = tokio::join!(server, handle.stop(true));
        ended.map_err(failed)
    }
}
