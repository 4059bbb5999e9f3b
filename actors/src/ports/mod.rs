//! What the supervision tree needs from the outside world. An actor knows these traits and nothing behind them.

mod archive;
pub(crate) mod base64;
mod catalogue;
mod durable_queue;
mod engine;
mod function_store;
mod http_server;
mod invocation_store;
mod log_store;
mod mqtt;
mod schedule_store;
mod session_leases;

pub use archive::{ArchiveError, ArchiveStore, PackagePart, PackageStream};
pub use catalogue::{Catalogue, CatalogueError};
pub use durable_queue::{
    Answer, ClaimToken, ClaimedDelivery, Delivery, DeliveryFailure, DurableQueue, Kept, NewDelivery,
    QueueError, Room, Settlement, Standing, Tries, Verdict,
};
pub use engine::{Engine, EngineError, EngineEvent, OutputStream, Resources, RunnerExit, RunnerSpec};
pub use function_store::{
    FunctionStore, Item, ItemPage, ItemSummary, MAX_KEY_BYTES, MAX_VALUE_BYTES, StoreError,
};
pub use http_server::{HttpServer, HttpServerError};
pub use invocation_store::{
    CapturedBody, CapturedPayload, ColdStart, InvocationRecord, InvocationStatus, InvocationStore,
    InvocationStoreError, RecordedError,
};
pub use log_store::{LogError, LogLevel, LogLine, LogStore};
pub use mqtt::{
    BrokerSettings, MessageProperties, MqttClients, MqttEnd, MqttMessage, PacketId, Publication,
    PublicationError, PublicationId, Publisher, PublisherLine, SessionSettings, Subscriber,
    SubscriberCommand, SubscriberLine, Subscription, SubscriptionAnswer, Taken,
};
pub use schedule_store::{Fire, Fired, Gap, MissReason, ScheduleCursor, ScheduleStore, SkippedFire};
pub use session_leases::{Lease, LeaseState, SessionLeases, SessionName};
