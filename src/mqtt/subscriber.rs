//! Receiving.

use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;

use async_trait::async_trait;
use futures_util::poll;
use jobber_actors::ports::{MqttEnd, SessionSettings, Subscriber, SubscriberLine, Taken};
use tokio::time::Instant;

use super::connection::{Connection, at};
use super::dialect::{Dialect, Event, Role, Wire};
use super::requests::Requests;
use super::session::SessionMemory;
use super::socket::Socket;
use super::{LEAVE_TIMEOUT, LONGEST_PAUSE};

/// Events that are dealt with before there is another look at what the line wants. A packet that is sent makes the crates
/// save their session, so acknowledgements go out many at a time.
const EVENTS_AT_ONCE: usize = 128;

/// A client that receives.
pub(super) struct ReceivingClient<D> {
    settings: SessionSettings,
    memory: SessionMemory,
    dialect: PhantomData<D>,
}

impl<D> ReceivingClient<D> {
    pub(super) fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            memory: SessionMemory::default(),
            dialect: PhantomData,
        }
    }
}

#[async_trait]
impl<D: Dialect> Subscriber for ReceivingClient<D> {
    async fn run(&mut self, line: &dyn SubscriberLine) -> MqttEnd {
        let role = Role::Subscriber(self.memory.clone());
        match Connection::<D>::make(&self.settings, role).await {
            Ok(connection) => serve(connection, line).await,
            Err(failure) => MqttEnd::Failed(failure),
        }
    }
}

/// Serves the line until the connection ends, however it does, and drops the event loop with all that was not sent. A
/// broker that had no acknowledgement of a message sends it again.
async fn serve<D: Dialect>(connection: Connection<D>, line: &dyn SubscriberLine) -> MqttEnd {
    let Connection {
        client,
        wire,
        welcome,
        socket,
    } = connection;
    line.connected(welcome.session_present);
    let mut serving = Serving::<D> {
        wire,
        requests: Requests::new(&client, welcome.identifiers),
        socket: socket.clone(),
        line,
        at_once: 0,
        paused_until: None,
        leave_by: None,
    };
    let end = loop {
        serving.requests.send();
        let event = serving.event().await;
        if let Some(end) = serving.end_of(event) {
            break end;
        }
    };
    let leave_by = serving.leave_by;
    drop(serving);
    if !matches!(end, MqttEnd::Failed(_)) {
        // What was acknowledged should reach the broker.
        let by = leave_by.unwrap_or_else(|| Instant::now() + LEAVE_TIMEOUT);
        socket.close(by).await;
    }
    end
}

/// A connection that serves.
struct Serving<'a, D: Dialect> {
    wire: D::Wire,
    requests: Requests<'a, D::Client>,
    socket: Socket,
    line: &'a dyn SubscriberLine,
    /// Events since the last look at what the line wants.
    at_once: usize,
    /// Nothing is read until the line has room, or until this moment: then it takes too long.
    paused_until: Option<Instant>,
    /// When taking leave has taken long enough.
    leave_by: Option<Instant>,
}

impl<D: Dialect> Serving<'_, D> {
    /// Does what the line wants until something happens on the connection, or there was time enough to take leave.
    async fn event(&mut self) -> Result<Event, String> {
        // One poll is waited for to its end, whatever else happens.
        let mut next = pin!(self.wire.poll());
        if self.at_once < EVENTS_AT_ONCE
            && let Poll::Ready(event) = poll!(next.as_mut())
        {
            self.at_once += 1;
            return event;
        }
        self.at_once = 0;
        loop {
            tokio::select! {
                event = &mut next => return event,
                command = self.line.command(), if self.requests.has_room() => {
                    self.requests.add(command);
                    if self.requests.is_leaving() {
                        self.socket.uncork();
                        self.socket.read_on();
                        self.leave_by = Some(Instant::now() + LEAVE_TIMEOUT);
                    }
                }
                answers = self.requests.answer() => {
                    if !answers.is_empty() {
                        self.line.subscribed(answers);
                    }
                    self.requests.send();
                }
                () = async { self.line.room().await }, if self.paused_until.is_some() => {
                    self.paused_until = None;
                    self.socket.read_on();
                }
                () = at(self.paused_until) => return Ok(Event::Other),
                () = at(self.leave_by) => return Err("the broker took too long to part".to_owned()),
            }
        }
    }

    /// Whether the connection is over with this.
    fn end_of(&mut self, event: Result<Event, String>) -> Option<MqttEnd> {
        let leaving = self.requests.is_leaving();
        match event {
            Err(_) | Ok(Event::Disconnected) if leaving => Some(MqttEnd::Left),
            Err(failure) => Some(MqttEnd::Failed(failure)),
            // While taking leave a message can not be acknowledged any more, so it comes again.
            Ok(Event::Message(message)) if !leaving => match self.line.message(message) {
                Taken::Yes => None,
                Taken::Last => {
                    self.paused_until
                        .get_or_insert_with(|| Instant::now() + LONGEST_PAUSE);
                    self.socket.pause();
                    None
                }
                Taken::NoRoom => Some(MqttEnd::NoRoom),
            },
            Ok(_) if self.paused_until.is_some_and(|until| until <= Instant::now()) => Some(MqttEnd::NoRoom),
            Ok(_) => None,
        }
    }
}
