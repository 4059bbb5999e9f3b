//! The JSON heads of frames. Unknown fields are ignored, so that either side may be newer.

use serde::{Deserialize, Serialize};

use crate::domain::{InvocationId, JobId, RunnerId, TriggerId, VersionId};
use crate::invocation::{FunctionError, Input, TriggerRef};
use crate::ports::{LogLevel, MessageProperties, OutputStream};
use crate::trace::{TraceState, Traceparent};

/// A head that says nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Empty {}

/// HELLO.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The protocol's version.
    pub protocol: u32,
    /// 64 hex digits, once.
    pub token: String,
    /// `node`.
    #[serde(default)]
    pub runtime: String,
    /// As the runtime says it.
    #[serde(default)]
    pub runtime_version: String,
    /// What else the runner takes than every runner does, by name.
    #[serde(default)]
    pub accepts: Vec<String>,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("protocol", &self.protocol)
            .field("runtime", &self.runtime)
            .field("runtime_version", &self.runtime_version)
            .finish_non_exhaustive()
    }
}

/// WELCOME.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The protocol's version.
    pub protocol: u32,
    /// Who the manager takes the runner for.
    pub runner_id: RunnerId,
    /// Initial credit of every stream in each direction, in bytes.
    pub credit: u32,
}

/// ASSIGN.
#[derive(Clone, Serialize)]
pub struct Assign<'a> {
    /// The job.
    pub job: AssignedJob<'a>,
    /// Its version.
    pub version: AssignedVersion<'a>,
    /// The module, `./…`.
    pub main: &'a str,
    /// Number of files that follow.
    pub files: u32,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// What the runner may do.
    pub limits: RunnerLimits,
}

/// The job of an ASSIGN.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AssignedJob<'a> {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: &'a str,
}

/// The version of an ASSIGN.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AssignedVersion<'a> {
    /// Its id.
    pub id: VersionId,
    /// The package's `version`.
    pub name: &'a str,
}

/// What a runner may do.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunnerLimits {
    /// Open streams at once.
    pub concurrency: u32,
    /// Most time of one invocation, in milliseconds.
    pub timeout_ms: u64,
    /// Most bytes of a body that the classic dialect buffers for `text()` and its kin.
    pub buffered_body_bytes: u64,
}

/// FILE.
#[derive(Clone, Debug, Serialize)]
pub struct FileHead<'a> {
    /// Relative, with `/`.
    pub path: &'a str,
    /// Bytes.
    pub size: u64,
    /// Whether it gets an executable bit.
    pub executable: bool,
}

/// READY.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// How long the import took, in milliseconds.
    #[serde(default)]
    pub import_ms: f64,
    /// `classic` or `web`.
    #[serde(default)]
    pub dialect: String,
}

/// Where the loading of a package failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadPhase {
    /// Its files could not be written.
    Files,
    /// Its module threw while it was imported, or is not there.
    Import,
    /// It has no handler.
    Exports,
}

/// REJECTED.
#[derive(Clone, Debug, Deserialize)]
pub struct Rejected {
    /// Where.
    pub phase: LoadPhase,
    /// What the module threw.
    pub error: FunctionError,
}

/// INVOKE.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoke<'a> {
    /// The invocation.
    pub id: InvocationId,
    /// 1 for the first.
    pub attempt: u32,
    /// Most time it may take, in milliseconds.
    pub timeout_ms: u64,
    /// The invocation's span, of which the function's are children.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Traceparent>,
    /// What vendors say of the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<&'a TraceState>,
    /// The trigger.
    pub trigger: &'a TriggerRef,
    /// `kind`, and what belongs to it.
    #[serde(flatten)]
    pub input: &'a Input,
}

/// CREDIT.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CreditHead {
    /// Body bytes.
    pub bytes: u32,
}

/// Why an invocation is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelReason {
    /// The client is gone.
    Client,
    /// Its time is over.
    Timeout,
    /// The server or the job goes down.
    Shutdown,
}

/// CANCEL.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CancelHead {
    /// Why.
    pub reason: CancelReason,
}

/// FAILED.
#[derive(Clone, Debug, Deserialize)]
pub struct FailedHead {
    /// What the handler threw.
    pub error: FunctionError,
}

/// MEMORY.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryHead {
    /// Most bytes that the runner's process has held so far.
    pub peak_bytes: u64,
}

/// LOG.
#[derive(Clone, Debug, Deserialize)]
pub struct LogHead {
    /// Which invocation wrote it.
    #[serde(default)]
    pub invocation: Option<InvocationId>,
    /// Where.
    pub stream: OutputStream,
    /// How much it matters, if it came from `context.log`.
    #[serde(default)]
    pub level: Option<LogLevel>,
    /// RFC 3339.
    #[serde(default)]
    pub time: Option<String>,
    /// Structured fields.
    #[serde(default)]
    pub fields: Option<serde_json::Value>,
    /// How many lines the runner dropped before this one.
    #[serde(default)]
    pub dropped: u64,
}

/// CALL.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallHead {
    /// `store.get` and its kin.
    pub method: String,
    /// The key of most of them.
    #[serde(default)]
    pub key: String,
    /// Seconds until it expires.
    #[serde(default)]
    pub ttl: Option<f64>,
    /// `store.increment`.
    #[serde(default)]
    pub by: Option<i64>,
    /// `store.compareAndSet`: bytes of the expected value at the body's start; absent or null: must not exist.
    #[serde(default)]
    pub expected_length: Option<u64>,
    /// `store.list`.
    #[serde(default)]
    pub prefix: String,
    /// `store.list`.
    #[serde(default)]
    pub after: Option<String>,
    /// `store.list`.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// CALL of `mqtt.publish`.
#[derive(Clone, Debug, Deserialize)]
pub struct PublishHead {
    /// Where.
    pub topic: String,
    /// 0, 1 or 2.
    #[serde(default = "at_least_once")]
    pub qos: u8,
    /// Whether the broker is to keep it.
    #[serde(default)]
    pub retain: bool,
    /// The trigger whose broker is meant.
    #[serde(default)]
    pub trigger: Option<TriggerId>,
    /// Properties of MQTT 5.
    #[serde(default)]
    pub properties: MessageProperties,
}

fn at_least_once() -> u8 {
    1
}

/// SHUTDOWN.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shutdown {
    /// Milliseconds until the runner is killed.
    pub grace_ms: u64,
}
