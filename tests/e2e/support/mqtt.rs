//! A client of a broker, of the test's own: MQTT 5, with acknowledged publishes.

use std::ops::Range;
use std::time::Duration;

use futures_util::StreamExt;
use rumqttc_v5::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, PublishOptions, PublishProperties, QoS,
    SessionMode,
};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Longest wait for one acknowledgement, and for one message.
const BOUND: Duration = Duration::from_secs(60);
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Messages without an acknowledgement, at most.
const PIPELINE: usize = 200;
/// Messages that have come and were not looked at.
const ROOM: usize = 10_000;

/// A client that connects again when its connection is lost, and ends with the test.
pub struct MqttClient {
    client: AsyncClient,
    messages: Mutex<mpsc::Receiver<Publish>>,
    _events: JoinSet<()>,
}

impl MqttClient {
    /// A client of the broker on this port of 127.0.0.1.
    pub async fn connect(port: u16) -> Self {
        let mut options = MqttOptions::new(format!("test-{}", Uuid::now_v7()), ("127.0.0.1", port));
        options.set_session_mode(SessionMode::Clean);
        let (client, events) = AsyncClient::builder(options).capacity(PIPELINE).build();
        let (sender, messages) = mpsc::channel(ROOM);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(events, sender));
        Self {
            client,
            messages: Mutex::new(messages),
            _events: tasks,
        }
    }

    /// Publishes a text. Returns when the broker has acknowledged it.
    pub async fn publish(&self, topic: &str, text: &str) {
        self.publish_with(topic, text, PublishProperties::default()).await;
    }

    /// Publishes a text with properties. Returns when the broker has acknowledged it; if the connection is lost before that,
    /// it is published once more.
    pub async fn publish_with(&self, topic: &str, text: &str, properties: PublishProperties) {
        let acknowledged = async {
            loop {
                let options = PublishOptions::at_least_once().properties(properties.clone());
                let notice = self
                    .client
                    .publish_tracked(topic, text.to_owned(), options)
                    .await
                    .unwrap();
                if notice.wait_completion_async().await.is_ok() {
                    break;
                }
            }
        };
        let waited = timeout(BOUND, acknowledged).await;
        waited.unwrap_or_else(|_| panic!("not acknowledged within {BOUND:?}: {topic}"));
    }

    /// Publishes numbers, as fast as the broker takes them. Returns when it has acknowledged all.
    pub async fn publish_numbers(&self, topic: &str, numbers: Range<usize>) {
        futures_util::stream::iter(numbers)
            .for_each_concurrent(PIPELINE, async |number| {
                self.publish(topic, &number.to_string()).await;
            })
            .await;
    }

    /// Subscribes, and waits until the broker has said yes.
    pub async fn subscribe(&self, filter: &str) {
        let notice = self
            .client
            .subscribe_tracked(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        let answered = timeout(BOUND, notice.wait_async()).await;
        answered.expect("an answer to SUBSCRIBE").unwrap();
    }

    /// The next message.
    pub async fn next(&self) -> Publish {
        let mut messages = self.messages.lock().await;
        let next = timeout(BOUND, messages.recv()).await;
        next.unwrap_or_else(|_| panic!("no message within {BOUND:?}"))
            .unwrap()
    }

    /// The texts of the next messages.
    pub async fn texts(&self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(String::from_utf8(self.next().await.payload.to_vec()).unwrap());
        }
        texts
    }
}

async fn run(mut events: EventLoop, messages: mpsc::Sender<Publish>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(message))) => {
                if messages.send(message).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // The broker is away.
            Err(_) => sleep(RECONNECT_PAUSE).await,
        }
    }
}
