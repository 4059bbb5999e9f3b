//! The durable queue with two servers, and deliveries to put into it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use jobber::publish::Published;
use jobber::store::{Database, DatabaseConfig, PostgresDurableQueue, PostgresSchedules, QueueLimits};
use jobber_actors::domain::{InvocationId, JobId, ServerId, TriggerId};
use jobber_actors::invocation::{Input, MqttInput};
use jobber_actors::manifest::QualityOfService;
use jobber_actors::ports::{
    ClaimedDelivery, Delivery, DeliveryFailure, DurableQueue, MessageProperties, NewDelivery, Room,
    Settlement, Standing, Tries, Verdict,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, NoTls};

use super::{Package, Publishing};

/// Longer than any test.
pub const LEASE: Duration = Duration::from_secs(600);
/// More than any test claims.
pub const MOST: u32 = 10_000;

/// One server as the queue sees it, with connections of its own.
pub struct QueueServer {
    pub queue: PostgresDurableQueue,
    pub schedules: PostgresSchedules,
    pub id: ServerId,
}

impl QueueServer {
    /// A server of the instance of this name.
    pub fn new(publishing: &Publishing, instance: &str, limits: QueueLimits) -> Self {
        let database = Database::new(&DatabaseConfig::new(publishing.db.url.clone())).unwrap();
        Self {
            queue: PostgresDurableQueue::new(database.clone(), instance, limits),
            schedules: PostgresSchedules::new(database, instance, limits),
            id: ServerId::generate(),
        }
    }

    /// Claims up to so many of a job's deliveries.
    pub async fn claim(&self, job: JobId, deliveries: u32) -> Vec<ClaimedDelivery> {
        let room = [Room { job, deliveries }];
        self.queue.claim(self.id, &room, MOST, LEASE).await.unwrap()
    }

    pub async fn settle(&self, claimed: &ClaimedDelivery, verdict: Verdict) {
        let settlement = Settlement {
            id: claimed.delivery.id,
            token: claimed.token,
            verdict,
        };
        self.queue.settle(&[settlement]).await.unwrap();
    }
}

/// Two servers and a job.
pub struct QueueFixture {
    pub publishing: Publishing,
    pub one: QueueServer,
    pub two: QueueServer,
    pub job: JobId,
}

impl QueueFixture {
    pub async fn new() -> Self {
        Self::limited(QueueLimits::default()).await
    }

    pub async fn limited(limits: QueueLimits) -> Self {
        let publishing = Publishing::new().await;
        let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
        Self {
            one: QueueServer::new(&publishing, "one", limits),
            two: QueueServer::new(&publishing, "two", limits),
            publishing,
            job,
        }
    }

    /// A further job.
    pub async fn job(&self, name: &str) -> Published {
        self.publishing.publish(&Package::new(name, "1")).await.unwrap()
    }

    /// Keeps deliveries of the job that are due so many seconds from now. Gives their ids.
    pub async fn keep(&self, seconds: &[i64]) -> Vec<InvocationId> {
        let new: Vec<NewDelivery> = seconds.iter().map(|&seconds| due(self.job, seconds)).collect();
        self.one.queue.keep(&new).await.unwrap();
        new.iter().map(|new| new.delivery.id).collect()
    }

    pub async fn count(&self, query: &str) -> i64 {
        self.publishing.db.count(query).await
    }

    pub async fn execute(&self, statement: &str) -> u64 {
        self.publishing
            .db
            .client()
            .await
            .execute(statement, &[])
            .await
            .unwrap()
    }

    /// Lets the leases of all claims run out.
    pub async fn expire(&self) {
        let expire =
            "update deliveries set lease_until = now() - interval '1 second' where state = 'claimed'";
        assert!(self.execute(expire).await > 0, "something is claimed");
    }
}

pub fn ids(claimed: &[ClaimedDelivery]) -> Vec<InvocationId> {
    claimed.iter().map(|claimed| claimed.delivery.id).collect()
}

/// A time so many seconds from now.
pub fn seconds(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

/// A message for a job.
pub fn message(job: JobId) -> Delivery {
    Delivery {
        id: InvocationId::generate(),
        job,
        trigger: TriggerId::generate(),
        trigger_name: Some(Arc::from("meter")),
        input: Input::Mqtt {
            mqtt: Arc::new(MqttInput {
                topic: "meter/1".to_owned(),
                qos: QualityOfService::AtLeastOnce,
                retain: false,
                duplicate: true,
                properties: MessageProperties {
                    content_type: Some("text/plain".to_owned()),
                    correlation_data: Some(Bytes::from_static(b"\0\xff")),
                    user_properties: vec![
                        ("b".into(), "2\0".into()),
                        ("a".into(), "1".into()),
                        ("b".into(), "3".into()),
                    ],
                    ..MessageProperties::default()
                },
            }),
        },
        body: Bytes::from_static(b"17.5"),
        tries: Tries::default(),
    }
}

/// A message that is due so many seconds from now.
pub fn due(job: JobId, from_now: i64) -> NewDelivery {
    NewDelivery {
        delivery: message(job),
        standing: Standing::Due(seconds(from_now)),
        failure: None,
    }
}

/// A message that was given up.
pub fn dead(job: JobId) -> NewDelivery {
    NewDelivery {
        standing: Standing::Dead,
        failure: Some(failure("it threw \0")),
        ..due(job, 0)
    }
}

pub fn failure(message: &str) -> DeliveryFailure {
    DeliveryFailure {
        reason: "function-failed".to_owned(),
        message: message.to_owned(),
        error: None,
    }
}

/// What Postgres tells of jobs with something new to deliver.
pub struct Notifications {
    heard: mpsc::Receiver<String>,
    client: tokio_postgres::Client,
    _driver: JoinSet<()>,
}

impl Notifications {
    pub async fn listen(url: &SecretString) -> Self {
        let (client, mut connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await.unwrap();
        let (sender, heard) = mpsc::channel(64);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message {
                    sender.send(notification.payload().to_owned()).await.unwrap();
                }
            }
        });
        client.batch_execute("listen jobber_deliveries").await.unwrap();
        Self {
            heard,
            client,
            _driver: driver,
        }
    }

    /// All that were told up to now.
    pub async fn heard(&mut self) -> VecDeque<String> {
        self.client
            .batch_execute("notify jobber_deliveries, 'end'")
            .await
            .unwrap();
        let mut heard = VecDeque::new();
        loop {
            let next = timeout(Duration::from_secs(10), self.heard.recv()).await;
            match next.expect("the end should be heard").expect("it listens") {
                end if end == "end" => return heard,
                job => heard.push_back(job),
            }
        }
    }
}
