//! How the admin server behaves.

use std::time::Duration;

use ipnet::IpNet;

use crate::access::LoginLimits;
use crate::store::QueueLimits;

/// Limits of the admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Threads that serve.
    pub workers: usize,
    /// Most connections at once.
    pub connections: usize,
    /// Bytes of a JSON body.
    pub json_bytes: usize,
    /// Most uploads at once; more are told to come back later.
    pub uploads: usize,
    /// Longest silence in the middle of an upload.
    pub upload_silence: Duration,
    /// Most logs and streams of changes that are followed at once; more are told to come back later.
    pub followers: usize,
    /// Most logs that are exported at once; more are told to come back later.
    pub exports: usize,
    /// How often whoever follows a log or changes hears that the server is there, and has to be still allowed to.
    pub heartbeat: Duration,
    /// How often a log that is followed is looked at for lines of other servers.
    pub log_poll: Duration,
    /// Longest time for the head of a request to arrive.
    pub head_timeout: Duration,
    /// Longest time for the body of a request, but for uploads.
    pub body_timeout: Duration,
    /// How long a client may take no byte of its answer.
    pub write_timeout: Duration,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages of which other origins may use the API, with tokens.
    pub cors_origins: Vec<String>,
    /// Where clients reach the gateway, if the operator says so.
    pub gateway_url: Option<String>,
    /// The port on which the gateway listens.
    pub gateway_port: u16,
    /// Longest time for what is under way when the server stops.
    pub shutdown: Duration,
    /// Longest time until a change of a job is served.
    pub reconcile: Duration,
    /// What a job may have in the durable queue, runs by hand included.
    pub queue: QueueLimits,
    /// How many attempts to log in may fail.
    pub logins: LoginLimits,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            connections: 256,
            json_bytes: 256 << 10,
            uploads: 4,
            upload_silence: Duration::from_secs(30),
            followers: 64,
            exports: 4,
            heartbeat: Duration::from_secs(15),
            log_poll: Duration::from_secs(1),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            gateway_url: None,
            gateway_port: 3001,
            shutdown: Duration::from_secs(5),
            reconcile: Duration::from_secs(30),
            queue: QueueLimits::default(),
            logins: LoginLimits::default(),
        }
    }
}
