//! The sockets and threads of the gateway.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use jobber_actors::ports::{HttpServer, HttpServerError};
use jobber_actors::routing::RouteTable;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::connection::ClientStream;
use super::{Destination, GatewayConfig, Gauges, Shared, handler};
use crate::calls::Calls;
use crate::health::{Check, Finding, Health, Reason};

/// Connections that may wait to be accepted: a burst must not be made to wait a second for its second SYN. The kernel's own
/// limit (`net.core.somaxconn`) holds besides.
const BACKLOG: i32 = 1024;

/// The HTTP server that turns requests into invocations.
///
/// It is made of actix-web's own HTTP layer (`actix-http` on `actix-server`) without its application framework: routing
/// is by Jobber's own table, and what the framework has no say in (who is told `100 Continue`, when a connection is
/// given up) is decided here.
pub struct Gateway<T> {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<T>>,
}

impl<T: Destination> Gateway<T> {
    /// A gateway on a socket that listens already; connections that it cannot take yet wait in a longer queue from here on. `routes` may be swapped at any time; each request is served by the
    /// table that is current when its head has arrived.
    ///
    /// # Errors
    /// When the socket does not listen, or has no address.
    pub fn new(
        listener: TcpListener,
        config: GatewayConfig,
        routes: Arc<ArcSwap<RouteTable<T>>>,
        health: Health,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        SockRef::from(&listener).listen(BACKLOG)?;
        Ok(Self {
            listener,
            address,
            shared: Arc::new(Shared::new(config, routes, health, address)),
        })
    }

    /// Takes asynchronous calls, too. Without this whoever prefers one gets an ordinary answer.
    ///
    /// # Panics
    /// When it is served already.
    #[must_use]
    pub fn with_calls(mut self, calls: Calls) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("nobody else has it before it is served");
        shared.calls = Some(calls);
        self
    }

    /// Counts of what it does.
    #[must_use]
    pub fn gauges(&self) -> &Arc<Gauges> {
        &self.shared.gauges
    }

    fn server(&self) -> io::Result<Server> {
        let config = &self.shared.config;
        let workers = config.workers.get();
        let builder = Server::build()
            .workers(workers)
            .max_concurrent_connections(config.max_connections.div_ceil(workers).max(1))
            .shutdown_timeout(config.shutdown_timeout.as_secs().max(1))
            .disable_signals();
        let draining = builder.graceful_shutdown_signal();
        let shared = Arc::clone(&self.shared);
        let builder = builder.listen("gateway", self.listener.try_clone()?, move || {
            let shared = Arc::clone(&shared);
            let (accepted, expecting) = (Arc::clone(&shared), Arc::clone(&shared));
            let config = &shared.config;
            let draining = draining.clone();
            let http = HttpService::build()
                .keep_alive(config.keep_alive)
                .client_request_timeout(config.head_timeout)
                .client_disconnect_timeout(config.linger)
                // A client that closes its side is gone; its invocation is cancelled.
                .h1_allow_half_closed(false)
                .graceful_shutdown_signal(move || {
                    let draining = draining.clone();
                    async move { draining.notified().await }
                })
                .expect(fn_service(move |request| {
                    handler::expect(Arc::clone(&expecting), request)
                }))
                .on_connect_ext(|stream: &ClientStream, data| {
                    data.insert(Rc::clone(stream.connection()));
                })
                .h1(fn_service(move |request| {
                    handler::serve(Arc::clone(&shared), request)
                }));
            fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "the connection ended before it was served");
                }
                let stream = ClientStream::new(socket, &accepted.config, &accepted.gauges);
                std::future::ready(Ok((stream, peer)))
            })
            .and_then(http)
        })?;
        Ok(builder.run())
    }
}

/// As long as this lives the gateway is served, as far as its health is concerned. It is also dropped where whoever drives the
/// server is restarted.
struct Serving<'a>(&'a Health);

impl<'a> Serving<'a> {
    fn begin(health: &'a Health) -> Self {
        health.found(Check::Gateway, Finding::Well);
        Self(health)
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.found(Check::Gateway, Finding::amiss(Reason::NotServed));
    }
}

#[async_trait]
impl<T: Destination> HttpServer for Gateway<T> {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn serve(&self, mut stop: watch::Receiver<bool>) -> Result<(), HttpServerError> {
        let mut server = self
            .server()
            .map_err(|error| HttpServerError(error.to_string()))?;
        let handle = server.handle();
        let serving = Serving::begin(&self.shared.health);
        tokio::select! {
            ended = &mut server => {
                let reason = ended.err().map_or_else(|| "the server ended by itself".to_owned(), |error| error.to_string());
                return Err(HttpServerError(reason));
            }
            // A sender that is gone wants the server to stop, too.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        drop(serving);
        if let Some(calls) = &self.shared.calls {
            calls.release_waiters();
        }
        let (ended, ()) = tokio::join!(server, handle.stop(true));
        ended.map_err(|error| HttpServerError(error.to_string()))
    }
}
