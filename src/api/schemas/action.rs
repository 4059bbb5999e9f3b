//! How a version runs.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// How a version runs: the attribute `action` of its manifest with all defaults, and whose it is. Times are in seconds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct JobAction {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    /// The version's name.
    version: String,
    /// Whether a runner handles many invocations at once.
    runner_asynchronous: bool,
    /// Runners kept ready.
    runner_min_count: u32,
    /// Most runners; 0 is no limit of its own.
    runner_max_count: u32,
    /// Most time for one invocation.
    runner_timeout: f64,
    /// How long a runner above the minimum may be idle; 0 is for ever.
    runner_max_idle_age: f64,
    /// When a runner is replaced, once it is idle; 0 is never.
    runner_max_age: f64,
    /// When it is replaced even if it is not; 0 is never.
    runner_max_age_hard: f64,
    runner_mode: RunnerMode,
    /// What the package asks of Docker, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    runner_docker_arguments: Option<Value>,
    /// Most invocations at once in one runner.
    concurrency: u32,
    queue: ActionQueue,
    /// Memory of one runner, such as `512m`, if the package says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    /// Processors for one runner, if the package says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<f64>,
    retries: ActionRetries,
    capture: ActionCapture,
}

/// Whether runners are used again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum RunnerMode {
    Standard,
    RunOnce,
}

/// What may wait for a runner.
#[derive(Serialize, ToSchema)]
struct ActionQueue {
    /// Most waiting invocations.
    length: u32,
    /// Longest wait.
    wait: f64,
}

/// Attempts after a failed one.
#[derive(Serialize, ToSchema)]
struct ActionRetries {
    /// Most attempts after the first.
    max: u32,
    /// The wait before the second one; every further one is twice as long.
    backoff: f64,
}

/// Whose input and output is kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ActionCapture {
    None,
    Errors,
    All,
}

#[cfg(test)]
mod tests {
    use jobber_actors::manifest::ActionConfig;

    use crate::api::schemas::tests::{properties, required};

    #[test]
    fn an_action_has_what_its_schema_says() {
        let answered = serde_json::to_value(ActionConfig::default()).unwrap();
        let answered: Vec<_> = answered.as_object().unwrap().keys().map(String::as_str).collect();
        let ids = ["id", "jobId", "version", "versionId"];
        let mut expected = [&answered[..], &ids].concat();
        expected.sort_unstable();
        assert_eq!(required("JobAction"), expected);
        for optional in ["runnerDockerArguments", "memory", "cpus"] {
            assert!(properties("JobAction").contains(&optional), "{optional}");
        }
    }
}
