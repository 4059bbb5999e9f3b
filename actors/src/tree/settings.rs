//! What the operator and a package's manifest say about how things run, as the actors need it.

use std::time::Duration;

use crate::action::{LaneLimits, ScalingPolicy};
use crate::clock::Clock;
use crate::invocation::InvocationLimits;
use crate::ledger::RECORD_RING_LIMITS;
use crate::log_sink::LogRate;
use crate::manifest::{Manifest, RunnerMode};
use crate::ports::Resources;
use crate::protocol::RunnerLimits;
use crate::sink::RingLimits;

/// What the operator says.
#[derive(Clone, Copy, Debug)]
pub struct TreeSettings {
    /// From a runner's creation until it must have dialled in.
    pub runner_start_time: Duration,
    /// From the beginning of the assignment until the module must be imported.
    pub runner_load_time: Duration,
    /// A handler that was told to stop has this long before its runner is killed.
    pub cancel_grace: Duration,
    /// A retired version, and a server that shuts down, finish what they have within this.
    pub drain_time: Duration,
    /// A version that was made ready and is not let serve goes after this.
    pub prepared_time: Duration,
    /// How often all of the catalogue is read, whatever the hints say.
    pub sweep_every: Duration,
    /// Most runners of one action that start at the same time.
    pub max_starting: u32,
    /// Most bytes of a request that the classic dialect buffers before the handler is called.
    pub buffered_body_bytes: u64,
    /// Most bytes of an answer's body that is kept for whoever asked for it asynchronously.
    pub max_result_bytes: usize,
    /// Threads for the jobs' actors.
    pub arbiters: usize,
    /// How many log lines may wait to be kept.
    pub log_ring: RingLimits,
    /// How much one runner may log.
    pub log_rate: LogRate,
    /// How many records of invocations may wait to be kept; nothing is recorded without.
    pub records: Option<RingLimits>,
    /// What MQTT connections may hold.
    pub mqtt: MqttSettings,
    /// What tells the calendar's time.
    pub clock: Clock,
    /// What the jitter of restarts and retries is made of; by default it is random.
    pub seed: u64,
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self {
            runner_start_time: Duration::from_secs(60),
            runner_load_time: Duration::from_secs(60),
            cancel_grace: Duration::from_secs(2),
            drain_time: Duration::from_secs(30),
            prepared_time: Duration::from_secs(60),
            sweep_every: Duration::from_secs(30),
            max_starting: 4,
            buffered_body_bytes: 10 * 1024 * 1024,
            max_result_bytes: 1024 * 1024,
            arbiters: 1,
            log_ring: crate::log_sink::LOG_RING_LIMITS,
            log_rate: LogRate::default(),
            records: Some(RECORD_RING_LIMITS),
            mqtt: MqttSettings::default(),
            clock: Clock::System,
            seed: rand::random(),
        }
    }
}

/// What an MQTT connection may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MqttSettings {
    /// Most messages that are not acknowledged; 1 at least.
    pub unacked_messages: usize,
    /// Most bytes of them.
    pub unacked_bytes: usize,
    /// Most bytes of one packet from a broker.
    pub max_packet_bytes: usize,
}

impl Default for MqttSettings {
    fn default() -> Self {
        Self {
            unacked_messages: 1_000,
            unacked_bytes: 32 * 1024 * 1024,
            max_packet_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What both say about one action.
#[derive(Clone, Copy, Debug)]
pub struct ActionSettings {
    /// How many runners.
    pub scaling: ScalingPolicy,
    /// How much may wait.
    pub lane: LaneLimits,
    /// How long things may take.
    pub invocation_limits: InvocationLimits,
    /// What its runners are told.
    pub runner_limits: RunnerLimits,
    /// What each of its runners may use.
    pub resources: Resources,
}

impl ActionSettings {
    /// The settings of this manifest's action.
    #[must_use]
    pub fn of(manifest: &Manifest, settings: &TreeSettings) -> Self {
        let action = &manifest.action;
        let concurrency = action.concurrency.get();
        let timeout = action.runner_timeout;
        Self {
            scaling: ScalingPolicy {
                min: action.runner_min_count,
                max: action.runner_max_count.map(std::num::NonZeroU32::get),
                concurrency,
                max_idle_age: action.runner_max_idle_age,
                max_age: action.runner_max_age,
                max_age_hard: action.runner_max_age_hard,
                run_once: action.runner_mode == RunnerMode::RunOnce,
                max_starting: settings.max_starting.max(1),
            },
            lane: LaneLimits {
                queue_length: action.queue.length,
                queue_wait: action.queue.wait,
                timeout,
            },
            invocation_limits: InvocationLimits {
                queue_wait: action.queue.wait,
                timeout,
                cancel_grace: settings.cancel_grace,
            },
            runner_limits: RunnerLimits {
                concurrency,
                timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
                buffered_body_bytes: settings.buffered_body_bytes,
            },
            resources: Resources {
                memory: action.memory.map(|memory| memory.bytes()),
                milli_cpus: action.cpus.map(|cpus| cpus.milli()),
            },
        }
    }
}
