//! Sending.

use std::marker::PhantomData;
use std::pin::pin;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jobber_actors::ports::{
    MqttEnd, Publication, PublicationError, PublicationId, Publisher, PublisherLine, SessionSettings,
};
use tokio::time::Instant;

use super::LEAVE_TIMEOUT;
use super::connection::{Connection, at};
use super::dialect::{Client, Dialect, Event, PublishLimits, Role, Unsent, Wire};

/// Publications without an answer.
const WINDOW: u16 = 64;

/// A client that sends.
pub(super) struct SendingClient<D> {
    settings: SessionSettings,
    dialect: PhantomData<D>,
}

impl<D> SendingClient<D> {
    pub(super) fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            dialect: PhantomData,
        }
    }
}

#[async_trait]
impl<D: Dialect> Publisher for SendingClient<D> {
    async fn run(&mut self, line: &dyn PublisherLine) -> MqttEnd {
        let connection = match Connection::<D>::make(&self.settings, Role::Publisher(WINDOW)).await {
            Ok(connection) => connection,
            Err(failure) => return MqttEnd::Failed(failure),
        };
        let Connection {
            client,
            wire,
            welcome,
            socket,
        } = connection;
        // What is flushed is sent: a message of QoS 0 counts as published then.
        socket.uncork();
        line.connected();
        let mut sent = Sent::default();
        let end = serve::<D>(&client, wire, welcome.limits, line, &mut sent).await;
        // With both ends of the event loop gone, those that had no answer hear so.
        drop(client);
        while let Some((id, result)) = sent.0.next().await {
            line.published(id, result);
        }
        end
    }
}

/// Publications that are on their way.
#[derive(Default)]
struct Sent(FuturesUnordered<BoxFuture<'static, (PublicationId, Result<(), PublicationError>)>>);

impl Sent {
    fn has_room(&self) -> bool {
        self.0.len() < usize::from(WINDOW)
    }

    /// Gives a publication to the event loop. It has room: its queue is as long as the window, and it takes what it can
    /// not send yet.
    fn send(
        &mut self,
        client: &impl Client,
        id: PublicationId,
        message: &Publication,
        limits: &PublishLimits,
    ) {
        let published = match client.publish(message, limits) {
            Ok(published) => published,
            Err(Unsent::Invalid(reason)) => {
                Box::pin(std::future::ready(Err(PublicationError::Refused(reason))))
            }
            Err(Unsent::Full) => Box::pin(std::future::ready(Err(PublicationError::Interrupted))),
        };
        self.0.push(Box::pin(async move { (id, published.await) }));
    }
}

/// Sends what the line has until the connection ends, and drops the event loop.
async fn serve<D: Dialect>(
    client: &D::Client,
    mut wire: D::Wire,
    limits: PublishLimits,
    line: &dyn PublisherLine,
    sent: &mut Sent,
) -> MqttEnd {
    let mut leave = Leave::NotYet;
    let mut leave_by = None;
    loop {
        let event = {
            // One poll is waited for to its end, whatever else happens.
            let mut poll = pin!(wire.poll());
            loop {
                if leave == Leave::Wanted && sent.0.is_empty() && client.leave().is_ok() {
                    leave = Leave::Sent;
                }
                tokio::select! {
                    event = &mut poll => break event,
                    next = line.next(), if leave == Leave::NotYet && sent.has_room() => match next {
                        Some((id, message)) => sent.send(client, id, &message, &limits),
                        None => {
                            leave = Leave::Wanted;
                            leave_by = Some(Instant::now() + LEAVE_TIMEOUT);
                        }
                    },
                    Some((id, result)) = sent.0.next() => line.published(id, result),
                    () = at(leave_by) => return MqttEnd::Left,
                }
            }
        };
        match event {
            Err(_) | Ok(Event::Disconnected) if leave != Leave::NotYet => return MqttEnd::Left,
            Ok(_) => {}
            Err(failure) => return MqttEnd::Failed(failure),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    NotYet,
    /// As soon as all publications have their answers.
    Wanted,
    Sent,
}
