//! What runs the containers: the daemon's default, or one that the operator chose, such as gVisor's `runsc`.

use bollard::Docker;
use jobber_actors::ports::EngineError;

use super::error::unreachable;

/// Makes sure that the daemon has a runtime of this name, so that an operator hears of it at the start and not from the
/// first caller.
pub(super) async fn require(docker: &Docker, runtime: &str) -> Result<(), EngineError> {
    let info = docker.info().await.map_err(|error| unreachable(&error))?;
    let known = info.runtimes.unwrap_or_default();
    if known.contains_key(runtime) {
        tracing::info!(runtime, "functions run with this runtime");
        return Ok(());
    }
    let mut names: Vec<_> = known.into_keys().collect();
    names.sort();
    Err(EngineError::RuntimeMissing {
        runtime: runtime.to_owned(),
        reason: format!(
            "the Docker daemon has {}; add it to the daemon's `runtimes`, or change RUNNER_CONTAINER_RUNTIME",
            names.join(", ")
        ),
    })
}
