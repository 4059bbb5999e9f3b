//! The RunnerManager actor.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use jobber_kernel::{Child, Context, tell};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::door::{Door, Stranger, Telling};
use crate::runner::{Runner, SessionNews, SessionOpened};
use crate::session::{HandshakeError, Session, SessionOwner, read_hello};
use crate::tree::Surroundings;

/// A pause after the system refused a connection (out of descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens for runners and lets in those that prove themselves. Their sessions outlive it.
pub struct RunnerManager {
    listeners: Arc<Vec<TcpListener>>,
    around: Arc<Surroundings>,
}

impl RunnerManager {
    /// A manager of these listeners. They stay open over restarts.
    #[must_use]
    pub fn new(listeners: Arc<Vec<TcpListener>>, around: Arc<Surroundings>) -> Self {
        Self { listeners, around }
    }

    fn listen(&self, ctx: &Context<Self>) -> io::Result<()> {
        for listener in self.listeners.iter() {
            let listener = listener.try_clone()?;
            listener.set_nonblocking(true)?;
            let around = Arc::clone(&self.around);
            ctx.tasks().spawn_on(&self.around.io, "accept", async move {
                accept(listener, around).await;
            });
        }
        Ok(())
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }
}

impl Actor for RunnerManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        if let Err(error) = self.listen(ctx) {
            ctx.fail(format_args!("the runners' port can not be listened on: {error}"));
        }
    }
}

impl Child for RunnerManager {
    const KIND: &'static str = "runner-manager";

    fn observe(&self) -> serde_json::Value {
        json!({ "addresses": self.addresses(), "runners": self.around.registry.ids().len() })
    }
}

async fn accept(listener: TcpListener, around: Arc<Surroundings>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the runners' listener can not be used");
            return;
        }
    };
    let door = Arc::new(Door::new(Instant::now()));
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "TCP_NODELAY was not set");
                }
                let session_around = Arc::clone(&around);
                let stranger = door.arrive(peer.ip());
                let door = Arc::clone(&door);
                around.sessions.tasks.spawn_on(&around.io, "session", async move {
                    if let Err(error) = serve(socket, stranger, &session_around).await {
                        tell_of_refusal(&door, peer, &error);
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a runner's connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn tell_of_refusal(door: &Door, peer: SocketAddr, error: &HandshakeError) {
    let Telling::Told { untold_before } = door.refuse(Instant::now()) else {
        return;
    };
    if untold_before > 0 {
        tracing::warn!(
            connections = untold_before,
            "more connections were not let in than are told of"
        );
    }
    tracing::warn!(%peer, %error, "a connection was not let in");
}

async fn serve(
    socket: TcpStream,
    stranger: Stranger,
    around: &Arc<Surroundings>,
) -> Result<(), HandshakeError> {
    let (mut reader, writer) = socket.into_split();
    let guest = tokio::select! {
        // A token that was claimed is not thrown away: who has proved itself is in.
        biased;
        guest = let_in(&mut reader, around) => guest?,
        () = stranger.shown_out() => return Err(HandshakeError::Crowded),
    };
    drop(stranger);
    guest.speak(reader, writer).await;
    Ok(())
}

/// A runner that proved itself.
pub(crate) struct Guest {
    session: Arc<Session>,
    actor: Addr<Runner>,
}

/// Lets a runner in that proves itself, and tells its actor so.
///
/// # Errors
/// [`HandshakeError`] when it did not.
pub(crate) async fn let_in(
    reader: &mut (impl AsyncRead + Unpin),
    around: &Surroundings,
) -> Result<Guest, HandshakeError> {
    let hello = read_hello(reader).await?;
    let (runner, actor) = around.registry.claim(&hello.token).ok_or(HandshakeError::Token)?;
    tracing::debug!(%runner, runtime = hello.runtime, version = hello.runtime_version, "a runner dialled in");
    let session = Session::new(runner, &hello.accepts, around.sessions.clone());
    tell(&actor, SessionOpened(SessionOwner::of(Arc::clone(&session))));
    Ok(Guest { session, actor })
}

impl Guest {
    /// Speaks with the runner until its connection ends.
    pub(crate) async fn speak(
        self,
        reader: impl AsyncRead + Unpin + Send,
        writer: impl AsyncWrite + Unpin + Send,
    ) {
        let Self { session, actor } = self;
        let listener = move |event| tell(&actor, SessionNews(event));
        session.run(reader, writer, Box::new(listener)).await;
    }
}
