//! A broker in memory, for clients of the tree: it keeps sessions, sends again what was not acknowledged, and can be cut off.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::locked;
use crate::manifest::{MqttVersion, QualityOfService};
use crate::ports::{
    MessageProperties, MqttClients, MqttEnd, MqttMessage, PacketId, Publication, Publisher, PublisherLine,
    SessionSettings, Subscriber, SubscriberCommand, SubscriberLine, Subscription, SubscriptionAnswer, Taken,
};
use crate::topic::TopicFilter;

/// A message for [`FakeBroker::publish`].
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// How hard it is delivered.
    pub qos: QualityOfService,
    /// Its properties.
    pub properties: MessageProperties,
}

impl Sent {
    /// A message of QoS 1 without properties.
    #[must_use]
    pub fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.into(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            qos: QualityOfService::AtLeastOnce,
            properties: MessageProperties::default(),
        }
    }
}

#[derive(Default)]
struct Session {
    subscriptions: BTreeMap<TopicFilter, Subscription>,
    queued: VecDeque<MqttMessage>,
    /// Sent and not acknowledged, in order.
    unacknowledged: VecDeque<MqttMessage>,
    next_packet: u16,
    /// Counts connections, so that a former one notices that it was thrown out.
    connection: u64,
}

impl Session {
    fn packet(&mut self) -> PacketId {
        loop {
            self.next_packet = self.next_packet.wrapping_add(1).max(1);
            let packet = PacketId(self.next_packet);
            let taken = self
                .unacknowledged
                .iter()
                .any(|message| message.packet == Some(packet));
            if !taken {
                return packet;
            }
        }
    }
}

#[derive(Default)]
struct Broker {
    sessions: HashMap<String, Session>,
    published: Vec<Publication>,
    down: Option<String>,
    /// Counts the times that all connections were cut.
    cut: u64,
    refuses: Vec<String>,
    connections: u64,
}

/// A broker in memory. Clones are the same one.
#[derive(Clone, Default)]
pub struct FakeBroker {
    broker: Arc<Mutex<Broker>>,
    changed: Arc<Notify>,
}

impl std::fmt::Debug for FakeBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeBroker").finish_non_exhaustive()
    }
}

impl FakeBroker {
    fn change<T>(&self, change: impl FnOnce(&mut Broker) -> T) -> T {
        let changed = change(&mut locked(&self.broker));
        self.changed.notify_waiters();
        changed
    }

    /// Sends a message to every session that subscribed to its topic. Gives to how many.
    pub fn publish(&self, sent: &Sent) -> usize {
        let mut sessions = 0;
        self.change(|broker| {
            for session in broker.sessions.values_mut() {
                let matching: Vec<&Subscription> = session
                    .subscriptions
                    .values()
                    .filter(|subscription| subscription.filter.matches(&sent.topic))
                    .collect();
                let Some(qos) = matching.iter().map(|subscription| subscription.qos).max() else {
                    continue;
                };
                sessions += 1;
                session.queued.push_back(MqttMessage {
                    topic: sent.topic.clone(),
                    payload: sent.payload.clone(),
                    qos: qos.min(sent.qos),
                    retain: false,
                    duplicate: false,
                    properties: sent.properties.clone(),
                    packet: None,
                    subscriptions: Vec::new(),
                });
            }
        });
        sessions
    }

    /// Refuses all connections from now on, and ends those that there are; with `None` it takes them again.
    pub fn set_down(&self, reason: Option<&str>) {
        self.change(|broker| {
            broker.down = reason.map(str::to_owned);
            broker.cut += 1;
        });
    }

    /// Ends all connections; clients may come back at once.
    pub fn cut(&self) {
        self.change(|broker| broker.cut += 1);
    }

    /// Refuses subscriptions to this filter from now on.
    pub fn refuse(&self, filter: &str) {
        self.change(|broker| broker.refuses.push(filter.into()));
    }

    /// What was published by clients, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Publication> {
        locked(&self.broker).published.clone()
    }

    /// The filters of every session, by client id.
    #[must_use]
    pub fn sessions(&self) -> BTreeMap<String, Vec<String>> {
        let broker = locked(&self.broker);
        let filters = |session: &Session| {
            let filters = session.subscriptions.keys();
            filters.map(|filter| filter.as_str().to_owned()).collect()
        };
        broker
            .sessions
            .iter()
            .map(|(client, session)| (client.clone(), filters(session)))
            .collect()
    }

    /// Messages that are queued or not acknowledged, of all sessions.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let broker = locked(&self.broker);
        let unfinished = broker.sessions.values();
        unfinished
            .map(|session| session.queued.len() + session.unacknowledged.len())
            .sum()
    }

    /// How many connections subscribers have made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        locked(&self.broker).connections
    }
}

/// What a client sees of the broker's state.
enum Look {
    Send(MqttMessage),
    Over(MqttEnd),
    Nothing,
}

struct FakeSubscriber {
    broker: FakeBroker,
    settings: SessionSettings,
}

impl FakeSubscriber {
    fn connect(&self) -> Result<(bool, u64, u64), MqttEnd> {
        self.broker.change(|broker| {
            if let Some(reason) = &broker.down {
                return Err(MqttEnd::Failed(reason.clone()));
            }
            broker.connections += 1;
            let connection = broker.connections;
            if self.settings.clean {
                broker.sessions.remove(&self.settings.client_id);
            }
            let present = broker.sessions.contains_key(&self.settings.client_id);
            let session = broker
                .sessions
                .entry(self.settings.client_id.clone())
                .or_default();
            session.connection = connection;
            // What was not acknowledged comes first, with its number, in its order.
            while let Some(mut message) = session.unacknowledged.pop_back() {
                message.duplicate = true;
                session.queued.push_front(message);
            }
            Ok((present, connection, broker.cut))
        })
    }

    fn look(&self, connection: u64, cut: u64) -> Look {
        let mut broker = locked(&self.broker.broker);
        if broker.cut != cut {
            let reason = broker.down.clone().unwrap_or_else(|| "the test cut it".into());
            return Look::Over(MqttEnd::Failed(reason));
        }
        // Only MQTT 5 has a word for it.
        let most = match self.settings.broker.version {
            MqttVersion::V311 => usize::MAX,
            MqttVersion::V5 => usize::from(self.settings.receive_maximum),
        };
        let Some(session) = broker.sessions.get_mut(&self.settings.client_id) else {
            return Look::Over(MqttEnd::Failed("the session was removed".into()));
        };
        if session.connection != connection {
            return Look::Over(MqttEnd::Failed("another client has taken over".into()));
        }
        if session.unacknowledged.len() >= most {
            return Look::Nothing;
        }
        let Some(mut message) = session.queued.pop_front() else {
            return Look::Nothing;
        };
        if message.qos != QualityOfService::AtMostOnce {
            message.packet = message.packet.or_else(|| Some(session.packet()));
            session.unacknowledged.push_back(message.clone());
        }
        Look::Send(message)
    }

    fn obey(&self, command: SubscriberCommand, line: &dyn SubscriberLine) -> Option<MqttEnd> {
        let answers = self.broker.change(|broker| {
            let session = broker.sessions.get_mut(&self.settings.client_id)?;
            match command {
                SubscriberCommand::Acknowledge(packets) => {
                    for (packet, _) in packets {
                        let first = session.unacknowledged.pop_front();
                        let acknowledged = first.and_then(|message| message.packet);
                        assert_eq!(acknowledged, Some(packet), "acknowledgements are in order");
                    }
                    Some(Vec::new())
                }
                SubscriberCommand::Subscribe(subscriptions) => {
                    let refuses = &broker.refuses;
                    let answer = |subscription: Subscription| {
                        let refused = refuses
                            .iter()
                            .any(|filter| filter == subscription.filter.as_str());
                        let granted = if refused {
                            Err("not authorised".to_owned())
                        } else {
                            Ok(subscription.qos)
                        };
                        let filter = subscription.filter.clone();
                        if !refused {
                            session.subscriptions.insert(filter.clone(), subscription);
                        }
                        SubscriptionAnswer { filter, granted }
                    };
                    Some(subscriptions.into_iter().map(answer).collect())
                }
                SubscriberCommand::Unsubscribe(filters) => {
                    for filter in filters {
                        session.subscriptions.remove(&filter);
                    }
                    Some(Vec::new())
                }
                SubscriberCommand::Leave => None,
            }
        });
        match answers {
            None => Some(MqttEnd::Left),
            Some(answers) if answers.is_empty() => None,
            Some(answers) => {
                line.subscribed(answers);
                None
            }
        }
    }
}

#[async_trait]
impl Subscriber for FakeSubscriber {
    async fn run(&mut self, line: &dyn SubscriberLine) -> MqttEnd {
        let (present, connection, cut) = match self.connect() {
            Ok(connected) => connected,
            Err(end) => return end,
        };
        line.connected(present);
        loop {
            let changed = self.broker.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.look(connection, cut) {
                Look::Send(message) => {
                    if line.message(message) == Taken::NoRoom {
                        return MqttEnd::NoRoom;
                    }
                }
                Look::Over(end) => return end,
                Look::Nothing => {
                    tokio::select! {
                        command = line.command() => {
                            if let Some(end) = self.obey(command, line) {
                                return end;
                            }
                        }
                        () = changed => {}
                    }
                }
            }
        }
    }
}

struct FakePublisher {
    broker: FakeBroker,
}

#[async_trait]
impl Publisher for FakePublisher {
    async fn run(&mut self, line: &dyn PublisherLine) -> MqttEnd {
        let down = locked(&self.broker.broker).down.clone();
        if let Some(reason) = down {
            return MqttEnd::Failed(reason);
        }
        line.connected();
        while let Some((id, publication)) = line.next().await {
            if let Some(reason) = locked(&self.broker.broker).down.clone() {
                line.published(id, Err(crate::ports::PublicationError::Interrupted));
                return MqttEnd::Failed(reason);
            }
            self.broker.change(|broker| broker.published.push(publication));
            line.published(id, Ok(()));
        }
        MqttEnd::Left
    }
}

/// Clients of the one broker that a test has.
#[async_trait]
impl MqttClients for FakeBroker {
    fn subscriber(&self, settings: SessionSettings) -> Box<dyn Subscriber> {
        Box::new(FakeSubscriber {
            broker: self.clone(),
            settings,
        })
    }

    fn publisher(&self, _: SessionSettings) -> Box<dyn Publisher> {
        Box::new(FakePublisher { broker: self.clone() })
    }

    async fn forget(&self, settings: SessionSettings, _: Duration) -> Result<(), MqttEnd> {
        self.change(|broker| match &broker.down {
            Some(reason) => Err(MqttEnd::Failed(reason.clone())),
            None => {
                broker.sessions.remove(&settings.client_id);
                Ok(())
            }
        })
    }
}
