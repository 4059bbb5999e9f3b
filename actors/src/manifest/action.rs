//! How a package runs: its `action`.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::docker::{DockerArguments, memory};
use super::passthrough::PassthroughArgument;
use super::problem::ProblemCode;
use super::quantities::{ByteSize, Cpus, as_number_or_unlimited, as_seconds, as_seconds_or_never};
use super::reader::{Fields, Node};

/// Most invocations at once in one runner.
const MAX_CONCURRENCY: u32 = 10_000;
/// Most invocations that may wait.
const MAX_QUEUE: u32 = 1_000_000;
/// Most attempts after the first.
const MAX_RETRIES: u32 = 100;
const DEFAULT_CONCURRENCY: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// How the versions of a job are run. Durations are in seconds and may have fractions.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ActionConfig {
    /// Whether a runner handles many invocations at once; otherwise exactly one at a time.
    pub runner_asynchronous: bool,
    /// Runners kept ready.
    pub runner_min_count: u32,
    /// Most runners; 0 is no limit of its own.
    #[serde(serialize_with = "as_number_or_unlimited")]
    #[schemars(with = "u32")]
    pub runner_max_count: Option<NonZeroU32>,
    /// Most seconds for one invocation.
    #[serde(serialize_with = "as_seconds")]
    #[schemars(with = "f64", range(max = i32::MAX), extend("exclusiveMinimum" = 0))]
    pub runner_timeout: Duration,
    /// An idle runner above the minimum is retired after this many seconds; 0 is never.
    #[serde(serialize_with = "as_seconds_or_never")]
    #[schemars(with = "f64", range(min = 0, max = i32::MAX))]
    pub runner_max_idle_age: Option<Duration>,
    /// A runner is replaced after this many seconds, once it is idle; 0 is never.
    #[serde(serialize_with = "as_seconds_or_never")]
    #[schemars(with = "f64", range(min = 0, max = i32::MAX))]
    pub runner_max_age: Option<Duration>,
    /// A runner is replaced after this many seconds even if it is not idle; 0 is never.
    #[serde(serialize_with = "as_seconds_or_never")]
    #[schemars(with = "f64", range(min = 0, max = i32::MAX))]
    pub runner_max_age_hard: Option<Duration>,
    /// Whether runners are used again.
    pub runner_mode: RunnerMode,
    /// What the package asks of Docker.
    #[serde(skip_serializing_if = "DockerArguments::is_empty")]
    pub runner_docker_arguments: DockerArguments,
    /// Most invocations at once in one runner. By default 100, and 1 if `runnerAsynchronous` is false or `runnerMode` is
    /// `run-once`.
    #[schemars(range(max = 10_000))]
    pub concurrency: NonZeroU32,
    /// What may wait for a runner.
    pub queue: QueueConfig,
    /// Memory of one runner, such as `512m` (units b, k, m, g); at least `6m`. By default what the operator has set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^\d+[bkmg]$"))]
    pub memory: Option<ByteSize>,
    /// Processors for one runner, such as 0.5. By default what the operator has set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>", range(min = 0.01, max = 1024))]
    pub cpus: Option<Cpus>,
    /// What happens after a failure of an invocation that nobody waits for (MQTT, schedule, asynchronous call).
    pub retries: RetryPolicy,
    /// Whose input and output is kept for looking at and replaying.
    pub capture: Capture,
}

impl Default for ActionConfig {
    fn default() -> Self {
        Self {
            runner_asynchronous: true,
            runner_min_count: 1,
            runner_max_count: NonZeroU32::new(16),
            runner_timeout: Duration::from_secs(60),
            runner_max_idle_age: None,
            runner_max_age: Some(Duration::from_secs(900)),
            runner_max_age_hard: Some(Duration::from_secs(960)),
            runner_mode: RunnerMode::Standard,
            runner_docker_arguments: DockerArguments::default(),
            concurrency: DEFAULT_CONCURRENCY,
            queue: QueueConfig::default(),
            memory: None,
            cpus: None,
            retries: RetryPolicy::default(),
            capture: Capture::Errors,
        }
    }
}

/// Whether a runner serves more than one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerMode {
    /// A runner serves until it is too old.
    Standard,
    /// A fresh runner for every invocation.
    RunOnce,
}

/// Limits of what waits for a runner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Most waiting invocations; more are refused (429). With 0 nothing waits.
    #[schemars(range(max = 1_000_000))]
    pub length: u32,
    /// Longest wait in seconds.
    #[serde(serialize_with = "as_seconds")]
    #[schemars(with = "f64", range(min = 0, max = i32::MAX))]
    pub wait: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            length: 1_000,
            wait: Duration::from_secs(30),
        }
    }
}

/// Attempts after a failed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Most attempts after the first.
    #[schemars(range(max = 100))]
    pub max: u32,
    /// Seconds before the second attempt; every further wait is twice as long.
    #[serde(serialize_with = "as_seconds")]
    #[schemars(with = "f64", range(max = i32::MAX), extend("exclusiveMinimum" = 0))]
    pub backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 0,
            backoff: Duration::from_secs(1),
        }
    }
}

/// Whose input and output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Nobody's.
    None,
    /// That of failed invocations.
    Errors,
    /// Everybody's.
    All,
}

impl ActionConfig {
    /// The memory limit that the package asks for, in whichever way it does.
    #[must_use]
    pub fn requested_memory(&self) -> Option<ByteSize> {
        self.memory.or(self.runner_docker_arguments.memory_limit)
    }

    pub(super) fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let default = Self::default();
        let mut action = Self {
            runner_asynchronous: fields.read(
                "runnerAsynchronous",
                Node::boolean,
                default.runner_asynchronous,
            ),
            runner_min_count: fields.read("runnerMinCount", count, default.runner_min_count),
            runner_max_count: fields.read(
                "runnerMaxCount",
                |node| count(node).map(NonZeroU32::new),
                default.runner_max_count,
            ),
            runner_timeout: fields.read("runnerTimeout", Node::some_seconds, default.runner_timeout),
            runner_max_idle_age: fields.read(
                "runnerMaxIdleAge",
                Node::seconds_or_never,
                default.runner_max_idle_age,
            ),
            runner_max_age: fields.read("runnerMaxAge", Node::seconds_or_never, default.runner_max_age),
            runner_max_age_hard: fields.read(
                "runnerMaxAgeHard",
                Node::seconds_or_never,
                default.runner_max_age_hard,
            ),
            runner_mode: fields.read("runnerMode", runner_mode, default.runner_mode),
            runner_docker_arguments: fields
                .take("runnerDockerArguments")
                .and_then(DockerArguments::read)
                .unwrap_or_default(),
            concurrency: default.concurrency,
            queue: fields.take("queue").and_then(read_queue).unwrap_or(default.queue),
            memory: fields.take("memory").and_then(|node| memory(&node)),
            cpus: fields.take("cpus").and_then(|node| cpus(&node)),
            retries: fields
                .take("retries")
                .and_then(read_retries)
                .unwrap_or(default.retries),
            capture: fields.read("capture", capture, default.capture),
        };
        action.concurrency = action.read_concurrency(&mut fields);
        action.check(&fields);
        fields.warn_of_unknown();
        Some(action)
    }

    /// The default and the meaning of `concurrency` depend on two other fields.
    fn read_concurrency(&self, fields: &mut Fields<'_>) -> NonZeroU32 {
        let given = fields
            .take("concurrency")
            .and_then(|node| node.integer(1..=MAX_CONCURRENCY))
            .and_then(NonZeroU32::new);
        if self.runner_asynchronous && self.runner_mode == RunnerMode::Standard {
            return given.unwrap_or(DEFAULT_CONCURRENCY);
        }
        if given.is_some_and(|concurrency| concurrency > NonZeroU32::MIN) {
            if self.runner_asynchronous {
                let message = "has no effect: with `runnerMode` `run-once` a runner serves one invocation";
                fields.warning_at("concurrency", ProblemCode::NoEffect, message);
            } else {
                let message = "contradicts `runnerAsynchronous: false`, which is one invocation at a time";
                fields.error_at("concurrency", ProblemCode::Conflict, message);
            }
        }
        NonZeroU32::MIN
    }

    /// What only shows in several fields together.
    fn check(&self, fields: &Fields<'_>) {
        if let Some(most) = self.runner_max_count
            && self.runner_min_count > most.get()
        {
            let message = format!(
                "is {}, more than `runnerMaxCount`, which is {most}",
                self.runner_min_count
            );
            fields.error_at("runnerMinCount", ProblemCode::Conflict, message);
        }
        if let (Some(soft), Some(hard)) = (self.runner_max_age, self.runner_max_age_hard)
            && hard < soft
        {
            let message = format!(
                "is {} s, less than `runnerMaxAge`, which is {} s: runners are replaced after the shorter time even if they are not idle",
                hard.as_secs_f64(),
                soft.as_secs_f64()
            );
            fields.warning_at("runnerMaxAgeHard", ProblemCode::NoEffect, message);
        }
        if self.memory.is_some() && self.runner_docker_arguments.memory_limit.is_some() {
            let message = "has no effect beside `memory`";
            fields.warning_at(
                "runnerDockerArguments",
                ProblemCode::NoEffect,
                format!("`memoryLimit` {message}"),
            );
        }
        let passthrough = &self.runner_docker_arguments.direct_passthrough_arguments;
        let has_cpus = |argument: &PassthroughArgument| matches!(argument, PassthroughArgument::Cpus(_));
        if self.cpus.is_some() && passthrough.iter().any(has_cpus) {
            let message = "`--cpus` has no effect beside `cpus`";
            fields.warning_at("runnerDockerArguments", ProblemCode::NoEffect, message);
        }
    }
}

fn count(node: &Node<'_>) -> Option<u32> {
    node.integer(0..=u32::MAX)
}

fn runner_mode(node: &Node<'_>) -> Option<RunnerMode> {
    node.choice(&[
        ("standard", RunnerMode::Standard),
        ("run-once", RunnerMode::RunOnce),
    ])
}

fn capture(node: &Node<'_>) -> Option<Capture> {
    node.choice(&[
        ("none", Capture::None),
        ("errors", Capture::Errors),
        ("all", Capture::All),
    ])
}

fn cpus(node: &Node<'_>) -> Option<Cpus> {
    let milli = (node.number()? * 1000.0).round();
    if milli < f64::from(Cpus::LEAST_MILLI) || milli > f64::from(Cpus::MOST_MILLI) {
        node.error(
            ProblemCode::OutOfRange,
            "must be between 0.01 and 1024 (processors)",
        );
        return None;
    }
    // Whole and within u32 by the limits above.
    NonZeroU32::new(milli as u32).map(Cpus::from_milli)
}

fn read_queue(node: Node<'_>) -> Option<QueueConfig> {
    let mut fields = node.fields()?;
    let default = QueueConfig::default();
    let queue = QueueConfig {
        length: fields.read("length", |node| node.integer(0..=MAX_QUEUE), default.length),
        wait: fields.read("wait", Node::seconds, default.wait),
    };
    fields.warn_of_unknown();
    Some(queue)
}

fn read_retries(node: Node<'_>) -> Option<RetryPolicy> {
    let mut fields = node.fields()?;
    let default = RetryPolicy::default();
    let retries = RetryPolicy {
        max: fields.read("max", |node| node.integer(0..=MAX_RETRIES), default.max),
        backoff: fields.read("backoff", Node::some_seconds, default.backoff),
    };
    fields.warn_of_unknown();
    Some(retries)
}
