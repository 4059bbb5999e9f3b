//! Clients of a broker whose lines do what the test says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jobber::mqtt::RumqttClients;
use jobber_actors::manifest::QualityOfService;
use jobber_actors::ports::{
    MessageProperties, MqttClients, MqttEnd, MqttMessage, PacketId, Publication, PublicationError,
    PublicationId, PublisherLine, SessionSettings, Subscriber, SubscriberCommand, SubscriberLine,
    Subscription, SubscriptionAnswer, Taken,
};
use jobber_actors::topic::TopicFilter;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait for anything.
const BOUND: Duration = Duration::from_secs(30);

/// What a subscriber's line has seen of one connection.
#[derive(Debug, Default)]
pub struct Seen {
    pub session_present: Option<bool>,
    pub messages: Vec<MqttMessage>,
    pub answers: Vec<SubscriptionAnswer>,
}

struct Line {
    seen: watch::Sender<Seen>,
    commands: Mutex<mpsc::Receiver<SubscriberCommand>>,
    room: usize,
}

#[async_trait]
impl SubscriberLine for Line {
    fn connected(&self, session_present: bool) {
        self.seen
            .send_modify(|seen| seen.session_present = Some(session_present));
    }

    fn message(&self, message: MqttMessage) -> Taken {
        if self.seen.borrow().messages.len() == self.room {
            return Taken::NoRoom;
        }
        self.seen.send_modify(|seen| seen.messages.push(message));
        Taken::Yes
    }

    fn subscribed(&self, answers: Vec<SubscriptionAnswer>) {
        self.seen.send_modify(|seen| seen.answers.extend(answers));
    }

    async fn command(&self) -> SubscriberCommand {
        match self.commands.lock().await.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }

    async fn room(&self) {}
}

/// A client that receives.
pub struct Receiver {
    client: Option<Box<dyn Subscriber>>,
    connection: JoinSet<(Box<dyn Subscriber>, MqttEnd)>,
    commands: Option<mpsc::Sender<SubscriberCommand>>,
    seen: watch::Receiver<Seen>,
}

impl Receiver {
    /// Not connected yet.
    pub fn new(settings: SessionSettings) -> Self {
        Self {
            client: Some(RumqttClients.subscriber(settings)),
            connection: JoinSet::new(),
            commands: None,
            seen: watch::channel(Seen::default()).1,
        }
    }

    /// Connected.
    pub async fn connected(settings: SessionSettings) -> Self {
        let mut receiver = Self::new(settings);
        receiver.connect().await;
        receiver
    }

    /// Begins a connection whose line has room for so many messages.
    pub fn begin(&mut self, room: usize) {
        let mut client = self.client.take().expect("one connection at a time");
        let (seen, receiver) = watch::channel(Seen::default());
        let (commands, inbox) = mpsc::channel(64);
        let line = Arc::new(Line {
            seen,
            commands: Mutex::new(inbox),
            room,
        });
        (self.seen, self.commands) = (receiver, Some(commands));
        self.connection.spawn(async move {
            let end = client.run(line.as_ref()).await;
            (client, end)
        });
    }

    /// Connects; says whether the broker remembers the session.
    pub async fn connect(&mut self) -> bool {
        self.begin(usize::MAX);
        self.session_present().await
    }

    /// Waits for the connection; says whether the broker remembers the session.
    pub async fn session_present(&mut self) -> bool {
        let connected = self.until("a connection", |seen| seen.session_present.is_some());
        connected.await.session_present.unwrap()
    }

    /// Waits for something to be seen.
    pub async fn until(&mut self, what: &str, condition: impl FnMut(&Seen) -> bool) -> watch::Ref<'_, Seen> {
        let Ok(seen) = timeout(BOUND, self.seen.wait_for(condition)).await else {
            panic!("not within {BOUND:?}: {what}")
        };
        if seen.is_err() {
            let ended = self.connection.join_next().await.unwrap();
            panic!("the connection ended without {what}: {:?}", ended.unwrap().1);
        }
        seen.unwrap()
    }

    /// What was seen until now.
    pub fn seen(&self) -> watch::Ref<'_, Seen> {
        self.seen.borrow()
    }

    /// Gives the line something to do.
    pub async fn command(&self, command: SubscriberCommand) {
        let commands = self.commands.as_ref().expect("it is connected");
        commands.send(command).await.unwrap();
    }

    /// Subscribes to filters, named 1, 2 and so on, and waits for the answers.
    pub async fn subscribe(&mut self, filters: &[&str], qos: QualityOfService) -> Vec<SubscriptionAnswer> {
        let subscriptions = (1..).zip(filters).map(|(identifier, filter)| Subscription {
            filter: filter_of(filter),
            qos,
            identifier,
        });
        let before = self.seen().answers.len();
        self.command(SubscriberCommand::Subscribe(subscriptions.collect()))
            .await;
        let all = before + filters.len();
        let seen = self.until("all answers", |seen| seen.answers.len() >= all).await;
        seen.answers[before..].to_vec()
    }

    /// Waits for so many messages of this connection.
    pub async fn messages(&mut self, count: usize) -> Vec<MqttMessage> {
        let what = format!("{count} messages");
        let seen = self.until(&what, |seen| seen.messages.len() >= count).await;
        seen.messages.clone()
    }

    /// Acknowledges messages as they come, until there are so many of this connection.
    pub async fn acknowledged(&mut self, count: usize) -> Vec<MqttMessage> {
        let mut acknowledged = 0;
        loop {
            let messages = self.messages(acknowledged + 1).await;
            self.acknowledge(&messages[acknowledged..]).await;
            acknowledged = messages.len();
            if acknowledged >= count {
                return messages;
            }
        }
    }

    /// Acknowledges messages.
    pub async fn acknowledge(&self, messages: &[MqttMessage]) {
        let packets: Vec<(PacketId, QualityOfService)> = messages
            .iter()
            .filter_map(|message| Some((message.packet?, message.qos)))
            .collect();
        self.command(SubscriberCommand::Acknowledge(packets)).await;
    }

    /// Waits until the connection is over.
    pub async fn end(&mut self) -> MqttEnd {
        let ended = timeout(BOUND, self.connection.join_next())
            .await
            .expect("the connection should end");
        let (client, end) = ended.unwrap().unwrap();
        (self.client, self.commands) = (Some(client), None);
        end
    }

    /// Takes leave.
    pub async fn leave(&mut self) {
        self.command(SubscriberCommand::Leave).await;
        assert_eq!(self.end().await, MqttEnd::Left);
    }

    /// Is gone without a word, as a crash would have it.
    pub async fn crash(mut self) {
        self.connection.shutdown().await;
    }
}

/// The filter of this text.
pub fn filter_of(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

/// A message to send.
pub fn publication(topic: &str, payload: impl Into<Bytes>, qos: QualityOfService) -> Publication {
    Publication {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos,
        retain: false,
        properties: MessageProperties::default(),
    }
}

/// What became of publications, in the order in which it was told.
pub type Results = Vec<(PublicationId, Result<(), PublicationError>)>;

struct SendingLine {
    waiting: std::sync::Mutex<VecDeque<(PublicationId, Publication)>>,
    results: watch::Sender<Results>,
    /// Whether it takes leave when nothing is left.
    leaves: bool,
}

#[async_trait]
impl PublisherLine for SendingLine {
    fn connected(&self) {}

    async fn next(&self) -> Option<(PublicationId, Publication)> {
        let next = self.waiting.lock().unwrap().pop_front();
        if next.is_none() && !self.leaves {
            std::future::pending::<()>().await;
        }
        next
    }

    fn published(&self, id: PublicationId, result: Result<(), PublicationError>) {
        self.results.send_modify(|results| results.push((id, result)));
    }
}

/// A client that sends what it was given, numbered from 0.
pub struct Sender {
    connection: JoinSet<MqttEnd>,
    results: watch::Receiver<Results>,
}

impl Sender {
    /// Begins to send.
    pub fn begin(settings: SessionSettings, publications: Vec<Publication>, leaves: bool) -> Self {
        let (results, receiver) = watch::channel(Results::new());
        let numbered = (0..).map(PublicationId).zip(publications);
        let line = SendingLine {
            waiting: std::sync::Mutex::new(numbered.collect()),
            results,
            leaves,
        };
        let mut connection = JoinSet::new();
        connection.spawn(async move { RumqttClients.publisher(settings).run(&line).await });
        Self {
            connection,
            results: receiver,
        }
    }

    /// Waits for so many results.
    pub async fn results(&mut self, count: usize) -> Results {
        let results = timeout(BOUND, self.results.wait_for(|results| results.len() >= count))
            .await
            .expect("all publications should have results");
        results.expect("the connection should last").clone()
    }

    /// Waits until the connection is over.
    pub async fn end(&mut self) -> (MqttEnd, Results) {
        let ended = timeout(BOUND, self.connection.join_next())
            .await
            .expect("the connection should end");
        (ended.unwrap().unwrap(), self.results.borrow().clone())
    }
}

/// Sends messages and takes leave; all must be taken.
pub async fn send(settings: SessionSettings, publications: Vec<Publication>) {
    let count = publications.len();
    let (end, results) = Sender::begin(settings, publications, true).end().await;
    assert_eq!(end, MqttEnd::Left);
    assert_eq!(results.len(), count);
    assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
}
